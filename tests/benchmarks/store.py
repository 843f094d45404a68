"""What it costs to take journals in and to ask a store, each beside the plainest way DuckDB has to do as much.

``HARNESS_BENCH_SPANS`` says how many spans the store holds, in hundred thousands (100,000 unless told), and
``HARNESS_BENCH_FOLDER`` where it is kept for the next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from harness.journal import FOLDER, make_store
from harness.store import Store, open_store
from harness.store.files import DATABASE, names

from .journals import NEEDLE, fill
from .measure import Figure, compare, digits
from .stores import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = int(os.environ.get("HARNESS_BENCH_SPANS", "100000"))
CHUNK = 100_000
PAIRS = 3
ASKED = 7

GROUPED = """SELECT run_id, min(start_ns), max(end_ns), count(*), sum(cost_usd) FROM stored.spans
    GROUP BY run_id ORDER BY 2 DESC LIMIT 50"""
NUMBERED = """SELECT * FROM (SELECT run_id, span_id, agent, error, start_ns, row_number() OVER (ORDER BY start_ns DESC)
    AS place FROM stored.spans WHERE status = 'error') WHERE place <= 50"""
EXACT = """SELECT agent, quantile_cont(end_ns - start_ns, [0.5, 0.95, 0.99]) FROM stored.spans
    WHERE operation <> 'message' GROUP BY agent"""
SUMMED = """SELECT agent, count(*), count(DISTINCT run_id), sum(input_tokens), sum(output_tokens), sum(cost_usd),
    quantile_cont(end_ns - start_ns, [0.5, 0.95]) FROM calls GROUP BY agent"""
TREE = "SELECT * FROM stored.spans WHERE run_id = '{}'"
COLD = "from harness.store import open_store; import sys; open_store(sys.argv[1]).runs(1)"
BARE = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute('SELECT 1').fetchall()"


def figures() -> Iterator[Figure]:
    """Measure ingest on fresh stores, then the questions on one of the size that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _ingest(Path(folder))
        store, written = filled(Path(os.environ.get("HARNESS_BENCH_FOLDER", folder)) / f"{SPANS}-spans", SPANS)
        size = (store.path / DATABASE).stat().st_size
        yield _once("bytes per span in the database", size / SPANS, "B", written, "its journal")
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


def _asked(store: Store) -> Iterator[Figure]:
    yield compare(
        "a view, which every answer needs",
        lambda: _ms(lambda: _look(store, "SELECT 1")),
        peer="connecting to an empty DuckDB",
        floor=lambda: _ms(lambda: duckdb.connect().close()),
        unit="ms",
        n=ASKED,
    )
    middle = store.runs(limit=1, offset=SPANS // 200)[0].run_id
    questions: tuple[tuple[str, Callable[[], object], str, str], ...] = (
        ("newest 50 runs", lambda: store.runs(50), "GROUP BY over all spans", GROUPED),
        ("one run", lambda: store.run(middle), "looking for its id in all spans", TREE.format(middle)),
        ("newest 50 errors", lambda: store.failures(50), "numbering every error", NUMBERED),
        ("p50, p95, p99 by agent", lambda: store.latencies(["agent"]), "exact quantiles over all spans", EXACT),
        ("what harness stats says by agent", lambda: store.usage("agent"), "GROUP BY over all calls", SUMMED),
    )
    for name, ask, peer, plain in questions:
        yield compare(
            name,
            lambda ask=ask: _ms(ask),  # type: ignore[misc]
            peer=peer,
            floor=lambda plain=plain: _ms(lambda: _look(store, plain)),  # type: ignore[misc]
            unit="ms",
            n=ASKED,
        )
    yield compare(
        "search: newest hit of a common word",
        lambda: _ms(lambda: next(store.search("refactor"))),
        peer="scanning every content and attribute once",
        floor=lambda: _ms(lambda: _scan(store, "refactor")),
        unit="ms",
        n=PAIRS,
    )
    for name, text in (
        ("a word of one message in a million spans", NEEDLE),
        ("a word that is nowhere", "nowhere to see"),
    ):
        found = _ms(lambda text=text: next(store.search(text), None))  # type: ignore[misc]
        scanned = _ms(lambda text=text: _scan(store, text))  # type: ignore[misc]
        yield _once(f"search: newest hit of {name}", found, "ms", scanned, "scanning every content and attribute once")


def _look(store: Store, question: str) -> None:
    with store.view() as con:
        con.execute(question).fetchall()


def _scan(store: Store, text: str) -> None:
    with store.view() as con:
        for table, column in (("parts", "body"), ("spans", "attributes")):
            question = f"SELECT count(*) FROM stored.{table} WHERE contains({column}::VARCHAR, ?)"  # noqa: S608 - fixed names
            con.execute(question, [text]).fetchall()


def _pending(store: Store) -> Iterator[Figure]:
    """Measure what a small journal that is not taken in yet costs whoever looks."""

    def looked() -> float:
        return _ms(lambda: store.runs(1), clock=time.process_time)

    def looked_anew() -> float:
        for segment in added:
            os.utime(segment)  # as one that has grown: it is read again
        return looked()

    settled = sorted(looked() for _ in range(ASKED))[ASKED // 2]
    before = set(names(store.path))
    fill(store.path, 50, first=SPANS)
    added = [store.path / FOLDER / name for name in set(names(store.path)) - before]
    for what, ask in (("has grown", looked_anew), ("is as it was", looked)):
        waiting = sorted(ask() for _ in range(ASKED))[ASKED // 2]
        name = f"CPU of a look with a journal of 50 spans that {what}"
        yield _once(name, waiting, "ms CPU", settled, "a look with nothing waiting")
    for segment in added:
        segment.unlink()


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
