"""Sum calls up from the calls themselves: of some runs, or by the name of runs. Exact, and slower than what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.model import LIMITS, SYNTHETIC_NS, SYNTHETIC_UNTIL_NS

if TYPE_CHECKING:
    from harness.store import Store

_MADE = "operation = 'chat' AND NOT cached"
_BY = {
    "agent": ("calls.agent", "true", "operation = 'chat'"),
    "model": ("calls.model", "operation = 'chat'", "true"),
    "tool": ("calls.name", "operation = 'tool'", "true"),
    "run": ("runs.name", "true", "operation = 'chat'"),
}
"""For each way to sum up: the column, which calls count, and which of them tell of slowing down."""

SAMPLE = 8
"""So many calls at first and at last are held against each other, as the check R405 does, or half of fewer."""
LEAST = 6
"""Of fewer calls nobody can tell whether they slow down."""


def sums(
    store: Store, by: str, *, since_ns: int | None = None, run_ids: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Sum up *by* agent, model, tool or the name of runs, the most expensive first, as a program reads it.

    Of the runs *run_ids* (None: of all), and of calls that began at *since_ns* or later. ``slowdown`` is how many times
    as long the last calls of one run took as its first, where that was worst; None where it cannot be told, as of a
    replay. ``by_limit`` counts the runs that a limit ended. Answers from a framework's own cache used nothing: they
    count as 0 only where no model was asked.
    """
    column, counts, telling = _BY[by]
    asked: dict[str, object] = {}
    bounds = []
    if since_ns is not None:
        asked["since"] = since_ns
        bounds.append("calls.start_ns >= $since")
    if run_ids is not None:
        asked["runs"] = [*run_ids]
        bounds.append("calls.run_id IN (SELECT unnest($runs))")

    def total(name: str, kind: str) -> str:
        known = f"sum({name}) FILTER (WHERE {_MADE})"
        return f"CAST(CASE WHEN bool_or({_MADE}) THEN {known} ELSE sum({name}) END AS {kind}) AS {name}"

    limits = ", ".join(f"'{kind.value}'" for kind in sorted(LIMITS, key=lambda kind: kind.value))
    query = f"""
        WITH counted AS (
            SELECT {column} AS "group", calls.run_id, operation, calls.status, calls.input_tokens, calls.output_tokens,
                calls.cost_usd, calls.start_ns,
                CASE WHEN calls.end_ns IS NOT NULL THEN greatest(calls.end_ns - calls.start_ns, 0) END AS took_ns,
                coalesce(calls.input_tokens = 0 AND calls.output_tokens = 0 AND calls.cost_usd = 0, false) AS cached,
                runs.ending IN ({limits}) AS limited,
                runs.mode <> 'replay'
                    AND NOT (runs.started_ns >= {SYNTHETIC_NS} AND runs.started_ns < {SYNTHETIC_UNTIL_NS}) AS timed
            FROM calls JOIN runs USING (run_id)
            WHERE {" AND ".join([counts, *bounds])}
        ),
        placed AS (
            SELECT "group", run_id, took_ns, count(*) OVER one AS there,
                row_number() OVER (one ORDER BY start_ns) AS place
            FROM counted WHERE timed AND {telling} AND NOT cached AND took_ns IS NOT NULL
            WINDOW one AS (PARTITION BY "group", run_id)
        ),
        slowed AS (
            SELECT "group", run_id, median(took_ns) FILTER (WHERE place > there - least({SAMPLE}, there // 2))
                / nullif(median(took_ns) FILTER (WHERE place <= least({SAMPLE}, there // 2)), 0) AS times
            FROM placed WHERE there >= {LEAST} GROUP BY "group", run_id
        ),
        slowest AS (SELECT "group", max(times) AS times FROM slowed GROUP BY "group")
        SELECT counted."group" AS "{by}", count(*) AS calls, count(*) FILTER (WHERE {_MADE}) AS model_calls,
            count(DISTINCT run_id) AS runs, count(*) FILTER (WHERE status = 'error') AS errors,
            count(*) FILTER (WHERE {_MADE} AND cost_usd IS NULL) AS unpriced,
            {total("input_tokens", "BIGINT")}, {total("output_tokens", "BIGINT")}, {total("cost_usd", "DOUBLE")},
            CAST(quantile_cont(took_ns, 0.5) AS BIGINT) AS p50_ns,
            CAST(quantile_cont(took_ns, 0.95) AS BIGINT) AS p95_ns,
            any_value(slowest.times) AS slowdown, count(DISTINCT run_id) FILTER (WHERE limited) AS by_limit
        FROM counted LEFT JOIN slowest ON counted."group" IS NOT DISTINCT FROM slowest."group"
        GROUP BY counted."group" ORDER BY cost_usd DESC NULLS LAST, calls DESC, counted."group" NULLS LAST"""  # noqa: S608 - fixed words
    with store.view() as con:
        result = con.execute(query, asked)
        columns = [str(described[0]) for described in result.description]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
