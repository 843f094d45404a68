"""How many operations there were, what they used and how long they took: kept day by day, and read.

An ingest only adds rows. What it takes back, spans that seemed interrupted and were not, has negative numbers; whoever
reads sums all of them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.model import SYNTHETIC_NS, SYNTHETIC_UNTIL_NS
from harness.store.gather import SUPERSEDED
from harness.store.histogram import ALIKE, COLUMNS, DAY_NS, SUMS, histogram, places

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

KEYS = ("operation", "agent", "name", "model")
_MERGED_EVERY = 32
"""After so many batches rows that are alike become one: a batch adds some thousand, however few keys there are."""
_ENDED = "(FROM working.fresh WHERE status <> 'open')"
_LATE = histogram(f"(FROM stored.spans AS spans WHERE {SUPERSEDED})")
_TAKEN_BACK = f"SELECT {ALIKE}, {', '.join(f'-{column}' for column in SUMS)} FROM ({_LATE})"


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


def count_in(con: Connection, batch: int) -> None:
    """Add what the working tables bring to ``stored.latencies``; to be called before *superseded* spans are deleted."""
    con.execute(f"INSERT INTO stored.latencies {histogram(_ENDED)}")
    if _superseded(con):
        con.execute(f"INSERT INTO stored.latencies {_TAKEN_BACK}")
    if batch % _MERGED_EVERY == 0:
        sums = ", ".join(f"CAST(sum({column}) AS {COLUMNS[column]}) AS {column}" for column in SUMS)
        con.execute(
            f"""CREATE TEMP TABLE merged AS SELECT {ALIKE}, {sums} FROM stored.latencies GROUP BY {ALIKE}
            HAVING sum(number) <> 0"""
        )
        con.execute("DELETE FROM stored.latencies")
        con.execute("INSERT INTO stored.latencies FROM merged")


def _superseded(con: Connection) -> bool:
    return con.execute("FROM working.superseded LIMIT 1").fetchone() is not None


def counted(con: Connection, since_ns: int | None = None) -> str:
    """Write the query that gives rows of ``latencies`` for all spans of an open view that began at *since_ns* or later.

    A day that is not wholly asked for is counted from its spans. What was imported without times took no known one.
    """
    kept = ["FROM stored.latencies"]
    if con.execute("FROM working.fresh LIMIT 1").fetchone() is not None:
        kept.append(histogram("working.fresh"))
    if _superseded(con):
        kept.append(_TAKEN_BACK)
    made_up = f"day >= {SYNTHETIC_NS // DAY_NS} AND day < {SYNTHETIC_UNTIL_NS // DAY_NS}"
    query = (
        f"SELECT * REPLACE (CASE WHEN {made_up} THEN NULL ELSE bucket END AS bucket) FROM ({' UNION ALL '.join(kept)})"
    )
    if since_ns is None:
        return query
    whole = -(-since_ns // DAY_NS)
    query = f"SELECT * FROM ({query}) WHERE day >= {whole}"
    if whole * DAY_NS > since_ns:
        bounds = f"start_ns >= {since_ns} AND start_ns < {whole * DAY_NS}"
        query += f" UNION ALL {histogram(f'(FROM working.spans WHERE {bounds})')}"
    return query


def latencies(con: Connection, by: Sequence[str], since_ns: int | None) -> list[Latency]:
    """Read the histogram from an open view, one row for each combination of *by*; the slowest at the 95th first.

    Raises UsageError for a key that is none.
    """
    if strange := [key for key in by if key not in KEYS]:
        raise UsageError(f"latencies are not kept by {strange[0]!r}", hint=f"There are {', '.join(KEYS)}.")
    keys = [key for key in KEYS if key in by]
    listed = "".join(f"{key}, " for key in keys)
    shown = ", ".join(key if key in by else f"NULL AS {key}" for key in KEYS)
    counts, found = places((50, 95, 99), ", ".join(keys))
    # What an answer from a cache took says nothing of those that ask a model.
    rows = con.execute(
        f"""SELECT {shown}, any_value(total)::BIGINT AS number, {found}
        FROM (SELECT *, {counts} FROM (SELECT {listed} bucket, sum(number) AS number
            FROM ({counted(con, since_ns)}) WHERE bucket IS NOT NULL AND made IS NOT FALSE GROUP BY ALL))
        GROUP BY {", ".join(keys) or "()"} HAVING count(*) > 0 ORDER BY p95_ns DESC, {listed} number"""
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
