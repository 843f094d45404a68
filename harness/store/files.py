"""The store's folder: which segments lie there, which of them are alive, and who may read or change the database.

Two locks keep DuckDB's own from ever being met. ``ingest.lock`` is held by the one process that takes segments in.
``store.lock`` is shared by readers, for one question each, and exclusive while the database changes. A third lock,
``turn.lock``, protects nothing: a reader that has to wait shares it meanwhile, and ingest gives way to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError
from harness.journal import FOLDER, SUFFIX, sealed

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none; opening a store says so in one line
    fcntl = None  # type: ignore[assignment]

DATABASE = "spans.duckdb"
INGEST_LOCK = "ingest.lock"
STORE_LOCK = "store.lock"
TURN_LOCK = "turn.lock"
PATIENCE_S = 30.0
_LEAST_NAP_S, _LONGEST_NAP_S = 0.002, 0.05
_LEFT_S = 3600.0
_HIDDEN = re.compile(r"\.[0-9a-f]{12}-[0-9]{4,}" + re.escape(SUFFIX))
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The segments of a store at one moment, by name and in order, and whether each is sealed."""

    folder: Path
    sealed: Mapping[str, bool]

    @property
    def living(self) -> frozenset[str]:
        """The processes that still write."""
        return frozenset(writer(name) for name, over in self.sealed.items() if not over)


def writer(segment: str) -> str:
    """Name the process that wrote *segment*: one process may leave several."""
    return segment.removesuffix(SUFFIX).rpartition("-")[0]


def names(store: Path) -> list[str]:
    """List the segments there are, sorted."""
    try:
        found = [path.name for path in (store / FOLDER).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot read the store {str(store)!r}: {error.strerror}") from error
    return sorted(name for name in found if name.endswith(SUFFIX) and not name.startswith("."))


def look(store: Path) -> Segments:
    """See which segments there are and who still writes them.

    A process that rotates opens its next segment before it lets go of the last. So the list is read again until it
    holds nothing unseen: otherwise such a process could look dead.
    """
    folder = store / FOLDER
    found: dict[str, bool] = {}
    while unseen := [name for name in names(store) if name not in found]:
        found.update((name, sealed(folder / name)) for name in unseen)
    return Segments(folder=folder, sealed=dict(sorted(found.items())))


def sweep(store: Path) -> None:
    """Remove what writers left that were killed before their segment could be seen, once it is an hour old.

    It holds a header and nothing that was acknowledged. A writer that was merely stopped there, before it had the
    lock, finds its file gone, as if there were no room, and tries again with its next record.
    """
    oldest = time.time() - _LEFT_S
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for path in (store / FOLDER).iterdir():
            if _HIDDEN.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < oldest and sealed(path):
                        path.unlink()


@contextlib.contextmanager
def held(store: Path, name: str, *, exclusive: bool, patience_s: float = 0.0) -> Iterator[bool]:
    """Hold the lock *name* for a block. Yields False at once if it cannot be had within *patience_s* seconds.

    Who waits for a shared lock is next: ingest begins no other batch before.
    In a folder that may only be read nobody can change the database: a reader then goes without the lock.
    """
    handle = _lock_file(store / name, exclusive=exclusive)
    if handle is None:
        yield not exclusive
        return
    try:
        kind, until = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, time.monotonic() + patience_s
        got = _locked(handle, kind, 0.0)
        if not got and patience_s > 0:
            with contextlib.nullcontext() if exclusive else _turn(store, until):
                got = _locked(handle, kind, until)
        yield got
    finally:
        os.close(handle)


@contextlib.contextmanager
def _turn(store: Path, until: float) -> Iterator[None]:
    """Say, for a block, that somebody waits to read."""
    handle = _lock_file(store / TURN_LOCK, exclusive=False)
    if handle is None:
        yield
        return
    try:
        _locked(handle, fcntl.LOCK_SH, until)
        yield
    finally:
        os.close(handle)


def _lock_file(path: Path, *, exclusive: bool) -> int | None:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise StoreError(f"cannot lock {str(path)!r}: {error.strerror}") from error
        if exclusive:
            return None
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _locked(handle: int, kind: int, until: float) -> bool:
    nap = _LEAST_NAP_S
    while True:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(nap)
        nap = min(nap * 1.5, _LONGEST_NAP_S)
