"""``harness stats``: calls, tokens, cost, failures and durations of runs, by agent, model, tool or run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import figures
from harness.cli.amounts import age
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.cli.sums import sums
from harness.text import one_line

if TYPE_CHECKING:
    from harness.store import Store

_WIDEST = 40
_BY = ("agent", "model", "tool", "run")
_HEADINGS = ("CALLS", "FAILED", "TOKENS IN", "OUT", "COST", "P50", "P95")


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--by",
    type=click.Choice(_BY),
    default="agent",
    show_default=True,
    help="One line an agent, a model, a tool, or a name of runs.",
)
@click.option("--since", callback=age, metavar="AGE", help="Count only calls that began within: 12h, 7d, 8w.")
@json_option
@store_option
def command(store: Path | None, runs: Sequence[str], by: str, since: int | None, *, as_json: bool) -> None:
    """Sum up calls: how many, how many failed, tokens, cost, and how long they took. Of all runs, or of each RUN.

    Calls are those of models and tools, code, humans and speaker selections. What nobody knows is –, never 0. The most
    expensive come first. Durations are within 2 %, and exact of a RUN and by the name of runs. SLOWER is how many
    times as long the last model calls of a run took as its first ones, BY LIMIT how many runs a limit ended.
    """
    opened = existing_store(store)
    opened.ingest()
    since_ns = None if since is None else time.time_ns() - since
    ids = opened.find_all(runs) if runs else None
    exact = by == "run" or ids is not None
    groups = sums(opened, by, since_ns=since_ns, run_ids=ids) if exact else by_key(opened, by, since_ns)
    for group in groups:
        group["failure_rate"] = group["errors"] / group["calls"]
    if as_json:
        emit_json(groups)
        return
    if not groups:
        what = "calls of tools" if by == "tool" else "calls"
        where = "these runs" if runs else one_line(opened.path, 200)
        say(f"No {what} in {where}" + (" since then." if since is not None else "." if runs else " yet."))
        return
    more = ["RUNS", "BY LIMIT", "SLOWER"] if by == "run" else ["SLOWER"] if exact else ["RUNS"]
    rows = [(by.upper(), *_HEADINGS, *more), *(_row(by, group, more) for group in groups)]
    first, *rest = figures.table(rows, frozenset(range(1, len(rows[0]))))
    figures.put(click.style(first, dim=True))
    for line in rest:
        figures.put(line)
    unpriced = sum(group["unpriced"] for group in groups)
    if unpriced:
        asked = sum(group["model_calls"] for group in groups)
        say(f"The cost of {figures.count(unpriced)} of {figures.count(asked)} model calls is unknown.")
    if not exact and by == "agent":
        say(f"Whether an agent slows down within a run: `harness stats @1{figures.elsewhere(store)}`.")


def by_key(store: Store, by: str, since_ns: int | None) -> list[dict[str, Any]]:
    """Give what is summed up by agent, model or tool, as a program reads it."""
    return [{by: found.pop("name"), **found} for found in (asdict(one) for one in store.usage(by, since_ns=since_ns))]


def _row(by: str, group: dict[str, Any], more: Sequence[str]) -> tuple[str, ...]:
    name = group[by]
    return (
        figures.UNKNOWN if name is None else one_line(name, _WIDEST),
        figures.count(group["calls"]),
        _failed(group),
        figures.count(group["input_tokens"]),
        figures.count(group["output_tokens"]),
        figures.money(group["cost_usd"]),
        figures.duration(group["p50_ns"]),
        figures.duration(group["p95_ns"]),
        *(_MORE[heading](group) for heading in more),
    )


def _failed(group: dict[str, Any]) -> str:
    """Write how many calls failed, and their share."""
    errors = group["errors"]
    return f"{figures.count(errors)} ({group['failure_rate']:.0%})" if errors else "0"


def _slower(group: dict[str, Any]) -> str:
    times = group["slowdown"]
    return figures.UNKNOWN if times is None else f"× {times:.1f}"


_MORE: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "RUNS": lambda group: figures.count(group["runs"]),
    "BY LIMIT": lambda group: figures.count(group["by_limit"]),
    "SLOWER": _slower,
}
