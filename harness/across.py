"""What shows only over several runs: findings about a program or a scenario, and not about one run of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from harness.check import Check, Need, Settings
from harness.checks.ending import ONE_EXCHANGE
from harness.derive.closing import last_ending
from harness.model import LIMITS, EndingKind, Finding, Run, Severity
from harness.suppressing import Suppression
from harness.text import one_line

_SHOWN = 60
_MOST_NAMES = 10_000
_UNTOLD = frozenset({None, EndingKind.UNKNOWN})


@dataclass(slots=True, kw_only=True)
class _Runs:
    """The runs of one name that are over: how many, and by which limit which of them ended."""

    ended: int = 0
    limits: Counter[str] = field(default_factory=Counter)
    limited: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """What is found over the runs called *name*, and the ids of those that it is about."""

    name: str
    runs: int
    finding: Finding
    run_ids: Sequence[str]


class LimitIsTheWayOut(Check):
    """A limit is how this program normally ends.

    Why: a limit is a net for the run that goes wrong. Where most runs end in it, nobody knows when the work is done:
    all of them pay for every message up to it, those that needed more are cut off, and the one that really runs away
    looks like the others. Runs of the same name (of the scenario, or of who talks with whom) are counted together,
    `runs` or more of them; it is told when at least `share` ended by a limit. Replays repeat the run that was recorded
    and are not counted, nor is a chat that is limited to one question and its answer.

    Fix: `harness explain T301 T304` says what ends a conversation when it is done, and why this one may not see it. If
    the limit is meant, as for a fixed number of rounds, suppress this with that reason.
    """

    code = "T306"
    name = "limit-is-the-way-out"
    severity = Severity.WARNING
    needs = frozenset({Need.END})
    thresholds: ClassVar = {"runs": 3, "share": 0.5}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._named: dict[str, _Runs] = {}
        self._used: set[Suppression] = set()

    def add(self, run: Run) -> None:
        """Count *run* among those of its name, if it is over and nobody's replay."""
        about = run.summary
        ending = last_ending(run.spans)
        if ending is None or ending.kind in _UNTOLD or about.mode == "replay" or not about.name:
            return
        if about.name not in self._named and len(self._named) >= _MOST_NAMES:
            return
        runs = self._named.setdefault(about.name, _Runs())
        runs.ended += 1
        if ending.kind in LIMITS and (ending.kind, ending.detail) not in ONE_EXCHANGE:
            detail = ending.detail or ""
            runs.limits[f"{ending.kind.value}={detail}" if detail.isdigit() else ending.kind.value] += 1
            runs.limited.append(run.run_id)

    def over(self) -> Iterator[Over]:
        """Give what is found over all runs that were added, by name."""
        for name, runs in sorted(self._named.items()):
            limited = len(runs.limited)
            if runs.ended < self.threshold("runs") or limited < self.threshold("share") * runs.ended:
                continue
            several = len(runs.limits) > 1
            told = (f"{times} by {limit}" if several else limit for limit, times in runs.limits.most_common())
            which = one_line(", ".join(told), _SHOWN)
            finding = self.finding(
                f"{limited} of {runs.ended} runs of {one_line(name, _SHOWN)} ended by a limit ({which}): "
                "that is its normal way out",
                evidence={"name": name, "runs": runs.ended, "limited": limited, "limits": dict(runs.limits)},
            )
            yield Over(name=name, runs=runs.ended, finding=self._mark(name, finding), run_ids=tuple(runs.limited))

    def needed(self) -> frozenset[Suppression]:
        """Give the suppressions that a finding needed."""
        return frozenset(self._used)

    def unused(self) -> list[Suppression]:
        """List the suppressions of this check that there was no use for, if there were runs enough to judge by."""
        judged = [name for name, runs in self._named.items() if runs.ended >= self.threshold("runs")]
        return [
            each
            for each in self.settings.suppressions
            if each not in self._used
            and each.of_check(self.code, self.name)
            and any(each.of_run(("", name)) for name in judged)
        ]

    def _mark(self, name: str, finding: Finding) -> Finding:
        for each in self.settings.suppressions:
            if each.of_check(self.code, self.name) and each.agent is None and each.of_run(("", name)):
                self._used.add(each)
                return replace(finding, suppressed=each.reason, severity=Severity.NOTE)
        return finding


CHECKS: Sequence[type[LimitIsTheWayOut]] = (LimitIsTheWayOut,)
"""Every check of several runs."""
