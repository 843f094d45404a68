"""Say in a terminal what was found in runs that were judged."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click

from harness.across import Over
from harness.cli import figures
from harness.cli.common import say
from harness.model import EndingKind, Finding, Operation, Run, RunStatus, RunSummary, Severity
from harness.suppressing import Suppression
from harness.text import one_line, printable

MOST_CLEAN = 20
"""Of so many runs, those without findings are told of, too."""
_CODES_HERE = 3
_WIDEST = 110
_INDENT = " " * 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is said of one run, what of it was said *earlier*, and which checks could not say anything.

    *needed* are the suppressions that there was use for here, *unused* those that are about this run in vain.
    """

    run: Callable[[], Run]
    summary: RunSummary
    findings: Sequence[Finding]
    places: Sequence[str]
    earlier: Sequence[Finding]
    not_judged: Mapping[str, str]
    needed: frozenset[Suppression]
    unused: Sequence[Suppression]


def tell(judgement: Judgement) -> None:
    """Print what was found in one run."""
    run = judgement.summary
    name = click.style(one_line(run.name, 60) or "–", bold=True)
    click.echo(f"{_mark(judgement.findings)} {name}  {printable(run.run_id[:8])}  {_amounts(run)}")
    if not judgement.findings:
        click.echo("  nothing found")
    for finding, where in zip(judgement.findings, judgement.places, strict=True):
        _tell_finding(finding, where + ("  (judged earlier)" if finding in judgement.earlier else ""))


def tell_over(over: Over) -> None:
    """Print what was found over several runs."""
    name = click.style(one_line(over.name, 60), bold=True)
    click.echo(f"{_mark([over.finding])} {name}  over {figures.many(over.runs, 'run')}")
    _tell_finding(over.finding, "")


def _mark(findings: Sequence[Finding]) -> str:
    counted = {finding.severity for finding in findings if finding.suppressed is None}
    return "✖" if counted - {Severity.NOTE} else "•" if counted else "✔"


def _tell_finding(finding: Finding, where: str) -> None:
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - len(_INDENT)
    severity = click.style(f"{finding.severity.value:<7}", fg=figures.SEVERITY_COLOURS[finding.severity], bold=True)
    if finding.suppressed:
        severity = click.style(f"{'–':<7}", dim=True)
    click.echo(f"  {severity} {one_line(finding.code, 12)} {one_line(finding.name, 40)}{where}")
    for line in textwrap.wrap(printable(finding.text), max(width, 20)):
        click.echo(_INDENT + line)
    if finding.suppressed:
        click.echo(f"{_INDENT}suppressed: {one_line(finding.suppressed, width)}")


def untold(reasons: Mapping[str, str]) -> list[str]:
    """Say what was not judged and why, a line for each reason."""
    codes: dict[str, list[str]] = {}
    for code, reason in reasons.items():
        codes.setdefault(reason, []).append(code)
    return [f"{' '.join(named)} not judged: {printable(reason)}" for reason, named in codes.items()]


def _amounts(run: RunSummary) -> str:
    going = "  (still running)" if run.status is RunStatus.RUNNING else ""
    ended = "" if run.ending in {None, EndingKind.UNKNOWN.value} else f"  ended by {one_line(run.ending, 40)}"
    ended = ended.replace("_", " ")
    said, asked = figures.many(run.messages, "message"), figures.many(run.model_calls, "model call")
    return f"{said}  {asked}  {figures.money(run.cost_usd)}{ended}{going}"


def place(run: Run, finding: Finding) -> str:
    """Say where in *run* a *finding* shows; nothing for the run as a whole."""
    for number, message in enumerate(run.messages, 1):
        if message.span_id == finding.span_id:
            return f"  at message {number} of {len(run.messages)}"
    for span in run.spans:
        if span.span_id == finding.span_id and span.operation is Operation.OTHER and finding.seq is not None:
            return f"  after message {finding.seq} of {len(run.messages)}"
        if span.span_id == finding.span_id:
            return f"  at a {span.operation.value} ({one_line(span.name, 40)})"
    return ""


def sum_up(judgements: Sequence[Judgement], over: Sequence[Over]) -> None:
    """Say what could not be judged, how many runs are clean, and what to ask next."""
    counted = Counter(line for each in judgements for line in untold(each.not_judged))
    for line, count in counted.items():
        say(line if len(judgements) == 1 else f"{line} ({count:,} of {len(judgements):,} runs)")
    clean = sum(not each.findings for each in judgements)
    if clean and len(judgements) > MOST_CLEAN:
        say(f"\n{clean:,} of {len(judgements):,} runs: nothing found")
    everything = [*(finding for each in judgements for finding in each.findings), *(each.finding for each in over)]
    found = [finding for finding in everything if finding.suppressed is None]
    codes = sorted({finding.code for finding in found})
    if not codes:
        return
    some = " ".join(codes[:_CODES_HERE])
    count = len(found)
    say(f"\n{count} finding{'' if count == 1 else 's'}. Why, and how to mend it: harness explain {one_line(some, 60)}")
