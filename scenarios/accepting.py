"""Take a reviewed change into a cassette without asking anybody: where the recorded replies still serve.

The scenario is played with its replies by number (``sequence``), and what its agents ask now takes the place of what
they asked then. A reply that was given to something else altogether is not kept: that is refused, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.model import Json, Operation
from harness.text import one_line

from . import outcomes, promoting
from .cassette import Cassette, models_of
from .differences import Difference, Request, Where, change
from .exchanges import Outcome
from .for_real import otherwise
from .matching import Matcher, arguments
from .nearest import word

if TYPE_CHECKING:
    from .exchanges import Exchange
    from .outcomes import Played


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One exchange whose request becomes another: which call it answers, its line in the file, and what differs."""

    call: str
    line: int | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What would be accepted: the *cassette* as it would be, and why it cannot be, if it cannot (*refusals*).

    *dropped* counts exchanges that nobody asks for any more.
    """

    cassette: Cassette
    changes: tuple[Change, ...] = ()
    dropped: int = 0
    refusals: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether anything would change."""
        return bool(self.changes or self.dropped)


def accept(
    cassette: Cassette, calls: Sequence[Played], *, kinds: frozenset[Operation], framework: str | None = None
) -> Acceptance:
    """Work out what *calls*, played by number, make of *cassette*. *framework* is what played them, for the header."""
    matcher = Matcher()
    exchanges = list(cassette.exchanges)
    changes: list[Change] = []
    refusals: list[str] = []
    asked: dict[tuple[Operation, str | None], int] = {}
    for played in calls:
        kind, agent = played.call.span.operation, played.call.agent
        number = asked[kind, agent] = asked.get((kind, agent), 0) + 1
        name = f"{word(kind)} {number}" + (f" of {one_line(agent, 40)!r}" if agent else "")
        if played.outcome is Outcome.MISS:
            refusals.append(f"{name} has no recorded answer left")
        if played.outcome is not Outcome.CHANGED or played.place is None:
            continue
        old = exchanges[played.place]
        request = promoting.request_of(kind, played.call.request)
        differences = Request(matcher, kind, request).differences(Request(matcher, kind, old.request))
        refusals += (f"{name}: {reason}" for reason in _refused(old, request, differences))
        changes.append(Change(call=name, line=old.line, differences=tuple(differences)))
        words = (found.where.value for found in differences if found.where is not Where.PAIRING)
        exchanges[played.place] = replace(old, request=request, accepted=tuple(dict.fromkeys((*old.accepted, *words))))
    for found in otherwise(cassette, calls, kinds):
        old = exchanges[found.place]
        text = f"{word(old.kind)}: {change(found.old, found.new)}"
        told = Difference(where=Where.TOOL_RESULT, place="its result", text=text, old=found.old, new=found.new)
        changes.append(Change(call=f"{word(old.kind)} of {old.agent!r}", line=old.line, differences=(told,)))
        exchanges[found.place] = replace(found.now, accepted=(*old.accepted, Where.TOOL_RESULT.value))
    left = set(outcomes.unused(cassette, calls, kinds))
    kept = tuple(found for place, found in enumerate(exchanges) if place not in left)
    header = replace(cassette.header, models=models_of(kept), framework=framework or cassette.header.framework)
    made = Cassette(header=header, exchanges=kept)
    return Acceptance(cassette=made, changes=tuple(changes), dropped=len(left), refusals=tuple(refusals))


def _refused(old: Exchange, request: Mapping[str, Json], differences: Sequence[Difference]) -> Iterator[str]:
    """Say why the recorded reply does not answer the request as it is now."""
    where = {found.where for found in differences}
    if Where.MODEL in where:
        yield f"the answer is one of {old.request.get('model')!r}, not of {request.get('model')!r}"
    if Where.TURNS in where:
        told = next(found.text for found in differences if found.where is Where.TURNS)
        yield f"the answer was given in another course of the conversation ({told})"
    if old.kind in {Operation.TOOL, Operation.CODE}:
        what = "arguments" if old.kind is Operation.TOOL else "code"
        yield f"the result is that of other {what} ({differences[0].text})"
    if old.kind is Operation.SELECTION and (old.reply or {}).get("choice") not in {None, *request["candidates"]}:
        yield f"{(old.reply or {}).get('choice')!r} was chosen, who is no candidate any more"
    if old.kind is Operation.CHAT:
        yield from _unfit(old.reply or {}, request.get("tools") or ())


def _unfit(reply: Mapping[str, Json], tools: Sequence[Json]) -> Iterator[str]:
    """Say which tool calls of a recorded *reply* are none of the *tools* that are offered now."""
    offered: dict[Json, Json] = {}
    for tool in tools:
        inner = tool.get("function", tool) if isinstance(tool, Mapping) else {}
        offered[inner.get("name")] = inner.get("parameters")
    for message in (reply, *(reply.get("choices") or ())):
        for part in (message.get("message") or {}).get("parts") or ():
            if part.get("type") != "tool_call":
                continue
            if part.get("name") not in offered:
                yield f"the answer calls the tool {part.get('name')!r}, which is not offered any more"
            else:
                yield from _misfit(part, offered[part.get("name")])


def _misfit(part: Mapping[str, Json], schema: Json) -> Iterator[str]:
    """Hold the arguments of a call against the names that its tool's JSON Schema requires and knows."""
    given = arguments(part.get("arguments"))
    if not isinstance(schema, Mapping) or not isinstance(given, Mapping):
        return
    known = schema.get("properties")
    for name in schema.get("required") or ():
        if name not in given:
            yield f"the answer calls {part.get('name')!r} without {name!r}, which it requires now"
    if isinstance(known, Mapping):
        for name in given:
            if name not in known and schema.get("additionalProperties") in {None, False}:
                yield f"the answer calls {part.get('name')!r} with {name!r}, which it does not know any more"
