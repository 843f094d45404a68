"""Append what happens to this process's own file, and nothing else: no lock shared, no database, no network.

A *segment* is ``STORE/journal/<proc>-<seq4>.jsonl``. Its writer holds an exclusive ``flock`` for as long as it
lives, so a segment that can be locked is *sealed*: rotated, closed, or left by a process that died. One emission is
one ``os.write``, whole or not at all. The records are described in ``docs/architecture.md``.

What was written outlives the process, however it ends. A loss of power is another matter: only what the disk was
told to keep outlives that, which is what *sync_s* is for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, NamedTuple

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none; the command says so in one line
    fcntl = None  # type: ignore[assignment]

from harness.canonical import encode
from harness.errors import StoreError
from harness.syncing import Syncing

FORMAT = 1
ROTATE_BYTES = 4 << 20
ROTATE_NS = 30 * 1_000_000_000
SILENCE_NS = 60 * 1_000_000_000
"""How long a run may be silent in a process that still counts on what it wrote of it. Then it may have been removed."""
FOLDER = "journal"
SUFFIX = ".jsonl"


def make_store(path: Path) -> Path:
    """Make the store's folder, for its owner only and ignored by git, and return its journal folder.

    Raises StoreError if the folder cannot be made or is not a folder.
    """
    folder = path / FOLDER
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # others may be at it, too
        ignore = path / ".gitignore"
        if not ignore.exists():
            path.chmod(0o700)
            ignore.write_text("*\n")
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the store {str(path)!r}: {error.strerror or error}"
        raise StoreError(msg, hint="Name another folder with --store or HARNESS_STORE.") from error
    return folder


def sealed(segment: Path) -> bool:
    """Say whether nobody writes *segment* any more. A segment that is gone counts as sealed.

    The probe is a shared lock, so that two processes that look at once do not take each other for the writer.
    """
    try:
        handle = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


class _Segment(NamedTuple):
    """The file that is written: by its handle, and by what tells it from any other that the handle may become."""

    handle: int
    device: int
    inode: int
    opened_ns: int


_NONE = _Segment(-1, 0, 0, 0)


def _status(segment: _Segment) -> os.stat_result | None:
    """Look at the open *segment*. None if there is none, or if its handle is another file's by now."""
    try:
        found = os.fstat(segment.handle)
    except OSError:
        return None
    return found if found.st_ino == segment.inode and found.st_dev == segment.device else None


