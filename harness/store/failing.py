"""Find what failed last, without looking at what went well before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A span that ended in an error. *name* is its own; *error* is what it says of why, if anything."""

    run_id: str
    span_id: str
    seq: int
    start_ns: int
    operation: str
    name: str
    agent: str | None
    error: str | None


def failures(con: Connection, limit: int) -> list[Failure]:
    """List the spans that failed, the last to begin first, from an open view."""
    # Each of these runs has one at least, so no more than those that began since the first of them are wanted.
    row = con.execute(
        """SELECT count(*), min(started_ns) FROM
        (SELECT started_ns FROM runs WHERE errors > 0 ORDER BY started_ns DESC LIMIT ?)""",
        [limit],
    ).fetchone()
    runs, since_ns = row or (0, None)
    bound = f"AND start_ns >= {since_ns}" if since_ns is not None and runs == limit else ""
    rows = con.execute(
        f"""SELECT run_id, span_id, seq, start_ns, operation, name, agent, error FROM spans
        WHERE status = 'error' {bound} ORDER BY start_ns DESC, run_id, seq DESC, span_id LIMIT ?""",
        [limit],
    ).fetchall()
    return [
        Failure(
            run_id=run_id,
            span_id=span_id,
            seq=seq,
            start_ns=start_ns,
            operation=operation,
            name=name,
            agent=agent,
            error=error,
        )
        for run_id, span_id, seq, start_ns, operation, name, agent, error in rows
    ]
