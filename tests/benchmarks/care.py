"""What care of a store costs: to prove it whole, to remove half of its runs, to write it anew.

``HARNESS_BENCH_SPANS`` says how many spans the store holds (100,000 unless told).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store import care, loading, open_store
from harness.store.files import DATABASE
from harness.store.verifying import verify

from .journals import SPANS_PER_RUN, fill
from .measure import Figure, digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = int(os.environ.get("HARNESS_BENCH_SPANS", "100000"))
CHUNK = 100_000
LOADED = 300


def figures() -> Iterator[Figure]:
    """Measure each once, on a store of the size that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        store = open_store(path)
        for first in range(0, SPANS, CHUNK):
            fill(path, min(CHUNK, SPANS - first), first=first)
            store.ingest()
        runs = SPANS // SPANS_PER_RUN
        some = [run.run_id for run in store.runs(limit=LOADED)]
        with store.view() as con:
            alone = _cpu_s(lambda: [loading.run(con, run_id) for run_id in some]) / len(some)
        whole = _cpu_s(lambda: verify(path)) / runs
        yield _figure("verify --all, a run", whole * 1000, "ms CPU", alone * 1000, "deriving each by itself")
        copied = _seconds(lambda: _copied(path / DATABASE))
        pruned = _seconds(lambda: care.prune(path, care.Keep(newest=runs // 2)))
        yield _figure("prune of half the runs", pruned, "s", copied, "copying the file and syncing it")
        copied = _seconds(lambda: _copied(path / DATABASE))
        compacted = _seconds(lambda: care.compact(path))
        yield _figure("compact of what is left", compacted, "s", copied, "copying the file and syncing it")


def _copied(database: Path) -> None:
    copy = database.with_name("copy")
    shutil.copyfile(database, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.unlink()


def _seconds(do: Callable[[], object]) -> float:
    before = time.perf_counter()
    do()
    return time.perf_counter() - before


def _cpu_s(do: Callable[[], object]) -> float:
    before = time.process_time()
    do()
    return time.process_time() - before


def _figure(name: str, value: float, unit: str, against: float, peer: str) -> Figure:
    return Figure(
        name=f"{name}, {SPANS:,} spans",
        value=digits(value),
        unit=unit,
        against=digits(against),
        peer=peer,
        ratio=digits(value / against),
        n=1,
        spread=0.0,
        load=round(os.getloadavg()[0], 2),
    )
