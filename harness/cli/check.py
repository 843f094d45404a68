"""``harness check``: judge recorded runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import across, check, config, derive
from harness.cli import check_page, figures, reporting
from harness.cli.check_page import Judgement
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit, NothingRanError, StoreError, UsageError
from harness.model import Finding, Json, Run, RunSummary, Severity
from harness.reports import Case, Report
from harness.store import Store
from harness.text import one_line, printable

Function = TypeVar("Function", bound=Callable[..., Any])

_RANK = {severity: rank for rank, severity in enumerate((Severity.NOTE, Severity.WARNING, Severity.ERROR))}
_AT_A_TIME = 200


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
    chosen = check.choose([*check.installed(), *across.CHECKS], _words(select), settings.disabled)
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
    several = [kind(asked) for kind in across.CHECKS if kind in chosen]
    of_one = [kind for kind in chosen if kind not in across.CHECKS]
    for judgement in _judgements(kept, ids, asked, of_one, several):
        judgements.append(judgement)
        if spoken and (judgement.findings or len(ids) <= check_page.MOST_CLEAN):
            check_page.tell(judgement)
    over = [found for each in several for found in each.over()]
    for found in over if spoken else ():
        check_page.tell_over(found)
    idle = _idle(judgements, several)
    report = _report(judgements, over, Severity(fail_on), idle)
    reporting.write(wanted, report)
    if as_json or form == "json":
        emit_json(report.document)
    elif form != "text":
        reporting.write([(form, "-")], report)
    else:
        check_page.sum_up(judgements, over)
    for remark in idle if spoken else ():
        say(remark)
    return Exit.FINDINGS if "failed" in report.counts() else Exit.CLEAN


def _judgements(
    kept: Store,
    ids: Sequence[str],
    asked: check.Settings,
    chosen: Sequence[type[check.Check]],
    several: Sequence[across.LimitIsTheWayOut],
) -> Iterator[Judgement]:
    """Judge the runs with these *ids*, some at a time, and keep what is found; show each to the checks of *several*."""
    for first in range(0, len(ids), _AT_A_TIME):
        found = {}
        for run in kept.each(ids[first : first + _AT_A_TIME]):
            for each in several:
                each.add(run)
            judgement, found[run.run_id] = _judge(run, asked, chosen)
            if len(ids) > _AT_A_TIME:  # Too many to hold them all: who wants one again, reads it again.
                judgement = replace(judgement, run=functools.partial(kept.run, run.run_id))
            yield judgement
        try:
            kept.judge_all(found)
        except StoreError as error:
            say(f"harness: judged, and not kept: {printable(error)}")


def _idle(judgements: Sequence[Judgement], several: Sequence[across.LimitIsTheWayOut]) -> list[str]:
    """Say which suppressions none of the runs that they are about had any use for."""
    needed = {each for one in judgements for each in one.needed} | {each for one in several for each in one.needed()}
    unused = [each for one in judgements for each in one.unused] + [each for one in several for each in one.unused()]
    return [each.in_vain() for each in dict.fromkeys(unused) if each not in needed]


def _report(
    judgements: Sequence[Judgement], over: Sequence[across.Over], least: Severity, remarks: Sequence[str]
) -> Report:
    """Make the report: a run with a finding that is at least so bad has failed."""
    cases = [
        Case(
            name=one_line(each.summary.name, 60) or each.summary.run_id,
            suite=f"runs.{each.summary.run_id[:8]}",
            outcome="failed" if any(_bad(finding, least) for finding in each.findings) else "passed",
            remarks=tuple(check_page.untold(each.not_judged)),
            findings=tuple(each.findings),
            summary=each.summary,
            run_id=each.summary.run_id,
            run=each.run,
        )
        for each in judgements
    ]
    cases += [
        Case(
            name=f"{one_line(each.name, 60)} ({figures.many(each.runs, 'run')})",
            suite="runs",
            outcome="failed" if _bad(each.finding, least) else "passed",
            findings=(each.finding,),
        )
        for each in over
    ]
    document = [as_record(each.summary, finding) for each in judgements for finding in each.findings]
    document += [{**as_record(None, each.finding), "run_ids": [*each.run_ids]} for each in over]
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
        places=[check_page.place(run, finding) for finding in shown],
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


def as_record(run: RunSummary | None, finding: Finding) -> dict[str, Json]:
    """Put *finding* of *run* into the public form of ``check --format json``; one that is suppressed says why.

    What is found over several runs is of none of them.
    """
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "run_id": run and run.run_id,
        "source_id": run and run.source_id,
        "seq": finding.seq,
        "span_id": finding.span_id,
        "text": finding.text,
        "evidence": dict(finding.evidence),
        **({"suppressed": finding.suppressed} if finding.suppressed else {}),
    }
