"""What is kept of one question for the next one keeps nobody out, shows nothing old, and stands in no fork's way."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.canonical import encode
from harness.store import Store, care, open_store, parked, viewing
from tests.store import journals
from tests.store.journals import began, ended

A = "aaaaaaaaaaaa"
FOREIGN = """
import os, sys, duckdb
try:
    con = duckdb.connect(f"{sys.argv[1]}/spans.duckdb")
except duckdb.IOException as error:
    print("held" if "lock" in str(error) else error)
    sys.exit()
con.execute("UPDATE runs SET name = 'other'")
print("changed", flush=True)
if sys.argv[2:] == ["die"]:
    os._exit(0)
con.execute("CHECKPOINT")
con.close()
"""
COMPACT = "import sys; from pathlib import Path; from harness.store import care; care.compact(Path(sys.argv[1]))"
INGEST = "import sys, harness; print(harness.open_store(sys.argv[1]).ingest().segments)"
FORK = """
import os, sys
import {module}
ask = lambda: {question}
os.write(1, f"{{ask()}}\\n".encode())
child = os.fork()
os.write(1, f"{{ask()}}\\n".encode())
if child:
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
"""
ALONE = FORK.format(module="duckdb", question="duckdb.connect().execute('SELECT 1').fetchone()[0]")
OURS = FORK.format(module="harness", question="len(harness.open_store(sys.argv[1]).runs())")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path / "store")
    journals.write(opened.path, A, 0, [ended("1", run_id="r1")])
    opened.ingest()
    return opened


def process(code: str, store: Store, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path), *words], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_another_process_may_take_in_and_each_question_sees_the_store_as_it_is(store):
    assert [run.run_id for run in store.runs()] == ["r1"]
    journals.write(store.path, A, 1, [ended("2", run_id="r2", start_ns=5000, status="error")])
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert process(INGEST, store) == "1\n"
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert [failure.run_id for failure in store.failures()] == ["r2"]
    care.prune(store.path, care.Keep(newest=1))
    assert [run.run_id for run in store.runs()] == ["r2"]


def opened(monkeypatch) -> list[Path]:
    """List the stores whose database is opened from now on."""
    real, seen = viewing.attach, []
    monkeypatch.setattr(viewing, "attach", lambda con, path, **how: (seen.append(path), real(con, path, **how)))
    return seen


def test_a_database_that_is_the_same_is_opened_once_for_many_questions(store, monkeypatch):
    store.runs()
    seen = opened(monkeypatch)
    assert [run.run_id for run in store.runs()] == ["r1"]
    assert [span.span_id for span in store.run("r1").spans] == ["1"]
    journals.write(store.path, A, 1, [ended("2", run_id="r2", start_ns=5000)])
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert [span.span_id for span in store.run("r2").spans] == ["2"]
    assert seen == []
    store.ingest()
    assert [span.span_id for span in store.run("r2").spans] == ["2"]
    assert seen == [store.path]


def test_journals_that_no_database_has_taken_in_are_read_once_for_many_questions(tmp_path, monkeypatch):
    store = open_store(tmp_path / "fresh")
    journals.write(store.path, A, 1, [ended("1", run_id="r1")])
    assert [run.run_id for run in store.runs()] == ["r1"]
    seen = opened(monkeypatch)
    assert [span.span_id for span in store.run("r1").spans] == ["1"]
    assert seen == []
    journals.write(store.path, A, 2, [ended("2", run_id="r2", start_ns=5000)])
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert process(INGEST, store) == "2\n"
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert seen == [store.path]
    (store.path / "spans.duckdb").unlink()
    assert store.runs() == []


def test_journals_are_read_again_once_they_grow_or_their_writer_dies(store, monkeypatch):
    real, seen = viewing.gather, []
    monkeypatch.setattr(viewing, "gather", lambda *about: (seen.append(about[1]), real(*about))[1])
    path = journals.write(store.path, A, 1, [began("2", run_id="r2", start_ns=5000)])
    writer = journals.Living(path)
    for _ in range(2):
        assert [run.status.value for run in store.runs()] == ["running", "finished"]
    assert len(seen) == 1
    with path.open("ab") as out:
        out.write(encode(began("3", run_id="r3", start_ns=6000)).encode() + b"\n")
    for _ in range(2):
        assert [run.run_id for run in store.runs()] == ["r3", "r2", "r1"]
    assert len(seen) == 2
    writer.die()
    for _ in range(2):
        assert [run.status.value for run in store.runs()] == ["interrupted", "interrupted", "finished"]
    assert len(seen) == 3


def test_much_that_waits_is_not_kept_in_memory(store, monkeypatch):
    monkeypatch.setattr(parked, "_SMALL_BYTES", 10)
    journals.write(store.path, A, 1, [ended("2", run_id="r2", start_ns=5000)])
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]
    assert parked.fetch(store.path).gathered is None
    assert [run.run_id for run in store.runs()] == ["r2", "r1"]


def test_while_a_question_is_asked_no_other_program_writes_the_database_and_between_two_it_may(store):
    for _ in range(2):
        with viewing.asking(store.path, ("runs",)):
            assert process(FOREIGN, store) == "held\n"
    assert process(FOREIGN, store) == "changed\n"


@pytest.mark.parametrize("words", [(), ("die",)])
def test_what_another_program_changed_in_its_place_is_seen(store, words):
    assert store.runs()[0].name != "other"
    process(FOREIGN, store, *words)
    for _ in range(2):
        assert store.runs()[0].name == "other"


def test_a_database_that_another_process_replaced_is_opened_anew(store, monkeypatch):
    store.runs()
    seen = opened(monkeypatch)
    process(COMPACT, store)
    assert [run.run_id for run in store.runs()] == ["r1"]
    assert seen == [store.path]


def test_threads_ask_while_another_takes_in(store):
    wrong = []
    done = threading.Event()

    def ask():
        most = 0
        while not done.is_set():
            runs = [run.run_id for run in store.runs()]
            if len(set(runs)) != len(runs) or len(runs) < most or len(store.run(runs[0]).spans) != 1:
                wrong.append(runs)
            most = len(runs)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 12):
        journals.write(store.path, A, number, [ended("1", run_id=f"r{number}", start_ns=number)])
        store.ingest()
    done.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    while store.ingest().busy:
        pass
    assert wrong == []
    assert len(store.runs()) == 11


def test_stores_are_asked_in_turns(store, tmp_path):
    other = open_store(tmp_path / "other")
    for _ in range(2):
        assert [run.run_id for run in store.runs()] == ["r1"]
        assert other.runs() == []


def test_what_is_asked_in_a_fork_is_answered_and_the_fork_ends_as_with_duckdb_alone(store):
    # DuckDB 1.5 aborts at the end of a fork of a process that ever used it, whatever was closed before.
    told = process(OURS, store)
    assert told.startswith("1\n1\n1\n")
    assert told == process(ALONE, store)
