"""The feed reads in a thread of its own, no more than it must, and survives what fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.errors import StoreError, UnknownRunError
from harness.model import RunStatus
from tests.tui.stage import BEGIN, SECOND, Memory, Script, triage
from tui.feed import Feed, Resolved, RunRead, RunsRead, Trouble


class Reader:
    """A feed at work, and what it posted."""

    def __init__(self, source: object) -> None:
        self.posted: list = []
        self.source = source
        # Looks only when asked, so that what happens does not depend on the time it takes.
        self.feed = Feed(lambda: self.source, self.posted.append, every_s=3600)

    def after(self, ask, *args) -> list:
        """What is posted because of *ask*."""
        before = len(self.posted)
        ask(*args)
        self.feed.settle()
        return self.posted[before:]


@contextmanager
def reading(source: object) -> Iterator[Reader]:
    reader = Reader(source)
    thread = threading.Thread(target=reader.feed.serve)
    thread.start()
    try:
        reader.feed.settle()
        yield reader
    finally:
        reader.feed.close()
        thread.join(timeout=60)
        assert not thread.is_alive()


def kinds(messages: list) -> list[type]:
    return [type(message) for message in messages]


def test_the_first_page_is_shown_before_the_rest_is_read():
    runs = [Script(f"{number:08}", begin_ns=BEGIN + number * SECOND).run() for number in range(450)]
    with reading(Memory(*runs)) as reader:
        lists = [message for message in reader.posted if isinstance(message, RunsRead)]
        assert [len(message.runs) for message in lists] == [200, 450]
        assert [message.more for message in lists] == [True, False]
        assert [run.run_id for run in lists[-1].runs] == [f"{number:08}" for number in reversed(range(450))]


def test_nothing_is_read_again_while_nothing_is_recorded():
    source = Memory(triage().run())
    with reading(source) as reader:
        assert reader.after(reader.feed.look) == []
        reads = list(source.reads)
        assert reader.after(reader.feed.look) == []
        assert source.reads == reads


def test_a_run_that_goes_on_is_read_whenever_anything_is_recorded_and_one_that_ended_is_not():
    script = triage()
    source = Memory(script.run(RunStatus.RUNNING), Script("ended").run())
    with reading(source) as reader:
        assert kinds(reader.after(reader.feed.watch, "8f3c2a77")) == [RunRead]
        source.version += 1
        assert kinds(reader.after(reader.feed.look)) == [RunsRead, RunRead]
        assert kinds(reader.after(reader.feed.watch, "ended")) == [RunRead]
        source.version += 1
        assert kinds(reader.after(reader.feed.look)) == [RunsRead]
        assert source.reads.count("ended") == 1


def test_what_is_new_comes_to_the_top_and_what_changed_changes():
    script = triage()
    source = Memory(script.run(RunStatus.RUNNING))
    with reading(source) as reader:
        script.say("user", "More.")
        script.end()
        source.put(script.run())
        source.put(Script("newer", begin_ns=BEGIN + SECOND).run())
        (listed,) = reader.after(reader.feed.look)
        assert [run.run_id for run in listed.runs] == ["newer", "8f3c2a77"]
        assert [run.status for run in listed.runs] == [RunStatus.FINISHED, RunStatus.FINISHED]


def test_an_old_run_that_goes_on_is_kept_up_to_date_below_the_first_page():
    old = Script("old", begin_ns=BEGIN - SECOND)
    runs = [Script(f"{number:08}", begin_ns=BEGIN + number * SECOND).run() for number in range(300)]
    source = Memory(*runs, old.run(RunStatus.RUNNING))
    with reading(source) as reader:
        source.put(old.run(RunStatus.FINISHED))
        (listed,) = reader.after(reader.feed.look)
        assert listed.runs[-1].run_id == "old"
        assert listed.runs[-1].status is RunStatus.FINISHED


def test_a_store_that_is_not_there_yet_is_waited_for():
    with reading(None) as reader:
        assert [(message.runs, message.exists) for message in reader.posted] == [((), False)]
        assert reader.after(reader.feed.look) == []
        reader.source = Memory(triage().run())
        (listed,) = reader.after(reader.feed.look)
        assert listed.exists
        assert len(listed.runs) == 1


def test_the_same_trouble_is_told_once_and_after_it_all_is_read_again():
    source = Memory(triage().run())
    with reading(source) as reader:
        source.error = StoreError("the store is locked")
        (trouble,) = reader.after(reader.feed.look)
        assert isinstance(trouble, Trouble)
        assert not trouble.fatal
        assert reader.after(reader.feed.look) == []
        source.error = None
        assert kinds(reader.after(reader.feed.look)) == [RunsRead]
        source.error = StoreError("the store is locked")
        assert kinds(reader.after(reader.feed.look)) == [Trouble]


def test_a_reference_is_resolved_or_ends_the_app():
    with reading(Memory(triage().run())) as reader:
        (resolved,) = reader.after(reader.feed.resolve, "8f3")
        assert isinstance(resolved, Resolved)
        assert resolved.run_id == "8f3c2a77"
        (trouble,) = reader.after(reader.feed.resolve, "nosuch")
        assert trouble.fatal
        assert isinstance(trouble.error, UnknownRunError)


def test_waiting_for_a_reader_that_does_not_read_has_an_end(monkeypatch):
    monkeypatch.setattr("tui.feed._PATIENCE_S", 0.01)
    with pytest.raises(TimeoutError):
        Feed(lambda: None, print).settle()
