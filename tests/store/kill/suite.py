"""Start writers, ingesters and readers on one store, kill them, and give an account of what became of everything.

Nothing here may open DuckDB or start a thread: every process is forked from this one. Two kinds of kill are mixed: a
process that is fated dies inside a phase, at a point drawn from its seed; the others are struck from outside at any
moment, so that points nobody thought of are met, too.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.store import Store, files

from . import checking
from .board import FAMILY, MOMENTS, SLOTS, TAKER_PHASES, WRITER_PHASES, Board
from .fates import Fate
from .taker import take
from .writer import write

WRITERS, TAKERS, READERS = 8, 3, 2
FEW_WRITERS = 3
"""Writers, once nothing but ingesters has to be killed."""
KILLS_A_ROUND = 90
LONGEST_ROUND_S = 30.0
LAST_LOOK_S = 25.0
"""What is left of the time when the last round stops killing, to take in and look at what it left; half at most."""
_LONGEST_END_S = 60.0
_NAP_S = 0.004
HALTING = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)
_FROM_OUTSIDE = 0.55
_STRIKES_S = (0.02, 0.25)
_CREATIONS = 4
"""Ingesters that die while they create the database, in the first rounds; in the others it is the last of them."""


def listed(counts: Counter[str]) -> str:
    """Write counts for people."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing"


