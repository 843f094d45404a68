"""C: what models are sent: contexts that grow, that are nearly full, and what is sent again and again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from harness import semconv
from harness.check import CHATS_END, MESSAGES, Check, Need, Settings
from harness.model import CallRecord, Event, Finding, Message, Operation, Severity, Status, part_text
from harness.text import one_line
from harness.windows import window

_SHOWN = 60
_MOST_AGENTS = 1024
_MOST_REMEMBERED = 2048
_MOSTLY = 0.8


def _answered(event: Event) -> CallRecord | None:
    """Give the model call that *event* ends well, if it is one."""
    call = event.call if event.span.operation is Operation.CHAT else None
    return call if call is not None and call.reply is not None else None


@dataclass(slots=True, kw_only=True)
class _Growing:
    """What the model calls of one agent were sent, in tokens."""

    first: int
    last: int
    total: int
    calls: int = 1
    grown: int = 0
    told: bool = False


class ContextGrowth(Check):
    """What an agent's model is sent grows with every call.

    Why: each call sends the whole conversation again, so tokens, and what they cost, grow with the square of its
    length, answers come slower, and what matters is lost in what does not. It is told when a call is sent `tokens` or
    more, `times` as many as the agent's first, after at least `calls` calls that nearly all were sent more than the one
    before.

    Fix: send a summary or the last messages instead of all: `TransformMessages` with `MessageHistoryLimiter` or
    `MessageTokenLimiter` (classic), a `BufferedChatCompletionContext` (AgentChat). Cut long results of tools, and give
    an inner conversation only what it needs.
    """

    code = "C501"
    name = "context-growth"
    severity = Severity.NOTE
    needs = frozenset({Need.USAGE, Need.CALLS})
    thresholds: ClassVar = {"tokens": 16_000, "times": 4, "calls": 6}
    watches = CHATS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._tokens, self._times = self.threshold("tokens"), self.threshold("times")
        self._calls = self.threshold("calls")
        self._agents: dict[str | None, _Growing] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Follow how many tokens each agent's model is sent."""
        call = _answered(event)
        sent = call.usage.input_tokens if call is not None else None
        if call is None or not sent:
            return
        known = self._agents.get(call.agent)
        if known is None:
            if len(self._agents) < _MOST_AGENTS:
                self._agents[call.agent] = _Growing(first=sent, last=sent, total=sent)
            return
        known.calls += 1
        known.grown += sent > known.last
        known.last = sent
        known.total += sent
        steady = known.calls >= self._calls and known.grown >= _MOSTLY * (known.calls - 1)
        if known.told or not steady or sent < self._tokens or sent < self._times * known.first:
            return
        known.told = True
        yield self.finding(
            f"the model of {call.agent or 'an agent'} was sent {sent:,} tokens at call {known.calls}, and "
            f"{known.first:,} at the first; all its calls together were sent {known.total:,}",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={
                "agent": call.agent,
                "calls": known.calls,
                "first_tokens": known.first,
                "tokens": sent,
                "all_tokens": known.total,
            },
        )


class ContentRepeated(Check):
    """The same long content is spoken again and again.

    Why: every message stays in the context of all later calls, so a page, a file or a listing that is said three times
    is paid for three times in each of them, and tells the model nothing more. Texts of `characters` or more count,
    whoever says them and whatever comes between, as soon as one is said `times` times. It is told once for each agent.

    Fix: keep long contents in a file or a variable and say its name; have tools return what changed; let a carryover or
    a summary stand for what an inner conversation said.
    """

    code = "C502"
    name = "content-repeated"
    severity = Severity.NOTE
    needs = frozenset({Need.CONTENT})
    thresholds: ClassVar = {"characters": 1_000, "times": 3}
    watches = MESSAGES

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._least, self._times = self.threshold("characters"), int(self.threshold("times"))
        self._seen: dict[bytes, list[int]] = {}
        self._told: set[str] = set()

    def see(self, event: Event) -> Iterable[Finding]:
        """Count each long content."""
        message = event.message
        if message is None or len(message.text) < self._least:
            return ()
        return self._count(event, message)

    def _count(self, event: Event, message: Message) -> Iterable[Finding]:
        for text in map(part_text, message.body.get("parts") or ()):
            if len(text) < self._least:
                continue
            said = " ".join(text.split())
            key = hashlib.blake2b(said.encode(errors="replace"), digest_size=12).digest()
            places = self._seen.pop(key, None) or []
            self._seen[key] = places
            if len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            if len(places) >= self._times or event.number in places[-1:]:
                continue
            places.append(event.number)
            if len(places) == self._times and message.sender not in self._told and len(self._told) < _MOST_AGENTS:
                self._told.add(message.sender)
                yield self.finding(
                    f"the same {len(text):,} characters are said for the {_nth(self._times)} time: "
                    f"{one_line(said, _SHOWN)!r}",
                    seq=event.number,
                    span_id=message.span_id,
                    evidence={"agent": message.sender, "characters": len(text), "messages": list(places)},
                )


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}.get(number, f"{number}th")


