"""What is kept of one question for the next one holds nothing of the store, and does not stand in a fork's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.store import Store, care, open_store
from tests.store import journals
from tests.store.journals import ended

A = "aaaaaaaaaaaa"
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


def process(code: str, store: Store) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path)], capture_output=True, text=True, check=True, timeout=60
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
