"""Read what is appended to the segments of a store, line by line, and see who still writes.

No lock is waited for and no database opened. A segment is held open from when it is first seen until it is sealed and
read to its end, so what another process takes in and removes meanwhile is read all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.journal import FOLDER, sealed
from harness.store.files import names, writer

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none; opening a store says so in one line
    fcntl = None  # type: ignore[assignment]

MOST_OPEN = 200
"""So many segments are held open at once; a backlog beyond that waits its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a look found: *lines* with their segment, in order within a process, without their newline.

    *sealed* segments were read to their end and will not grow; *gone* ones were taken in or removed. The processes
    *living* still write. *more* says that something is left for the next look.
    """

    lines: Sequence[tuple[str, bytes]]
    sealed: Sequence[str]
    gone: Sequence[str]
    living: frozenset[str]
    more: bool


@dataclass(slots=True, kw_only=True)
class _Segment:
    handle: int
    at: int = 0
    rest: bytes = b""
    over: bool = False
    done: bool = False


class Tail:
    """Follows the segments of one store, which need not exist yet. One thread at a time may look."""

    def __init__(self, store: Path) -> None:
        """Follow the store folder *store*; nothing is read before the first look."""
        self._store = store
        self._known: dict[str, _Segment] = {}

    def read(self, most_bytes: int) -> Read:
        """Read what is new, up to about *most_bytes*. Raises StoreError if the folder cannot be listed."""
        there = self._look()
        lines: list[tuple[str, bytes]] = []
        over, gone, left, more = [], [], most_bytes, False
        for name, segment in sorted(self._known.items()):
            if name not in there:
                segment.over = True
                segment.done |= segment.handle < 0
            if not segment.done:
                left -= _drain(name, segment, left, lines)
                more |= segment.over and not segment.done
                over += [name] * segment.done
            if name not in there and segment.done:
                del self._known[name]
                gone.append(name)
        living = frozenset(writer(name) for name, segment in self._known.items() if not segment.over)
        return Read(lines=lines, sealed=tuple(over), gone=tuple(gone), living=living, more=more or left <= 0)

    def close(self) -> None:
        """Let go of all segments. What was read is forgotten."""
        for segment in self._known.values():
            _shut(segment)
        self._known.clear()

    def _look(self) -> set[str]:
        """Find segments, open new ones and see who still writes. As in ``files.look``, a rotation hides nobody."""
        there: set[str] = set()
        room = MOST_OPEN - sum(segment.handle >= 0 for segment in self._known.values())
        while unseen := [name for name in names(self._store) if name not in there]:
            there.update(unseen)
            for name in unseen:
                with suppress(OSError):
                    room -= self._probe(name, room)
        return there

    def _probe(self, name: str, room: int) -> int:
        """Open the segment *name* if there is *room* and see if it is over. Returns how many were opened."""
        segment = self._known.get(name) or _Segment(handle=-1)
        path, opened = self._store / FOLDER / name, 0
        if not segment.done and segment.handle < 0 and room > 0:
            segment.handle, opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC), 1
        self._known[name] = segment
        if segment.over:
            return opened
        if segment.handle < 0:
            segment.over = sealed(path)
            return opened
        try:
            # Shared, as every probe of a segment: two that look at once do not take each other for the writer.
            fcntl.flock(segment.handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return opened
        fcntl.flock(segment.handle, fcntl.LOCK_UN)
        segment.over = True
        return opened


def _drain(name: str, segment: _Segment, most: int, lines: list[tuple[str, bytes]]) -> int:
    """Read on in *segment*, at most *most* bytes, and return how many. A line without its newline waits."""
    if segment.handle < 0:
        return 0
    size = os.fstat(segment.handle).st_size
    if size < segment.at:
        # A write that did not fit was taken back.
        segment.at, segment.rest = size, b""
    wanted = min(size - segment.at, most)
    read = os.pread(segment.handle, wanted, segment.at) if wanted > 0 else b""
    if read:
        segment.at += len(read)
        *whole, segment.rest = (segment.rest + read).split(b"\n")
        lines.extend((name, line) for line in whole if line)
    if segment.over and segment.at >= size:
        if segment.rest:
            lines.append((name, segment.rest))
        segment.rest, segment.done = b"", True
        _shut(segment)
    return len(read)


def _shut(segment: _Segment) -> None:
    if segment.handle >= 0:
        os.close(segment.handle)
        segment.handle = -1
