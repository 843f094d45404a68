"""What watching costs a program per message: ours, the framework's own telemetry, and OpenInference's instrumentor.

All hold the same conversations with a model that answers at once, each in a process of its own, in turns
(``talker.py``). What is added is CPU time over the same conversation with nobody watching. The others get the cheapest
provider of any use: a batch processor, and OTLP encoding for nowhere. They keep spans; we keep spans, each message
once, what every call asked and got, selections and the ending, redacted and on disk.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from .measure import Figure, digits, summed_up
from .talker import FAMILIES, FEW, MANY

ROUNDS = 5
PATIENCE_S = 300
PEERS = {"framework": "the framework's own telemetry", "openinference": "OpenInference"}
Sample = dict[str, dict[str, float]]
"""By watcher, what a process of it measured."""


def figures() -> Iterator[Figure]:
    """Measure every family that is installed; say on stderr which peers are not."""
    for family in FAMILIES:
        watchers = ["none", "harness", *PEERS]
        rounds: list[Sample] = []
        for _ in range(ROUNDS):
            sample = {watcher: found for watcher in watchers if (found := _talk(family, watcher)) is not None}
            watchers = list(sample)
            if not {"none", "harness"} <= sample.keys():
                break
            rounds.append(sample)
        else:
            yield from _figures(family, rounds)
            continue
        sys.stderr.write(f"{family} is not installed\n")


def _figures(family: str, rounds: Sequence[Sample]) -> Iterator[Figure]:
    for watcher, peer in PEERS.items():
        if watcher not in rounds[0]:
            sys.stderr.write(f"{family}: there is no {peer} here to measure beside\n")
            continue
        for turns in (FEW, MANY):
            name = f"{family}: added to a message at {turns} turns"
            pairs = [(_added(each, "harness", turns), _added(each, watcher, turns)) for each in rounds]
            yield summed_up(name, pairs, peer=peer, unit="µs CPU")
    flat = [(_added(each, "harness", MANY), _added(each, "harness", FEW)) for each in rounds]
    name = f"{family}: added to a message at {MANY} turns"
    yield summed_up(name, flat, peer=f"the same at {FEW} turns", unit="µs CPU")
    # CPU and not the clock: on a busy machine the clock says who else was there. Waiting costs nothing here.
    bare = min(each["none"]["slow_s"] for each in rounds)
    added = [(each["harness"]["slow_cpu_s"] - each["none"]["slow_cpu_s"]) * 1000 for each in rounds]
    slow = [(bare * 1000 + extra, bare * 1000) for extra in added]
    yield summed_up(f"{family}: {FEW} turns with a model of 20 ms", slow, peer="nobody watching", unit="ms")
    clock = min(each["harness"]["slow_s"] for each in rounds)
    yield Figure(
        name=f"{family}: {FEW} turns with a model of 20 ms, by the clock", value=digits(clock * 1000), unit="ms",
        against=digits(bare * 1000), peer="nobody watching", ratio=digits(clock / bare), n=len(rounds),
        spread=digits(statistics.pstdev(each["harness"]["slow_s"] * 1000 for each in rounds)),
        load=round(os.getloadavg()[0], 2),
    )  # fmt: skip


def _added(sample: Sample, watcher: str, turns: int) -> float:
    return sample[watcher][str(turns)] - sample["none"][str(turns)]


def _talk(family: str, watcher: str) -> dict[str, float] | None:
    """Let a process talk; None where what it needs is not installed."""
    command = [sys.executable, "-m", "tests.benchmarks.talker", family, watcher]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
