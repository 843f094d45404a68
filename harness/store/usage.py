"""Sum calls up over all runs, by agent, model or tool, from what is kept of each day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.store.facts import CALL_OPERATIONS
from harness.store.histogram import places
from harness.store.latencies import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_BY = {
    "agent": ("agent", "agent", "agents", CALL_OPERATIONS),
    "model": ("model", "model", "models", "'chat'"),
    "tool": ("name", "call_name", "tools", "'tool'"),
}
"""For each way to sum up: the column of ``latencies``, of ``spans`` and of ``runs``, and the operations that count."""

_FOREVER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the calls of one agent, model or tool are in sum. *name* is None for those that do not say theirs.

    *model_calls* are those that really asked a model, and *unpriced* those of them whose cost is unknown. *p50_ns* and
    *p95_ns* are the times that so many percent of the *calls* that ended did not exceed, within 2 %.
    """

    name: str | None
    calls: int
    model_calls: int
    runs: int
    errors: int
    unpriced: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    p50_ns: int | None
    p95_ns: int | None


def usage(con: Connection, by: str, since_ns: int | None) -> list[Usage]:
    """Sum up the calls that began at *since_ns* or later, from an open view; the most expensive first.

    Answers from a framework's own cache used nothing: they count as 0 only where no model was asked. Raises UsageError
    for another *by* than agent, model and tool.
    """
    if by not in _BY:
        raise UsageError(f"calls are not summed up by {by!r}", hint=f"There are {', '.join(_BY)}.")
    names = [each.name for each in fields(Usage)]
    rows = con.execute(f"SELECT {', '.join(names)} {_summed(con, by, since_ns)}").fetchall()
    return [Usage(**dict(zip(names, row, strict=True))) for row in rows]


def _summed(con: Connection, by: str, since_ns: int | None) -> str:
    """Write where the fields of Usage come from: sums and times of the calls, and runs that they were made in."""
    column, _, _, operations = _BY[by]
    counts, found = places((50, 95), "name")
    return f"""FROM (
            WITH told AS (
                SELECT {column} AS name, bucket, coalesce(made, false) AS made, sum(number) AS number,
                    sum(errors) AS errors, sum(unpriced) AS unpriced, sum(input_tokens) AS input_tokens,
                    sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd
                FROM ({counted(con, since_ns)}) WHERE operation IN ({operations}) GROUP BY ALL
            ),
            summed AS (
                SELECT name, sum(number)::BIGINT AS calls,
                    coalesce(sum(number) FILTER (WHERE made), 0)::BIGINT AS model_calls, sum(errors)::BIGINT AS errors,
                    sum(unpriced)::BIGINT AS unpriced, {_made("input_tokens", "BIGINT")},
                    {_made("output_tokens", "BIGINT")}, {_made("cost_usd", "DOUBLE")}
                FROM told GROUP BY name HAVING sum(number) > 0
            ),
            timed AS (
                SELECT name, {found} FROM (SELECT name, bucket, {counts} FROM
                    (SELECT name, bucket, sum(number) AS number FROM told GROUP BY ALL)) GROUP BY name
            ),
            seen AS (SELECT name, count(*) AS known FROM ({_runs(con, by, since_ns)}) GROUP BY name)
            SELECT summed.*, p50_ns, p95_ns, coalesce(known, 0) AS runs
            FROM summed JOIN timed ON summed.name IS NOT DISTINCT FROM timed.name
                LEFT JOIN seen ON summed.name IS NOT DISTINCT FROM seen.name
        ) ORDER BY cost_usd DESC NULLS LAST, calls DESC, name NULLS LAST"""


def _made(column: str, kind: str) -> str:
    """Write the sum of *column* over the calls that were really made, or, where none was, over those answered."""
    made = f"sum({column}) FILTER (WHERE made)"
    any_made = "coalesce(sum(number) FILTER (WHERE made), 0) > 0"
    return f"CAST(CASE WHEN {any_made} THEN {made} ELSE sum({column}) END AS {kind}) AS {column}"


def _runs(con: Connection, by: str, since_ns: int | None) -> str:
    """Write the query that gives the name of everyone who called in a run, once for each run."""
    _, told, listed, operations = _BY[by]
    known = f"SELECT run_id, started_ns, coalesce(ended_ns, {_FOREVER}) AS ended_ns, {listed} AS listed"
    runs = f"""({known} FROM stored.runs WHERE run_id NOT IN (SELECT run_id FROM working.rollups)
        UNION ALL {known} FROM working.rollups)"""
    if since_ns is None:
        return f"SELECT unnest(listed) AS name FROM {runs}"
    query = f"SELECT unnest(listed) AS name FROM {runs} WHERE started_ns >= {since_ns}"
    # Of a run that was under way by then, only its spans say who called later.
    under_way = f"FROM {runs} WHERE started_ns < {since_ns} AND ended_ns >= {since_ns}"
    row = con.execute(f"SELECT max(ended_ns) {under_way}").fetchone()
    if row is None or row[0] is None:
        return query
    return f"""{query} UNION ALL SELECT name FROM (SELECT DISTINCT run_id, {told} AS name FROM working.spans
        WHERE operation IN ({operations}) AND start_ns BETWEEN {since_ns} AND {row[0]}
        AND run_id IN (SELECT run_id {under_way}))"""
