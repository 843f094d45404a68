"""Sum up a replay that is over: what became of every exchange, and where it parted from its recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import semconv

from . import outcomes, parting
from .exchanges import Outcome
from .replaying import Account

if TYPE_CHECKING:
    from harness.model import Json, Operation, Run

    from .cassette import Cassette
    from .outcomes import Played
    from .parting import Divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of a replay. *frameworks* is what the cassette was recorded with and what played it, if they differ.

    *exchanges* has a row for each exchange in recorded order, and then one for each call that none answered.
    """

    account: Account
    divergence: Divergence | None = None
    calls: tuple[Played, ...] = ()
    exchanges: tuple[Mapping[str, Json], ...] = ()
    accepted: int = 0
    frameworks: tuple[str, str] | None = None


def look(cassette: Cassette, run: Run | None, *, kinds: frozenset[Operation], way: str) -> Rehearsal:
    """Sum up how *run* was answered by *cassette*; *kinds* are those that it was asked for. None is no run at all."""
    calls = outcomes.played(run) if run is not None else []
    count = Counter(found.outcome for found in calls)
    account = Account(
        hits=count[Outcome.HIT],
        normalised=count[Outcome.NORMALISED],
        changed=count[Outcome.CHANGED],
        live=count[Outcome.LIVE],
        stubbed=count[Outcome.STUB],
        misses=count[Outcome.MISS],
        unused=len(outcomes.unused(cassette, calls, kinds)),
        refused=len(_refused(run)),
    )
    then, now = cassette.header.framework, run.summary.framework if run is not None else None
    return Rehearsal(
        account=account,
        divergence=parting.first(cassette, calls, kinds=kinds, strict=way == "strict"),
        calls=tuple(calls),
        exchanges=tuple(outcomes.listed(cassette, calls, kinds)),
        accepted=sum(bool(found.accepted) for found in cassette.exchanges),
        frameworks=(then, now) if then and now and then != now else None,
    )


def _refused(run: Run | None) -> set[str]:
    """List what the run was kept from on the network, as its spans tell it."""
    told = (span.attributes.get(semconv.HARNESS_REFUSED) for span in (run.spans if run is not None else ()))
    return {str(said) for noted in told if isinstance(noted, list) for said in noted}
