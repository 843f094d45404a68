"""Say where a replay parts from its recording, what changed there and who changed it: the first point alone.

What follows from it is counted, not told. All is read off the run and the cassette, so it is the same for agents in
this process and for a program in its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness import semconv
from harness.canonical import canonical, encode
from harness.model import CallRecord, Json, Operation
from harness.text import one_line

from .differences import Difference, Request, Where, read
from .exchanges import Outcome
from .for_real import otherwise
from .matching import Matcher, arguments
from .nearest import word
from .outcomes import Played, unused

if TYPE_CHECKING:
    from .cassette import Cassette
    from .exchanges import Exchange
    from .for_real import Otherwise


class Kind(str, Enum):
    """What changed."""

    MODEL = "model"
    TOOLS = "tools"
    PARAMETERS = "parameters"
    PROMPT = "prompt"
    UPSTREAM = "upstream message"
    REPLY = "model's reply"
    TOOL_RESULT = "tool result"
    HUMAN = "human input"
    FLOW = "control flow"
    FRAMEWORK = "framework"


class Owner(str, Enum):
    """Who changed it: where to look."""

    PROGRAM = "the program"
    CASSETTE = "the cassette"
    SCENARIO = "the scenario"
    MODEL = "the model"
    TOOL = "the tool"
    HUMAN = "the human"
    ENVIRONMENT = "what is installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first point where a replay parts from its recording.

    *call* names the call as a reader would, *agent* who made it. *change* is what changed in one line, and *old* and
    *new* are both sides of it. *line* is that of the exchange in the file that was compared. *served* says that the
    call was answered all the same. *misses* and *unused* count what followed: further requests without an answer, and
    exchanges nobody asked for.
    """

    kind: Kind
    owner: Owner
    agent: str | None
    call: str
    change: str
    old: str | None = None
    new: str | None = None
    line: int | None = None
    served: bool = False
    misses: int = 0
    unused: int = 0


def first(
    cassette: Cassette, calls: Sequence[Played], *, kinds: frozenset[Operation], strict: bool = False
) -> Divergence | None:
    """Find where *calls* part from *cassette*; None if they do not.

    With *strict*, exchanges that nobody asked for are a parting, too; so is a tool that was called for real and gave
    something else, where no request tells of it.
    """
    left = unused(cassette, calls, kinds)
    missed = [index for index, found in enumerate(calls) if found.outcome is Outcome.MISS]
    changed = [index for index, found in enumerate(calls) if found.outcome is Outcome.CHANGED]
    if missed or changed:
        at = min(*missed[:1], *changed[:1], len(calls))
        return _Parting(cassette, calls, at, strict=strict).told(misses=len(missed), left=len(left))
    if strict and left:
        waiting = cassette.exchanges[left[0]]
        who = f" of {_name(waiting.agent)}" if waiting.agent else ""
        return Divergence(
            kind=Kind.FLOW,
            owner=Owner.PROGRAM,
            agent=waiting.agent,
            call="the end",
            change=f"a {word(waiting.kind)}{who} was recorded, and nobody asks for it",
            line=waiting.line,
            unused=len(left),
        )
    return next((_worked(found, cassette, calls) for found in otherwise(cassette, calls, kinds)), None)


def _worked(found: Otherwise, cassette: Cassette, calls: Sequence[Played]) -> Divergence:
    """Tell of a tool, or code, that was called for real, gave something else, and nobody was asked with it."""
    call = found.played.call
    kind, owner = _ORIGINS[call.span.operation]
    return Divergence(
        kind=kind,
        owner=owner,
        agent=call.agent,
        call=_called(call, calls[: calls.index(found.played)]),
        change="what it gives now",
        old=found.old,
        new=found.new,
        line=cassette.exchanges[found.place].line,
    )


def _called(call: CallRecord, before: Sequence[Played]) -> str:
    same = [found for found in before if _who(found.call) == _who(call)]
    who = f" of {_name(call.agent)}" if call.agent else ""
    return f"{word(call.span.operation)} {len(same) + 1}{who}"


