"""Read back what was just recorded, from the journals it lies in.

A database that has to take a short run in before it can be asked costs many times the run. Here none is opened, unless
some process has taken journals in meanwhile: then the run is asked of the store, which knows both.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from harness import derive
from harness.errors import StoreError, UnknownRunError
from harness.journal import FOLDER, SUFFIX, sealed
from harness.model import Run, Span
from harness.store.files import DATABASE, writer
from harness.store.followed import Followed
from harness.store.opened import Store
from harness.store.records import Other, Record, read

_BEGAN = re.compile(rb'\{"k":"s","run_id":"[^"\\]*","trace_id":"[^"\\]*","span_id":"([^"\\]*)"')
"""A span's beginning as journals are written. One that is written otherwise is read all the same."""


class Recent:
    """The runs that begin in a store from now on. What was recorded of one before now is not among it."""

    def __init__(self, store: Path) -> None:
        """Begin now; the store need not exist yet."""
        self._store = store
        self._before = frozenset(_segments(store))
        self._database = _database(store)

    @property
    def waiting(self) -> int:
        """How many segments lay there before that nobody has taken in."""
        return len(self._before)

    def run(self, run_id: str) -> Run | None:
        """Derive the run as it stands; None if nothing is recorded of it. Raises StoreError if it cannot be read."""
        found = self._lying_there(run_id) if _database(self._store) == self._database else None
        if found is None or _database(self._store) != self._database:
            try:
                return Store(self._store).run(run_id)
            except UnknownRunError:
                return None
        living, run = found
        spans = run.spans(living)
        return derive.run(run_id, spans, *run.contents(), run.findings()) if spans else None

    def _lying_there(self, run_id: str) -> tuple[frozenset[str], Followed] | None:
        """Read the run from the segments that have come up, with the processes that still write. None if one is gone.

        As in ``files.look``, they are listed until none is unseen: a process that rotates hides nothing.
        """
        run, sought = Followed(), run_id.encode(errors="replace")
        seen, living = set(self._before), set[str]()
        while unseen := _segments(self._store) - seen:
            seen |= unseen
            for name in sorted(unseen):
                path, process = self._store / FOLDER / name, writer(name)
                # Whether it is over is asked first: what is over is read to its end.
                if not sealed(path):
                    living.add(process)
                try:
                    lines = path.read_bytes()
                except FileNotFoundError:
                    return None
                if sought in lines:
                    run.take((process, record) for record in _records(lines, run_id))
        return frozenset(living), run


def _records(lines: bytes, run_id: str) -> list[Record]:
    """Read what *lines* hold of a run. The beginning of a span that ended here says nothing more, and is left out."""
    begun: list[tuple[bytes, bytes]] = []
    found: list[Record] = []
    for line in lines.split(b"\n"):
        began = _BEGAN.match(line)
        if began is not None:
            begun.append((began[1], line))
        elif (record := read(line)) is not None:
            found.append(record)
    over = {record.span_id.encode() for record in found if isinstance(record, Span) and record.run_id == run_id}
    found += filter(None, (read(line) for span_id, line in begun if span_id not in over))
    return [record for record in found if not isinstance(record, Other) and record.run_id == run_id]


def _segments(store: Path) -> set[str]:
    """List what lies in the journal, as quickly as that can be: there may be thousands."""
    try:
        found = os.listdir(store / FOLDER)  # noqa: PTH208 - paths of so many names would cost more than reading the run
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StoreError(f"cannot read the store {str(store)!r}: {error.strerror}") from error
    return {name for name in found if name.endswith(SUFFIX) and not name.startswith(".")}


def _database(store: Path) -> object:
    """Give a token of the database that changes when it does."""
    seen = []
    for name in (DATABASE, f"{DATABASE}.wal"):
        with suppress(OSError):
            found = (store / name).stat()
            seen.append((name, found.st_ino, found.st_size, found.st_mtime_ns))
    return seen
