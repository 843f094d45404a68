"""T: conversations that did not end because they were done, or not when they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness import semconv
from harness.check import MESSAGES, TALKS_END, Check, Need, Settings
from harness.checks.could_end import agents
from harness.checks.end_words import DRESS, WORD, EndWord, end_words, last_sentence
from harness.model import LIMITS, Ending, EndingKind, Event, Finding, Operation, Severity, Span, Status
from harness.text import one_line

_SHOWN = 60
_LONGEST_LAST = 100
_MOST_TALKS = 1024
_ANY_CASE = re.compile(rf"(?i)(?<![a-z]){'[^a-z]{0,2}'.join(WORD)}(?![a-z])")
_NAMES = {
    EndingKind.REPLY_LIMIT: "max_consecutive_auto_reply",
    EndingKind.MAX_TURNS: "max_turns",
    EndingKind.MAX_ROUNDS: "max_round",
}
_ASKED = re.compile(
    rf"(?i)\b(?:reply|respond|say|type|write|send|(?:answer|end|output|return) with)\b[^.!?\n]{{0,40}}{WORD}"
)
# A limit that leaves room for a question and its answer alone is how a chat is told to be just that.
ONE_EXCHANGE = {(EndingKind.MAX_TURNS, "1"), (EndingKind.REPLY_LIMIT, "0")}


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What is known of a conversation that goes on."""

    messages: int = 0
    last: Event | None = None
    near: Event | None = None
    words: Sequence[EndWord] = ()
    word: str = WORD
    why: str = ""
    near_at: int = 0


def near_miss(text: str) -> str | None:
    """Say how *text* looks like a termination message and yet may not be one; None if it does not.

    AutoGen's default predicate wants the word alone, to the letter. Who asks another to say it, has not said it.
    """
    if WORD not in text and not _ANY_CASE.search(text.rstrip()[-_LONGEST_LAST:]):
        return None  # in other letters it counts at the end alone
    found = _ANY_CASE.search(text)
    if not found or _ASKED.search(text):
        return None
    word = found[0]
    alone = not _ANY_CASE.sub("", text).strip(DRESS)
    if word == WORD:
        return "with something around it" if alone and text.strip() != WORD else "alone" if alone else "inside the text"
    last = last_sentence(text)
    if not _ANY_CASE.search(last) or _ANY_CASE.sub("", last).strip(DRESS):
        return None  # the ordinary verb
    return "in another case" if word.upper() == WORD else "misspelt"


