"""What a guard adds to a conversation that is recorded: limits, reservations, and every check live.

The same conversations of ``talker`` are held in turns with and without a guard, in one process for each family; both
are recorded. What is added is CPU time: on a busy machine the clock says who else was there. Some are held with a model
that answers at once; others wait 20 ms for each answer, for whoever has slept finds nothing in the processor's caches
any more, and the same work takes twice as long. What recording and guard add together is told against a process in
which nobody watches.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .measure import Figure, summed_up
from .talker import FAMILIES, FEW, MANY, SLOW_S, took

if TYPE_CHECKING:
    from .talker import Talk

PATIENCE_S = 300
ALONE = 5
"""So many conversations say how long a slow one takes by the clock."""
PLAN = {str(FEW): (FEW, 0.0, 9), str(MANY): (MANY, 0.0, 3), "slow": (FEW, SLOW_S, 7)}
"""What is held: how many turns, how long the model takes, and how many samples of it."""


def figures() -> Iterator[Figure]:
    """Measure every family that is installed."""
    for family in FAMILIES:
        guarded = _told("guard", family)
        bare = _told("talker", family, "none", said=f"{FEW} {SLOW_S}\n" * ALONE)
        if not guarded or not bare:
            continue
        found = guarded[0]
        for turns in (FEW, MANY):
            per_message = [(one / (2 * turns), other / (2 * turns)) for one, other in found[str(turns)]]
            yield summed_up(
                f"{family}: a message at {turns} turns, guarded", per_message, peer="recorded", unit="µs CPU"
            )
        name, clock = f"{family}: {FEW} turns with a model of 20 ms, guarded", found["clock_s"] * 1e3
        slow = [(clock + (one - other) / 1e3, clock) for one, other in found["slow"]]
        yield summed_up(name, slow, peer="recorded", unit="ms")
        alone, worked = (min(each[what] for each in bare) * 1e3 for what in ("clock_s", "cpu_s"))
        both = [(alone + one / 1e3 - worked, alone) for one, _ in found["slow"]]
        yield summed_up(f"{family}: {FEW} turns, a model of 20 ms, recorded and guarded", both, peer="bare", unit="ms")


def _told(module: str, *asked: str, said: str = "") -> list[Any]:
    """Run a module of these benchmarks in a process of its own, *said* as its input, and read what it prints."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, input=said)
    if done.returncode:
        sys.stderr.write(f"{' '.join(asked)} is not measured: {done.stderr[-300:]}\n")
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def measured(talk: Talk) -> dict[str, Any]:
    """Measure conversations with and without a guard: CPU microseconds of each, and the seconds of a slow one."""
    talk(FEW, 0)()
    gc.collect()
    gc.freeze()  # what the framework is made of is nobody's litter
    found: dict[str, Any] = {
        name: [_pair(talk, turns, delay_s) for _ in range(samples)] for name, (turns, delay_s, samples) in PLAN.items()
    }
    return {**found, "clock_s": min(took(talk(FEW, SLOW_S))["clock_s"] for _ in range(ALONE))}


def _pair(talk: Talk, turns: int, delay_s: float) -> tuple[float, float]:
    """Hold it guarded and not, by turns, and take the best of three of each: whatever disturbs one makes it longer."""
    import harness
    from harness.guarding import guards

    limits = dict.fromkeys(guards.DEFAULTS, 1e9)
    guarded, recorded = [], []
    for _ in range(3):
        for found, watched in ((guarded, True), (recorded, False)):
            hold = talk(turns, delay_s)
            with harness.guard(limits, on_stop="note") if watched else contextlib.nullcontext():
                found.append(took(hold)["cpu_s"] * 1e6)
    return min(guarded), min(recorded)


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
