"""Every record is there once: before an ingest, after it, after two, and whatever was killed or torn meanwhile."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.journal import Journal
from harness.model import RunStatus, Status
from harness.store import Store, files, open_store, taking
from tests.store import journals
from tests.store.journals import began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
TEXTS = [f"message {number}" for number in range(20)]

TALKER = """
import sys
from pathlib import Path
from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace

trace = Trace(Journal(Path(sys.argv[1]), rotate_bytes=2000), attributes={"harness.run.name": "doomed"})
with trace.operation(Operation.CONVERSATION, "pair"):
    with trace.operation(Operation.TURN, "bot"):
        for line in sys.stdin:
            trace.spoken("bot", ["user"], {"role": "assistant", "parts": [{"type": "text", "content": line.strip()}]})
            print("spoken", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def everything(store: Store) -> list[tuple]:
    with store.view() as con:
        return [
            sorted(con.execute(f"SELECT * FROM {view}").fetchall(), key=repr)  # noqa: S608 - fixed names
            for view in ("runs", "spans", "messages", "calls", "findings")
        ]


def test_a_killed_program_shows_as_interrupted_with_all_it_said(store):
    child = subprocess.Popen(
        [sys.executable, "-c", TALKER, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for text in TEXTS:
        child.stdin.write(text + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "spoken\n"
    # The journal has rotated, and what is sealed of it may be taken in while the program lives.
    store.ingest()
    (living,) = store.runs()
    assert (living.status, living.messages, living.ended_ns) == (RunStatus.RUNNING, len(TEXTS), None)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    for _ in range(2):
        (dead,) = store.runs()
        run = store.run(dead.run_id)
        assert (dead.status, dead.ending, dead.name) == (RunStatus.INTERRUPTED, "interrupted", "doomed")
        assert [message.text for message in run.messages] == TEXTS
        assert {span.status for span in run.spans} == {Status.OK, Status.INTERRUPTED}
        store.ingest()
    assert files.names(store.path) == []


def test_what_is_seen_before_an_ingest_is_what_is_kept_by_it(store):
    talk = [ended("talk"), *said("m1", "a", "one", seq=2), *said("m2", "b", "two", seq=3, parent_id="talk")]
    journals.write(store.path, A, 0, [began("talk"), *talk])
    journals.write(store.path, B, 0, [ended("c", operation="chat", attributes={"gen_ai.usage.input_tokens": 3})])
    before = everything(store)
    assert store.ingest().segments == 2
    assert everything(store) == before
    assert store.ingest() == taking.Taken()
    assert everything(store) == before
    assert files.names(store.path) == []


@pytest.mark.parametrize("ingest_between", [False, True])
@pytest.mark.parametrize("first", ["s", "e"])
def test_a_span_whose_start_and_end_come_apart_ends_once(store, first, ingest_between):
    lock = journals.Living(journals.write(store.path, A, 9, []))
    start, end = began("talk"), ended("talk")
    for number, record in enumerate([start, end] if first == "s" else [end, start]):
        journals.write(store.path, A, number, [record])
        if ingest_between:
            store.ingest()
    for _ in range(2):
        assert [span.status for span in store.run("r1").spans] == [Status.OK]
        store.ingest()
    lock.die()


def test_an_end_that_comes_after_its_process_was_thought_dead_replaces_the_interruption(store):
    journals.write(store.path, A, 0, [began("talk"), *said("m", "a", "x", parent_id="talk", seq=2)])
    store.ingest()
    assert store.runs()[0].status is RunStatus.INTERRUPTED
    journals.write(store.path, A, 1, [ended("talk")])
    for _ in range(2):
        assert store.runs()[0].status is RunStatus.FINISHED
        assert [span.span_id for span in store.run("r1").spans] == ["talk", "m"]
        store.ingest()


def test_a_span_stays_open_while_a_later_part_of_its_process_waits(store, monkeypatch):
    monkeypatch.setattr(taking, "BATCH_BYTES", 1)
    journals.write(store.path, A, 0, [began("talk")])
    journals.write(store.path, A, 1, [ended("talk")])
    assert store.ingest().segments == 2
    with store.view() as con:
        assert con.execute("SELECT status FROM spans").fetchall() == [("ok",)]
        assert con.execute("SELECT count(*) FROM stored.batches").fetchone() == (2,)


def test_a_segment_that_was_taken_in_but_not_removed_is_not_taken_twice(store):
    path = journals.write(store.path, A, 0, [ended("talk")])
    kept = path.read_bytes()
    store.ingest()
    before = everything(store)
    # As after a kill between commit and removal.
    path.write_bytes(kept)
    with store.view() as con:
        con.execute("SELECT 1")
        assert con.execute("SELECT segment FROM stored.ingested").fetchall() == [(path.name,)]
    assert everything(store) == before
    assert store.ingest().lines == 0
    assert everything(store) == before
    assert not path.exists()


def test_torn_and_foreign_lines_are_counted_and_cost_nothing_else(store):
    rubbish = (
        b'no json\n\x00\x00\x00\n"text"\n[1]\n{"k":"e","span_id":"no run"}\n\xff\xfe\n{"k":"z","x":1}\n{"k":"e","run_'
    )
    journals.write(store.path, A, 0, [ended("one"), ended("two", attributes="odd", seq=2)], raw=rubbish)
    assert {span.span_id for span in store.run("r1").spans} == {"one", "two"}
    taken = store.ingest()
    assert taken.bad == 7
    assert {span.span_id for span in store.run("r1").spans} == {"one", "two"}


def test_an_ingest_counts_what_programs_say_they_dropped(store):
    for number, dropped in enumerate((3, 4, "many", -5)):
        journals.write(store.path, A, number, [{"k": "d", "at_ns": 1, "dropped": dropped}, ended(f"e{number}")])
    assert store.ingest().dropped == 7
    assert len(store.run("r1").spans) == 4


def test_contents_are_kept_once_per_run_however_often_they_are_written(store):
    for number in range(3):
        records = [*said(f"m{number}", "a", "same", seq=number), *said(f"n{number}", "a", "same", run_id="r2")]
        links = [{"k": "l", "run_id": "r1", "hash": "c1", "prev": None, "part": "part-same"}] * 2
        journals.write(store.path, A, number, [*records, *links])
        store.ingest()
    with store.view() as con:
        assert con.execute("SELECT run_id, hash FROM stored.parts ORDER BY ALL").fetchall() == [
            ("r1", "part-same"),
            ("r2", "part-same"),
        ]
        assert con.execute("SELECT count(*) FROM stored.links").fetchone() == (1,)
    assert [message.text for message in store.run("r1").messages] == ["same"] * 3


def test_ingest_leaves_a_living_segment_alone_and_takes_it_when_its_writer_is_gone(store):
    journal = Journal(store.path)
    journal.write(b'{"k":"e","run_id":"r","span_id":"x","seq":1,"start_ns":1,"attributes":{}}\n')
    assert store.ingest() == taking.Taken()
    assert [run.run_id for run in store.runs()] == ["r"]
    journal.close()
    assert store.ingest().segments == 1
    assert [run.run_id for run in store.runs()] == ["r"]


@pytest.mark.parametrize("lock", [files.INGEST_LOCK, files.STORE_LOCK])
def test_ingest_does_nothing_while_another_process_is_at_it_or_reads(store, lock, monkeypatch):
    monkeypatch.setattr(taking, "_PATIENCE_S", 0.0)
    journals.write(store.path, A, 0, [ended("talk")])
    with (store.path / lock).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert store.ingest() == taking.Taken(busy=True)
    assert store.ingest().segments == 1


@pytest.mark.parametrize("locks_are_there", [True, False])
def test_a_store_that_may_only_be_read_is_read(locks_are_there):
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))
    store = open_store(folder / "store")
    journals.write(store.path, A, 0, [ended("one")])
    store.ingest()
    journals.write(store.path, B, 0, [ended("two", run_id="r2")])
    if not locks_are_there:
        (store.path / files.STORE_LOCK).unlink()
        (store.path / files.INGEST_LOCK).unlink()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    try:
        if root:  # whom no mode forbids anything
            os.seteuid(65534)
        assert store.ingest() == taking.Taken(busy=True)
        assert {run.run_id for run in store.runs()} == {"r1", "r2"}
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_a_process_that_rotates_while_it_is_looked_at_never_looks_dead(store, monkeypatch):
    first = journals.Living(journals.write(store.path, A, 0, [began("talk")]))
    second: list[journals.Living] = []
    real = files.sealed

    def rotating(segment: Path) -> bool:
        if not second:  # between the list and the probe: the next segment is opened, then the last let go
            second.append(journals.Living(journals.write(store.path, A, 1, [])))
            first.die()
        return real(segment)

    monkeypatch.setattr(files, "sealed", rotating)
    assert store.runs()[0].status is RunStatus.RUNNING
    second[0].die()
