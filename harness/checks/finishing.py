"""T: conversations that were done long before they ended, and those that their set-up keeps from ending when done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from harness import semconv
from harness.check import CHATS_END, MESSAGES, TALKS_END, Check, Need, Settings
from harness.checks import could_end
from harness.checks.answers import answer
from harness.checks.end_words import WORD
from harness.checks.ending import ONE_EXCHANGE, near_miss
from harness.checks.saying import acts, results
from harness.checks.spending import cost_usd
from harness.model import LIMITS, EndingKind, Event, Finding, Json, Message, Operation, Severity
from harness.text import one_line

_SHOWN = 60
_WORD_ELSE = WORD[1:].lower()
_MOST_TALKS = 1024
_LONGEST_TAIL = 4_000


@dataclass(slots=True, kw_only=True)
class _Held:
    """An answer, or the word that all is done: where it was first said, and last. *place* counts within the talk."""

    value: str
    who: str
    number: int
    place: int
    span_id: str
    spent_usd: float
    last: int
    times: int = 1


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What is known of a conversation that goes on."""

    messages: int = 0
    answer: _Held | None = None
    done: _Held | None = None
    reply: str | None = None  # what others have said since the word was


class EndedLate(Check):
    r"""The answer was there, and the conversation went on to say it again.

    Why: what came after it was paid for and brought nothing. The answer counts as the same if it comes to the same:
    `\boxed{4}` and "the answer is 4.0" do. So does the word that ends the chat, where nobody took it as that. It is
    told when the conversation is over, if `messages` or more followed the first time it was said, and if its last two
    messages say it once more. An answer that code or a tool has tried since is new when it is said again. Dollars are
    told where the cost of the model calls after it is known.

    Fix: end on the answer: a predicate that finds it, such as
    `is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")`, a `TextMentionTermination`, a verifier that
    is asked once. Tell agents to say the word with the answer, and not to comment on each other's.
    """

    code = "T303"
    name = "ended-late"
    severity = Severity.NOTE
    needs = frozenset({Need.CONTENT, Need.END})
    thresholds: ClassVar = {"messages": 3}
    watches = MESSAGES | TALKS_END | CHATS_END
    finds = TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._talks: dict[str, _Talk] = {}
        self._spent_usd = 0.0

    def see(self, event: Event) -> Iterable[Finding]:
        """Follow what each conversation takes for its answer."""
        message = event.message
        if message is not None and message.conversation_id is not None:
            if message.conversation_id in self._talks or len(self._talks) < _MOST_TALKS:
                self._hear(self._talks.setdefault(message.conversation_id, _Talk()), message, event.number)
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            talk = self._talks.pop(event.span.span_id, None)
            return self._judge(talk) if talk is not None else ()
        elif event.phase == "end" and event.call is not None and event.span.operation is Operation.CHAT:
            self._spend(event)
        return ()

    def _spend(self, event: Event) -> None:
        call = event.call
        if call is None or event.span.attributes.get(semconv.HARNESS_CACHE_HIT) is True:
            return
        self._spent_usd += cost_usd(call, self.settings) or 0.0

    def _hear(self, talk: _Talk, message: Message, number: int) -> None:
        talk.messages += 1
        if talk.messages == 1:  # the task
            return
        text = message.text
        if talk.done is not None and not self._idle(talk, talk.done, message, text):
            talk.done = talk.reply = None
        if talk.answer is not None and results(message):
            talk.answer = None  # it was tried, and is given with what came of it when it is said again
        value = None if acts(message) else answer(text)  # beside code that is yet to be run it is a guess
        if value:
            talk.answer = self._hold(talk.answer, value, talk, message, number)
        if text.rstrip().endswith(WORD) and (near_miss(text) == "alone" or "\n" + WORD in text):
            talk.done = self._hold(talk.done, WORD, talk, message, number)

    @staticmethod
    def _idle(talk: _Talk, done: _Held, message: Message, text: str) -> bool:
        """Say whether nothing has come since the word was said: no work, and one thing at most from the others."""
        if acts(message) or results(message):
            return False
        if message.sender == done.who:
            return True
        said = text[:_LONGEST_TAIL]
        talk.reply = said if talk.reply is None else talk.reply
        return said == talk.reply

    def _hold(self, held: _Held | None, value: str, talk: _Talk, message: Message, number: int) -> _Held:
        if held is not None and held.value == value:
            held.last = talk.messages
            held.times += 1
            return held
        return _Held(
            value=value,
            who=message.sender,
            number=number,
            place=talk.messages,
            span_id=message.span_id,
            spent_usd=self._spent_usd,
            last=talk.messages,
        )

    def _judge(self, talk: _Talk) -> Iterator[Finding]:
        least = self.threshold("messages")
        held = [each for each in (talk.answer, talk.done) if each is not None and each.times > 1]
        late = [each for each in held if talk.messages - each.place >= least and each.last >= talk.messages - 1]
        if not late:
            return
        first = min(late, key=lambda each: each.place)
        after = talk.messages - first.place
        cost = self._spent_usd - first.spent_usd
        yield self.finding(
            f"{first.who} said {one_line(first.value, _SHOWN)!r}, and {after} messages later that was still the answer"
            + (f"; they cost ${cost:,.4f}" if cost else ""),
            seq=first.number,
            span_id=first.span_id,
            evidence={
                "agent": first.who,
                "answer": one_line(first.value, _SHOWN),
                "messages_after": after,
                "times": first.times,
                "messages": [first.number],
            },
        )


