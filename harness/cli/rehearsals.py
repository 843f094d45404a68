"""Run scenarios for a verb and print what came of them."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from harness import plugins
from harness.cli import figures
from harness.cli.common import say
from harness.cli.progress import Progress
from harness.errors import Exit, HarnessError
from harness.model import Severity
from harness.text import one_line, printable

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.batches import Work
    from harness.model import Json

_MARKS = {"passed": "✔", "failed": "✖", "inconclusive": "?", "error": "!"}
_COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow", "error": "red"}
_NAME = 28
_HEAD = f"  {'':1} {'scenario':<{_NAME}} {'messages':>8} {'calls':>5} {'tokens':>7} {'cost':>9} {'time':>7}  findings"


def rehearse_all(  # noqa: PLR0913 - each is one thing that may be set
    work: Work,
    *,
    store: Path,
    show: bool,
    verbose: bool,
    workers: int = 1,
    head: str = "",
    raising: bool | None = None,
) -> list[Any]:
    """Play the scenarios of *work* and give their verdicts, in its order.

    With *show* each gets a line on stdout as soon as it is known, below *head* and the columns' names; on a terminal
    stderr tells what is going on. What cannot be run is a verdict too, unless *raising* (default: if it is the only one
    asked for): then its error is raised.
    """
    hold = work.gates.holder()
    sole = len(work.jobs) == 1 if raising is None else raising
    verdicts: dict[int, Any] = {}
    with (
        Progress(len(work.jobs), show=show) as progress,
        contextlib.closing(_answers(work, store, workers, progress)) as answers,
    ):
        for number, answer in answers:
            job = work.jobs[number]
            if isinstance(answer, HarnessError):
                if sole:
                    raise answer
                verdict = _unrun(job, answer)
            else:
                verdict = hold(answer)
            progress.ended(job.name, verdict.outcome)
            progress.clear()
            if show and not verdicts:
                click.echo(head + click.style(_HEAD, dim=True))
            if show:
                click.echo(row(verdict))
            verdicts[number] = verdict
            if verbose and verdict.output:
                say(printable(verdict.output))
    if work.batch is not None:
        work.batch.complete()
    _take_in(store)
    return [verdicts[number] for number in sorted(verdicts)]


def _take_in(store: Path) -> None:
    """Have the store take in what was recorded, all at once; what it cannot now, the next command tries again."""
    from harness.store import open_store

    with contextlib.suppress(HarnessError):
        open_store(store).ingest()


def _answers(work: Work, store: Path, workers: int, progress: Progress) -> Generator[tuple[int, Any]]:
    """Yield the verdict on each job, or the error that it could not be played for: first what is known already."""
    batches, records = plugins.sibling("scenarios.batch"), plugins.sibling("scenarios.verdict_record")
    left = []
    for number, job in enumerate(work.jobs):
        kept = None if job.what is None else work.known.get(batches.key(job.what))
        if job.error is not None:
            yield number, job.error
        elif kept is not None and batches.still_holds(kept, job.what):
            yield number, records.load(kept["verdict"], job.what)
        else:
            left.append(number)
    if workers == 1 or len(left) == 1:
        for number in left:
            progress.began(work.jobs[number].name)
            yield number, _here(work, work.jobs[number].what, store)
        return
    numbers = {id(work.jobs[number]): number for number in left}
    asked = plugins.sibling("scenarios.jobs").Asked(
        options=work.options, repeat=work.gates.repeat, at_least=work.gates.at_least
    )
    pool = plugins.sibling("scenarios.pool").play(
        [work.jobs[number] for number in left],
        asked,
        workers=min(workers, len(left)),
        store=store,
        batch=work.batch,
        began=lambda job: progress.began(job.name),
    )
    with contextlib.closing(pool) as played:
        for job, answer in played:
            yield numbers[id(job)], answer


def _here(work: Work, what: Any, store: Path) -> Any:  # noqa: ANN401 - a sibling's Scenario and Verdict
    attempt = functools.partial(plugins.sibling("scenarios.runner").rehearse, what, store=store, **work.options)
    try:
        verdict = work.gates.attempts(attempt, what)
    except HarnessError as error:
        return error
    if work.batch is not None:
        work.batch.keep(what, verdict)
    return verdict


def _unrun(job: Any, error: HarnessError) -> Any:  # noqa: ANN401 - a sibling's Job and Verdict
    verdict = plugins.sibling("scenarios.verdict")
    return verdict.Verdict(
        name=job.name,
        path=job.path,
        outcome=verdict.ERROR,
        reasons=(str(error),),
        hints=(error.hint,) if error.hint else (),
        code=error.code,
        scenario=job.what,
    )


def row(verdict: Any) -> str:  # noqa: ANN401
    """Put a verdict on one line: mark, name, messages, model calls, tokens, cost, time, and the findings that count."""
    summary = verdict.summary
    mark = click.style(_MARKS[verdict.outcome], fg=_COLOURS[verdict.outcome], bold=True)
    numbers = (figures.UNKNOWN,) * 4
    if summary is not None:
        numbers = (
            figures.count(summary.messages),
            figures.count(summary.model_calls),
            figures.count(figures.tokens(summary)),
            figures.money(summary.cost_usd),
        )
    messages, calls, used, cost = numbers
    counting = (each.code for each in verdict.findings if each.severity is not Severity.NOTE and not each.suppressed)
    unjudged = summary is None or verdict.code is Exit.DIVERGED
    codes = " ".join(dict.fromkeys(counting)) or (figures.UNKNOWN if unjudged else "none")
    time = figures.duration(round(verdict.seconds * 1e9)) if verdict.seconds else figures.UNKNOWN
    return (
        f"  {mark} {one_line(verdict.name, _NAME):<{_NAME}} {messages:>8} {calls:>5} {used:>7} {cost:>9} "
        f"{time:>7}  {codes}"
    )


def tell(verdicts: Sequence[Any], *, store: Path | None) -> None:
    """Print every verdict that is not a pass in full, remarks, and the sum. *store* is the one that was asked for."""
    for verdict in verdicts:
        lines = verdict.lines() if verdict.outcome != "passed" else verdict.remarks
        if not lines:
            continue
        click.echo()
        click.secho(f"  {_MARKS[verdict.outcome]} {one_line(verdict.name, 60)}: {verdict.outcome}", bold=True)
        for line in lines:
            click.echo(f"    {printable(line)}")
        if verdict.run_id:
            click.echo(f"    See it: harness show {verdict.run_id[:8]}{option(store)}")
    click.echo()
    for line in dict.fromkeys(_frameworks(verdicts)):
        click.echo(f"  {printable(line)}")
    click.echo(f"  {_total(verdicts)}")


def _frameworks(verdicts: Sequence[Any]) -> Iterator[str]:
    """Say where a replay ran on another framework than its cassette was recorded with: class framework."""
    changed = [verdict.replayed.frameworks for verdict in verdicts if verdict.replayed and verdict.replayed.frameworks]
    for then, now in changed:
        several = f" ({changed.count((then, now))} scenarios)" if changed.count((then, now)) > 1 else ""
        yield f"framework: recorded with {then}, played with {now}{several}"


def _replay(replayed: Any) -> Mapping[str, Json]:  # noqa: ANN401 - a sibling's Rehearsal
    divergence, frameworks = replayed.divergence, replayed.frameworks
    return {
        **asdict(replayed.account),
        "divergence": divergence
        and {**asdict(divergence), "kind": divergence.kind.value, "owner": divergence.owner.value},
        "frameworks": frameworks and {"recorded": frameworks[0], "now": frameworks[1]},
        "exchanges": [dict(row) for row in replayed.exchanges],
    }


def _trials(trials: Any) -> Mapping[str, Json]:  # noqa: ANN401 - a sibling's Trials
    return {
        "attempts": [{"outcome": each.outcome, "run_id": each.run_id} for each in trials.attempts],
        "live": trials.live,
        "passed": trials.passed,
        "counted": trials.counted,
        "chances": trials.chances(),
    }


def _compared(compared: Any) -> Mapping[str, Json]:  # noqa: ANN401 - a sibling's Comparison
    changes = [{**asdict(change), "share": change.share, "worse": change.worse} for change in compared.changes]
    return {"state": compared.state, "changes": changes}


def option(store: Path | None) -> str:
    """Write the ``--store`` that a suggested command needs, or nothing."""
    return f" --store {shlex.quote(printable(store))}" if store is not None else ""


def _total(verdicts: Sequence[Any]) -> str:
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in _MARKS}
    recorded = sum(verdict.recorded for verdict in verdicts)
    words = {"error": "errors" if counts["error"] > 1 else "error"}
    parts = [f"{count} {words.get(outcome, outcome)}" for outcome, count in counts.items() if count]
    return ", ".join(parts) + (f"; {recorded} recorded" if recorded else "")


def as_record(verdict: Any) -> Mapping[str, Json]:  # noqa: ANN401
    """Write a verdict as JSON."""
    summary, replayed = verdict.summary, verdict.replayed
    return {
        "name": verdict.name,
        "path": str(verdict.path),
        "outcome": verdict.outcome,
        "reasons": list(verdict.reasons),
        "remarks": list(verdict.remarks),
        "hints": list(verdict.hints),
        "run_id": verdict.run_id,
        "recorded": verdict.recorded,
        "seconds": round(verdict.seconds, 4),
        "messages": summary and summary.messages,
        "model_calls": summary and summary.model_calls,
        "tool_calls": summary and summary.tool_calls,
        "input_tokens": summary and summary.input_tokens,
        "output_tokens": summary and summary.output_tokens,
        "cost_usd": summary and summary.cost_usd,
        "ending": summary and summary.ending,
        "replay": replayed and _replay(replayed),
        "trials": verdict.trials and _trials(verdict.trials),
        "baseline": verdict.compared and _compared(verdict.compared),
        "findings": [
            {
                "code": finding.code,
                "name": finding.name,
                "severity": finding.severity.value,
                "seq": finding.seq,
                "span_id": finding.span_id,
                "text": finding.text,
            }
            for finding in verdict.findings
        ],
    }
