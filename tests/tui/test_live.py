"""What goes on is shown from the journals; the database is read when it changed, and for what is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness.errors import StoreError, UnknownRunError
from harness.model import RunStatus
from harness.store import Store, open_store
from tests.store.journals import Living, began, ended, said, write
from tests.tui.stage import Memory, triage
from tui.feed import Feed, RunRead, RunsRead, Trouble
from tui.live import LiveStore

A, B = "a" * 12, "b" * 12


@contextmanager
def reading(source: object) -> Iterator[tuple[Feed, list]]:
    posted: list = []
    feed = Feed(lambda: source, posted.append, every_s=3600)
    thread = threading.Thread(target=feed.serve)
    thread.start()
    try:
        feed.settle()
        yield feed, posted
    finally:
        feed.close()
        thread.join(timeout=60)
        assert not thread.is_alive()


def after(feed: Feed, posted: list, ask, *args) -> list:
    del posted[:]
    ask(*args)
    feed.settle()
    return list(posted)


def append(segment: Path, *records: dict) -> None:
    with segment.open("a") as journal:
        journal.writelines(json.dumps(record) + "\n" for record in records)


def message(number: int) -> list[dict]:
    return said(f"m{number}", "bot", f"text {number}", seq=number + 2, start_ns=2000 + number, parent_id="talk")


def test_a_run_that_goes_on_grows_without_a_question_to_the_store(tmp_path, monkeypatch):
    segment = write(tmp_path, A, 0, [began("talk")])
    writer = Living(segment)
    write(tmp_path, B, 0, [ended("other", run_id="r2")])
    with reading(LiveStore(tmp_path)) as (feed, posted):
        after(feed, posted, feed.watch, "r1")
        after(feed, posted, feed.look)
        views = []
        real = Store.view
        monkeypatch.setattr(Store, "view", lambda store: views.append(1) or real(store))
        for number in range(3):
            append(segment, *message(number))
            listed, shown = after(feed, posted, feed.look)
            assert [run.messages for run in listed.runs if run.run_id == "r1"] == [number + 1]
            assert [each.text for each in shown.story.run.messages] == [f"text {each}" for each in range(number + 1)]
        assert after(feed, posted, feed.look) == []
        assert views == []
        append(segment, ended("talk", end_ns=9000))
        writer.die()
        *_, shown = after(feed, posted, feed.look)
        assert shown.story.run.summary.status is RunStatus.FINISHED
        after(feed, posted, feed.look)
        assert open_store(tmp_path).ingest().segments == 0
        assert shown.story.run == open_store(tmp_path).run("r1")


def test_a_run_that_was_written_and_taken_in_between_two_looks_is_listed(tmp_path):
    write(tmp_path, A, 0, [ended("talk")])
    with reading(LiveStore(tmp_path)) as (feed, posted):
        after(feed, posted, feed.look)
        write(tmp_path, B, 0, [ended("other", run_id="r2", start_ns=5000)])
        open_store(tmp_path).ingest()
        (listed,) = after(feed, posted, feed.look)
        assert [run.run_id for run in listed.runs] == ["r2", "r1"]
        (shown,) = after(feed, posted, feed.watch, "r2")
        assert shown.story.run.run_id == "r2"


def test_a_judgement_of_a_run_that_is_over_shows_with_the_whole_run(tmp_path):
    write(tmp_path, A, 0, [ended("talk"), *message(1)])
    finding = {"code": "L101", "name": "repeated", "severity": "warning", "text": "again"}
    with reading(LiveStore(tmp_path)) as (feed, posted):
        after(feed, posted, feed.watch, "r1")
        after(feed, posted, feed.look)
        writer = Living(write(tmp_path, B, 0, [{"k": "j", "run_id": "r1", "at_ns": 1, "body": [finding]}]))
        listed, shown = after(feed, posted, feed.look)
        assert [(run.findings, run.messages) for run in listed.runs] == [(1, 1)]
        assert [one.code for one in shown.story.run.findings] == ["L101"]
        assert [each.text for each in shown.story.run.messages] == ["text 1"]
        writer.die()


def test_what_was_polled_before_a_read_failed_is_shown_once_it_works_again(monkeypatch):
    script = triage()
    source = Memory(script.run(RunStatus.RUNNING))
    with reading(source) as (feed, posted):
        script.end()
        source.put(script.run())
        with monkeypatch.context() as failing:
            failing.setattr(source, "summaries", lambda _: (_ for _ in ()).throw(StoreError("busy")))
            (trouble,) = after(feed, posted, feed.look)
            assert isinstance(trouble, Trouble)
        *_, listed = after(feed, posted, feed.look)
        assert isinstance(listed, RunsRead)
        assert [run.status for run in listed.runs] == [RunStatus.FINISHED]


def test_a_run_told_before_it_went_on_is_told_anew_when_it_is_asked_for_again():
    script = triage()
    source = Memory(script.run(RunStatus.RUNNING))
    with reading(source) as (feed, posted):
        after(feed, posted, feed.watch, "8f3c2a77")
        after(feed, posted, feed.watch, None)
        source.put(script.run(RunStatus.RUNNING))
        after(feed, posted, feed.look)
        (shown,) = after(feed, posted, feed.watch, "8f3c2a77")
        assert isinstance(shown, RunRead)
        assert source.reads.count("8f3c2a77") == 2


def test_the_journals_are_let_go_of_when_the_app_is_left():
    source = Memory()
    with reading(source):
        pass
    assert source.reads[-1] == "close"


def test_a_run_that_nothing_is_known_of_is_unknown(tmp_path):
    with closing(LiveStore(tmp_path)) as source:
        source.poll()
        assert source.summaries(["nosuch"]) == {}
        with pytest.raises(UnknownRunError):
            source.run("nosuch")
