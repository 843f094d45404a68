"""What a replay costs beside the bare conversation: ours alone, a whole ``harness run``, and what others have.

The conversations of ``ready.py``, of 10 and of 200 turns, are answered by stubs that are ready, without the harness
(what all is held against), and in each of the ways that ``rehearser.py`` tells; every family in a process of its own,
and many scenarios as ``batches.py`` says. vcrpy is no requirement of anything: where it is missing, a line on stderr
says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from . import batches
from .measure import Figure, summed_up
from .ready import FAMILIES, FEW, MANY
from .rehearser import BATCHED, COMMANDS, WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

BARE = "the same on a ready stub, without the harness"
PATIENCE_S = 1800
UNIT = "µs CPU per turn"
OURS = ("the replay interceptor alone", "a whole harness run")


def figures() -> Iterator[Figure]:
    """Measure every family that is installed."""
    for family in FAMILIES:
        pairs: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for what, turns, found in _measured(family):
            pairs[what, turns] = found
            if what in {WORKERS, COMMANDS}:
                name, peer = f"{family}: {what}, {batches.MANY} scenarios", f"the same, {batches.FEW} scenarios"
                yield summed_up(name, found, peer=peer, unit="MB")
                continue
            yield summed_up(f"{family}: {what}, {turns} turns", found, peer=BARE, unit=UNIT)
            if what == BATCHED:
                each = [(ours * turns / 1000, bare * turns / 1000) for ours, bare in found]
                yield summed_up(f"{family}: one scenario more in a batch", each, peer=BARE, unit="ms CPU per scenario")
        for what in OURS if pairs else ():
            flat = [(long, short) for (long, _), (short, _) in zip(pairs[what, MANY], pairs[what, FEW], strict=False)]
            yield summed_up(f"{family}: {what}, {MANY} turns", flat, peer=f"the same at {FEW} turns", unit=UNIT)


def _measured(family: str) -> Iterator[tuple[str, int, list[tuple[float, float]]]]:
    command = [sys.executable, "-m", "tests.benchmarks.rehearser", family]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as measuring:
        ends = threading.Timer(PATIENCE_S, measuring.kill)
        ends.start()
        try:
            for line in measuring.stdout or ():
                if line.startswith("["):  # AutoGen prints, too
                    yield json.loads(line)
        except BaseException:
            measuring.kill()
            raise
        finally:
            ends.cancel()
    if measuring.returncode == 3:
        sys.stderr.write(f"{family} is not installed\n")
    elif measuring.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed with {measuring.returncode}")
