"""Findings that a project knows of and does not hold against a run, each with the reason why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from harness import semconv
from harness.errors import UsageError
from harness.model import Finding, Severity, Span
from harness.text import one_line

_KEYS = ("code", "reason", "agent", "run")
_IN_RUN = (
    semconv.HARNESS_RUN_NAME,
    semconv.HARNESS_RUN_SOURCE_ID,
    semconv.HARNESS_SCENARIO,
    semconv.GEN_AI_WORKFLOW,
)
_SHORTEST_ID = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Findings that are not held against a run.

    Those of the check *code* (a code, the beginning of one, or a name) that are about *agent* (None: about whomever),
    in the runs that *run* names: an id or the beginning of one, a name or a source id, in which ``*`` stands for
    anything (None: in all). *reason* says why, and is never empty.
    """

    code: str
    reason: str
    agent: str | None = None
    run: str | None = None

    def in_vain(self) -> str:
        """Say, in a line, that there was nothing to suppress."""
        return (
            f"nothing was found that the suppression of {one_line(self.code, 40)} ({one_line(self.reason, 60)}) is for"
        )

    def of_check(self, code: str, name: str) -> bool:
        """Say whether it is about the check with this *code* and *name*."""
        return code.startswith(self.code.upper()) or name == self.code.lower()

    def of_run(self, names: Iterable[str]) -> bool:
        """Say whether it is about a run that has these *names*, its id first."""
        if self.run is None:
            return True
        run_id, *others = [*names] or [""]
        by_id = len(self.run) >= _SHORTEST_ID and run_id.startswith(self.run)
        return by_id or any(fnmatchcase(each, self.run) for each in (run_id, *others))

    def of_agent(self, finding: Finding) -> bool:
        """Say whether it is about the agent, or one of the senders, that *finding* is about."""
        senders = finding.evidence.get("senders")
        named = [finding.evidence.get("agent"), *(senders if isinstance(senders, (list, tuple)) else ())]
        return self.agent is None or self.agent in named


def read(value: object, where: str) -> tuple[Suppression, ...]:
    """Read the suppressions that the setting *where* holds. Raises UsageError for one without a code or a reason."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise UsageError(f"{where} must be a list of tables with code and reason, not {value!r}")
    return tuple(_one(each, f"{where} {number}") for number, each in enumerate(value, start=1))


def _one(table: Mapping[str, Any], where: str) -> Suppression:
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(f"{where} has no key {key!r}", hint=f"Known: {', '.join(_KEYS)}.")
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{where}: {key} must be a text that says something, not {value!r}")
    for key in ("code", "reason"):
        if key not in table:
            hint = "Say why these findings do not count: the next reader will ask." if key == "reason" else ""
            raise UsageError(f"{where} has no {key}", hint=hint)
    return Suppression(**table)


class Suppressing:
    """Marks the findings of one run that are suppressed, and remembers which suppressions there was no use for."""

    def __init__(self, suppressions: Sequence[Suppression], names: Iterable[str] = ()) -> None:
        """Take the *suppressions* of a project and its scenario; of several that fit a finding the first counts.

        *names* are those of the run that are known already, its id first.
        """
        self._all = tuple(suppressions)
        self._names: dict[str, None] = dict.fromkeys(names)
        self._used: set[Suppression] = set()

    def meet(self, span: Span) -> None:
        """Learn the names of the run from one of its *span*s."""
        if not self._all or (self._names and span.parent_id is not None):
            return
        self._names.setdefault(span.run_id)
        for key in _IN_RUN:
            if isinstance(name := span.attributes.get(key), str):
                self._names.setdefault(name)

    def mark(self, findings: list[Finding]) -> list[Finding]:
        """Say of each of *findings* whether it is suppressed, and why; it is a note then, which stops nothing."""
        return [self._mark(finding) for finding in findings] if self._all and findings else findings

    @property
    def used(self) -> frozenset[Suppression]:
        """The suppressions that a finding needed."""
        return frozenset(self._used)

    def unused(self) -> list[Suppression]:
        """List the suppressions that are about this run and that no finding needed."""
        return [each for each in self._all if each.of_run(self._names) and each not in self._used]

    def _mark(self, finding: Finding) -> Finding:
        for each in self._all:
            if each.of_check(finding.code, finding.name) and each.of_agent(finding) and each.of_run(self._names):
                self._used.add(each)
                return replace(finding, suppressed=each.reason, severity=Severity.NOTE)
        return finding
