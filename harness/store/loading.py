"""Read runs out of an open view: their rows as summaries, their spans, contents and findings as the run they make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness import derive
from harness.model import Finding, Operation, Run, RunStatus, RunSummary, Severity, Span, Status

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


_FOREVER = 2**63 - 1


def summary(row: dict[str, Any]) -> RunSummary:
    """Make a row of the view ``runs`` the record it stands for."""
    worst = row.pop("worst")
    return RunSummary(
        **{
            **row,
            "status": RunStatus(row["status"]),
            "worst": Severity(worst) if worst else None,
            "tags": tuple(row["tags"]),
        }
    )


def run(con: Connection, run_id: str) -> Run | None:
    """Derive one run; None if nothing is recorded of it."""
    found = spans(con, run_id)
    return derive.run(run_id, found, *contents(con, run_id), findings(con, run_id)) if found else None


def spans(con: Connection, run_id: str) -> list[Span]:
    """List the spans of a run, in no order."""
    # No span of a run starts before it does, or after the last sign of life of one that is over.
    bounds = f"started_ns, coalesce(ended_ns, {_FOREVER})"
    row = con.execute(f"SELECT {bounds} FROM runs WHERE run_id = ?", [run_id]).fetchone()
    if row is None:
        return []
    rows = con.execute(
        """SELECT run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns, end_ns,
        attributes FROM spans WHERE run_id = ? AND start_ns BETWEEN ? AND ?""",
        [run_id, *row],
    ).fetchall()
    return [
        Span(
            run_id=run_id,
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            name=name,
            kind=kind,
            operation=Operation(operation),
            status=Status(status),
            seq=seq,
            end_seq=end_seq,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=json.loads(attributes),
        )
        for (
            run_id,
            trace_id,
            span_id,
            parent_id,
            name,
            kind,
            operation,
            status,
            seq,
            end_seq,
            start_ns,
            end_ns,
            attributes,
        ) in rows
    ]


def contents(con: Connection, run_id: str) -> tuple[dict[str, Any], dict[str, tuple[str | None, str]]]:
    """Give the parts and the links of a run, by hash."""
    row = con.execute("SELECT first_batch, last_batch FROM stored.runs WHERE run_id = ?", [run_id]).fetchone()
    bounds = row or (0, -1)
    parts = con.execute(
        """SELECT hash, body FROM stored.parts WHERE run_id = ? AND batch BETWEEN ? AND ?
        UNION ALL SELECT hash, body FROM working.parts WHERE run_id = ?""",
        [run_id, *bounds, run_id],
    ).fetchall()
    links = con.execute(
        """SELECT hash, prev, part FROM stored.links WHERE run_id = ? AND batch BETWEEN ? AND ?
        UNION ALL SELECT hash, prev, part FROM working.links WHERE run_id = ?""",
        [run_id, *bounds, run_id],
    ).fetchall()
    return {name: json.loads(body) for name, body in parts}, {name: (prev, part) for name, prev, part in links}


def findings(con: Connection, run_id: str) -> list[Finding]:
    """List what is said of a run, in the order it was said."""
    rows = con.execute(
        """SELECT code, name, severity, text, seq, span_id, evidence FROM working.verdicts WHERE run_id = ?
        ORDER BY place""",
        [run_id],
    ).fetchall()
    return [
        Finding(
            code=code,
            name=name,
            severity=Severity(severity),
            text=said,
            seq=seq,
            span_id=span_id,
            evidence=json.loads(evidence),
        )
        for code, name, severity, said, seq, span_id, evidence in rows
    ]
