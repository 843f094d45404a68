"""What a killed process left half made goes away in time, and nothing else does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from harness.journal import Journal
from harness.store import care, open_store
from tests.store import journals
from tests.store.journals import ended

BEGIN = """
import os, signal, sys
from pathlib import Path
from harness.journal import Journal
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Journal(Path(sys.argv[1]))
"""
LONG_AGO_S = 2 * 3600


def age(path):
    then = time.time() - LONG_AGO_S
    os.utime(path, (then, then))


@pytest.mark.parametrize("do", [lambda store: store.ingest(), lambda store: care.compact(store.path)])
def test_a_segment_whose_writer_was_killed_before_it_could_be_seen_is_removed_after_an_hour(tmp_path, do):
    store = open_store(tmp_path / "store")
    done = subprocess.run([sys.executable, "-c", BEGIN, store.path], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = (store.path / "journal").iterdir()
    do(store)
    assert left.exists()
    age(left)
    do(store)
    assert not left.exists()


def test_whoever_still_holds_what_cannot_be_seen_keeps_it_and_so_do_strangers(tmp_path):
    store = open_store(tmp_path / "store")
    held = journals.write(store.path, ".aaaaaaaaaaaa", 0, [])
    strangers = [held.with_name(name) for name in (".notes", ".hidden-0000.jsonl", "notes.txt", ".aaaaaaaaaaaa-0001")]
    for path in strangers:
        path.write_text("mine")
    for path in (held, *strangers):
        age(path)
    living = journals.Living(held)
    store.ingest()
    assert all(path.exists() for path in (held, *strangers))
    living.die()
    store.ingest()
    assert not held.exists()
    assert all(path.exists() for path in strangers)


def test_a_writer_that_slept_where_its_file_was_removed_loses_nothing_it_acknowledged(tmp_path, monkeypatch):
    store = open_store(tmp_path / "store")
    journal = Journal(store.path, rotate_bytes=1)
    real = os.open

    def slow(path, flags, *args, **kwargs):
        handle = real(path, flags, *args, **kwargs)
        if flags & os.O_EXCL:  # stopped for hours between making the file and locking it
            age(path)
            store.ingest()
        return handle

    assert journal.write(json.dumps(ended("one")).encode() + b"\n")
    monkeypatch.setattr("os.open", slow)
    assert journal.write(json.dumps(ended("two", seq=2)).encode() + b"\n")
    monkeypatch.undo()
    assert journal.write(json.dumps(ended("three", seq=3)).encode() + b"\n")
    journal.close()
    assert [span.span_id for span in store.run("r1").spans] == ["one", "two", "three"]
    assert journal.dropped == 0