class EndedByLimit(Check):
    """A limit ended the conversation, not a termination message.

    Why: the agents did not know that they were done, or said so in words nobody listened for. What came after the
    answer was paid for; what was cut off is missing. AutoGen's default `is_termination_msg` wants the message to be
    `TERMINATE` to the letter and nothing else, so "The answer is 4. TERMINATE" does not end a chat, nor does SOLUTION
    FOUND where a prompt or a condition has SOLUTION_FOUND: who came so near to it is named. A chat limited to one
    question and its answer is meant so and not reported.

    Fix: give the agent that receives the answer a predicate that finds the word anywhere, such as
    `is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")`, and ask for the word in the prompt of the
    agent that gives it. In a group chat, set it on the manager too. Keep the limit as a net, and raise it if the work
    needs more.
    """

    code = "T301"
    name = "ended-by-limit"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT, Need.END})
    watches = MESSAGES | TALKS_END | {("start", Operation.CONVERSATION)}
    finds = TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._talks: dict[str, _Talk] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Remember the last message and the last near miss; judge when the conversation ends."""
        message = event.message
        if message is not None and message.conversation_id is not None:
            if message.conversation_id in self._talks or len(self._talks) < _MOST_TALKS:
                self._hear(self._talks.setdefault(message.conversation_id, _Talk()), event, message.text)
        elif event.phase == "start":
            if len(self._talks) < _MOST_TALKS and (words := end_words(agents(event.span))):
                self._talks[event.span.span_id] = _Talk(words=words)
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            talk = self._talks.pop(event.span.span_id, _Talk())
            # A sequence of chats ends as its last one did, which has been judged.
            sequence = event.span.attributes.get(semconv.HARNESS_CONVERSATION_PATTERN) == "sequential"
            ending = event.ending
            if not sequence and ending and ending.kind in LIMITS and (ending.kind, ending.detail) not in ONE_EXCHANGE:
                yield self._finding(event, ending, talk)

    @staticmethod
    def _hear(talk: _Talk, event: Event, text: str) -> None:
        talk.messages += 1
        talk.last = event
        if talk.messages == 1:  # the task: it may well ask for the word
            return
        why, word = near_miss(text), WORD
        for each in talk.words:
            if missed := each.missed(text):
                why, word = f"spelt {missed}", each.word
        if why:
            talk.near, talk.why, talk.word, talk.near_at = event, why, word, talk.messages

    def _finding(self, event: Event, ending: Ending, talk: _Talk) -> Finding:
        shown = talk.near or talk.last or event
        near = talk.near.message if talk.near is not None else None
        after = talk.messages - talk.near_at
        limit, detail = _NAMES[ending.kind], ending.detail or ""
        if detail.isdigit():
            limit += f"={detail}"
        elif detail and detail != limit:
            limit = f"a limit ({one_line(detail, 2 * _SHOWN)})"
        text = (
            f"{limit}{f' of {ending.agent}' if ending.agent else ''} ended the conversation, not a termination message"
        )
        if near is not None:
            said = "" if talk.why == "alone" else f" {talk.why}"
            text += f"; {near.sender} said {one_line(talk.word, _SHOWN)}{said} {_before(after)}"
        return self.finding(
            text,
            seq=shown.number,
            span_id=shown.span.span_id,
            evidence={
                "ending": ending.kind.value,
                "limit": ending.detail,
                "agent": ending.agent,
                "near_miss": None
                if near is None
                else {
                    "sender": near.sender,
                    "word": talk.word,
                    "why": talk.why,
                    "text": one_line(near.text[-_SHOWN:], _SHOWN),
                    "messages_after": after,
                },
            },
        )


def _before(after: int) -> str:
    return "in the last message" if after == 0 else f"{after} message{'' if after == 1 else 's'} before"


class Interrupted(Check):
    """The program died while agents were talking.

    Why: a run that was killed, crashed or lost its machine has no answer, and what it paid for is lost unless somebody
    looks. Everything up to the last event is kept.

    Fix: `harness show RUN` shows how far it got. If memory or a time limit of the platform killed it, set `max_turns`,
    `timeout` and a budget so that it ends by itself; if it hung, the last open span says on what.
    """

    code = "T302"
    name = "interrupted"
    severity = Severity.WARNING
    needs = frozenset({Need.END})
    live = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._cut: Event | None = None
        self._last: Event | None = None
        self._open = 0

    def see(self, event: Event) -> Iterable[Finding]:
        """Note the conversations whose process died in them."""
        self._last = event
        if event.phase == "start" and event.span.status is Status.INTERRUPTED:
            self._open += 1
            if event.span.operation is Operation.CONVERSATION and self._cut is None:
                self._cut = event
        return ()

    def finish(self) -> Iterable[Finding]:
        """Report the outermost of them."""
        if self._cut is None or self._last is None:
            return
        last = self._last
        yield self.finding(
            f"the program died {(last.at_ns - self._cut.at_ns) / 1e9:,.1f} s into the conversation",
            seq=last.number,
            span_id=last.span.span_id,
            evidence={"open_spans": self._open, "last_operation": last.span.operation.value},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """The last message of a conversation, and whether it calls a tool and says nothing."""

    number: int
    sender: str
    span_id: str
    silent: bool


_NO_TEXT = re.compile(r"NoneType")


class PredicateBroke(Check):
    """A message without text broke the conversation, most likely in the predicate that looks for its end.

    Why: a message that calls a tool has the content `None`, and `"TERMINATE" in message["content"]` raises on it. The
    conversation ended with an error about None, right after such a message.

    Fix: allow for no text: `is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")`.
    """

    code = "T305"
    name = "predicate-broke"
    severity = Severity.WARNING
    needs = frozenset({Need.END})
    watches = MESSAGES | TALKS_END
    finds = TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._last: dict[str, _Last] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Remember the last message; look at the error that ends the conversation."""
        message = event.message
        if message is not None and message.conversation_id is not None:
            if message.conversation_id in self._last or len(self._last) < _MOST_TALKS:
                silent = bool(message.tool_calls) and not message.text
                self._last[message.conversation_id] = _Last(
                    number=event.number, sender=message.sender, span_id=message.span_id, silent=silent
                )
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            last = self._last.pop(event.span.span_id, None)
            kind, said = (event.span.attributes.get(name) for name in (semconv.ERROR_TYPE, semconv.ERROR_MESSAGE))
            about_none = isinstance(said, str) and _NO_TEXT.search(said) is not None
            if last is None or not last.silent or kind not in {"TypeError", "AttributeError"} or not about_none:
                return
            yield self.finding(
                f"{kind}: {one_line(said, 2 * _SHOWN)}, after a message of {last.sender} that has no text",
                seq=last.number,
                span_id=last.span_id,
                evidence={"agent": last.sender, "error": kind, "messages": [last.number]},
            )


