"""Append what happens to this process's own file, and nothing else: no lock shared, no database, no network.

A *segment* is ``STORE/journal/<proc>-<seq4>.jsonl``. Its writer holds an exclusive ``flock`` for as long as it
lives, so a segment that can be locked is *sealed*: rotated, closed, or left by a process that died. One emission is
one ``os.write``, whole or not at all. The records are described in ``docs/architecture.md``.
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
from typing import Any

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none; the command says so in one line
    fcntl = None  # type: ignore[assignment]

from harness.canonical import encode
from harness.errors import StoreError

FORMAT = 1
ROTATE_BYTES = 4 << 20
ROTATE_NS = 30 * 1_000_000_000
FOLDER = "journal"
SUFFIX = ".jsonl"


def make_store(path: Path) -> Path:
    """Make the store's folder, for its owner only and ignored by git, and return its journal folder.

    Raises StoreError if the folder cannot be made or is not a folder.
    """
    folder = path / FOLDER
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
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


class Journal:
    """This process's segments in one store. Threads may share it; a forked child gets segments of its own."""

    def __init__(self, store: Path, *, rotate_bytes: int = ROTATE_BYTES, program: str = "") -> None:
        """Open the first segment in *store*, which is made if missing. Raises StoreError if it cannot be."""
        if fcntl is None:  # pragma: no cover - see above
            raise StoreError("recording needs Linux or macOS", hint="On Windows, run inside WSL.")
        self.folder = make_store(store)
        self.dropped = 0
        self._rotate_bytes = rotate_bytes
        self._program = program
        self._lock = threading.Lock()
        self._handle = -1
        self._begin()
        try:
            self._open()
        except OSError as error:
            msg = f"cannot write to the store {str(store)!r}: {error.strerror or error}"
            raise StoreError(msg, hint="Make room, or name another folder with --store or HARNESS_STORE.") from error
        _alive.add(self)

    def _begin(self) -> None:
        self.process = os.urandom(6).hex()
        self._segments = 0

    def _open(self) -> None:
        """Start the next segment: locked before it can be seen, and seen before the last one is let go."""
        name = f"{self.process}-{self._segments:04d}{SUFFIX}"
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
            line = encode(header).encode() + b"\n"
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - cleaned up below as any other
            hidden.rename(self.folder / name)
        except BaseException:
            os.close(handle)
            hidden.unlink(missing_ok=True)
            raise
        before, self._handle = self._handle, handle
        self._size, self._opened_ns = len(line), time.monotonic_ns()
        self._segments += 1
        if before >= 0:
            os.close(before)

    def write(self, lines: bytes) -> bool:
        """Append whole *lines* (each ending in a newline) in one write. False, and counted, if they could not be."""
        with self._lock:
            if self._handle < 0:
                self.dropped += 1
                return False
            if self._size >= self._rotate_bytes or time.monotonic_ns() - self._opened_ns > ROTATE_NS:
                with contextlib.suppress(OSError):
                    self._open()
            try:
                written = os.write(self._handle, lines)
                if written != len(lines):
                    os.ftruncate(self._handle, self._size)
                    self.dropped += 1
                    return False
            except OSError:
                self.dropped += 1
                return False
            self._size += written
            return True

    def close(self) -> None:
        """Seal the segment. Later writes are counted as dropped."""
        with self._lock:
            handle, self._handle = self._handle, -1
            if handle >= 0:
                os.close(handle)
        _alive.discard(self)

    def _after_fork(self) -> None:
        """Give a forked child a file of its own; the parent keeps its lock."""
        self._lock = threading.Lock()
        if self._handle < 0:
            return
        with contextlib.suppress(OSError):
            os.close(self._handle)
        self._handle = -1
        self._begin()
        with contextlib.suppress(OSError):
            self._open()

    def __getstate__(self) -> Any:  # noqa: ANN401 - pickle's own signature
        """Refuse to be pickled: a journal belongs to one process."""
        raise TypeError("a Journal cannot be pickled")


_alive: weakref.WeakSet[Journal] = weakref.WeakSet()


def _reopen_all() -> None:
    for journal in list(_alive):
        journal._after_fork()  # noqa: SLF001 - the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_all)
