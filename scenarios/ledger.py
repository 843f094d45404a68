"""Let the processes of one program share a replay: which exchanges are played, and what nobody answered."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path


class Ledger:
    """A folder that processes share. What cannot be read or written there is known to this process alone."""

    def __init__(self, folder: Path) -> None:
        self._played = folder / "played"
        self._missed = folder / "missed"

    @contextlib.contextmanager
    def held(self, played: list[bool]) -> Iterator[None]:
        """Bring *played* up to date, and keep what the block adds to it; nobody else is at it meanwhile."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open(self._played, "a+b"))  # noqa: PTH123 - made if missing, read and written
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                for index, mark in enumerate(file.read(len(played))):
                    played[index] = played[index] or mark == ord("1")
            except OSError:
                yield
                return
            before = list(played)
            yield
            if played != before:
                with contextlib.suppress(OSError):
                    self._write(file.fileno(), played)

    @staticmethod
    def _write(handle: int, played: list[bool]) -> None:
        os.ftruncate(handle, 0)
        os.write(handle, bytes(ord("1") if done else ord("0") for done in played))

    def miss(self, text: str, difference: str) -> None:
        """Tell the others that a request had no answer."""
        line = json.dumps([os.getpid(), text, difference])
        with contextlib.suppress(OSError), self._missed.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def misses(self) -> list[tuple[str, str]]:
        """List the text and the difference of each request that had no answer in another process."""
        with contextlib.suppress(OSError):
            told = map(json.loads, self._missed.read_text(encoding="utf-8").splitlines())
            return [(text, difference) for process, text, difference in told if process != os.getpid()]
        return []
