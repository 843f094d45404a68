"""Write the database anew beside the old one, and put it in its place: how runs are removed and space is given back.

DuckDB gives back no space where rows are deleted, and a file that is changed in place can be broken by a kill. So the
rows that stay are copied into a file under another name; that file is checked, synced, and renamed over the old one.
Whatever is killed meanwhile, the store holds exactly the old set or the new one. Journals are not touched.

The two locks make it safe beside everything else: ``ingest.lock`` is held for the whole of it, so that nothing is
taken in that the copy has not; ``store.lock`` is taken away from readers for the rename alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.store.files import DATABASE, INGEST_LOCK, PATIENCE_S, STORE_LOCK, held
from harness.store.histogram import histogram
from harness.store.parked import let_go
from harness.store.schema import ROW_GROUP, STORAGE, connect, quoted, reading

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

SUFFIX = ".remade"
_SCOPED = "NOT EXISTS (FROM going WHERE going.run_id = kept.run_id)"
# Only the newest judgement of a run counts.
_NEWEST = "QUALIFY at_ns = max(at_ns) OVER (PARTITION BY run_id)"


@contextmanager
def alone(store: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Keep every ingest out for a block; readers go on.

    Raises StoreError if that cannot be had within *patience_s* seconds.
    """
    with held(store, INGEST_LOCK, exclusive=True, patience_s=patience_s) as mine:
        if not mine:
            hint = "Another process takes runs in, or the folder may only be read; try again."
            raise StoreError(f"the store {str(store)!r} cannot be changed now", hint=hint)
        yield


def remake(store: Path, *, without: Iterable[str] = (), steps: Sequence[str] = ()) -> int:
    """Copy the database of *store*, leaving out the runs *without*, and put the copy in its place.

    *steps* are statements of SQL that change the copy (its catalog is ``remade``) before it is used. Returns its size
    in bytes. To be called with the store ``alone``. Raises StoreError, with the old database in place, if it fails.
    """
    try:
        size = copy(store, without=without, steps=steps)
        put_in_place(store)
    except BaseException:
        discard(store)
        raise
    return size


def copy(store: Path, *, without: Iterable[str] = (), steps: Sequence[str] = ()) -> int:
    """Write the copy under its other name and return its size in bytes; see ``remake``. The old file stays."""
    settle(store)
    discard(store)
    made = _copy_path(store)
    with reading(store), closing(connect(store)) as con:
        con.execute(f"ATTACH {quoted(store / DATABASE)} AS stored (READ_ONLY)")
        con.execute(f"ATTACH {quoted(made)} AS remade (STORAGE_VERSION '{STORAGE}', ROW_GROUP_SIZE {ROW_GROUP})")
        con.execute("CREATE TEMP TABLE going AS SELECT unnest(?::VARCHAR[]) AS run_id", [sorted(without)])
        con.execute("COPY FROM DATABASE stored TO remade (SCHEMA)")
        for table, rows in _tables(con, anew=not steps):
            con.execute(f"INSERT INTO remade.{table} {rows}")
        for step in steps:
            con.execute(step)
        con.execute("CHECKPOINT remade")
        if not steps:
            _compare(con, made)
        con.execute("DETACH remade")
    if _log(made).exists():
        raise StoreError(f"the store {str(store)!r} could not be written anew", hint="Is the disk full?")
    made.chmod(0o600)
    _sync(made)
    return made.stat().st_size


def put_in_place(store: Path) -> None:
    """Rename the copy over the database while nobody reads. Raises StoreError if readers do not let go."""
    with held(store, STORE_LOCK, exclusive=True, patience_s=PATIENCE_S) as mine:
        if not mine:
            hint = "Another program has the store open; close it and try again."
            raise StoreError(f"the store {str(store)!r} is being read", hint=hint)
        let_go(store)
        if _log(store / DATABASE).exists():  # it would be replayed onto the new file
            raise StoreError(f"something else wrote to the store {str(store)!r}", hint="Try again.")
        _copy_path(store).rename(store / DATABASE)
        _sync(store)


def settle(store: Path) -> None:
    """Write what a killed ingest committed into the database itself: its log would be replayed onto any new one."""
    log = _log(store / DATABASE)
    if not log.exists():
        return
    with held(store, STORE_LOCK, exclusive=True, patience_s=PATIENCE_S) as mine:
        if mine:
            let_go(store)
            with reading(store), closing(connect(store)) as con:
                con.execute(f"ATTACH {quoted(store / DATABASE)} AS stored")
                con.execute("CHECKPOINT stored")
                con.execute("DETACH stored")
    if log.exists():
        raise StoreError(f"the store {str(store)!r} is being read", hint="Close the other program and try again.")


def discard(store: Path) -> None:
    """Remove a copy that was not put in place, such as a killed one."""
    made = _copy_path(store)
    for leftover in (made, _log(made)):
        leftover.unlink(missing_ok=True)


def _copy_path(store: Path) -> Path:
    return (store / DATABASE).with_suffix(SUFFIX)


def _tables(con: Connection, *, anew: bool) -> list[tuple[str, str]]:
    """List every table of the database with the SELECT of the rows that stay.

    Counts that runs share are made *anew*, of the runs that stay, unless the schema is an older one.
    """
    found = con.execute(
        """SELECT table_name, bool_or(column_name = 'run_id') FROM duckdb_columns()
        WHERE database_name = 'stored' AND NOT internal AND table_name IN
            (SELECT table_name FROM duckdb_tables() WHERE database_name = 'stored')
        GROUP BY table_name ORDER BY table_name"""
    ).fetchall()
    counted = histogram(f"(FROM stored.spans AS kept WHERE {_SCOPED})")
    return [
        (
            str(table),
            counted
            if anew and table == "latencies"
            else f"SELECT * FROM stored.{table} AS kept"
            + (f" WHERE {_SCOPED}" if scoped else "")
            + (f" {_NEWEST}" if table == "judgements" else ""),
        )
        for table, scoped in found
    ]


def _compare(con: Connection, made: Path) -> None:
    """See that every row that stays has arrived."""
    for table, rows in _tables(con, anew=True):
        counts = con.execute(
            f"SELECT (SELECT count(*) FROM ({rows})), (SELECT count(*) FROM remade.{table})"
        ).fetchone()
        if counts is None or counts[0] != counts[1]:
            raise StoreError(f"the copy {str(made)!r} is not whole: table {table!r}", hint="Is the disk full?")


def _log(database: Path) -> Path:
    return database.with_name(database.name + ".wal")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
