"""Run scenarios for a verb and print what came of them."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from harness import plugins
from harness.cli import figures
from harness.cli.common import say
from harness.cli.gates import Gates
from harness.errors import HarnessError
from harness.text import one_line, printable

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Json

_MARKS = {"passed": "✔", "failed": "✖", "inconclusive": "?", "error": "!"}
_COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow", "error": "red"}
_NAME = 28
_HEAD = f"  {'':1} {'scenario':<{_NAME}} {'messages':>8} {'calls':>5} {'tokens':>7} {'cost':>9} {'time':>7}  findings"


def rehearse_all(  # noqa: PLR0913 - each is one thing that may be set
    paths: Sequence[Path],
    *,
    store: Path | None,
    show: bool,
    verbose: bool,
    head: str = "",
    gates: Gates | None = None,
    raising: bool | None = None,
    **options: object,
) -> list[Any]:
    """Rehearse the scenarios at *paths* one after another, and give their verdicts; *options* go to the runner.

    With *show* each gets a line on stdout as soon as it is known, below *head* and the columns' names. *gates* may
    repeat each, and hold it against a baseline. What cannot be run is a verdict too, unless *raising* (default: if it
    is the only one asked for): then its error is raised.
    """
    gates = gates or Gates()
    hold = gates.holder()
    sole = len(paths) == 1 if raising is None else raising
    runner, scenarios = plugins.sibling("scenarios.runner"), plugins.sibling("scenarios.scenario")
    verdicts: list[Any] = []
    for path in paths:
        try:
            what = scenarios.load(path)
            attempt = functools.partial(runner.rehearse, what, store=store, **options)
            verdict = hold(gates.attempts(attempt, what))
        except HarnessError as error:
            if sole:
                raise
            verdict = _unrun(path, error)
        if show and not verdicts:
            click.echo(head + click.style(_HEAD, dim=True))
        if show:
            click.echo(row(verdict))
        verdicts.append(verdict)
        if verbose and verdict.output:
            say(printable(verdict.output))
    return verdicts


def _unrun(path: Path, error: HarnessError) -> Any:  # noqa: ANN401 - a sibling's Verdict
    name = path.name.removesuffix(".scenario.yaml")
    verdict = plugins.sibling("scenarios.verdict")
    return verdict.Verdict(
        name=name,
        path=path,
        outcome=verdict.ERROR,
        reasons=(str(error),),
        hints=(error.hint,) if error.hint else (),
        code=error.code,
    )


def row(verdict: Any) -> str:  # noqa: ANN401
    """Put a verdict on one line: mark, name, messages, model calls, tokens, cost, time, findings."""
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
    codes = " ".join(dict.fromkeys(finding.code for finding in verdict.findings)) or "none"
    return (
        f"  {mark} {one_line(verdict.name, _NAME):<{_NAME}} {messages:>8} {calls:>5} {used:>7} {cost:>9} "
        f"{figures.duration(round(verdict.seconds * 1e9)):>7}  {codes}"
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
