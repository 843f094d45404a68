"""``harness runs``: list what was recorded, newest first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import figures
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.model import RunSummary
from harness.text import one_line

_WIDEST_NAME = 40
_WIDEST_ID = 32
_HEADINGS = ("", "RUN", "NAME", "ENDED BY", "MESSAGES", "CALLS", "TOKENS", "COST", "TIME", "FINDINGS", "WHEN")
_RIGHT = frozenset({4, 5, 6, 7, 8})


@click.command()
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="List at most N runs.")
@click.option("--tag", metavar="TAG", help="List only runs with this tag.")
@json_option
@store_option
def command(store: Path | None, limit: int, tag: str | None, *, as_json: bool) -> None:
    """List the recorded runs, newest first.

    The marks: ● running  ✔ finished  ✖ failed  ◌ interrupted (its process died).
    """
    opened = existing_store(store)
    opened.ingest()
    found = opened.runs(limit + 1, tag=tag)
    listed, more = found[:limit], len(found) > limit
    if as_json:
        emit_json([asdict(run) for run in listed])
        return
    if not listed:
        which = f" tagged {one_line(tag, _WIDEST_NAME)!r}" if tag is not None else ""
        say(f"No runs{which} in {one_line(opened.path, 200)} yet.")
        say("Record one: `harness trace your_app.py`, or try `harness demo`.")
        return
    for line in lines(listed, time.time_ns()):
        figures.put(line)
    if more:
        say(f"… and older ones; `harness runs -n {limit * 5}{figures.elsewhere(store)}` lists more.")
    say(f"`harness show @1{figures.elsewhere(store)}` prints the newest.")


def lines(runs: Sequence[RunSummary], now_ns: int) -> list[str]:
    """Lay the list out, headings first."""
    first, *rest = figures.table([_HEADINGS, *(_row(run, now_ns) for run in runs)], _RIGHT)
    marked = [
        click.style(line[:1], fg=figures.COLOURS[run.status]) + line[1:] for run, line in zip(runs, rest, strict=True)
    ]
    return [click.style(first, dim=True), *marked]


def _row(run: RunSummary, now_ns: int) -> tuple[str, ...]:
    return (
        figures.GLYPHS[run.status],
        one_line(run.run_id, _WIDEST_ID),
        one_line(run.name, _WIDEST_NAME),
        figures.ending(run),
        figures.count(run.messages),
        figures.count(run.model_calls),
        figures.count(figures.tokens(run)),
        figures.money(run.cost_usd),
        figures.elapsed(run, now_ns),
        f"{figures.SEVERITY_GLYPHS[run.worst]} {run.findings} {run.worst.value}" if run.worst else "",
        figures.began(run, now_ns),
    )
