"""Let a process post the phase it is in, and die inside the one that is its fate.

Nothing of this is in the product: the functions that begin a phase are wrapped in the suite's own processes.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .board import PHASES, Board

_SHORTEST_S = 0.0003


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Where a process dies: at the *nth* entry of *phase*.

    *how* is before, during or after it, or step: at the system call number *step* within.
    """

    phase: str = ""
    nth: int = 1
    how: str = "before"
    step: int = 0
    in_child: bool = False


class Life:
    """One process: its slot, the phase it is in, and its fate."""

    def __init__(self, board: Board, slot: int, fate: Fate, seed: int) -> None:
        self.board = board
        self.slot = slot
        self.child_slot = slot
        self.fate = fate
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._pid = os.getpid()
        self._entered: Counter[str] = Counter()
        self._steps: int | None = None

    @contextmanager
    def inside(self, phase: str) -> Iterator[None]:
        """Be in *phase*, and die here if that is the fate."""
        before = self.board.where(self.slot)
        self.board.post(self.slot, phase)
        self._entered[phase] += 1
        doomed = phase == self.fate.phase and self._entered[phase] == self.fate.nth and not self.fate.in_child
        began = time.perf_counter()
        if doomed:
            self._approach(phase)
        try:
            yield
        finally:
            self.board.lasted_s[PHASES.index(phase)] = time.perf_counter() - began
            if doomed:
                self.die("after")
            self.board.post(self.slot, before)

    def _approach(self, phase: str) -> None:
        if self.fate.how == "before":
            self.die("before")
        elif self.fate.how == "step":
            self._steps = 0
        elif self.fate.how == "during":
            # Sooner than it took the last time. A thread can kill while another is in a system call or in DuckDB.
            delay = self._dice.random() * max(self.board.lasted_s[PHASES.index(phase)], _SHORTEST_S)
            threading.Thread(target=lambda: (time.sleep(delay), self.die("during")), daemon=True).start()

    def step(self) -> None:
        """Come to a system call, and die before it if that is the fate."""
        self.notice_fork()
        if self._steps is not None:
            self._steps += 1
            if self._steps > self.fate.step:
                self.die("step")

    def notice_fork(self) -> None:
        """Take the slot that was laid out for a child, if that is what this is."""
        pid = os.getpid()
        if pid == self._pid:
            return
        self._pid, self.slot = pid, self.child_slot
        self.board.post(self.slot, "fork")
        if self.fate.phase == "fork" and self.fate.in_child:
            self._steps = 0
        else:
            self.fate, self._steps = Fate(), None

    def die(self, moment: str) -> None:
        """Be killed, here and now."""
        self.board.doom(self.slot, moment)
        os.kill(os.getpid(), signal.SIGKILL)


class Stepping:
    """A module whose named functions are steps, and the rest of it as it is."""

    def __init__(self, module: Any, life: Life, steps: tuple[str, ...], phases: dict[str, str]) -> None:
        self._module, self._life, self._steps, self._phases = module, life, steps, phases

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._module, name)
        if name in self._phases:
            return lambda *args: self._within(self._phases[name], function, *args)
        if name not in self._steps:
            return function

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self._life.step()
            return function(*args, **kwargs)

        return stepped

    def _within(self, phase: str, function: Any, *args: Any) -> Any:
        self._life.step()
        with self._life.inside(phase):
            return function(*args)


def within(life: Life, owner: type, name: str, phase: str) -> None:
    """Make the method *name* of *owner* a phase, in this process."""
    original = getattr(owner, name)

    def phased(*args: Any, **kwargs: Any) -> Any:
        life.step()
        with life.inside(phase):
            return original(*args, **kwargs)

    setattr(owner, name, phased)
