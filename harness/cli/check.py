"""``harness check``: judge recorded runs."""

from __future__ import annotations

import functools
import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import check, config, derive
from harness.cli import figures, reporting
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit, NothingRanError, StoreError, UsageError
from harness.model import EndingKind, Finding, Json, Operation, Run, RunStatus, RunSummary, Severity
from harness.reports import Case, Report
from harness.store import Store
from harness.suppressing import Suppression
from harness.text import one_line, printable

Function = TypeVar("Function", bound=Callable[..., Any])

_RANK = {severity: rank for rank, severity in enumerate((Severity.NOTE, Severity.WARNING, Severity.ERROR))}
_COLOURS = {Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_CODES_HERE = 3
_AT_A_TIME = 200
_MOST_CLEAN = 20
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


def _limit_options(function: Function) -> Function:
    for name, counts in reversed(list(check.LIMITS.items())):
        number = click.FloatRange(min=0) if name in {"max_cost_usd", "max_seconds"} else click.IntRange(min=0)
        option = click.option(f"--{name.replace('_', '-')}", name, type=number, metavar="N", help=f"Allow N {counts}.")
        function = option(function)
    return function


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--all", "everything", is_flag=True, help="Judge every run of the store.")
@click.option(
    "--select",
    metavar="CODES",
    default="",
    help="Judge by these checks alone: codes, their beginnings or names, between commas (L,T301).",
)
@reporting.judging_options
@_limit_options
@json_option
@store_option
def command(  # noqa: PLR0913 - the options of the verb
    *,
    runs: Sequence[str],
    everything: bool,
    select: str,
    form: str,
    wanted: reporting.Wanted,
    fail_on: str,
    as_json: bool,
    store: Path | None,
    **limits: float | None,
) -> int:
    """Judge RUN (an id, a unique prefix, or @1 for the newest, which is the default): loops, budgets, endings.

    Limits given here go before those of [tool.harness.limits]; a budget nobody set is not judged. The findings are kept
    in the store. Exits with 1 if there are some, with 5 if there is no run to judge.
    """
    settings = config.load(store=store)
    chosen = check.choose(check.installed(), _words(select), settings.disabled)
    given = {name: limit for name, limit in limits.items() if limit is not None}
    asked = check.Settings.of(settings, limits=given)
    kept = existing_store(store)
    kept.ingest()
    if everything and runs:
        raise UsageError("--all judges every run", hint="Leave out the runs, or --all.")
    if not runs and not kept.runs(limit=1):
        raise NothingRanError("the store holds no run to judge", hint="Record one: `harness trace your_app.py`.")
    ids = kept.ids() if everything else kept.find_all(runs or ("@1",))
    spoken = form == "text" and not as_json
    judgements = []
    for judgement in _judgements(kept, ids, asked, chosen):
        judgements.append(judgement)
        if spoken and (judgement.findings or len(ids) <= _MOST_CLEAN):
            _tell(judgement)
    idle = _idle(judgements)
    report = _report(judgements, Severity(fail_on), idle)
    reporting.write(wanted, report)
    if as_json or form == "json":
        emit_json(report.document)
    elif form != "text":
        reporting.write([(form, "-")], report)
    else:
        _sum_up(judgements)
    for remark in idle if spoken else ():
        say(remark)
    return Exit.FINDINGS if "failed" in report.counts() else Exit.CLEAN


def _judgements(
    kept: Store, ids: Sequence[str], asked: check.Settings, chosen: Sequence[type[check.Check]]
) -> Iterator[Judgement]:
    """Judge the runs with these *ids*, some at a time, and keep what is found."""
    for first in range(0, len(ids), _AT_A_TIME):
        found = {}
        for run in kept.each(ids[first : first + _AT_A_TIME]):
            judgement, found[run.run_id] = _judge(run, asked, chosen)
            if len(ids) > _AT_A_TIME:  # Too many to hold them all: who wants one again, reads it again.
                judgement = replace(judgement, run=functools.partial(kept.run, run.run_id))
            yield judgement
        try:
            kept.judge_all(found)
        except StoreError as error:
            say(f"harness: judged, and not kept: {printable(error)}")


def _idle(judgements: Sequence[Judgement]) -> list[str]:
    """Say which suppressions none of the runs that they are about had any use for."""
    needed = {each for one in judgements for each in one.needed}
    return [
        each.in_vain()
        for each in dict.fromkeys(each for one in judgements for each in one.unused)
        if each not in needed
    ]


def _report(judgements: Sequence[Judgement], least: Severity, remarks: Sequence[str]) -> Report:
    """Make the report: a run with a finding that is at least so bad has failed."""
    cases = [
        Case(
            name=one_line(each.summary.name, 60) or each.summary.run_id,
            suite=f"runs.{each.summary.run_id[:8]}",
            outcome="failed" if any(_bad(finding, least) for finding in each.findings) else "passed",
            remarks=tuple(_untold(each.not_judged)),
            findings=tuple(each.findings),
            summary=each.summary,
            run_id=each.summary.run_id,
            run=each.run,
        )
        for each in judgements
    ]
    document = [as_record(each.summary, finding) for each in judgements for finding in each.findings]
    return Report(title="harness check", cases=cases, document=document, remarks=tuple(remarks))


def _words(select: str) -> list[str]:
    return [word for word in select.replace(",", " ").split() if word]


def _judge(run: Run, asked: check.Settings, chosen: Sequence[type[check.Check]]) -> tuple[Judgement, list[Finding]]:
    """Judge *run*, and give all that is now to be kept of it as well.

    What a check said before stands where it does not judge now: with a limit of that time, or at the real thing.
    """
    judge = check.Judge(asked, checks=chosen)
    found = [finding for event in derive.events(run) for finding in judge.see(event)]
    found += judge.finish()
    judged = judge.judged()
    codes = {each.code for each in chosen}
    left = judge.suppress([finding for finding in run.findings if _subject(finding) not in judged])
    old = [finding for finding in left if finding not in found]
    everything = sorted([*found, *old], key=lambda finding: (finding.seq is None, finding.seq or 0))
    shown = [finding for finding in everything if finding in found or _subject(finding) in codes]
    judgement = Judgement(
        run=lambda: run,
        summary=run.summary,
        findings=shown,
        places=[_place(run, finding) for finding in shown],
        earlier=old,
        not_judged=judge.not_judged(),
        needed=judge.needed(),
        unused=judge.unused(),
    )
    return judgement, everything


def _subject(finding: Finding) -> str:
    """Name the check that *finding* is about: one that broke is judged again when it is."""
    broken = finding.evidence.get("check") if finding.code == check.CheckCrashed.code else None
    return broken if isinstance(broken, str) else finding.code


def _bad(finding: Finding, least: Severity) -> bool:
    return finding.suppressed is None and _RANK[finding.severity] >= _RANK[least]


def as_record(run: RunSummary, finding: Finding) -> dict[str, Json]:
    """Put *finding* into the public form of ``check --format json``; one that is suppressed says why."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "run_id": run.run_id,
        "source_id": run.source_id,
        "seq": finding.seq,
        "span_id": finding.span_id,
        "text": finding.text,
        "evidence": dict(finding.evidence),
        **({"suppressed": finding.suppressed} if finding.suppressed else {}),
    }


def _tell(judgement: Judgement) -> None:
    run = judgement.summary
    counted = {finding.severity for finding in judgement.findings if finding.suppressed is None}
    mark = "✖" if counted - {Severity.NOTE} else "•" if counted else "✔"
    name = click.style(one_line(run.name, 60) or "–", bold=True)
    click.echo(f"{mark} {name}  {printable(run.run_id[:8])}  {_amounts(run)}")
    if not judgement.findings:
        click.echo("  nothing found")
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - len(_INDENT)
    for finding, place in zip(judgement.findings, judgement.places, strict=True):
        severity = click.style(f"{finding.severity.value:<7}", fg=_COLOURS[finding.severity], bold=True)
        when = "  (judged earlier)" if finding in judgement.earlier else ""
        if finding.suppressed:
            severity = click.style(f"{'–':<7}", dim=True)
        named = f"{one_line(finding.code, 12)} {one_line(finding.name, 40)}"
        click.echo(f"  {severity} {named}{place}{when}")
        for line in textwrap.wrap(printable(finding.text), max(width, 20)):
            click.echo(_INDENT + line)
        if finding.suppressed:
            click.echo(f"{_INDENT}suppressed: {one_line(finding.suppressed, width)}")


def _untold(reasons: Mapping[str, str]) -> list[str]:
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


def _place(run: Run, finding: Finding) -> str:
    for number, message in enumerate(run.messages, 1):
        if message.span_id == finding.span_id:
            return f"  at message {number} of {len(run.messages)}"
    for span in run.spans:
        if span.span_id == finding.span_id and span.operation is Operation.OTHER and finding.seq is not None:
            return f"  after message {finding.seq} of {len(run.messages)}"
        if span.span_id == finding.span_id:
            return f"  at a {span.operation.value} ({one_line(span.name, 40)})"
    return ""


def _sum_up(judgements: Sequence[Judgement]) -> None:
    counted = Counter(line for each in judgements for line in _untold(each.not_judged))
    for line, count in counted.items():
        say(line if len(judgements) == 1 else f"{line} ({count:,} of {len(judgements):,} runs)")
    clean = sum(not each.findings for each in judgements)
    if clean and len(judgements) > _MOST_CLEAN:
        say(f"\n{clean:,} of {len(judgements):,} runs: nothing found")
    found = [finding for each in judgements for finding in each.findings if finding.suppressed is None]
    codes = sorted({finding.code for finding in found})
    if not codes:
        return
    some = " ".join(codes[:_CODES_HERE])
    count = len(found)
    say(f"\n{count} finding{'' if count == 1 else 's'}. Why, and how to mend it: harness explain {one_line(some, 60)}")
