"""Keep the database of one question open for the next: to open it anew costs more than most questions.

It keeps nobody out. DuckDB's own lock on the file belongs to the whole process, and goes with the first handle on the
file that the process closes; so does the one that stands for it while a question is asked (``watched``). Between two
questions the file may be changed, or replaced. The next question then finds another identity, and opens it anew.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.files import DATABASE, Segments

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none; opening a store says so in one line
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

Identity = tuple[int, int, int, int, bytes]
MEMORY = "512MB"
_IDLE_MEMORY = "64MB"
_SMALL_BYTES = 8 << 20
_HEADERS = 3 * 4096
"""Where DuckDB says in a file which of its versions holds: a number that every change of the database increases."""
_NONE: Identity = (0, 0, 0, 0, b"")
"""That there is no database yet: all that is known waits in journals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journals:
    """The segments that wait to be taken in, as they are at one moment, and the processes that still write."""

    waiting: tuple[tuple[Path, int, int], ...]
    """Each with its size in bytes, and when it was last written."""
    living: frozenset[str]

    @classmethod
    def of(cls, segments: Segments, ingested: AbstractSet[str]) -> Journals:
        """See what waits of *segments*: those that are not *ingested*."""
        waiting = [segments.folder / name for name in segments.sealed if name not in ingested]
        stats = [(path, path.stat()) for path in waiting]
        return cls(
            waiting=tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats), living=segments.living
        )

    @property
    def paths(self) -> list[Path]:
        """The files to read."""
        return [path for path, _, _ in self.waiting]

    @property
    def small(self) -> bool:
        """Whether what is made of them may be kept in memory."""
        return sum(size for _, size, _ in self.waiting) <= _SMALL_BYTES


@dataclass(slots=True, kw_only=True)
class Parked:
    """A connection, and what of a store is open in it."""

    con: Connection
    attached: bool = False
    identity: Identity | None = None
    """The database that is attached, if it can be known again."""
    ingested: frozenset[str] = frozenset()
    """The segments that it holds."""
    gathered: Journals | None = None
    """What waited in journals when that was gathered."""
    settled: bool = False
    """Whether nothing waited, and the database leaves nothing open."""
    views: set[str] = field(default_factory=set)

    def part(self) -> None:
        """Take off the views, and what was gathered for them."""
        for name in self.views:
            self.con.execute(f"DROP VIEW {name}")
        if self.gathered is not None:
            self.con.execute("DETACH working")
        self.views.clear()
        self.gathered, self.settled = None, False

    def leave(self) -> None:
        """Take off all that there is."""
        self.part()
        if self.attached:
            self.con.execute("DETACH stored")
        self.attached, self.identity, self.ingested = False, None, frozenset()


_parked: dict[Path, Parked] = {}


@contextlib.contextmanager
def watched(store: Path) -> Iterator[Identity | None]:
    """Lock the database for a block as DuckDB does who reads, and say which it is.

    That there is none can be known again, too. Yields None if it cannot be read, if its last changes are in a log
    beside it, or if somebody else writes it.
    """
    try:
        handle = os.open(store / DATABASE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield _NONE
        return
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found = os.fstat(handle)
            headers = os.pread(handle, _HEADERS, 0)
        except OSError:
            yield None
            return
        if (store / (DATABASE + ".wal")).exists():
            yield None
        else:
            yield found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, headers
    finally:
        os.close(handle)


def fetch(store: Path) -> Parked | None:
    """Give what was parked, to be parked again or closed; None if there is nothing."""
    found = _parked.pop(store, None)
    if found is not None:
        found.con.execute(f"SET memory_limit = '{MEMORY}'")
    return found


def park(store: Path, parked: Parked) -> None:
    """Keep it for the next question, without most of what it remembers of the file. Another one there is closed."""
    import duckdb

    try:
        parked.con.execute(f"SET memory_limit = '{_IDLE_MEMORY}'")
    except duckdb.Error:  # it cannot forget so much
        parked.con.close()
    else:
        if _parked.setdefault(store, parked) is not parked:
            parked.con.close()
    for other in [path for path in list(_parked) if path != store]:
        let_go(other)


def let_go(store: Path) -> None:
    """Close what is parked: before this process writes the database, or puts another in its place."""
    if found := _parked.pop(store, None):
        found.con.close()


def _let_all_go() -> None:
    for store in list(_parked):
        let_go(store)


# The threads of a DuckDB do not live on in a fork, and who closes it there waits for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_let_all_go)
atexit.register(_let_all_go)
