"""Write a verdict as JSON, and read it again: for the workers that give verdicts, and for the batch that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Exit
from harness.model import Finding, Json, RunStatus, RunSummary, Severity

from .parting import Divergence, Kind, Owner
from .rehearsal import Rehearsal
from .repeating import Trials
from .replaying import Account
from .verdict import Verdict

if TYPE_CHECKING:
    from .scenario import Scenario


def dump(verdict: Verdict) -> dict[str, Json]:
    """Write *verdict* as JSON.

    Left out are the scenario and the comparison with a baseline, which whoever reads it has, and the calls of a replay,
    which are in the run.
    """
    bare = replace(verdict, scenario=None, compared=None, trials=None, replayed=None)
    found: dict[str, Json] = {**asdict(bare), "path": str(verdict.path), "code": int(verdict.code)}
    for name in ("scenario", "compared"):
        del found[name]
    if verdict.summary is not None:
        found["summary"] = _plain(asdict(verdict.summary))
    found["findings"] = [_plain(asdict(one)) for one in verdict.findings]
    if verdict.replayed is not None:
        whole = asdict(replace(verdict.replayed, calls=(), exchanges=()))
        found["replayed"] = {**whole, "exchanges": [dict(row) for row in verdict.replayed.exchanges]}
        if verdict.replayed.divergence is not None:
            found["replayed"]["divergence"] = _plain(whole["divergence"])
    if verdict.trials is not None:
        found["trials"] = {"attempts": [dump(each) for each in verdict.trials.attempts], "live": verdict.trials.live}
    return found


def _plain(value: Mapping[str, Json]) -> dict[str, Json]:
    """Write the words of enumerations as texts."""
    return {name: getattr(one, "value", one) for name, one in value.items()}


def load(value: Mapping[str, Any], scenario: Scenario | None = None) -> Verdict:
    """Read what :func:`dump` wrote; *scenario* is what was rehearsed."""
    known = dict(value)
    summary, replayed, trials = known["summary"], known["replayed"], known["trials"]
    return Verdict(
        **{
            **known,
            "path": Path(known["path"]),
            "code": Exit(known["code"]),
            **{name: tuple(known[name]) for name in ("reasons", "remarks", "hints")},
            "summary": None if summary is None else _summary(summary),
            "findings": tuple(Finding(**{**one, "severity": Severity(one["severity"])}) for one in known["findings"]),
            "replayed": None if replayed is None else _rehearsal(replayed),
            "trials": trials and Trials(attempts=tuple(load(each) for each in trials["attempts"]), live=trials["live"]),
            "scenario": scenario,
        }
    )


def _summary(value: Mapping[str, Any]) -> RunSummary:
    worst = value["worst"]
    return RunSummary(
        **{
            **value,
            "status": RunStatus(value["status"]),
            "worst": None if worst is None else Severity(worst),
            "tags": tuple(value["tags"]),
        }
    )


def _rehearsal(value: Mapping[str, Any]) -> Rehearsal:
    parting, frameworks = value["divergence"], value["frameworks"]
    return Rehearsal(
        **{
            **value,
            "account": Account(**value["account"]),
            "divergence": parting
            and Divergence(**{**parting, "kind": Kind(parting["kind"]), "owner": Owner(parting["owner"])}),
            "calls": (),
            "exchanges": tuple(value["exchanges"]),
            "frameworks": None if frameworks is None else tuple(frameworks),
        }
    )