class NothingEndsIt(Check):
    """A limit ended the conversation, and with this set-up hardly anything else could.

    Why: without a predicate or condition that recognises the end, every conversation runs into its limit, and pays for
    all messages up to it. It is told with the reason: no agent of a classic chat has a predicate of its own (the
    default one wants the message to be `TERMINATE` and nothing else); a group's members have one, but its manager, who
    decides, has not; who has one is not who receives the word; a team's condition only counts, or waits for an agent
    that never spoke, for a tool or a handoff that no agent has, for a `StopMessage` that none sends, or for a word that
    no prompt asks for; the only agent whose prompt speaks of the end was never selected.

    Fix: set `is_termination_msg` on the agent that *receives* the last message; in a group chat, on the
    `GroupChatManager`. In AgentChat join a condition on what is said with one that counts:
    `TextMentionTermination("TERMINATE") | MaxMessageTermination(20)`, and have the prompt of an agent whose turn comes
    ask for the word.
    """

    code = "T304"
    name = "nothing-ends-it"
    severity = Severity.NOTE
    needs = frozenset({Need.CONTENT, Need.END, Need.SETUP})
    watches = MESSAGES | TALKS_END
    finds = TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._spoke: dict[str, dict[str, None]] = {}
        self._near: dict[str, str] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Remember who spoke; when a limit ends a conversation, look what else could have."""
        message = event.message
        if message is not None and message.conversation_id is not None:
            self._hear(message, message.conversation_id)
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            spoke = self._spoke.pop(event.span.span_id, {})
            near = self._near.pop(event.span.span_id, None)
            ending = event.ending
            if ending is None or ending.kind not in LIMITS or (ending.kind, ending.detail) in ONE_EXCHANGE:
                return
            if event.span.attributes.get(semconv.HARNESS_CONVERSATION_PATTERN) == "sequential":
                return
            why, text = could_end.why_not(could_end.agents(event.span), ending, spoke.keys(), near)
            if why:
                evidence: dict[str, Json] = {"why": why, "ending": ending.kind.value}
                yield self.finding(text, seq=max(0, event.number - 1), span_id=event.span.span_id, evidence=evidence)

    def _hear(self, message: Message, conversation: str) -> None:
        if conversation not in self._spoke and len(self._spoke) >= _MOST_TALKS:
            return
        spoke = self._spoke.setdefault(conversation, {})
        text = message.text
        if spoke and (WORD in text or _WORD_ELSE in text) and near_miss(text):
            self._near[conversation] = message.sender
        if len(spoke) < _MOST_TALKS:
            spoke.setdefault(message.sender)


@dataclass(slots=True, kw_only=True)
class _Opening:
    """The first message of a conversation, and how many there were."""

    number: int
    sender: str
    span_id: str
    messages: int = 1


class EndedByTask(Check):
    """The task itself ended the conversation, and nobody has answered it.

    Why: who listens for the end hears the task, too. One that says "reply TERMINATE when you are done" meets a
    predicate or a `TextMentionTermination` that looks for the word anywhere, before any agent has spoken; and what the
    program gets looks like a run that is done.

    Fix: ask for the word in an agent's prompt and not in the task; or look for it where a message ends; or say whose
    word counts: `TextMentionTermination("TERMINATE", sources=["writer"])`.
    """

    code = "T308"
    name = "ended-by-task"
    severity = Severity.WARNING
    needs = frozenset({Need.END, Need.SETUP})
    watches = MESSAGES | TALKS_END
    finds = TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._openings: dict[str, _Opening] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Count the messages of each conversation; look whether one of them was enough to end it."""
        message = event.message
        if message is not None and message.conversation_id is not None:
            opening = self._openings.get(message.conversation_id)
            if opening is not None:
                opening.messages += 1
            elif len(self._openings) < _MOST_TALKS:
                self._openings[message.conversation_id] = _Opening(
                    number=event.number, sender=message.sender, span_id=message.span_id
                )
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            opening = self._openings.pop(event.span.span_id, None)
            ending = event.ending
            if opening is None or opening.messages > 1 or ending is None:
                return
            if ending.kind is not EndingKind.TERMINATION_MESSAGE or not could_end.asks(event.span, opening.sender):
                return
            yield self.finding(
                f"the task of {opening.sender} ended the conversation, and nobody has answered it",
                seq=opening.number,
                span_id=opening.span_id,
                evidence={"agent": opening.sender, "messages": [opening.number]},
            )