_MOST_SPANS = 4096
_MOST_ERRORS = 16


@dataclass(slots=True, kw_only=True)
class _Failed:
    """A conversation that an error ended, and whether the program began another one afterwards."""

    end: Event
    went_on: bool = False


class EndedByError(Check):
    """An error ended the conversation.

    Why: whoever began it got an exception instead of a result, and what had been said and paid for until then may be
    lost. Where the program caught it and began another conversation in the same run, it is only noted.

    Fix: `harness show RUN` shows the call it came from. If a provider failed or refused, let the client try again
    (`max_retries`) or give it a second model to fall back on; if a tool or a function of your own raised, mend it, or
    have it return the error as its result, so that the agents can go on.
    """

    code = "T307"
    name = "ended-by-error"
    severity = Severity.WARNING
    needs = frozenset({Need.END})
    live = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._inside: dict[str, bool] = {}
        self._outermost: set[str] = set()
        self._failed: list[_Failed] = []

    def see(self, event: Event) -> Iterable[Finding]:
        """Note the outermost conversations that ended with an error, and what began after them."""
        if event.phase == "start":
            self._begin(event.span)
        elif event.phase == "end" and event.span.span_id in self._outermost:
            self._outermost.discard(event.span.span_id)
            if event.ending is not None and event.ending.kind is EndingKind.ERROR:
                self._failed = [*self._failed[1 - _MOST_ERRORS :], _Failed(end=event)]
        return ()

    def _begin(self, span: Span) -> None:
        inside = self._inside.get(span.parent_id or "", False)
        talk = span.operation is Operation.CONVERSATION
        if talk and not inside:
            for failed in self._failed:
                failed.went_on = True
            if len(self._outermost) < _MOST_TALKS:
                self._outermost.add(span.span_id)
        if len(self._inside) >= _MOST_SPANS:
            del self._inside[next(iter(self._inside))]
        self._inside[span.span_id] = talk or inside

    def finish(self) -> Iterable[Finding]:
        """Report them, the last ones if there are many."""
        for failed in self._failed:
            span = failed.end.span
            kind, said = (span.attributes.get(name) for name in (semconv.ERROR_TYPE, semconv.ERROR_MESSAGE))
            named = kind if isinstance(kind, str) else "an error"
            told = f": {one_line(said, 2 * _SHOWN)}" if isinstance(said, str) and said else ""
            last = max(failed.end.number - 1, 0)
            finding = self.finding(
                f"the conversation ended with {named}{told}"
                + (", and the program began another" if failed.went_on else ""),
                seq=last,
                span_id=span.span_id,
                evidence={"error": kind if isinstance(kind, str) else None, "went_on": failed.went_on},
            )
            yield replace(finding, severity=Severity.NOTE) if failed.went_on else finding
