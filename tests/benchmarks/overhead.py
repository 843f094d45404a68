"""What watching costs a program per message: ours, the framework's own telemetry, and OpenInference's instrumentor.

All hold the same conversations with a model that answers at once, each in a process of its own (``talker.py``). They
take turns, one conversation at a time, so that a busy machine is busy for all of them. What is added is CPU time over
the same conversation with nobody watching, the least of all rounds over the least of all. The others get the cheapest
provider of any use: a batch processor, and OTLP encoding for nowhere. They keep spans; we keep spans, each message
once, what every call asked and got, selections and the ending, redacted and on disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from .measure import Figure, digits, interquartile
from .talker import FAMILIES, FEW, MANY, SLOW_S

ROUNDS = 5
TIMES = {(FEW, 0.0): 40, (MANY, 0.0): 6, (FEW, SLOW_S): 5}
"""How often each conversation, of so many turns and seconds for an answer, is held in a process."""
PATIENCE_S = 300
PEERS = {"framework": "the framework's own telemetry", "openinference": "OpenInference"}
Sample = dict[str, dict[tuple[int, float], dict[str, float]]]
"""By watcher and conversation, the least that it took in one process: whatever disturbs it only makes it longer."""


def figures() -> Iterator[Figure]:
    """Measure every family that is installed; say on stderr which peers are not."""
    for family in FAMILIES:
        rounds = [sample for _ in range(ROUNDS) if {"none", "harness"} <= (sample := _round(family)).keys()]
        if rounds:
            yield from _figures(family, rounds)
        else:
            sys.stderr.write(f"{family} is not installed\n")


def _figures(family: str, rounds: Sequence[Sample]) -> Iterator[Figure]:
    ours = {turns: _Added(rounds, "harness", turns) for turns in (FEW, MANY)}
    for watcher, peer in PEERS.items():
        if watcher not in rounds[0]:
            sys.stderr.write(f"{family}: there is no {peer} here to measure beside\n")
            continue
        for turns in (FEW, MANY):
            name = f"{family}: added to a message at {turns} turns"
            yield ours[turns].beside(_Added(rounds, watcher, turns).least, name, peer)
    name = f"{family}: added to a message at {MANY} turns"
    yield ours[MANY].beside(ours[FEW].least, name, f"the same at {FEW} turns")
    # CPU and not the clock: on a busy machine the clock says who else was there. Waiting costs nothing here.
    talk = FEW, SLOW_S
    bare, ours_s = (min(each[watcher][talk]["clock_s"] for each in rounds) for watcher in ("none", "harness"))
    added = [each["harness"][talk]["cpu_s"] - each["none"][talk]["cpu_s"] for each in rounds]
    extra = min(each["harness"][talk]["cpu_s"] for each in rounds) - min(each["none"][talk]["cpu_s"] for each in rounds)
    slow = f"{family}: {FEW} turns with a model of 20 ms"
    yield _figure(slow, bare + extra, bare, "nobody watching", [each * 1000 for each in added])
    clock = [each["harness"][talk]["clock_s"] * 1000 for each in rounds]
    yield _figure(f"{slow}, by the clock", ours_s, bare, "nobody watching", clock)


def _figure(name: str, value_s: float, against_s: float, peer: str, each_ms: Sequence[float]) -> Figure:
    return Figure(
        name=name, value=digits(value_s * 1000), unit="ms", against=digits(against_s * 1000), peer=peer,
        ratio=digits(value_s / against_s), n=len(each_ms), spread=digits(interquartile(each_ms)),
        load=round(os.getloadavg()[0], 2),
    )  # fmt: skip


class _Added:
    """What a watcher adds to a message of a conversation of so many turns, in microseconds of CPU.

    *least* is between the least of all rounds with it and without; *each* has a figure for each round, whose spread is
    told: how far one round alone is to be trusted.
    """

    def __init__(self, rounds: Sequence[Sample], watcher: str, turns: int) -> None:
        took = {name: [each[name][turns, 0.0]["cpu_s"] for each in rounds] for name in (watcher, "none")}
        scale = 1e6 / (2 * turns)
        self.least = (min(took[watcher]) - min(took["none"])) * scale
        self.each = [(with_it - bare) * scale for with_it, bare in zip(took[watcher], took["none"], strict=True)]

    def beside(self, against: float, name: str, peer: str) -> Figure:
        """Report it as a ratio to *against*."""
        return Figure(
            name=name, value=digits(self.least), unit="µs CPU", against=digits(against), peer=peer,
            ratio=digits(self.least / against), n=len(self.each), spread=digits(interquartile(self.each)),
            load=round(os.getloadavg()[0], 2),
        )  # fmt: skip


def _round(family: str) -> Sample:
    """Let a process of each watcher talk, in turns; those are left out whose framework or peer is not installed."""
    with contextlib.ExitStack() as stack:
        talkers = {name: stack.enter_context(_talker(family, name)) for name in ("none", "harness", *PEERS)}
        took: dict[str, dict[tuple[int, float], list[dict[str, float]]]] = {}
        for talk, times in TIMES.items():
            for _ in range(times):
                for name, talker in list(talkers.items()):
                    answer = _asked(talker, *talk)
                    if answer is None:
                        del talkers[name]
                    else:
                        took.setdefault(name, {}).setdefault(talk, []).append(answer)
    return {name: {talk: _least(found) for talk, found in talks.items()} for name, talks in took.items()}


def _least(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: min(each[name] for each in found) for name in found[0]}


@contextlib.contextmanager
def _talker(family: str, watcher: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process, in the same order of hashes as any other, and end it."""
    command = [sys.executable, "-m", "tests.benchmarks.talker", family, watcher]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    ) as process:  # fmt: skip
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        try:
            yield process
        finally:
            process.communicate()
            patience.cancel()


def _asked(talker: subprocess.Popen[str], turns: int, delay_s: float) -> dict[str, float] | None:
    """Ask for a conversation; None where what it needs is not installed."""
    asks, answers, complaints = talker.stdin, talker.stdout, talker.stderr
    if asks is None or answers is None or complaints is None:
        raise RuntimeError("a talker has three pipes")
    with contextlib.suppress(BrokenPipeError):
        asks.write(f"{turns} {delay_s}\n")
        asks.flush()
    line = answers.readline()
    if line:
        found: dict[str, float] = json.loads(line)
        return found
    if talker.wait(timeout=PATIENCE_S) == 3:
        return None
    raise RuntimeError(f"{talker.args!r} failed:\n{complaints.read()[-2000:]}")
