"""Start writers, ingesters and readers on one store, kill them, and give an account of what became of everything.

Nothing here may open DuckDB or start a thread: every process is forked from this one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.store import Store, files

from . import checking
from .board import FAMILY, SLOTS, TAKER_PHASES, WRITER_PHASES, Board
from .fates import Fate
from .taker import take
from .writer import write

WRITERS, TAKERS, READERS = 8, 3, 2
KILLS_A_ROUND = 60
LONGEST_ROUND_S = 45.0
_LONGEST_END_S = 60.0
_NAP_S = 0.004
_CREATIONS = 4
"""Ingesters that die while they create the database, in every round."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What was done, and what became of it. *phases* counts kills by the phase in which they came."""

    phases: Counter[str] = field(default_factory=Counter)
    writers_killed: int = 0
    ingesters_killed: int = 0
    outside: int = 0
    """Kills that came from outside, at any moment; the others came from within a phase."""
    acked: int = 0
    seen: int = 0
    lost: int = 0
    doubled: int = 0
    corrupt: int = 0
    dangling: int = 0
    live_checks: int = 0
    live_faults: int = 0
    failures: int = 0
    """Processes that ended with an error of their own."""
    rounds: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.writers_killed + self.ingesters_killed

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.corrupt or self.dangling or self.live_faults or self.failures)

    def add(self, other: Account) -> None:
        """Add what became of another store."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def figures(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def lines(self) -> list[str]:
        """Write the account for people."""
        total = ", ".join(f"{phase} {count}" for phase, count in sorted(self.phases.items()))
        return [
            f"kills      {self.kills}: {self.writers_killed} writers, {self.ingesters_killed} ingesters",
            f"           {self.outside} of them from outside, at any moment; {self.rounds} stores",
            f"by phase   {total}",
            f"records    {self.acked} acknowledged, {self.seen} found",
            f"           {self.lost} lost, {self.doubled} doubled, {self.corrupt} corrupt, {self.dangling} dangling",
            f"live       {self.live_checks} checks consistent, {self.live_faults} not; {self.failures} failures",
            *self.said[:20],
        ]


@dataclass(slots=True, kw_only=True)
class _Process:
    kind: str
    slot: int
    struck: bool = False


class Round:
    """One store, written, taken in and read by many processes at once, some of which are killed."""

    def __init__(self, folder: Path, seed: int, wanted: Mapping[str, int]) -> None:
        """*wanted* is how many kills a phase still needs; processes are fated to die where most are wanted."""
        self.folder = folder
        self.store = folder / "store"
        self.notes = folder / "notes"
        self.board = Board()
        self.account = Account(rounds=1)
        self._wanted = wanted
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._living: dict[int, _Process] = {}
        self._slots = iter(range(0, SLOTS, FAMILY))
        self._creations = [*["before"] * (_CREATIONS - 1), "after"]

    def run(self, kills: int, seconds: float) -> Account:
        """Go on until there were so many *kills*, or for so many *seconds*, and then look at what is left."""
        for reader in range(READERS):
            self._fork("reader", lambda reader=reader: self._read(reader))
        until = time.monotonic() + min(seconds, LONGEST_ROUND_S)
        strike = time.monotonic() + 0.1
        while time.monotonic() < until and self.account.kills < KILLS_A_ROUND:
            if self.account.kills >= kills and not any(map(self._missing, (*WRITER_PHASES, *TAKER_PHASES))):
                break
            self._reap()
            self._fill()
            if time.monotonic() > strike and self.account.outside <= self.account.kills / 3:
                self._strike()
                strike = time.monotonic() + self._dice.uniform(0.1, 0.5)
            time.sleep(_NAP_S)
        self.board.stopping = True
        self._finish()
        return self.account

    def _fill(self) -> None:
        kinds = Counter(process.kind for process in self._living.values())
        for _ in range(WRITERS - kinds["writer"]):
            slot, fate, seed = next(self._slots), self._writer_fate(), self._dice.random()
            self._fork("writer", lambda a=slot, b=fate, c=seed: write(self.board, a, self.store, b, c), slot)
        for _ in range(TAKERS - kinds["ingester"]):
            slot, fate, seed = next(self._slots), self._taker_fate(), self._dice.random()
            self._fork("ingester", lambda a=slot, b=fate, c=seed: take(self.board, a, self.store, b, c), slot)

    def _writer_fate(self) -> Fate:
        phase = self._choose(WRITER_PHASES)
        how = self._dice.choice(("before", "during", "after", "step"))
        if phase == "write":
            return Fate(phase=phase, nth=1 + 2 * self._dice.randrange(60), how="during")
        if phase == "fork":
            in_child = self._dice.random() < 0.6
            return Fate(phase=phase, nth=1, how=how, step=self._dice.randrange(12), in_child=in_child)
        if phase == "rename":
            how = self._dice.choice(("before", "after"))
        return Fate(phase=phase, nth=self._dice.randint(1, 4), how=how, step=self._dice.randrange(7))

    def _taker_fate(self) -> Fate:
        if self._creations:
            return Fate(phase="rename", how=self._creations.pop(0))
        phase = self._choose(TAKER_PHASES)
        most = {"insert": 9, "unlink": 6}.get(phase, 1)
        how = self._dice.choice(("before", "after") if phase == "unlink" else ("before", "during", "during", "after"))
        return Fate(phase=phase, nth=self._dice.randint(1, most), how=how)

    def _choose(self, phases: tuple[str, ...]) -> str:
        """Choose the phase that needs kills, more likely the more it needs; or none: a kill from outside will come."""
        weights = [self._missing(phase) for phase in phases]
        return self._dice.choices(("", *phases), weights=(0.3 * sum(weights) + 1, *weights))[0]

    def _missing(self, phase: str) -> int:
        return max(self._wanted[phase] - self.account.phases[phase], 0)

    def _strike(self) -> None:
        """Kill a writer or an ingester from outside, whatever it is at."""
        # Ingesters wait for each other most of the time: few of them are struck, so that many meet their fate.
        kind = self._dice.choice(("writer",) * 4 + ("ingester",))
        pids = [pid for pid, process in self._living.items() if process.kind == kind]
        if not pids:
            return
        pid = self._dice.choice(pids)
        process = self._living[pid]
        process.struck = True
        self.board.gone[process.slot] = 1
        os.kill(pid, signal.SIGKILL)

    def _fork(self, kind: str, work: Callable[[], None], slot: int = SLOTS - 1) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                work()
            except BaseException:  # noqa: BLE001 - whatever it is, it goes into the notes
                with self.notes.open("a") as out:
                    out.write(f"{kind} {slot} failed: {traceback.format_exc()}\n")
                os._exit(1)
            os._exit(0)
        self._living[pid] = _Process(kind=kind, slot=slot)

    def _reap(self) -> None:
        """Take note of who has died, and in which phase: the board says what it was at when it died."""
        for pid, process in list(self._living.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._living[pid]
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                self._count(process.kind, process.slot, struck=process.struck)
            elif status:
                self.account.failures += 1
            if process.kind == "writer":
                for child in range(process.slot + 1, process.slot + FAMILY):
                    if self.board.killed[child]:
                        self._count("writer", child, struck=False)

    def _count(self, kind: str, slot: int, *, struck: bool) -> None:
        self.account.phases[self.board.where(slot)] += 1
        self.account.outside += struck
        if kind == "writer":
            self.account.writers_killed += 1
        else:
            self.account.ingesters_killed += 1

    def _finish(self) -> None:
        """Wait for everyone, take in what is left, and look at everything."""
        until = time.monotonic() + _LONGEST_END_S
        while self._living and time.monotonic() < until:
            self._reap()
            time.sleep(_NAP_S)
        while not all(files.look(self.store).sealed.values()) and time.monotonic() < until:
            time.sleep(_NAP_S)  # children of writers that were killed
        for pid in self._living:
            self.account.failures += 1
            self.account.said.append(f"{self._living[pid].kind} did not end")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._living.clear()
        result = self.folder / "result"
        self._fork("reader", lambda: self._look(result))
        (pid,) = self._living
        _, status = os.waitpid(pid, 0)
        if status:
            self.account.failures += 1
        else:
            for name, value in json.loads(result.read_text()).items():
                setattr(self.account, name, value)
        self.account.acked = sum(self.board.acked)
        self.account.live_checks = self.board.checks
        if self.notes.exists():
            lines = self.notes.read_text().splitlines()
            self.account.live_faults = sum(line.startswith("live: ") for line in lines)
            self.account.said += lines

    def _read(self, reader: int) -> None:
        while not self.store.exists() and not self.board.stopping:
            time.sleep(_NAP_S)
        checking.watch(self.board, reader, self.store, self.notes, 0.15)

    def _look(self, result: Path) -> None:
        """Take in what is left and hold all of it against the board, before that and after."""
        least = list(self.board.acked)
        found = checking.check(self.store, least, self.board)
        store = Store(self.store)
        while store.ingest().segments:
            pass
        for _ in range(2):
            again = checking.check(self.store, least, self.board)
            if again.seen != found.seen:
                again.wrong("corrupt", 1, f"{found.seen} records before the last ingest and {again.seen} after it")
            found = again
            store.ingest()
        checking.check_contexts(self.store, found, self.board)
        if left := files.names(self.store):
            found.wrong("corrupt", len(left), f"{len(left)} segments are left")
        result.write_text(json.dumps(asdict(found)))


def run(folder: Path, *, kills: int, each: int, seconds: float, seed: int) -> Account:
    """Kill at least *kills* processes, at least *each* of them in every phase, within *seconds* if that can be done."""
    total = Account()
    until = time.monotonic() + seconds
    phases = {*WRITER_PHASES, *TAKER_PHASES}
    number = 0
    while time.monotonic() < until and (total.kills < kills or any(total.phases[phase] < each for phase in phases)):
        place = folder / f"round-{number}"
        place.mkdir(parents=True)
        one = Round(place, seed + number, {phase: each - total.phases[phase] for phase in phases})
        total.add(one.run(kills - total.kills, until - time.monotonic()))
        number += 1
    return total
