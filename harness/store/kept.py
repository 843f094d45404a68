"""Read what the database alone holds of a few runs: what was taken in before somebody began to follow them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.model import Json, Operation, Span, Status
from harness.store.files import PATIENCE_S, STORE_LOCK, held
from harness.store.records import Judgement, findings
from harness.store.schema import attach, connect, reading

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_SPAN = (
    "run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns, end_ns, attributes"
)
_NEVER = 2**62
# Contents may stand there before any span of their run does.
_TAKEN_SINCE = """SELECT run_id FROM stored.runs WHERE last_batch > $value
    UNION SELECT run_id FROM stored.parts WHERE batch > $value
    UNION SELECT run_id FROM stored.links WHERE batch > $value"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the database holds of one run, up to its *batch*. *began* names the process of each span under way."""

    batch: int
    began: Sequence[tuple[str, Span]]
    ended: Sequence[Span]
    parts: Mapping[str, Json]
    links: Mapping[str, tuple[str | None, str]]
    judgements: Sequence[Judgement]


def kept(store: Path, runs: Mapping[str, int]) -> dict[str, Kept]:
    """Read those of *runs* (ids, and the batch each was read at, or 0) that have changed in the database since.

    Raises StoreError if the database cannot be read or is busy for too long.
    """
    with _stored(store) as con:
        found = _find(con, "SELECT unnest($value)", [*runs])
        return {row[0]: _run(con, *row) for row in found if runs[row[0]] != row[-1]}


def taken_since(store: Path, batch: int | None, began_ns: int) -> tuple[dict[str, Kept], int]:
    """Read every run of which something was taken in after *batch*, and give the newest batch with them.

    Where *batch* is None, it is the last one before *began_ns*.
    """
    with _stored(store) as con:
        if batch is None:
            batch = _number(con, "SELECT max(batch) FROM stored.batches WHERE at_ns < ?", [began_ns])
        newest = _number(con, "SELECT max(batch) FROM stored.batches", [])
        found = _find(con, _TAKEN_SINCE, batch)
        # Contents without spans may lie before the first batch of their run.
        read = {run_id: _run(con, run_id, at, min(first, batch + 1), last) for run_id, at, first, last in found}
        return read, max(batch, newest)


@contextmanager
def _stored(store: Path) -> Iterator[Connection]:
    with held(store, STORE_LOCK, exclusive=False, patience_s=PATIENCE_S) as mine:
        if not mine:
            raise StoreError(f"the store {str(store)!r} is busy", hint="Another process takes runs in; try again.")
        with reading(store), closing(connect(store)) as con:
            attach(con, store, read_only=True)
            yield con


def _number(con: Connection, question: str, values: Sequence[object]) -> int:
    row = con.execute(question, values).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _find(con: Connection, which: str, value: object) -> list[tuple[str, int, int, int]]:
    """Give the id, the start, and the first and last batch of the runs that the query *which* names."""
    return con.execute(
        f"""SELECT run_id, coalesce(started_ns, 0), coalesce(first_batch, {_NEVER}), coalesce(last_batch, {_NEVER})
        FROM ({which}) AS wanted(run_id) LEFT JOIN stored.runs USING (run_id)""",
        {"value": value},
    ).fetchall()


def _run(con: Connection, run_id: str, started_ns: int, first: int, last: int) -> Kept:
    contents = "WHERE batch >= ? AND run_id = ?"
    within = [first, run_id]
    # A span under way that was thought dead may stand in both tables.
    rows = con.execute(
        f"""SELECT '' AS process, {_SPAN} FROM stored.spans WHERE run_id = ? AND start_ns >= ?
        UNION ALL SELECT process, {_SPAN} FROM stored.open_spans WHERE run_id = ?""",
        [run_id, started_ns, run_id],
    ).fetchall()
    spans = [(str(row[0]), _span(row[1:])) for row in rows]
    over = {Status.OK, Status.ERROR}
    judged = con.execute("SELECT at_ns, body FROM stored.judgements WHERE run_id = ? ORDER BY at_ns", [run_id])
    return Kept(
        batch=last,
        began=[(process, span) for process, span in spans if span.status not in over],
        ended=[span for _, span in spans if span.status in over],
        judgements=[
            Judgement(run_id=run_id, at_ns=at_ns, findings=findings(json.loads(body)))
            for at_ns, body in judged.fetchall()
        ],
        parts={
            name: json.loads(body)
            for name, body in con.execute(f"SELECT hash, body FROM stored.parts {contents}", within).fetchall()
        },
        links={
            name: (prev, part)
            for name, prev, part in con.execute(
                f"SELECT hash, prev, part FROM stored.links {contents}", within
            ).fetchall()
        },
    )


def _span(row: Sequence[object]) -> Span:
    said = dict(zip(_SPAN.split(", "), row, strict=True))
    return Span(
        **{
            **said,
            "operation": Operation(said["operation"]),
            "status": Status(said["status"]),
            "attributes": json.loads(str(said["attributes"])),
        }
    )