class _Parting:
    """One call that parted, with what was asked before it."""

    def __init__(self, cassette: Cassette, calls: Sequence[Played], at: int, *, strict: bool) -> None:
        self.at = calls[at]
        self.before = calls[:at]
        self.cassette = cassette
        self.strict = strict
        self.matcher = Matcher()

    def told(self, *, misses: int, left: int) -> Divergence:
        call = self.at.call
        exchange, difference = self._compared()
        kind, owner = (Kind.FLOW, Owner.PROGRAM) if difference is None else self._blamed(difference)
        served = self.at.outcome is Outcome.CHANGED
        change = difference.place if difference is not None else self._flow(exchange)
        if difference is not None and difference.where in {Where.TURNS, Where.PAIRING}:
            change = difference.text
        return Divergence(
            kind=kind,
            owner=owner,
            agent=call.agent,
            call=_called(call, self.before),
            change=change,
            old=difference.old if difference is not None else None,
            new=difference.new if difference is not None else None,
            line=exchange.line if exchange is not None else None,
            served=served,
            misses=misses - (not served),
            unused=left,
        )

    def _compared(self) -> tuple[Exchange | None, Difference | None]:
        """Choose the exchange that the call stands for, and the first difference; None where only order differs."""
        call = self.at.call
        kind, agent = call.span.operation, call.agent
        if self.at.place is not None:
            candidates = [self.cassette.exchanges[self.at.place]]
        else:
            gone = {found.place for found in self.before}
            left = [found for place, found in enumerate(self.cassette.exchanges) if place not in gone]
            candidates = [found for found in (left[:1] if self.strict else left) if found.kind is kind]
            candidates = [found for found in candidates if found.agent == agent]
            if kind is Operation.TOOL:
                candidates = [found for found in candidates if found.request.get("name") == call.request.get("name")]
        if not candidates:
            return None, None
        asked = Request(self.matcher, kind, call.request)
        near = max(candidates, key=lambda found: asked.likeness(Request(self.matcher, kind, found.request)))
        recorded = Request(self.matcher, kind, near.request)
        if asked.fields == recorded.fields and asked.texts == recorded.texts:
            return near, None
        return near, asked.differences(recorded)[0]

    def _flow(self, exchange: Exchange | None) -> str:
        """Say how the order of calls differs."""
        if exchange is not None:
            return f"it was recorded in another place: in the conversation {exchange.conversation!r}, or later"
        gone = {found.place for found in self.before}
        left = [found for place, found in enumerate(self.cassette.exchanges) if place not in gone]
        upcoming = next((found for found in left if found.kind is self.at.call.span.operation), None)
        if upcoming is None:
            upcoming = left[0] if left else None
        if upcoming is None:
            return "the recording was over by then"
        who = f" of {_name(upcoming.agent)}" if upcoming.agent else ""
        return f"the recording goes on with a {word(upcoming.kind)}{who}"

    def _blamed(self, found: Difference) -> tuple[Kind, Owner]:
        direct = {
            Where.MODEL: Kind.MODEL,
            Where.TOOLS: Kind.TOOLS,
            Where.PARAMETERS: Kind.PARAMETERS,
            Where.PROMPT: Kind.PROMPT,
            Where.TURNS: Kind.FLOW,
            Where.PAIRING: Kind.FLOW,
        }
        if found.where in direct:
            return direct[found.where], Owner.PROGRAM
        source = self._source(found)
        if source is not None:
            kind, live = _ORIGINS[source.call.span.operation]
            return kind, {Outcome.LIVE: live, Outcome.STUB: Owner.SCENARIO}.get(source.outcome, Owner.CASSETTE)
        operation = self.at.call.span.operation
        if found.where is Where.TOOL_RESULT:
            return Kind.TOOL_RESULT, Owner.PROGRAM
        if operation is Operation.HUMAN:
            return Kind.PROMPT, Owner.PROGRAM
        return Kind.FLOW if operation is Operation.SELECTION else Kind.UPSTREAM, Owner.PROGRAM

    def _source(self, found: Difference) -> Played | None:
        """Find the call before this one that gave what is new here, and not what was there."""
        call = self.at.call
        if call.span.operation is Operation.TOOL:
            made = [_tool_call(call.request.get("name"), call.request.get("arguments"))]
            return next((one for one in reversed(self.before) if set(made) & set(_tool_calls(one.call))), None)
        old, new = found.old or "", found.new or ""
        if call.span.operation is Operation.CODE:
            return next((one for one in reversed(self.before) if any(_in(new, text) for text in _said(one.call))), None)
        for one in reversed(self.before):
            if one.call.span.operation in _ORIGINS and any(text in new and text not in old for text in _said(one.call)):
                return one
        return None


_ORIGINS = {
    Operation.CHAT: (Kind.REPLY, Owner.MODEL),
    Operation.TOOL: (Kind.TOOL_RESULT, Owner.TOOL),
    Operation.CODE: (Kind.TOOL_RESULT, Owner.TOOL),
    Operation.HUMAN: (Kind.HUMAN, Owner.HUMAN),
}


def _who(call: CallRecord) -> tuple[Operation, str | None]:
    return call.span.operation, call.agent


def _name(agent: str | None) -> str:
    return repr(one_line(agent or "", 40))


def _in(small: str, large: str) -> bool:
    return bool(small.strip()) and small.strip() in large


def _said(call: CallRecord) -> Iterator[str]:
    """List the texts that a call brought into a conversation, as they may be read there."""
    reply = call.reply or {}
    texts: list[Json] = []
    if call.span.operation is Operation.CHAT:
        texts = [read(reply.get("message") or {})]
    elif call.span.operation is Operation.TOOL:
        result = reply.get("result")
        texts = [result] if isinstance(result, str) else [str(result), canonical(result), encode(result)]
        texts += [json.dumps(result)]
    elif call.span.operation is Operation.CODE:
        texts = [reply.get("output")]
    elif call.span.operation is Operation.HUMAN:
        texts = [reply.get("input")]
    texts.append(call.span.attributes.get(semconv.ERROR_MESSAGE))
    return (text.strip() for text in texts if isinstance(text, str) and text.strip() not in {"", "None", "null"})


def _tool_calls(call: CallRecord) -> Iterator[str]:
    parts = ((call.reply or {}).get("message") or {}).get("parts") or ()
    return (_tool_call(part.get("name"), part.get("arguments")) for part in parts if part.get("type") == "tool_call")


def _tool_call(name: Json, given: Json) -> str:
    return canonical([name, arguments(given)])
