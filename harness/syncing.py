"""Ask the disk, now and then, to keep what a journal holds: what was written outlives the process, not a loss of power.

A thread does it, so that no writer ever waits for a disk. It opens the segments anew: a copy of the handle that is
written would share its lock, and a child forked at that moment would keep the segment from ever being sealed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path


class Syncing:
    """The segments of one process, and how much of each the disk was asked to keep."""

    def __init__(self, every_s: float) -> None:
        """Sync *every_s* seconds (above 0) once ``start`` was called; until then nothing runs."""
        self._every_s = every_s
        self._done: dict[Path, int] = {}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._busy = threading.Lock()

    def add(self, segment: Path) -> None:
        """Follow *segment* from now on; those before it have come to their end."""
        self._done[segment] = 0

    def start(self) -> None:
        """Start the thread of this process, unless it runs: a forked child has none of its parent's."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=_now_and_then,
                args=(weakref.ref(self), self._ended, self._every_s),
                name="harness-sync",
                daemon=True,
            )
            with contextlib.suppress(RuntimeError):  # no thread can be had, or the interpreter ends: end() syncs
                self._thread.start()

    def end(self) -> None:
        """Sync once more, and end the thread."""
        self._ended.set()
        self.sync()

    def sync(self) -> None:
        """Ask the disk to keep what was written until now, and wait for it. What it refuses is asked for again."""
        with self._busy:
            *finished, _ = segments = [*self._done] or [Path()]
            for segment in segments:
                with contextlib.suppress(OSError):
                    self._sync(segment)
                # What is gone was taken into the store.
                if segment in finished and (self._done[segment] or not segment.exists()):
                    del self._done[segment]

    def _sync(self, segment: Path) -> None:
        handle = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size, before = os.fstat(handle).st_size, self._done.get(segment)
            if before is not None and size > before:
                _keep(handle)
                self._done[segment] = size
        finally:
            os.close(handle)
        if before == 0:  # and that there is such a file
            folder = os.open(segment.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _keep(handle: int) -> None:
    """Ask the disk to keep a file's content; its times may be lost."""
    getattr(os, "fdatasync", os.fsync)(handle)


def _now_and_then(syncing: weakref.ref[Syncing], ended: threading.Event, seconds: float) -> None:
    while not ended.wait(seconds):
        found = syncing()
        if found is None:
            return
        found.sync()
        del found
