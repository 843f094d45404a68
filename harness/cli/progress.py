"""Show on a terminal what is being played while it is; elsewhere nothing."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import Counter
from types import TracebackType

import click

from harness.text import one_line

_EVERY_S = 0.2
_SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ERASE = "\r\x1b[2K"
_MOST_NAMED = 4


class Progress:
    """A block during which the last line of the terminal tells how far it is and what is going on.

    It is narration: on stderr, and only if that is a terminal. What else is printed meanwhile goes through
    :meth:`clear`.
    """

    def __init__(self, total: int, *, show: bool = True) -> None:
        """*total* is how many there are to play."""
        self._stream = sys.stderr
        self._live = show and total > 0 and self._stream.isatty()
        self._total = total
        self._outcomes: Counter[str] = Counter()
        self._playing: dict[str, float] = {}
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._over = threading.Event()

    def __enter__(self) -> Progress:  # noqa: PYI034 - it is not subclassed
        """Begin to tell."""
        if self._live:
            threading.Thread(target=self._tick, daemon=True, name="harness-progress").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line empty."""
        self._over.set()
        self.clear()
        self._live = False

    def began(self, name: str) -> None:
        """Note that *name* is being played."""
        with self._lock:
            self._playing[name] = time.monotonic()
            self._draw(0)

    def ended(self, name: str, outcome: str) -> None:
        """Note what came of *name*."""
        with self._lock:
            self._playing.pop(name, None)
            self._outcomes[outcome] += 1

    def clear(self) -> None:
        """Empty the line, for what is printed next."""
        if self._live:
            with self._lock:
                self._stream.write(_ERASE)
                self._stream.flush()

    def line(self) -> str:
        """Write how far it is: how many are done, what is going on for how long, and what did not pass."""
        with self._lock:
            done = sum(self._outcomes.values())
            now = time.monotonic()
            names = [f"{one_line(name, 24)} {now - since:.0f} s" for name, since in self._playing.items()]
            bad = [f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()) if outcome != "passed"]
        if len(names) > _MOST_NAMED:
            names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
        facts = [f"{done} of {self._total}", ", ".join(names), ", ".join(bad), f"{now - self._began:.0f} s in all"]
        return " · ".join(fact for fact in facts if fact)

    def _tick(self) -> None:
        number = 0
        while not self._over.wait(_EVERY_S):
            number += 1
            with self._lock:
                self._draw(number)

    def _draw(self, number: int) -> None:
        if not self._live or self._over.is_set():
            return
        width = max(20, shutil.get_terminal_size().columns - 4)
        text = click.style(one_line(self.line(), width), dim=True)
        self._stream.write(f"{_ERASE}{_SIGNS[number % len(_SIGNS)]} {text}")
        self._stream.flush()
