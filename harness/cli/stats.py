"""``harness stats``: calls, tokens, cost, errors and durations over all runs, by agent, model, tool or run."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import figures
from harness.cli.amounts import age
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.text import one_line

if TYPE_CHECKING:
    from harness.store import Store

_WIDEST = 40
_BY = ("agent", "model", "tool", "run")
_HEADINGS = ("CALLS", "RUNS", "ERRORS", "TOKENS IN", "OUT", "COST", "P50", "P95")


@click.command()
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
def command(store: Path | None, by: str, since: int | None, *, as_json: bool) -> None:
    """Sum up calls over all runs: how many, how many failed, tokens, cost, and how long they took.

    Calls are those of models and tools, code, humans and speaker selections. What nobody knows is –, never 0. The most
    expensive come first. Durations are within 2 %.
    """
    opened = existing_store(store)
    opened.ingest()
    since_ns = None if since is None else time.time_ns() - since
    groups = by_run(opened, since_ns) if by == "run" else by_key(opened, by, since_ns)
    if as_json:
        emit_json(groups)
        return
    if not groups:
        say(f"No calls in {one_line(opened.path, 200)}" + (" since then." if since is not None else " yet."))
        return
    rows = [(by.upper(), *_HEADINGS), *(_row(by, group) for group in groups)]
    first, *rest = figures.table(rows, frozenset(range(1, len(_HEADINGS) + 1)))
    figures.put(click.style(first, dim=True))
    for line in rest:
        figures.put(line)
    unpriced = sum(group["unpriced"] for group in groups)
    if unpriced:
        asked = sum(group["model_calls"] for group in groups)
        say(f"The cost of {figures.count(unpriced)} of {figures.count(asked)} model calls is unknown.")


def by_key(store: Store, by: str, since_ns: int | None) -> list[dict[str, Any]]:
    """Give what is summed up by agent, model or tool, as a program reads it."""
    return [{by: found.pop("name"), **found} for found in (asdict(one) for one in store.usage(by, since_ns=since_ns))]


def by_run(store: Store, since_ns: int | None) -> list[dict[str, Any]]:
    """Give the same by the name of runs, read from all calls themselves: durations are exact here.

    Answers from a framework's own cache used nothing: they count as 0 only where no model was asked.
    """
    bound = "" if since_ns is None else f" WHERE calls.start_ns >= {int(since_ns)}"
    made = "operation = 'chat' AND NOT cached"

    def total(column: str, kind: str) -> str:
        known = f"sum({column}) FILTER (WHERE {made})"
        return f"CAST(CASE WHEN bool_or({made}) THEN {known} ELSE sum({column}) END AS {kind}) AS {column}"

    answer = store.sql(f"""
        SELECT "group" AS run, count(*) AS calls, count(*) FILTER (WHERE {made}) AS model_calls,
            count(DISTINCT run_id) AS runs, count(*) FILTER (WHERE status = 'error') AS errors,
            count(*) FILTER (WHERE {made} AND cost_usd IS NULL) AS unpriced,
            {total("input_tokens", "BIGINT")}, {total("output_tokens", "BIGINT")}, {total("cost_usd", "DOUBLE")},
            CAST(quantile_cont(took_ns, 0.5) AS BIGINT) AS p50_ns,
            CAST(quantile_cont(took_ns, 0.95) AS BIGINT) AS p95_ns
        FROM (
            SELECT runs.name AS "group", calls.run_id, operation, calls.status, calls.input_tokens,
                calls.output_tokens, calls.cost_usd, greatest(calls.end_ns - calls.start_ns, 0) AS took_ns,
                coalesce(calls.input_tokens = 0 AND calls.output_tokens = 0 AND calls.cost_usd = 0, false) AS cached
            FROM calls JOIN runs USING (run_id){bound}
        )
        GROUP BY "group" ORDER BY cost_usd DESC NULLS LAST, calls DESC, "group" NULLS LAST""")  # noqa: S608 - fixed words
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _row(by: str, group: dict[str, Any]) -> tuple[str, ...]:
    name = group[by]
    return (
        figures.UNKNOWN if name is None else one_line(name, _WIDEST),
        figures.count(group["calls"]),
        figures.count(group["runs"]),
        figures.count(group["errors"]),
        figures.count(group["input_tokens"]),
        figures.count(group["output_tokens"]),
        figures.money(group["cost_usd"]),
        figures.duration(group["p50_ns"]),
        figures.duration(group["p95_ns"]),
    )
