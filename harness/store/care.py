"""Say what a store holds, remove the runs nobody keeps, and give their space back."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.journal import SILENCE_NS
from harness.store import files, remaking
from harness.store.schema import reading
from harness.store.taking import take
from harness.store.viewing import viewing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_MOST_COPIES = 6
_GRACE_NS = 2 * SILENCE_NS
_SPAN_BYTES = 120
_LINK_BYTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What lies in a store. Sizes are bytes, times nanoseconds; None where there is nothing to say it of.

    *journals* are the segments not taken in yet, *living* those of them that are still being written, *bad* the lines
    of any journal that were no record.
    """

    path: str
    database_bytes: int
    journal_bytes: int
    runs: int
    spans: int
    messages: int
    journals: int
    living: int
    bad: int
    oldest_ns: int | None
    newest_ns: int | None
    schema: int | None
    duckdb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What stays when a store is pruned. A rule that is None removes nothing.

    Runs that ended before *since_ns* go, and all but the *newest* runs, and the oldest ones until the database has at
    most *most_bytes*. A run with one of *tags* stays, and so does one that goes on or is not wholly taken in, or ended
    less than two minutes ago while anybody writes.
    """

    since_ns: int | None = None
    newest: int | None = None
    most_bytes: int | None = None
    tags: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be: the ids of the runs, oldest first, and the database's size in bytes.

    How small a database gets is known when it is written: *after_bytes* is None where it was not. *kept* counts the
    runs that are left.
    """

    run_ids: Sequence[str]
    kept: int
    before_bytes: int
    after_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One run that may be removed, and what it weighs: about its bytes before compression."""

    run_id: str
    ended_ns: int
    rank: int
    weight: int


def info(store: Path) -> Info:
    """Count what *store* holds, journals included. Raises StoreError if it cannot be read."""
    segments = files.look(store)
    with viewing(store) as con, reading(store):
        runs, oldest, newest, messages = _one(
            con, "SELECT count(*), min(started_ns), max(started_ns), coalesce(sum(messages), 0)::BIGINT FROM runs"
        )
        (spans,) = _one(con, "SELECT count(*) FROM spans")
        (schema,) = _one(con, "SELECT max(version) FROM stored.schema")
        (bad,) = _one(con, "SELECT coalesce(sum(bad), 0)::BIGINT FROM stored.batches")
        (engine,) = _one(con, "SELECT version()")
        known = {str(row[0]) for row in con.execute("SELECT segment FROM stored.ingested").fetchall()}
    pending = [name for name in segments.sealed if name not in known]
    return Info(
        path=str(store),
        database_bytes=size(store / files.DATABASE),
        journal_bytes=sum(size(segments.folder / name) for name in pending),
        runs=runs,
        spans=spans,
        messages=messages,
        journals=len(pending),
        living=sum(not segments.sealed[name] for name in pending),
        bad=bad,
        oldest_ns=oldest,
        newest_ns=newest,
        schema=schema,
        duckdb=str(engine).removeprefix("v"),
    )


def compact(store: Path) -> tuple[int, int]:
    """Write the database anew without the space that removed rows left. Returns its bytes before and after.

    Raises StoreError, with everything as it was, if the store cannot be had or the disk is full.
    """
    take(store)
    with remaking.alone(store):
        before = size(store / files.DATABASE)
        return (before, remaking.remake(store)) if before else (0, 0)


def prune(store: Path, keep: Keep, *, dry_run: bool = False) -> Pruned:
    """Remove the runs that *keep* does not keep, with their spans, contents and judgements, and give the space back.

    Raises UsageError if *keep* has no rule, and StoreError, with everything as it was, as ``compact`` does.
    """
    if keep.since_ns is None and keep.newest is None and keep.most_bytes is None:
        hint = "Give --older-than, --keep-runs or --max-size."
        raise UsageError("nothing says which runs may go", hint=hint)
    take(store)
    with remaking.alone(store):
        return _prune(store, keep, dry_run=dry_run)


def _prune(store: Path, keep: Keep, *, dry_run: bool) -> Pruned:
    before = size(store / files.DATABASE)
    rows, total, runs = _removable(store, keep)
    going = [row for row in rows if _falls(row, keep)]
    most = keep.most_bytes
    if not before or (not going and (most is None or before <= most)):
        return _pruned(going, runs, before, before)
    if dry_run and most is None:
        return _pruned(going, runs, before, None)
    try:
        after = remaking.copy(store, without=_ids(going))
        tried: list[tuple[int, int]] = []
        while most is not None and after > most and len(going) < len(rows) and len(tried) < _MOST_COPIES:
            tried.append((total - sum(row.weight for row in going), after))
            going = _lighter(rows, going, _bearable(tried, most))
            after = remaking.copy(store, without=_ids(going))
        if dry_run:
            remaking.discard(store)
        else:
            remaking.put_in_place(store)
    except BaseException:
        remaking.discard(store)
        raise
    return _pruned(going, runs, before, after)


def _falls(row: _Row, keep: Keep) -> bool:
    too_old = keep.since_ns is not None and row.ended_ns < keep.since_ns
    return too_old or (keep.newest is not None and row.rank > keep.newest)


def _bearable(tried: Sequence[tuple[int, int]], most: int) -> float:
    """Guess the weight to take off so that the database has *most* bytes, from the weights and sizes *tried*."""
    weight, was = tried[-1]
    per_byte = weight / was
    if len(tried) > 1 and tried[-2][1] > was:
        per_byte = (tried[-2][0] - weight) / (tried[-2][1] - was)
    return (was - most) * per_byte


def _lighter(rows: Sequence[_Row], going: Sequence[_Row], off: float) -> list[_Row]:
    """Add the oldest of *rows* to *going* until their weight is *off*, and at least one."""
    gone = {row.run_id for row in going}
    for number, row in enumerate(row for row in rows if row.run_id not in gone):
        if number and off <= 0:
            break
        gone.add(row.run_id)
        off -= row.weight
    return [row for row in rows if row.run_id in gone]


def _removable(store: Path, keep: Keep) -> tuple[list[_Row], int, int]:
    """List the runs that may be removed, oldest first; and the weight and number of all runs."""
    # Who still writes may go on in a run it ended just now, and name contents of it that it does not write again.
    now_ns = time.time_ns()
    recent = (now_ns - _GRACE_NS, now_ns + _GRACE_NS) if files.look(store).living else (1, 0)
    with viewing(store) as con, reading(store):
        found = con.execute(
            f"""WITH weights AS (
                SELECT run_id, sum(bytes) AS weight FROM (
                    SELECT run_id, {_SPAN_BYTES} + strlen(attributes::VARCHAR) AS bytes FROM spans
                    UNION ALL SELECT run_id, strlen(body::VARCHAR) FROM stored.parts
                    UNION ALL SELECT run_id, {_LINK_BYTES} FROM stored.links
                ) GROUP BY run_id
            )
            SELECT run_id, coalesce(ended_ns, started_ns), row_number() OVER (ORDER BY started_ns DESC, run_id),
                coalesce(weight, 0)::BIGINT,
                status = 'running' OR run_id IN (SELECT run_id FROM working.rollups) OR list_has_any(tags, ?::VARCHAR[])
                OR coalesce(ended_ns, started_ns) BETWEEN ? AND ?
            FROM runs LEFT JOIN weights USING (run_id) ORDER BY started_ns, run_id DESC""",
            [list(keep.tags), *recent],
        ).fetchall()
    rows = [
        _Row(run_id=str(run_id), ended_ns=ended_ns, rank=rank, weight=weight)
        for run_id, ended_ns, rank, weight, stays in found
        if not stays
    ]
    return rows, sum(row[3] for row in found), len(found)


def _pruned(going: Sequence[_Row], runs: int, before: int, after: int | None) -> Pruned:
    return Pruned(run_ids=tuple(_ids(going)), kept=runs - len(going), before_bytes=before, after_bytes=after)


def _ids(rows: Sequence[_Row]) -> list[str]:
    return [row.run_id for row in rows]


def size(path: Path) -> int:
    """Give the size of a file in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _one(con: Connection, question: str) -> tuple[int, ...]:
    row: tuple[int, ...] | None = con.execute(question).fetchone()
    if row is None:  # pragma: no cover - an aggregate has one row
        raise AssertionError
    return row
