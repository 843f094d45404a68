"""Read off a run what became of each call of a replay, and of each exchange of its cassette."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import semconv
from harness.model import CallRecord, Json, Operation

from .exchanges import CHOSEN_BY_OUTSIDE, NEVER_ASKED, Outcome

if TYPE_CHECKING:
    from harness.model import Run

    from .cassette import Cassette


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One call of a replay, what became of it, and the place of its exchange in the cassette if it has one."""

    call: CallRecord
    outcome: Outcome
    place: int | None = None


def played(run: Run) -> list[Played]:
    """List the calls of a replay, in the order in which they were asked."""
    found = []
    for call in run.calls:
        verdict = call.span.attributes.get(semconv.HARNESS_REPLAY_VERDICT)
        place = call.span.attributes.get(semconv.HARNESS_REPLAY_EXCHANGE)
        if verdict in _OUTCOMES:
            found.append(Played(call=call, outcome=Outcome(verdict), place=place - 1 if type(place) is int else None))
        elif not call.span.attributes.get(semconv.HARNESS_REPLAYED) and _asks_outside(call):
            found.append(Played(call=call, outcome=Outcome.LIVE))
    return found


_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


def _asks_outside(call: CallRecord) -> bool:
    """Say whether somebody was asked: not the framework's own cache, rules or refusal."""
    attributes = call.span.attributes
    if attributes.get(semconv.HARNESS_CACHE_HIT) or attributes.get(semconv.ERROR_TYPE) in NEVER_ASKED:
        return False
    return call.span.operation is not Operation.SELECTION or call.request.get("method") in CHOSEN_BY_OUTSIDE


def unused(cassette: Cassette, calls: Sequence[Played], kinds: frozenset[Operation]) -> list[int]:
    """List the places of the exchanges of *kinds* that no call asked for."""
    asked = {found.place for found in calls}
    return [place for place, found in enumerate(cassette.exchanges) if place not in asked and found.kind in kinds]


def of_this(cassette: Cassette, calls: Sequence[Played]) -> bool:
    """Say whether *calls* were answered by *cassette*: each by an exchange of its kind and agent, and any at all."""
    placed = [found for found in calls if found.place is not None]
    return bool(placed) and all(
        found.place is not None
        and found.place < len(cassette.exchanges)
        and cassette.exchanges[found.place].kind is found.call.span.operation
        and cassette.exchanges[found.place].agent == found.call.agent
        for found in placed
    )


def listed(cassette: Cassette, calls: Sequence[Played], kinds: frozenset[Operation]) -> list[dict[str, Json]]:
    """Say of each exchange, in recorded order, what became of it; then list the calls that no exchange answered."""
    became = {found.place: found.outcome for found in calls if found.place is not None}
    rows: list[dict[str, Json]] = []
    for place, exchange in enumerate(cassette.exchanges):
        left = Outcome.UNUSED if exchange.kind in kinds else Outcome.LIVE
        where = {"exchange": place + 1, "line": exchange.line}
        who = {"kind": exchange.kind.value, "agent": exchange.agent, "conversation": exchange.conversation}
        rows.append({**where, **who, "verdict": became.get(place, left).value})
    for found in calls:
        if found.outcome is Outcome.MISS:
            kind = found.call.span.operation.value
            rows.append({"exchange": None, "line": None, "kind": kind, "agent": found.call.agent, "verdict": "miss"})
    return rows