class Journal:
    """This process's segments in one store. Threads may share it; a forked child gets segments of its own."""

    def __init__(
        self, store: Path, *, rotate_bytes: int = ROTATE_BYTES, program: str = "", sync_s: float = 0.0
    ) -> None:
        """Open the first segment in *store*, which is made if missing.

        With *sync_s* above 0 a thread asks the disk, every so many seconds, to keep what was written: a loss of power
        then costs that much at most. Writers never wait for it. Raises StoreError if the store cannot be made.
        """
        if fcntl is None:  # pragma: no cover - see above
            raise StoreError("recording needs Linux or macOS", hint="On Windows, run inside WSL.")
        make_store(store)
        self.folder = store.absolute() / FOLDER
        self._rotate_bytes = rotate_bytes
        self._program = program
        self._sync_s = sync_s
        self._closed = False
        self._begin()
        try:
            self._open()
        except OSError as error:
            msg = f"cannot write to the store {str(store)!r}: {error.strerror or error}"
            raise StoreError(msg, hint="Make room, or name another folder with --store or HARNESS_STORE.") from error
        _alive.add(self)

    def _begin(self) -> None:
        """Start as a process of its own, which has written nothing yet."""
        self.process = os.urandom(6).hex()
        self.dropped = 0
        self._untold = 0
        self._segments = 0
        self._segment = _NONE
        # A signal handler may write while its own thread does: so what changes together is one value.
        self._lock = threading.RLock()
        self._syncing = Syncing(self._sync_s) if self._sync_s > 0 else None

    def _open(self) -> None:
        """Start the next segment: locked before it can be seen, and seen before the last one is let go."""
        number, self._segments = self._segments, self._segments + 1
        name = f"{self.process}-{number:04d}{SUFFIX}"
        hidden = self.folder / f".{name}"
        handle = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            header = {
                "k": "h",
                "v": FORMAT,
                "journal": name,
                "pid": os.getpid(),
                "at_ns": time.time_ns(),
                "program": self._program,
                "versions": {"python": sys.version.split()[0]},
            }
            line = encode(header).encode(errors="replace") + b"\n"
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - cleaned up below as any other
            found = os.fstat(handle)
            hidden.rename(self.folder / name)
        except BaseException:
            os.close(handle)
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
            raise
        opened = _Segment(handle, found.st_dev, found.st_ino, time.monotonic_ns())
        before, self._segment = self._segment, opened
        if self._syncing is not None:
            self._syncing.add(self.folder / name)
        if before is not _NONE:
            with contextlib.suppress(OSError):
                os.close(before.handle)

    def write(self, lines: bytes) -> bool:
        """Append whole *lines* (each ending in a newline) in one write. False, and counted, if they could not be.

        How many were not is told in the journal itself as soon as there is room again. Never raises OSError.
        """
        with self._lock:
            untold, self._untold = self._untold, 0
            try:
                self._append(_told(untold) + lines if untold else lines)
            except OSError:
                self.dropped += 1
                self._untold += untold + 1
                return False
        if self._syncing is not None:
            self._syncing.start()
        return True

    def _append(self, lines: bytes) -> None:
        """Write *lines* or nothing: a part of them is cut off again. Raises OSError if they do not fit."""
        handle = self._ready()
        written = os.write(handle, lines)
        if written != len(lines):
            os.ftruncate(handle, os.fstat(handle).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _ready(self) -> int:
        """Give the handle of a segment that is ours to write. Raises OSError if there can be none.

        A program that becomes a daemon closes every file it does not know; the number may then be that of one of its
        own. A store may be removed while we live. Either way the next segment is begun.
        """
        found = _status(self._segment)
        if found is None:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._segment = _NONE  # let go of without closing it
            self._open()
        elif not found.st_nlink:
            with contextlib.suppress(StoreError):
                make_store(self.folder.parent)
            self._open()
        elif found.st_size >= self._rotate_bytes or time.monotonic_ns() - self._segment.opened_ns > ROTATE_NS:
            with contextlib.suppress(OSError):
                self._open()
        return self._segment.handle

    def _release(self) -> None:
        if _status(self._segment) is not None:
            with contextlib.suppress(OSError):
                os.close(self._segment.handle)
        self._segment = _NONE

    def close(self) -> None:
        """Seal the segment. Later writes are counted as dropped."""
        with self._lock:
            if self._untold and not self._closed:
                with contextlib.suppress(OSError):
                    self._append(_told(self._untold))
            self._closed = True
            self._release()
        _alive.discard(self)
        if self._syncing is not None:
            self._syncing.end()

    def __getstate__(self) -> Any:  # noqa: ANN401 - pickle's own signature
        """Refuse to be pickled: a journal belongs to one process."""
        raise TypeError("a Journal cannot be pickled")


def _told(dropped: int) -> bytes:
    """Say how many writes were dropped since this was last said."""
    return encode({"k": "d", "at_ns": time.time_ns(), "dropped": dropped}).encode() + b"\n"


# Forking: nobody is in the midst of a write or a rotation when a process forks, so a child finds every journal whole
# and lets go of its parent's locks. It begins a segment of its own when it has something to write.

_alive: weakref.WeakSet[Journal] = weakref.WeakSet()
_forking = threading.RLock()
_paused: list[Journal] = []


def _before_fork() -> None:
    _forking.acquire()
    for journal in sorted(_alive, key=id):
        journal._lock.acquire()  # noqa: SLF001 - the same module
        _paused.append(journal)


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop()._lock.release()  # noqa: SLF001
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking  # noqa: PLW0603 - the parent's is held, by a thread that is not here
    _forking = threading.RLock()
    _paused.clear()
    for journal in list(_alive):
        journal._release()  # noqa: SLF001
        journal._begin()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
