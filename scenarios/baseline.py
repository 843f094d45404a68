"""Keep what scenarios came to, and hold later rehearsals against it: the file of ``harness run --baseline``.

The file is JSON with a line for each scenario, to be committed and read in a review. A scenario that says something
else now, or whose cassette was recorded anew, is not compared: the figures would be those of another conversation. Nor
is time in a replay, nor a live figure before there are three attempts on either side: one attempt is no measure.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import Exit, UsageError

from . import identity
from .repeating import is_live, rarer
from .verdict import FAILED, INCONCLUSIVE, PASSED, Verdict

if TYPE_CHECKING:
    from harness.model import Json, RunSummary

    from .identity import Identity

FORMAT = 1
ALLOWED: Mapping[str, float] = {
    "messages": 0.1,
    "turns": 0.1,
    "model_calls": 0.1,
    "tool_calls": 0.1,
    "tokens": 0.1,
    "cost_usd": 0.1,
    "seconds": 0.5,
}
"""By how much each figure may grow, as a share of what it was, unless something else is asked for."""
LEAST_ATTEMPTS = 3
_RARE = 0.05
_MONEY_PLACES = 9

Figures = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one scenario came to. *figures* has the value of each attempt that passed; None is unknown.

    *live* says that something was asked of the real thing, so that figures differ from attempt to attempt.
    """

    identity: Identity
    live: bool
    passed: int
    counted: int
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one figure changed: medians *before* and *now*, and the share by which it may grow.

    *untold* says why it was not judged, else it is empty. *worse* is a growth beyond what is allowed.
    """

    name: str
    before: float | None
    now: float | None
    allowed: float
    untold: str = ""

    @property
    def share(self) -> float | None:
        """The growth as a share of what it was; None where that is unknown or it was nothing."""
        return None if self.before is None or self.now is None or not self.before else self.now / self.before - 1

    @property
    def worse(self) -> bool:
        """Whether it grew by more than is allowed."""
        if self.untold or self.before is None or self.now is None:
            return False
        return self.now > self.before * (1 + self.allowed)

    def told(self) -> str:
        """Say it in a line: the name, both values, and the change."""
        unit = "$" if self.name == "cost_usd" else ""
        share = f" ({self.share:+.1%})" if self.share is not None else ""
        return f"{_word(self.name)} {unit}{_number(self.before)} → {unit}{_number(self.now)}{share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a baseline says to a rehearsal. *state* is compared, changed (the scenario is another one), or new."""

    state: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The entries of a baseline by scenario, as ``path::name`` relative to the file's folder."""

    path: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def key(self, verdict: Verdict) -> str:
        """Name the scenario of *verdict* as this file does."""
        where = os.path.relpath(verdict.path.absolute(), self.path.parent.absolute())
        return f"{Path(where).as_posix()}::{verdict.name}"

    def write(self) -> None:
        """Write the file, whole or not at all. Raises UsageError if it cannot be written."""
        lines = ",\n".join(
            f"{json.dumps(key)}: {json.dumps(_record(entry), sort_keys=True)}"
            for key, entry in sorted(self.entries.items())
        )
        text = f'{{"format": {FORMAT}, "scenarios": {{\n{lines}\n}}}}\n'
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(text, encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise UsageError(f"cannot write the baseline {str(self.path)!r}: {error}") from error


def read(path: Path) -> Baseline:
    """Read the baseline at *path*. Raises UsageError if there is none, or it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "Make it with `--update-baseline`, and commit it."
        raise UsageError(f"no baseline at {str(path)!r}", hint=hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the baseline {str(path)!r}: {error}") from error
    try:
        if document["format"] != FORMAT:
            hint = "Update autogen-harness, or make the baseline anew with `--update-baseline`."
            raise UsageError(f"the baseline {str(path)!r} has the format {document['format']!r}", hint=hint)
        return Baseline(path=path, entries={str(key): _entry(value) for key, value in document["scenarios"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{str(path)!r} is no baseline: {type(error).__name__}: {error}") from error


def compare(baseline: Baseline, verdict: Verdict, allowed: Mapping[str, float] | None = None) -> Verdict:
    """Hold *verdict* against *baseline*: growth beyond what is *allowed* fails it, and a changed scenario is in doubt.

    *allowed* is by how much figures may grow, as shares by name (those of ALLOWED for the others). Only a verdict that
    passed gets another outcome.
    """
    if verdict.scenario is None or verdict.outcome not in {PASSED, FAILED}:
        return verdict
    before = baseline.entries.get(baseline.key(verdict))
    if before is None:
        remarks = ("not in the baseline: nothing to compare with",) if verdict.outcome == PASSED else ()
        return replace(verdict, remarks=(*verdict.remarks, *remarks), compared=Comparison(state="new"))
    drifted = _drifted(before.identity, identity.of(verdict.scenario))
    if drifted:
        return _in_doubt(verdict, drifted, baseline)
    now = _made(verdict)
    changes = tuple(_changes(before, now, {**ALLOWED, **(allowed or {})}))
    reasons = [f"{change.told()}, and may grow by {change.allowed:.0%}" for change in changes if change.worse]
    reasons += _less_often(before, now)
    outcome, code = verdict.outcome, verdict.code
    hints = verdict.hints
    if reasons and outcome == PASSED:
        outcome, code = FAILED, Exit.FINDINGS
        hints = (*hints, _way_out(verdict, baseline))
    untold = dict.fromkeys(change.untold for change in changes if change.untold)
    return replace(
        verdict,
        outcome=outcome,
        code=code,
        reasons=(*verdict.reasons, *(f"against the baseline: {reason}" for reason in reasons)),
        remarks=(*verdict.remarks, *untold),
        hints=hints,
        compared=Comparison(state="compared", changes=changes),
    )


def _drifted(before: Identity, now: Identity) -> str:
    if before.spec != now.spec:
        return "the scenario says something else than in the baseline"
    if before.cassette != now.cassette:
        return "the cassette is another one than in the baseline"
    return ""


def _in_doubt(verdict: Verdict, drifted: str, baseline: Baseline) -> Verdict:
    compared = Comparison(state="changed")
    if verdict.outcome != PASSED:
        return replace(verdict, remarks=(*verdict.remarks, f"{drifted}: not compared"), compared=compared)
    return replace(
        verdict,
        outcome=INCONCLUSIVE,
        code=Exit.FINDINGS,
        reasons=(*verdict.reasons, f"{drifted}: it passed, and cannot be compared"),
        hints=(*verdict.hints, _way_out(verdict, baseline)),
        compared=compared,
    )


def _way_out(verdict: Verdict, baseline: Baseline) -> str:
    file, scenario = shlex.quote(str(baseline.path)), shlex.quote(str(verdict.path))
    return f"Meant: `harness run --baseline {file} --update-baseline {scenario}`."


def _changes(before: Entry, now: Entry, allowed: Mapping[str, float]) -> list[Change]:
    few = min([len(entry.figures.get("messages", ())) for entry in (before, now) if entry.live], default=LEAST_ATTEMPTS)
    found = []
    for name, share in allowed.items():
        untold = ""
        if few < LEAST_ATTEMPTS:
            untold = f"live figures are not judged: {few} attempts that passed, and it takes {LEAST_ATTEMPTS}"
        elif name == "seconds" and not (before.live and now.live):
            untold = "time is not judged: a replay's is not that of the run"
        old, new = (_median(entry.figures.get(name, ())) for entry in (before, now))
        if not untold and (old is None) != (new is None):
            untold = f"{_word(name)} not judged: unknown {'in the baseline' if old is None else 'now'}"
        if old is not None or new is not None:
            found.append(Change(name=name, before=old, now=new, allowed=share, untold=untold))
    return found


def _less_often(before: Entry, now: Entry) -> list[str]:
    if not (before.live and now.live and before.counted and now.counted):
        return []
    chance = rarer(now.passed, now.counted, before.passed, before.counted)
    if chance >= _RARE:
        return []
    told = f"passed {before.passed} of {before.counted} times, and now {now.passed} of {now.counted}"
    return [f"{told}, which chance alone does in {chance:.1%} of cases"]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def update(baseline: Baseline, verdicts: Sequence[Verdict]) -> tuple[Baseline, list[str]]:
    """Take what passed into *baseline*, and name what did not and so keeps its entry, if it has one.

    Entries of scenarios whose file is gone are dropped.
    """
    entries = {
        key: entry
        for key, entry in baseline.entries.items()
        if (baseline.path.parent / key.rpartition("::")[0]).is_file()
    }
    left = []
    for verdict in verdicts:
        if verdict.outcome == PASSED and verdict.scenario is not None:
            entries[baseline.key(verdict)] = _made(verdict)
        else:
            left.append(verdict.name)
    return replace(baseline, entries=entries), left


def _made(verdict: Verdict) -> Entry:
    attempts = verdict.trials.attempts if verdict.trials is not None else (verdict,)
    live = verdict.trials.live if verdict.trials is not None else is_live(verdict)
    counted = [attempt for attempt in attempts if attempt.outcome in {PASSED, FAILED}]
    passed = [attempt for attempt in counted if attempt.outcome == PASSED]
    if verdict.trials is None:
        passed = counted
    return Entry(
        identity=identity.of(verdict.scenario)
        if verdict.scenario is not None
        else identity.Identity(spec="", cassette=None),
        live=live,
        passed=len(passed),
        counted=len(counted),
        figures=_figures(passed if live else passed[:1], live=live),
    )


def _figures(attempts: Sequence[Verdict], *, live: bool) -> Figures:
    rows = [
        _row(about, attempt.seconds if live else None) for attempt in attempts if (about := attempt.summary) is not None
    ]
    return {name: tuple(row[name] for row in rows) for name in ALLOWED}


def _row(about: RunSummary, seconds: float | None) -> dict[str, float | None]:
    known = [number for number in (about.input_tokens, about.output_tokens) if number is not None]
    return {
        "messages": about.messages,
        "turns": about.turns,
        "model_calls": about.model_calls,
        "tool_calls": about.tool_calls,
        "tokens": sum(known) if known else None,
        "cost_usd": None if about.cost_usd is None else round(about.cost_usd, _MONEY_PLACES),
        "seconds": None if seconds is None else round(seconds, 3),
    }


def _record(entry: Entry) -> Mapping[str, Json]:
    return {
        "spec": entry.identity.spec,
        "cassette": entry.identity.cassette,
        "live": entry.live,
        "passed": entry.passed,
        "counted": entry.counted,
        "figures": {name: list(values) for name, values in entry.figures.items()},
    }


def _entry(record: Mapping[str, Json]) -> Entry:
    return Entry(
        identity=identity.Identity(spec=str(record["spec"]), cassette=record["cassette"]),
        live=bool(record["live"]),
        passed=int(record["passed"]),
        counted=int(record["counted"]),
        figures={
            str(name): tuple(None if value is None else float(value) for value in values)
            for name, values in record["figures"].items()
        },
    )


def _word(name: str) -> str:
    return {"cost_usd": "cost", "seconds": "time in seconds"}.get(name, name.replace("_", " "))


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
