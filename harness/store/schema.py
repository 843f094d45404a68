"""The tables of the database, its version, and how it is made and opened.

Plain append-only tables without primary keys or indexes: those are where DuckDB's crash recovery has failed others,
and bounds by time and batch find a run as fast. The file is kept in a storage version that DuckDB 1.5 and 2 share.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.store.files import DATABASE
from harness.store.histogram import COLUMNS as LATENCY_COLUMNS
from harness.store.parked import MEMORY, let_go

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

VERSION = 3
STORAGE = "v1.5.0"
ROW_GROUP = 12_288
"""How many rows lie together. Few: a batch of segments then fills some, which go straight to their place on the disk,
and what an ingest rewrites, and what one run is searched in, stays small. A multiple of 2048."""

RECORDED_COLUMNS = {
    "run_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "operation": "VARCHAR",
    "status": "VARCHAR",
    "seq": "BIGINT",
    "end_seq": "BIGINT",
    "start_ns": "BIGINT",
    "end_ns": "BIGINT",
}
"""What the records of a span say beside its attributes, by the same names."""

SPAN_COLUMNS = {
    **RECORDED_COLUMNS,
    "agent": "VARCHAR",
    "call_name": "VARCHAR",
    "model": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "made": "BOOLEAN",  # for chats: the model was really asked; a cache did not answer
    "error": "VARCHAR",
    "attributes": "JSON",
}
CALLED_COLUMNS = {"agents": "VARCHAR[]", "models": "VARCHAR[]", "tools": "VARCHAR[]"}
"""Whose calls there are in a run, in no order; NULL is one of them where a call does not say. Not public."""

RUN_COLUMNS = {
    "run_id": "VARCHAR",
    "source_id": "VARCHAR",
    "name": "VARCHAR",
    "started_ns": "BIGINT",
    "ended_ns": "BIGINT",
    "status": "VARCHAR",
    "ending": "VARCHAR",
    "mode": "VARCHAR",
    "framework": "VARCHAR",
    "messages": "BIGINT",
    "model_calls": "BIGINT",
    "tool_calls": "BIGINT",
    "turns": "BIGINT",
    "errors": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "findings": "BIGINT",
    "worst": "VARCHAR",
    "tags": "VARCHAR[]",
    **CALLED_COLUMNS,
}
_TABLES = {
    "schema": {"version": "INTEGER"},
    "spans": SPAN_COLUMNS,
    "open_spans": {"process": "VARCHAR", **SPAN_COLUMNS},
    # A batch is one ingest. Batches bound where the contents of a run can lie.
    "parts": {"run_id": "VARCHAR", "hash": "VARCHAR", "body": "JSON", "batch": "BIGINT"},
    "links": {"run_id": "VARCHAR", "hash": "VARCHAR", "prev": "VARCHAR", "part": "VARCHAR", "batch": "BIGINT"},
    "judgements": {"run_id": "VARCHAR", "at_ns": "BIGINT", "body": "JSON"},
    "latencies": LATENCY_COLUMNS,
    "runs": {**RUN_COLUMNS, "first_batch": "BIGINT", "last_batch": "BIGINT"},
    "ingested": {"segment": "VARCHAR"},
    "batches": {"batch": "BIGINT", "at_ns": "BIGINT", "segments": "BIGINT", "lines": "BIGINT", "bad": "BIGINT"},
}


def connect(store: Path) -> Connection:
    """Open an in-memory DuckDB that loads nothing from anywhere and spills, if it must, into the store's folder."""
    import duckdb

    settings: dict[str, Any] = {
        "threads": 2,
        "memory_limit": MEMORY,
        "temp_directory": str(store / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    con = duckdb.connect(config=settings)
    # It takes `python -c` for somebody at a prompt, and would draw a bar into what a command prints.
    con.execute("SET enable_progress_bar = false")
    return con


def attach(con: Connection, store: Path, *, read_only: bool) -> None:
    """Attach the store's database as ``stored``; an empty one in memory if there is none yet and it is only read.

    Raises StoreError for a file that is damaged, foreign, held by another program, or newer than this version.
    """
    path = store / DATABASE
    if not read_only:
        let_go(store)
    if not _exists(path):
        if "?" in str(path) and not read_only:
            msg = f"DuckDB takes the question mark in {str(path)!r} for that of an address"
            raise StoreError(msg, hint="Name another folder with --store or HARNESS_STORE.")
        if read_only:
            con.execute("ATTACH ':memory:' AS stored")
            _create(con)
            return
        _make(con, path)
    import duckdb

    try:
        con.execute(f"ATTACH {quoted(path)} AS stored ({'READ_ONLY' if read_only else f'ROW_GROUP_SIZE {ROW_GROUP}'})")
        found = con.execute("SELECT max(version) FROM stored.schema").fetchone()
    except duckdb.Error as error:
        raise _unreadable(path, error) from error
    version = found[0] if found else None
    if version != VERSION:
        msg = f"{str(path)!r} has schema {version!r}, and this version of autogen-harness reads {VERSION}"
        hint = "Upgrade autogen-harness, or name another folder with --store."
        if isinstance(version, int) and version < VERSION:
            hint = "Any command that reads runs, such as `harness runs`, brings it up to date."
        raise StoreError(msg, hint=hint)


@contextmanager
def reading(store: Path) -> Iterator[None]:
    """Turn what DuckDB says of a damaged or held file into a StoreError. A fault in our own SQL stays one."""
    import duckdb

    try:
        yield
    except duckdb.ProgrammingError:
        raise
    except duckdb.Error as error:
        raise _unreadable(store / DATABASE, error) from error


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _unreadable(path: Path, error: Exception) -> StoreError:
    """Say in one line what is wrong with the database, and that the journals are not."""
    reason = str(error).partition("\n")[0]
    full = next((code for code in _FULL if os.strerror(code).lower() in reason.lower()), None)
    if full is not None:
        hint = f"Make room and go on; {_kept(path)}."
        said = "no space left on the disk of" if full == errno.ENOSPC else f"{os.strerror(full).lower()} for"
        return StoreError(f"{said} the store {str(path.parent)!r}", hint=hint)
    if "lock" in reason.lower():
        hint = "Close the other program: the store is open for writing there."
    else:
        hint = f"Move it aside (mv {path.name} {path.name}.broken) and go on; {_kept(path)}."
    return StoreError(f"cannot read the store's database {str(path)!r}: {reason}", hint=hint)


def _kept(path: Path) -> str:
    return f"what lies in {path.parent.name}/journal is kept"


def quoted(path: Path) -> str:
    """Write *path* as an SQL string: ATTACH takes no parameters."""
    return "'" + str(path).replace("'", "''") + "'"


def _exists(path: Path) -> bool:
    """Say whether there is a database. Raises StoreError for an empty file: ours come whole, under their name last."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    if size == 0:
        hint = f"Something else emptied it. Remove it (rm {path.name}) and go on; {_kept(path)}."
        raise StoreError(f"the store's database {str(path)!r} is empty", hint=hint)
    return True


def _make(con: Connection, path: Path) -> None:
    """Make the database whole under another name first, so that nobody ever sees half of one."""
    making = path.with_suffix(".making")
    log = making.with_name(making.name + ".wal")
    for leftover in (making, log):
        leftover.unlink(missing_ok=True)
    con.execute(f"ATTACH {quoted(making)} AS stored (STORAGE_VERSION '{STORAGE}', ROW_GROUP_SIZE {ROW_GROUP})")
    _create(con)
    con.execute("CHECKPOINT stored")
    con.execute("DETACH stored")
    if log.exists():
        raise StoreError(f"the store {str(path.parent)!r} could not be made", hint="Is the disk full?")
    making.chmod(0o600)
    making.rename(path)


def _create(con: Connection) -> None:
    for table, columns in _TABLES.items():
        con.execute(f"CREATE TABLE stored.{table}({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    con.execute("INSERT INTO stored.schema VALUES (?)", [VERSION])
