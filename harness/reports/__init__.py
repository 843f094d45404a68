"""Write what was judged as files that other tools and people read, one module a kind.

A kind is an entry point of ``harness.reports``: a function that is given a :class:`Report` and gives the file's text.
Everything in a report may come from a model or a tool, so each kind escapes it for its own format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import figures, plugins
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Finding, Json, Run, RunSummary

GROUP = "harness.reports"
OUTCOMES = ("failed", "error", "inconclusive", "passed")
"""What can come of a case, worst first. An *error* could not be judged for reasons outside; nothing is said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How one figure stands against a baseline, *told* in a line. *share* is None where it cannot be told."""

    name: str
    told: str
    share: float | None = None
    worse: bool = False
    judged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that was judged: a scenario that was rehearsed, or a recorded run.

    *suite* is where it belongs, as words with dots between. *outcome* is one of OUTCOMES, and *diverged* that a replay
    parted from its cassette; then *old* and *new* are both sides of what changed. *file* is its file, as the reader of
    the report finds it, with *line*; *lines* are the lines in it at which agents are described. *expected* are the
    codes and names of findings that were asked for, which are no problems. *seconds* is how long it took, and *run*
    reads what happened, when that is wanted.
    """

    name: str
    suite: str = ""
    outcome: str = "passed"
    diverged: bool = False
    old: str | None = None
    new: str | None = None
    file: str | None = None
    line: int = 1
    lines: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    expected: frozenset[str] = frozenset()
    summary: RunSummary | None = None
    run_id: str | None = None
    seconds: float | None = None
    growth: tuple[Growth, ...] = ()
    run: Callable[[], Run | None] = field(default=lambda: None, compare=False)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that nobody asked for and that no project suppresses."""
        return tuple(each for each in self.findings if each.suppressed is None and not self.wanted(each))

    @property
    def unfound(self) -> str:
        """Say that there are no findings; of nothing, and of a replay that parted, none is known."""
        return figures.UNKNOWN if self.summary is None or self.diverged else "none"

    def agent(self, finding: Finding) -> str | None:
        """Give the agent that *finding* is about first, if it is about one."""
        named = finding.evidence.get("agent") or finding.evidence.get("senders")
        agent = named[0] if isinstance(named, list) and named else named
        return agent if isinstance(agent, str) else None

    def excuse(self, finding: Finding) -> str | None:
        """Say why *finding* is no problem: the reason it is suppressed for, or that it was asked for; None if it is."""
        return finding.suppressed or ("The scenario expects it." if self.wanted(finding) else None)

    def aside(self, finding: Finding) -> str:
        """Give the word for a finding that is no problem, ``suppressed`` or ``expected``; nothing for one that is."""
        return "suppressed" if finding.suppressed else "expected" if self.wanted(finding) else ""

    def wanted(self, finding: Finding) -> bool:
        """Say whether *finding* was asked for, by code or name."""
        return bool({finding.code, finding.name} & self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one command judged. *document* is what its ``--json`` prints."""

    title: str
    cases: Sequence[Case]
    document: Json = None
    remarks: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Count the cases by outcome, worst first; only those there are."""
        found = {outcome: sum(case.outcome == outcome for case in self.cases) for outcome in OUTCOMES}
        return {outcome: count for outcome, count in found.items() if count}

    def sentence(self) -> str:
        """Say how many cases came to what, in words."""
        words = {"error": "errors"}
        told = [f"{n} {words.get(outcome, outcome) if n > 1 else outcome}" for outcome, n in self.counts().items()]
        return ", ".join(told) or "nothing was judged"


def render(kind: str, report: Report) -> str:
    """Write *report* in the format *kind*. Raises UsageError if no such kind is installed."""
    make: Callable[[Report], str] = plugins.load(GROUP, kind)
    return make(report)


def write(kind: str, path: Path, report: Report) -> None:
    """Write *report* into the file at *path*, folders included. Raises UsageError if it cannot be written."""
    text = render(kind, report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the {kind} report {str(path)!r}: {error}") from error
