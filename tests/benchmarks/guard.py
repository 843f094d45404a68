"""What a guard adds to a conversation that is recorded: limits, reservations, and every check live.

The same conversations of ``talker`` are held in turns with and without a guard, in one process for each family; both
are recorded. What is added is CPU time: on a busy machine the clock says who else was there. A model that takes 20 ms
is waited for in both. What recording and guard add together is told against a process in which nobody watches.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .measure import Figure, summed_up
from .talker import FAMILIES, FEW, MANY, SLOW_S, took

if TYPE_CHECKING:
    from .talker import Talk

ROUNDS = 9
PATIENCE_S = 300


def figures() -> Iterator[Figure]:
    """Measure every family that is installed."""
    for family in FAMILIES:
        found, bare = _told("guard", family), _told("talker", family, "none")
        if found is None or bare is None:
            continue
        for turns in (FEW, MANY):
            per_message = [(one / (2 * turns), other / (2 * turns)) for one, other in found[str(turns)]]
            yield summed_up(
                f"{family}: a message at {turns} turns, guarded", per_message, peer="recorded", unit="µs CPU"
            )
        waited = FEW * SLOW_S * 1e3
        slow = [(waited + one / 1e3, waited + other / 1e3) for one, other in found[str(FEW)]]
        yield summed_up(f"{family}: {FEW} turns with a model of 20 ms, guarded", slow, peer="recorded", unit="ms")
        alone = waited + bare[str(FEW)] * 2 * FEW / 1e3
        both = [(one, alone) for one, _ in slow]
        yield summed_up(f"{family}: {FEW} turns, a model of 20 ms, recorded and guarded", both, peer="bare", unit="ms")


def _told(module: str, *asked: str) -> Any:
    """Run a module of these benchmarks in a process of its own, and read what it prints; None if it fails."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode:
        sys.stderr.write(f"{' '.join(asked)} is not measured: {done.stderr[-300:]}\n")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def measured(talk: Talk) -> dict[str, list[tuple[float, float]]]:
    """Measure conversations with and without a guard in turns: CPU microseconds of each."""
    talk(FEW, 0)()
    return {
        str(turns): [(_cpu(talk, turns, guarded=True), _cpu(talk, turns, guarded=False)) for _ in range(rounds)]
        for turns, rounds in ((FEW, ROUNDS), (MANY, 3))
    }


def _cpu(talk: Talk, turns: int, *, guarded: bool) -> float:
    """Take the best of three: whatever disturbs one only makes it longer."""
    import harness
    from harness.guarding.guards import DEFAULTS

    found = []
    for _ in range(3):
        hold = talk(turns, 0)
        limits = dict.fromkeys(DEFAULTS, 1e9)
        with harness.guard(limits, on_stop="note") if guarded else contextlib.nullcontext():
            found.append(took(hold, time.process_time_ns) / 1e3)
    return min(found)


def main(family: str) -> int:
    """Print what *family* took, as JSON."""
    import harness

    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        harness.instrument(f"{folder}/store")
        print(json.dumps(measured(FAMILIES[family]("harness"))))
        harness.uninstrument()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
