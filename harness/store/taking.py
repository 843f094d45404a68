"""Take sealed segments into the database, exactly once, whatever is killed meanwhile.

One transaction holds the spans, contents, judgements and totals of a batch of segments, and their names. Only then
are the segments removed; one that is still there after a kill is known by its name and removed by the next ingest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.files import INGEST_LOCK, STORE_LOCK, TURN_LOCK, Segments, held, look, names, sweep, writer
from harness.store.gather import SPANS, SUPERSEDED, gather, halves
from harness.store.latencies import count_in
from harness.store.schema import ROW_GROUP, RUN_COLUMNS, attach, connect, reading

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

BATCH_BYTES = 112 << 20
_MOST_BATCHES = 8
_LONGEST_LOG = "1GB"
"""More than the log of so many batches: none of them is to stop on its way and write the database."""
_PATIENCE_S = 1.0
_RUNS = ", ".join(RUN_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an ingest took in. *bad* lines were torn, no JSON or no record; *busy* says another was at it.

    *dropped* is how many writes the programs themselves say they had no room for.
    """

    segments: int = 0
    lines: int = 0
    bad: int = 0
    dropped: int = 0
    busy: bool = False

    def __add__(self, other: Taken) -> Taken:
        """Add up two ingests."""
        return Taken(
            segments=self.segments + other.segments,
            lines=self.lines + other.lines,
            bad=self.bad + other.bad,
            dropped=self.dropped + other.dropped,
            busy=self.busy or other.busy,
        )


def take(store: Path) -> Taken:
    """Take in every segment of *store* that is sealed by now, batch by batch; who waits to read goes first.

    Returns at once if there is nothing to take or another process is at it. Raises StoreError if the database
    cannot be written; the segments are then untouched.
    """
    sweep(store)
    total = Taken()
    due = {name for name, over in look(store).sealed.items() if over}
    while due:
        with held(store, INGEST_LOCK, exclusive=True) as mine:
            if not mine:
                return total + Taken(busy=True)
            with held(store, TURN_LOCK, exclusive=True, patience_s=_PATIENCE_S):
                pass  # had or not: it is a courtesy, and what is safe rests on the other two
            with held(store, STORE_LOCK, exclusive=True, patience_s=_PATIENCE_S) as alone:
                if not alone:
                    return total + Taken(busy=True)
                taken = _take_batches(store, due)
                total += taken
                if not taken.segments:
                    break
        due.intersection_update(names(store))  # not what was sealed meanwhile: that may never come to an end
    return total


def _take_batches(store: Path, due: AbstractSet[str]) -> Taken:
    """Take in one batch after another, until somebody waits to read; each is a transaction of its own.

    What they committed is written into the database itself once, when the connection is closed. A kill before that
    leaves it in DuckDB's log, which whoever opens the database next reads, too.
    """
    total = Taken()
    with reading(store), closing(connect(store)) as con:
        # Rows lie about in the order of their segments; that they do exactly would hold all of it to one thread.
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"SET checkpoint_threshold = '{_LONGEST_LOG}'")
        attach(con, store, read_only=False)
        known = {str(row[0]) for row in con.execute("SELECT segment FROM stored.ingested").fetchall()}
        segments = look(store)
        for _ in range(_MOST_BATCHES):
            batch = _batch(segments, due - known)
            if not batch:
                break
            total += _take_batch(con, segments, batch, known)
            known.update(batch)
            con.execute("DETACH working")
            if _waited_for(store):
                break
            segments = look(store)
    for name, over in segments.sealed.items():
        if over and name in known:
            with suppress(OSError):
                (segments.folder / name).unlink()
    return total


def _waited_for(store: Path) -> bool:
    with held(store, TURN_LOCK, exclusive=True) as free:
        return not free


def _batch(segments: Segments, due: AbstractSet[str]) -> list[str]:
    """Choose of the segments *due*, oldest process part first, up to a size that fits in memory, but at least one."""
    batch: list[str] = []
    size = 0
    for name, over in segments.sealed.items():
        if over and name in due:
            size += (segments.folder / name).stat().st_size
            if batch and size > BATCH_BYTES:
                break
            batch.append(name)
    return batch


def _take_batch(con: Connection, segments: Segments, batch: Sequence[str], known: AbstractSet[str]) -> Taken:
    # A process of which something is still to be taken in may have ended its spans there.
    waiting = {writer(name) for name in segments.sealed if name not in known and name not in batch}
    gathered = gather(con, [segments.folder / name for name in batch], segments.living | waiting)
    row = con.execute("SELECT coalesce(max(batch), 0) + 1 FROM stored.batches").fetchone()
    number = row[0] if row else 1
    con.execute("BEGIN")
    count_in(con, number)
    if con.execute("FROM working.superseded").fetchone() is not None:
        con.execute(f"DELETE FROM stored.spans WHERE {SUPERSEDED}")
    rows = con.execute("SELECT count(*) FROM working.fresh").fetchone()
    # Whole groups from either half: what fills none is moved about with its neighbours when the log is written back.
    ended = f"SELECT {SPANS} FROM working.fresh WHERE status <> 'open'"
    over = halves(ended, rows[0] if rows else 0, whole=ROW_GROUP)
    con.execute(f"INSERT INTO stored.spans {' UNION ALL '.join(over)}")
    con.execute("DELETE FROM stored.open_spans")
    con.execute(f"INSERT INTO stored.open_spans SELECT process, {SPANS} FROM working.fresh WHERE status = 'open'")
    con.execute("INSERT INTO stored.parts SELECT run_id, hash, body, ? FROM working.parts", [number])
    con.execute("INSERT INTO stored.links SELECT run_id, hash, prev, part, ? FROM working.links", [number])
    con.execute("INSERT INTO stored.judgements SELECT run_id, at_ns, body FROM working.judgements")
    con.execute("DELETE FROM stored.runs WHERE run_id IN (SELECT run_id FROM working.rollups)")
    con.execute(
        f"""INSERT INTO stored.runs SELECT {_RUNS}, coalesce(first_batch, ?), ?
        FROM working.rollups LEFT JOIN (SELECT run_id, first_batch FROM working.before) USING (run_id)""",
        [number, number],
    )
    con.execute("DELETE FROM stored.ingested WHERE NOT list_contains(?, segment)", [[*segments.sealed]])
    con.execute("INSERT INTO stored.ingested SELECT unnest(?)", [[*batch]])
    con.execute(
        "INSERT INTO stored.batches VALUES (?, ?, ?, ?, ?)",
        [number, time.time_ns(), len(batch), gathered.lines, gathered.bad],
    )
    con.execute("COMMIT")
    return Taken(segments=len(batch), lines=gathered.lines, bad=gathered.bad, dropped=gathered.dropped)