@dataclass(slots=True, kw_only=True)
class Account:
    """What was done, and what became of it. *phases* counts kills by the phase in which they came."""

    phases: Counter[str] = field(default_factory=Counter)
    writers_killed: int = 0
    ingesters_killed: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    """Kills by how they came: from outside, or before, during, after, or at a system call of a phase."""
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
    unseen: int = 0
    """Stores that were not looked at in the end, because the time was up."""
    said: list[str] = field(default_factory=list)

    @property
    def outside(self) -> int:
        return self.moments["outside"]

    @property
    def kills(self) -> int:
        return self.writers_killed + self.ingesters_killed

    @property
    def clean(self) -> bool:
        wrong = self.lost + self.doubled + self.corrupt + self.dangling + self.live_faults + self.failures
        return not (wrong or self.unseen)

    def __add__(self, other: Account) -> Account:
        """Add what became of another store."""
        return Account(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def figures(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def lines(self) -> list[str]:
        """Write the account for people."""
        return [
            f"kills      {self.kills}: {self.writers_killed} writers, {self.ingesters_killed} ingesters",
            f"by moment  {listed(self.moments)}",
            f"by phase   {listed(self.phases)}",
            f"stores     {self.rounds}" + (f", {self.unseen} of them not looked at in the end" if self.unseen else ""),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a run has to reach: so many *kills*, the larger part of them from outside, and *each* in every phase."""

    kills: int
    each: int

    def missing(self, account: Account) -> Counter[str]:
        """Count the kills that *account* lacks: in every phase, from outside, and in all."""
        counts = Counter({phase: self.each - account.phases[phase] for phase in (*WRITER_PHASES, *TAKER_PHASES)})
        counts["outside"] = self.kills // 2 + 1 - account.outside
        counts["all"] = self.kills - account.kills
        return +counts


class Halted(BaseException):
    """The time is up, or somebody wants this to end."""


class Round:
    """One store, written, taken in and read by many processes at once, some of which are killed."""

    def __init__(self, folder: Path, seed: int, bar: Bar, before: Account) -> None:
        """Go on towards *bar* from the account of the rounds *before*; processes are fated to die where most lack."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.store = folder / "store"
        self.notes = folder / "notes"
        self.board = Board()
        self.account = Account(rounds=1)
        self._bar, self._before = bar, before
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._living: dict[int, _Process] = {}
        self._slots = iter(range(0, SLOTS, FAMILY))
        self._creations = [*["before"] * (_CREATIONS - 1 if before.rounds <= 1 else 0), "after"]

    def run(self, seconds: float) -> None:
        """Kill until the bar is met, or for so many *seconds*, and then look at what is left."""
        self.account.unseen = 1
        try:
            for reader in range(READERS):
                self._fork("reader", lambda reader=reader: self._read(reader))
            self._kill(time.monotonic() + min(seconds, LONGEST_ROUND_S))
            self.board.stopping = True
            self._finish()
        finally:
            self.board.stopping = True
            self.account.acked = sum(self.board.acked)
            self.account.live_checks = self.board.checks
            self._end()

    def _kill(self, until: float) -> None:
        strike = time.monotonic() + _STRIKES_S[1]
        while time.monotonic() < until and self.account.kills < KILLS_A_ROUND and self._lacking():
            self._reap()
            self._fill()
            if time.monotonic() > strike and self._few_from_outside():
                self._strike()
                strike = time.monotonic() + self._dice.uniform(*_STRIKES_S)
            time.sleep(_NAP_S)

    def _few_from_outside(self) -> bool:
        """Say whether another stroke leaves enough processes to their fates."""
        whole = self._before + self.account
        return whole.outside <= _FROM_OUTSIDE * whole.kills

    def _lacking(self) -> Counter[str]:
        return self._bar.missing(self._before + self.account)

    def _fill(self) -> None:
        kinds = Counter(process.kind for process in self._living.values())
        writers = WRITERS if self._lacking().keys() - {*TAKER_PHASES} else FEW_WRITERS
        for _ in range(writers - kinds["writer"]):
            slot, fate, seed = next(self._slots), self._writer_fate(), self._dice.random()
            self._fork("writer", lambda a=slot, b=fate, c=seed: write(self.board, a, self.store, b, c), slot)
        for _ in range(TAKERS - kinds["ingester"]):
            slot, fate, seed = next(self._slots), self._taker_fate(), self._dice.random()
            self._fork("ingester", lambda a=slot, b=fate, c=seed: take(self.board, a, self.store, b, c), slot)

    def _writer_fate(self) -> Fate:
        phase = self._choose(WRITER_PHASES)
        how = self._dice.choice(("before", "during", "after", "step"))
        if phase == "write":
            return Fate(phase=phase, nth=1 + 2 * self._dice.randrange(20), how="during")
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
        # Who dies the second time has taken something in before.
        most = {"insert": 15, "unlink": 6}.get(phase, self._dice.choice((1, 1, 2)))
        how = self._dice.choice(("before", "after") if phase == "unlink" else ("before", "during", "during", "after"))
        return Fate(phase=phase, nth=self._dice.randint(1, most), how=how)

    def _choose(self, phases: tuple[str, ...]) -> str:
        """Choose a phase that needs kills, more likely the more it needs; none, if none does.

        Who has no fate lives until it is struck, and meanwhile keeps others from theirs.
        """
        lacking = self._lacking()
        weights = [lacking[phase] for phase in phases]
        return self._dice.choices(phases, weights)[0] if any(weights) else ""

    def _strike(self) -> None:
        """Kill a writer or an ingester from outside, whatever it is at."""
        kind = self._dice.choice(("writer",) * 9 + ("ingester",))
        pids = [pid for pid, process in self._living.items() if process.kind == kind and not process.struck]
        # Ingesters wait for each other most of the time: one that is at it is struck rather than one that waits.
        busy = [pid for pid in pids if kind == "ingester" and self.board.where(self._living[pid].slot) != "idle"]
        if pids:
            pid = self._dice.choice(busy or pids)
            self._living[pid].struck = True
            self.board.doom(self._living[pid].slot, "outside")
            os.kill(pid, signal.SIGKILL)

    def _fork(self, kind: str, work: Callable[[], None], slot: int = SLOTS - 1) -> None:
        # An exception that is raised in what runs at a fork is swallowed: the signal must wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, HALTING)
        pid = os.fork()
        if pid == 0:
            for number in HALTING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HALTING)
            try:
                work()
            except BaseException:  # noqa: BLE001 - whatever it is, it goes into the notes
                with self.notes.open("a") as out:
                    out.write(f"{kind} {slot} failed: {traceback.format_exc()}\n")
                os._exit(1)
            os._exit(0)
        self._living[pid] = _Process(kind=kind, slot=slot)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HALTING)

    def _reap(self) -> None:
        """Take note of who has died, and in which phase: the board says what it was at when it died."""
        for pid, process in list(self._living.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._living[pid]
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                self._count(process.kind, process.slot)
            elif status:
                self.account.failures += 1
            if process.kind == "writer":
                for child in range(process.slot + 1, process.slot + FAMILY):
                    if self.board.killed[child]:
                        self._count("writer", child)

    def _count(self, kind: str, slot: int) -> None:
        self.account.phases[self.board.where(slot)] += 1
        self.account.moments[MOMENTS[self.board.killed[slot]]] += 1
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
        for process in self._living.values():
            self.account.failures += 1
            self.account.said.append(f"{process.kind} did not end")
        self._end()
        result = self.folder / "result"
        self._fork("reader", lambda: self._look(result))
        (pid,) = self._living
        _, status = os.waitpid(pid, 0)
        del self._living[pid]
        if status:
            self.account.failures += 1
        else:
            for name, value in json.loads(result.read_text()).items():
                setattr(self.account, name, value)
            self.account.unseen = 0

    def _end(self) -> None:
        """Let nothing go on, and add what processes noted."""
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._living.clear()
        if self.notes.exists():
            lines = self.notes.read_text().splitlines()
            self.notes.unlink()
            self.account.live_faults += sum(line.startswith("live: ") for line in lines)
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


def run(folder: Path, bar: Bar, *, seconds: float, seed: int) -> Account:
    """Go for *bar*, for so many *seconds* at the very most; what was done by then is accounted for all the same."""
    total = Account()
    began = time.monotonic()
    for number in HALTING:
        signal.signal(number, _halt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        for number in itertools.count():
            left = began + max(seconds - LAST_LOOK_S, seconds / 2) - time.monotonic()
            if not bar.missing(total) or left <= 0:
                break
            one = Round(folder / f"round-{number}", seed + number, bar, total)
            try:
                one.run(left)
            finally:
                total = total + one.account
    except Halted as halted:
        total.said.insert(0, f"ended by {halted}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return total


def _halt(number: int, _: object) -> None:
    for each in HALTING:
        signal.signal(each, signal.SIG_IGN)
    raise Halted(signal.Signals(number).name)
