"""Annotations for GitHub Actions: workflow commands on stdout, shown at the line of a pull request.

GitHub shows ten errors and ten warnings a step, so the worst come first. What a command's text may hold is escaped as
the runner reads it (actions/toolkit, ``packages/core/src/command.ts``): no text can begin a command of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Severity
from harness.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.reports import Case, Report

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_RANK = ("error", "warning", "notice")
_LONGEST = 4000


def render(report: Report) -> str:
    """Write a line for each verdict that is no pass, and for each finding that nobody asked for."""
    commands = [command for case in report.cases for command in _of(case)]
    return "".join(line + "\n" for _, line in sorted(commands, key=lambda command: _RANK.index(command[0])))


def _of(case: Case) -> Iterator[tuple[str, str]]:
    if case.outcome != "passed" and (case.reasons or not case.problems):
        level = "warning" if case.outcome == "inconclusive" else "error"
        yield level, _command(level, case, f"{case.name}: {case.outcome}", "\n".join((*case.reasons, *case.hints)))
    for finding in case.problems:
        level = _LEVELS[finding.severity]
        title = f"{case.name}: {finding.code} {finding.name}"
        yield level, _command(level, case, title, finding.text, agent=case.agent(finding))


def _command(level: str, case: Case, title: str, text: str, *, agent: str | None = None) -> str:
    line = case.lines.get(agent or "", case.line)
    place = f"file={_property(case.file)},line={line}," if case.file is not None else ""
    return f"::{level} {place}title={_property(one_line(title, 200))}::{_message(printable(text)[:_LONGEST])}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(printable(text)).replace(":", "%3A").replace(",", "%2C")
