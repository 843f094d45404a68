"""What the processes of the suite tell each other: memory they share, which outlives any of them.

A *slot* belongs to one incarnation of a process: a child that a writer forks has its own. What was acknowledged is
counted there after the journal said that it was written, and the phase is posted before it begins.
"""

from __future__ import annotations

import mmap

PHASES = ("idle", "write", "rotate", "fork", "rename", "read", "begin", "insert", "commit", "checkpoint", "unlink")
WRITER_PHASES = ("write", "rotate", "fork", "rename")
TAKER_PHASES = ("begin", "insert", "commit", "checkpoint", "unlink")
MOMENTS = ("", "outside", "before", "during", "after", "step")
"""How a kill came: from outside at any moment, or by fate, at this moment of a phase."""
SLOTS = 8192
FAMILY = 8
"""Slots that one launched process may use: its own, and those of the children it forks."""


class Board:
    """Counters and flags by slot, shared with every process that is forked from here."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOTS * 16)
        view = memoryview(self._memory)
        self.acked = view[: SLOTS * 8].cast("Q")
        """Emissions whose write returned True."""
        self.phase = view[SLOTS * 8 : SLOTS * 9]
        self.gone = view[SLOTS * 9 : SLOTS * 10]
        """Set before a process ends, in whatever way."""
        self.killed = view[SLOTS * 10 : SLOTS * 11]
        """Which of the MOMENTS it is, set before a process is killed, by itself or by the suite."""
        self.lasted_s = view[SLOTS * 12 : SLOTS * 12 + 8 * len(PHASES)].cast("d")
        """How long each phase took the last time that anyone went through it."""
        self._shared = view[SLOTS * 13 :].cast("Q")

    def post(self, slot: int, phase: str) -> None:
        self.phase[slot] = PHASES.index(phase)

    def doom(self, slot: int, moment: str) -> None:
        """Note that the process is killed now."""
        self.gone[slot] = 1
        self.killed[slot] = MOMENTS.index(moment)

    def where(self, slot: int) -> str:
        return PHASES[self.phase[slot]]

    @property
    def stopping(self) -> bool:
        """Whether everyone is asked to come to an end."""
        return bool(self._shared[0])

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self._shared[0] = int(value)

    @property
    def checks(self) -> int:
        """How often a live reader found everything consistent."""
        return self._shared[1] + self._shared[2]

    def checked(self, reader: int) -> None:
        """Count one check of *reader* 0 or 1."""
        self._shared[1 + reader] += 1
