"""Hold the foreign spans of one run as the forest they are, each with what it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness import semconv
from harness.importers import dialects
from harness.importers.foreign import Foreign
from harness.importers.grouping import Place
from harness.model import Json, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A foreign span, what it was found to be, and its attributes under our names. *own* says that we wrote it."""

    span: Foreign
    operation: Operation
    attributes: Mapping[str, Json]
    own: bool

    @property
    def agent(self) -> str | None:
        """Whose span it is, if it says so."""
        name = self.attributes.get(semconv.GEN_AI_AGENT)
        return name if isinstance(name, str) and name else None


Forest = Mapping[Place, Known]
"""The spans of one run by place, in order of time."""


def forest(spans: Sequence[Foreign]) -> dict[Place, Known]:
    """Find out what each of *spans*, there once each and in order of time, stands for."""
    found: dict[Place, Known] = {}
    for span in spans:
        operation = dialects.operation(span)
        found[span.trace_id, span.span_id] = Known(
            span=span,
            operation=operation,
            attributes=dialects.attributes(span, operation),
            own=semconv.HARNESS_OPERATION in span.attributes,
        )
    return found


def above(place: Place, known: Forest) -> Iterator[Place]:
    """Walk up from a span through what is around it, each span once."""
    seen = {place}
    parent = known[place].span.parent_id
    while parent and (place[0], parent) in known and (place[0], parent) not in seen:
        at = (place[0], parent)
        seen.add(at)
        yield at
        parent = known[at].span.parent_id


def repeated(known: Forest) -> Mapping[Place, Place]:
    """Map each span that repeats another to the one that counts: two instrumentations watched the same thing.

    Of model calls one lies in the other; the innermost count, unless only the one around them knows the tokens. Of a
    turn or a tool call the outer one counts, and the one in it is by somebody else and has the same name.
    """
    return {**_turns_and_tools(known), **_chats(known)}


def _chats(known: Forest) -> dict[Place, Place]:
    chats = {place for place, each in known.items() if each.operation is Operation.CHAT and not each.own}
    inside: dict[Place, list[Place]] = {}
    for place in chats:
        for outer in above(place, known):
            if outer in chats:
                inside.setdefault(outer, []).append(place)
    found: dict[Place, Place] = {}
    for outer, inner in sorted(inside.items(), key=lambda item: len(item[1])):
        if _counted(known[outer]) and not any(_counted(known[place]) for place in inner):
            found.update(dict.fromkeys(inner, outer))
        else:
            found[outer] = min(inner)
    return found


def _counted(known: Known) -> bool:
    return semconv.GEN_AI_INPUT_TOKENS in known.attributes or semconv.GEN_AI_OUTPUT_TOKENS in known.attributes


_NAMES = {Operation.TURN: semconv.GEN_AI_AGENT, Operation.TOOL: semconv.GEN_AI_TOOL_NAME}


def _turns_and_tools(known: Forest) -> dict[Place, Place]:
    found: dict[Place, Place] = {}
    for place, each in known.items():
        name = _NAMES.get(each.operation)
        if name is None or each.own:
            continue
        around = next((at for at in above(place, known) if known[at].operation is not Operation.OTHER), None)
        if around is None:
            continue
        outer = known[around]
        same = outer.operation is each.operation and outer.attributes.get(name) == each.attributes.get(name)
        if same and outer.span.scope != each.span.scope:
            found[place] = found.get(around, around)
    return found
