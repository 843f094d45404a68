"""How long things took, kept as a histogram that is small however many spans there are.

A bucket is 4 % wide, so what is read from its middle is within 2 % of the truth. Rows are only ever added, one ingest
after another; whoever reads sums them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

WIDTH = 1.04
HOUR_NS = 3_600_000_000_000
KEYS = ("operation", "agent", "name", "model")
ENDED = "(FROM working.fresh WHERE status <> 'open')"
"""The spans that journals say have ended, and the database has not."""
COLUMNS = {
    "hour": "BIGINT",
    "operation": "VARCHAR",
    "agent": "VARCHAR",
    "name": "VARCHAR",
    "model": "VARCHAR",
    "bucket": "INTEGER",
    "number": "BIGINT",
}
"""The columns of the table. *hour* counts hours since the Unix epoch; *bucket* 0 is no time at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the spans of one kind took: *number* of them, and the times that 50, 95 and 99 % did not exceed.

    The times are within 2 %. What was not asked for apart is None, and so is what a span does not say. *name* is the
    tool, the language of code, or the agent that was chosen.
    """

    operation: str | None
    agent: str | None
    name: str | None
    model: str | None
    number: int
    p50_ns: int
    p95_ns: int
    p99_ns: int


def histogram(spans: str) -> str:
    """Write the SELECT that counts *spans* that ended. Messages and answers from a cache took no time to speak of.

    *spans* is a query or table with the columns of the table ``spans``.
    """
    return f"""
        SELECT start_ns // {HOUR_NS} AS hour, operation, agent, call_name AS name, model,
            CASE WHEN end_ns <= start_ns THEN 0
                ELSE 1 + CAST(floor(ln(CAST(CAST(end_ns AS HUGEINT) - start_ns AS DOUBLE)) / ln({WIDTH})) AS INTEGER)
                END AS bucket,
            count(*) AS number
        FROM {spans} WHERE end_ns IS NOT NULL AND operation <> 'message' AND made IS NOT FALSE GROUP BY ALL"""


_KEPT = f"FROM stored.latencies UNION ALL {histogram(ENDED)}"


def latencies(con: Connection, by: Sequence[str], since_ns: int | None) -> list[Latency]:
    """Read the histogram from an open view, one row for each combination of *by*; the slowest at the 95th first.

    Raises UsageError for a key that is none.
    """
    if strange := [key for key in by if key not in KEYS]:
        raise UsageError(f"latencies are not kept by {strange[0]!r}", hint=f"There are {', '.join(KEYS)}.")
    keys = [key for key in KEYS if key in by]
    listed = "".join(f"{key}, " for key in keys)
    alike = f"PARTITION BY {', '.join(keys)}" if keys else ""
    shown = ", ".join(key if key in by else f"NULL AS {key}" for key in KEYS)
    middle = f"CASE WHEN {{0}} = 0 THEN 0 ELSE round(pow({WIDTH}, {{0}} - 0.5))::BIGINT END"
    places = ", ".join(
        f"{middle.format(f'min(bucket) FILTER (upto * 100 >= total * {part})')} AS p{part}_ns" for part in (50, 95, 99)
    )
    rows = con.execute(
        f"""SELECT {shown}, any_value(total)::BIGINT AS number, {places}
        FROM (SELECT *, sum(number) OVER ({alike} ORDER BY bucket) AS upto, sum(number) OVER ({alike}) AS total
            FROM (SELECT {listed} bucket, sum(number) AS number FROM ({_KEPT}) WHERE hour >= ? GROUP BY ALL))
        GROUP BY {", ".join(keys) or "()"} HAVING count(*) > 0 ORDER BY p95_ns DESC, {listed} number""",
        [0 if since_ns is None else since_ns // HOUR_NS],
    ).fetchall()
    return [
        Latency(
            operation=operation,
            agent=agent,
            name=name,
            model=model,
            number=number,
            p50_ns=p50_ns,
            p95_ns=p95_ns,
            p99_ns=p99_ns,
        )
        for operation, agent, name, model, number, p50_ns, p95_ns, p99_ns in rows
    ]
