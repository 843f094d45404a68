"""What it costs to take journals in and to ask a store, each beside the plainest way DuckDB has to do as much.

``HARNESS_BENCH_SPANS`` says how many spans the store holds (100,000 unless told).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from harness.journal import make_store
from harness.store import Store, open_store
from harness.store.files import DATABASE

from .journals import fill
from .measure import Figure, compare, digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = int(os.environ.get("HARNESS_BENCH_SPANS", "100000"))
CHUNK = 100_000
PAIRS = 3
ASKED = 7

QUESTIONS = {
    "newest 50 runs": (
        "SELECT * FROM runs ORDER BY started_ns DESC, run_id LIMIT 50",
        "GROUP BY over all spans",
        """SELECT run_id, min(start_ns), max(end_ns), count(*), sum(cost_usd) FROM stored.spans
        GROUP BY run_id ORDER BY 2 DESC LIMIT 50""",
    ),
    "newest 50 errors": (
        """SELECT run_id, span_id, agent, error, start_ns FROM spans WHERE status = 'error'
        ORDER BY start_ns DESC LIMIT 50""",
        "numbering every error",
        """SELECT * FROM (SELECT run_id, span_id, agent, error, start_ns, row_number() OVER (ORDER BY start_ns DESC)
        AS place FROM stored.spans WHERE status = 'error') WHERE place <= 50""",
    ),
}
EXACT = """SELECT agent, quantile_cont(end_ns - start_ns, [0.5, 0.95, 0.99]) FROM spans
    WHERE operation <> 'message' GROUP BY agent"""
COLD = "from harness.store import open_store; import sys; open_store(sys.argv[1]).runs(1)"
BARE = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute('SELECT 1').fetchall()"


def figures() -> Iterator[Figure]:
    """Measure ingest on fresh stores, then the questions on one of the size that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _ingest(Path(folder))
        store, written = _filled(Path(folder) / "asked")
        size = (store.path / DATABASE).stat().st_size
        yield _once("bytes per span in the database", size / SPANS, "B", written / SPANS, "its journal")
        yield from _asked(store)
        yield compare(
            "cold: newest run, in a process of its own",
            lambda: _process(COLD, store.path),
            peer="opening the file with DuckDB",
            floor=lambda: _process(BARE, store.path / DATABASE),
            unit="ms",
            n=ASKED,
        )
        yield from _pending(store)


def _ingest(folder: Path) -> Iterator[Figure]:
    spans = min(SPANS, CHUNK)
    fill(folder / "journals", spans)
    number = iter(range(100))

    def ours() -> float:
        store = folder / f"ingest-{next(number)}"
        for segment in (folder / "journals" / "journal").iterdir():
            (make_store(store) / segment.name).hardlink_to(segment)
        return spans / _seconds(lambda: open_store(store).ingest())

    def bare() -> float:
        with duckdb.connect(config={"threads": 2, "preserve_insertion_order": False}) as con:
            source = "read_json(?, format = 'newline_delimited', union_by_name = true)"
            files = f"{folder}/journals/journal/*.jsonl"
            return spans / _seconds(lambda: con.execute(f"CREATE TEMP TABLE read AS FROM {source}", [files]))

    yield compare(
        "journal to queryable",
        ours,
        peer="DuckDB's read_json of the same files into a temporary table",
        floor=bare,
        unit="spans/s",
        n=PAIRS,
    )


def _filled(path: Path) -> tuple[Store, int]:
    """Make a store that holds all the spans in its database, and say how many bytes of journal they were."""
    store = open_store(path)
    written = 0
    for first in range(0, SPANS, CHUNK):
        written += fill(path, min(CHUNK, SPANS - first), first=first)
        store.ingest()
    return store, written


def _asked(store: Store) -> Iterator[Figure]:
    with store.view() as con:
        for name, (question, peer, plain) in QUESTIONS.items():
            yield compare(
                name,
                lambda question=question: _ms(lambda: con.execute(question).fetchall()),  # type: ignore[misc]
                peer=peer,
                floor=lambda plain=plain: _ms(lambda: con.execute(plain).fetchall()),  # type: ignore[misc]
                unit="ms",
                n=ASKED,
            )
    middle = store.runs(limit=1, offset=SPANS // 100)[0]
    with store.view() as con:
        unbounded = "SELECT * FROM stored.spans WHERE run_id = ?"
        yield compare(
            "one run's spans",
            lambda: _ms(lambda: _tree(con, middle.run_id)),
            peer="looking for its id in all spans",
            floor=lambda: _ms(lambda: con.execute(unbounded, [middle.run_id]).fetchall()),
            unit="ms",
            n=ASKED,
        )

    yield compare(
        "p50, p95, p99 by agent, from the histogram",
        lambda: _ms(lambda: store.latencies(by=["agent"])),
        peer="exact quantiles over all spans",
        floor=lambda: _ms(lambda: store.sql(EXACT)),
        unit="ms",
        n=ASKED,
    )
    for name, text in (("newest hit of a common word", "refactor"), ("search that finds nothing", "no such words")):
        yield compare(
            name,
            lambda text=text: _ms(lambda: next(store.search(text), None)),  # type: ignore[misc]
            peer="scanning every content and attribute once",
            floor=lambda text=text: _ms(lambda: _scan(store, text)),  # type: ignore[misc]
            unit="ms",
            n=PAIRS,
        )


def _tree(con: Any, run_id: str) -> list[Any]:
    from harness.store.loading import spans

    return spans(con, run_id)


def _scan(store: Store, text: str) -> None:
    with store.view() as con:
        for table, column in (("parts", "body"), ("spans", "attributes")):
            question = f"SELECT count(*) FROM stored.{table} WHERE contains({column}::VARCHAR, ?)"  # noqa: S608 - fixed names
            con.execute(question, [text]).fetchall()


def _pending(store: Store) -> Iterator[Figure]:
    """Measure what a small journal that is not taken in yet costs whoever looks."""

    def looked() -> float:
        return _ms(lambda: store.runs(1), clock=time.process_time)

    settled = [looked() for _ in range(ASKED)]
    fill(store.path, 50, first=SPANS)
    waiting = [looked() for _ in range(ASKED)]
    yield _once(
        "CPU of a look with a journal of 50 spans waiting",
        sorted(waiting)[ASKED // 2],
        "ms CPU",
        sorted(settled)[ASKED // 2],
        "a look with nothing waiting",
    )


def _once(name: str, value: float, unit: str, against: float, peer: str) -> Figure:
    return Figure(
        name=name,
        value=digits(value),
        unit=unit,
        against=digits(against),
        peer=peer,
        ratio=digits(value / against),
        n=1,
        spread=0.0,
        load=round(os.getloadavg()[0], 2),
    )


def _seconds(do: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    before = clock()
    do()
    return clock() - before


def _ms(do: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    return _seconds(do, clock) * 1000


def _process(code: str, path: Path) -> float:
    return _ms(lambda: subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60))
