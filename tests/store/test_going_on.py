"""A program may go on in a run that ended, and was removed meanwhile: what it says later is whole all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from harness.journal import Journal
from harness.model import Operation
from harness.store import care, open_store
from harness.store.verifying import verify
from harness.trace import Trace

HOUR = 3_600 * 1_000_000_000
HISTORY = [
    {"role": "user", "parts": [{"type": "text", "content": "the question"}]},
    {"role": "assistant", "parts": [{"type": "text", "content": "the answer"}]},
]
EVERYTHING = care.Keep(newest=0)


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


@pytest.fixture
def trace(store):
    """A program that writes a segment for each record, and goes on living."""
    journal = Journal(store.path, rotate_bytes=1)
    yield Trace(journal)
    journal.close()


def chat(trace: Trace) -> None:
    """Ask with the same history as ever, and say its last message."""
    with trace.operation(Operation.CONVERSATION, "chat"):
        context, links = trace.contents.context(HISTORY)
        asked = {"harness.input.context": context}
        trace.close(trace.open(Operation.CHAT, "model", asked, links=links))
        trace.spoken("a", ["b"], HISTORY[1])


def turn_to_another(trace: Trace) -> None:
    """Write of another run: what there is of the first is then in segments that are sealed."""
    with trace.within(trace.new_run("other")):
        chat(trace)


def later(monkeypatch, hours: int) -> None:
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() + hours * HOUR)


def told(store) -> list[str]:
    store.ingest()
    found = verify(store.path)
    assert found.flaws == []
    return [text for (text,) in store.sql("SELECT text FROM messages WHERE run_id = 'r' ORDER BY seq").rows]


def test_a_run_that_ended_just_now_stays_while_its_program_lives(store, trace):
    with trace.within(trace.new_run("r")):
        chat(trace)
        turn_to_another(trace)
        assert care.prune(store.path, EVERYTHING).run_ids == ()
        chat(trace)
    assert told(store) == ["the answer", "the answer"]
    trace.journal.close()
    assert care.prune(store.path, EVERYTHING).kept == 0


def test_who_goes_on_in_a_run_that_was_removed_writes_what_it_names_again(store, trace, monkeypatch):
    with trace.within(trace.new_run("r")):
        chat(trace)
        turn_to_another(trace)
        later(monkeypatch, 1)
        assert care.prune(store.path, EVERYTHING).run_ids == ("r",)
        chat(trace)
    assert told(store) == ["the answer"]


def test_a_run_with_an_open_operation_stays_however_long_it_is_silent(store, trace, monkeypatch):
    with trace.within(trace.new_run("r")), trace.operation(Operation.CONVERSATION, "outer"):
        chat(trace)
        turn_to_another(trace)
        later(monkeypatch, 1)
        assert care.prune(store.path, EVERYTHING).run_ids == ()
        chat(trace)
    assert told(store) == ["the answer", "the answer"]


def test_what_is_known_is_not_written_again_while_a_run_goes_on(store, trace):
    with trace.within(trace.new_run("r")):
        for _ in range(3):
            chat(trace)
    lines = b"".join(path.read_bytes() for path in (store.path / "journal").iterdir()).splitlines()
    assert sum(line.startswith(b'{"k":"p"') for line in lines) == len(HISTORY)


FORKING = """
import os, sys
from pathlib import Path
from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace
from tests.store.test_going_on import chat

trace = Trace(Journal(Path(sys.argv[1])))
with trace.within(trace.new_run("r")), trace.operation(Operation.CONVERSATION, "outer"):
    chat(trace)
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(sys.argv[2]) as word:
        word.read()
    chat(trace)
"""


def test_a_child_that_goes_on_in_the_run_of_its_dead_parent_writes_what_it_names_itself(store, tmp_path, monkeypatch):
    word = tmp_path / "word"
    os.mkfifo(word)
    command = [sys.executable, "-c", FORKING, str(store.path), str(word)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.wait(timeout=60) == 0
        with word.open("w") as going_on:  # the child listens by now: it has let go of its parent's journal
            later(monkeypatch, 1)
            assert care.prune(store.path, EVERYTHING).run_ids == ("r",)
            going_on.write("go on")
        assert parent.stdout is not None
        parent.stdout.read()  # the child holds the other end until it is done
    assert told(store) == ["the answer"]