# As OpenAI (and what speaks its API), Anthropic and Google say it.
_TOO_LONG = re.compile(
    r"(?i)context_length_exceeded|maximum context length|exceed\w* [^.]{0,40}context (?:window|length)"
    r"|prompt is too long|input token count [^.]{0,40}exceeds"
)


class WindowNearlyFull(Check):
    """A call nearly filled its model's window, or did not fit into it.

    Why: what does not fit is refused by the provider, or cut off by the framework without a word, and the answer has to
    fit in as well. `share` of the window is where it is told, once for each agent and model. How much a model takes is
    read off a table in the package (`harness/windows.py`, with its date); of a model that is not in it nothing is said
    before its provider refuses a call, which is a warning.

    Fix: send less: limit the history, summarise, cut long results. Or use a model with a larger window.
    """

    code = "C503"
    name = "window-nearly-full"
    severity = Severity.NOTE
    needs = frozenset({Need.USAGE, Need.CALLS})
    thresholds: ClassVar = {"share": 0.8}
    watches = CHATS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._share = self.threshold("share")
        self._told: set[tuple[str | None, str]] = set()

    def see(self, event: Event) -> Iterable[Finding]:
        """Hold what was sent, and answered, against the window; hear what a provider says that refused."""
        call = event.call
        if call is not None and event.span.status is Status.ERROR:
            yield from self._refused(event, call)
        call = _answered(event)
        sent = call.usage.input_tokens if call is not None else None
        if call is None or not sent or not call.model:
            return
        room = window(call.model)
        used = sent + (call.usage.output_tokens or 0)
        if room is None or used < self._share * room or (call.agent, call.model) in self._told:
            return
        if len(self._told) < _MOST_AGENTS:
            self._told.add((call.agent, call.model))
            yield self.finding(
                f"{used:,} of the {room:,} tokens that {one_line(call.model, _SHOWN)} takes were used by "
                f"{call.agent or 'one call'}",
                seq=event.number,
                span_id=event.span.span_id,
                evidence={"agent": call.agent, "model": call.model, "tokens": used, "window": room},
            )

    def _refused(self, event: Event, call: CallRecord) -> Iterable[Finding]:
        told = (call.agent, f"{call.model} refused")
        if told in self._told or len(self._told) >= _MOST_AGENTS or not _TOO_LONG.search(call.error or ""):
            return
        self._told.add(told)
        finding = self.finding(
            f"{one_line(call.model or 'a model', _SHOWN)} refused a call of {call.agent or 'an agent'}, "
            "which did not fit into its window",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={"agent": call.agent, "model": call.model, "refused": True},
        )
        yield replace(finding, severity=Severity.WARNING)


class AnswerCutOff(Check):
    """A model's answer was cut off at its limit of tokens.

    Why: half an answer is half a program, half a JSON document or a sentence without the word that ends the chat; the
    agents then go on with it. It is told once for each agent.

    Fix: raise `max_tokens`, or ask for less at a time. With models that reason, what they think counts against the
    limit, too.
    """

    code = "C504"
    name = "answer-cut-off"
    severity = Severity.WARNING
    needs = frozenset({Need.CALLS})
    watches = CHATS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told: set[str | None] = set()

    def see(self, event: Event) -> Iterable[Finding]:
        """Look why each answer ended."""
        reasons = event.span.attributes.get(semconv.GEN_AI_FINISH_REASONS)
        call = _answered(event) if isinstance(reasons, (list, tuple)) and "length" in reasons else None
        if call is None or call.reply is None or call.reply.get("finish_reason") != "length":
            return
        if call.agent in self._told or len(self._told) >= _MOST_AGENTS:
            return
        self._told.add(call.agent)
        used = call.usage.output_tokens
        yield self.finding(
            f"the answer of {call.model or 'the model'} for {call.agent or 'an agent'} was cut off"
            + (f" after {used:,} tokens" if used else ""),
            seq=event.number,
            span_id=event.span.span_id,
            evidence={"agent": call.agent, "model": call.model, "output_tokens": used},
        )
