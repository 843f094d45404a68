"""A follower gives what the store holds: each record once, whatever is written, sealed, taken in or torn meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.journal import FOLDER, Journal
from harness.model import RunStatus, Span, Status
from harness.store import Store, files, open_store, tail
from harness.store.follow import Changes, Follower
from harness.store.records import Other, read
from tests.store import journals
from tests.store.journals import Living, began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
FINDING = {"code": "L101", "name": "repeated", "severity": "warning", "text": "again", "evidence": {"n": 2}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def follower(store: Store) -> Iterator[Follower]:
    with closing(Follower(store.path)) as following:
        yield following


def lines(*records: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def ids(spans: Any) -> list[str]:
    return [span.span_id for span in spans]


def test_a_store_that_is_not_there_yet_gives_nothing_and_then_what_is_recorded(store, follower):
    assert follower.poll() == Changes()
    assert not store.path.exists()
    with closing(Journal(store.path)) as journal:
        journal.write(lines(began("talk"), *said("m1", "bot", "hello", seq=2)))
        news = follower.poll().runs["r1"]
        assert (ids(news.began), ids(news.ended)) == (["talk", "m1"], [])
        assert news.parts == {"part-hello": {"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}}
        assert follower.poll() == Changes(living=frozenset({journal.process}))
        journal.write(lines(ended("talk")))
        assert ids(follower.poll().runs["r1"].ended) == ["talk"]


def test_a_line_waits_for_its_newline_until_its_writer_is_gone(store, follower):
    path = journals.write(store.path, A, 0, [began("one")])
    writer = Living(path)
    whole = json.dumps(ended("one")).encode()
    with path.open("ab", buffering=0) as half:
        half.write(whole[:30])
        assert ids(follower.poll().runs["r1"].began) == ["one"]
        assert follower.poll().runs == {}
        half.write(whole[30:] + b"\n" + whole[:40])
    assert ids(follower.poll().runs["r1"].ended) == ["one"]
    writer.die()
    changes = follower.poll()
    assert (changes.bad, changes.sealed, changes.living) == (1, (path.name,), frozenset())


def test_a_whole_last_line_without_its_newline_is_kept_as_the_store_keeps_it(store, follower):
    journals.write(store.path, A, 0, [began("one")], raw=json.dumps(ended("one")).encode())
    assert ids(follower.poll().runs["r1"].ended) == ["one"]
    assert [span.status for span in store.run("r1").spans] == [Status.OK]


def test_as_many_lines_are_bad_as_the_store_counts(store, follower):
    rubbish = (
        b'no json\n\x00\x00\x00\n"text"\n[1]\n{"k":"e","span_id":"no run"}\n\xff\xfe\n{"k":"z","x":1}\n\n{"k":"e","run_'
    )
    journals.write(store.path, A, 0, [ended("one"), ended("two", attributes="odd", seq=2)], raw=rubbish)
    changes = follower.poll()
    assert changes.bad == store.ingest().bad == 7
    assert ids(changes.runs["r1"].ended) == ["one", "two"]


def test_a_segment_that_is_sealed_taken_in_and_removed_is_read_to_its_end(store, follower):
    journal = Journal(store.path)
    journal.write(lines(began("talk")))
    follower.poll()
    journal.write(lines(ended("talk")))
    journal.close()
    store.ingest()
    assert files.names(store.path) == []
    changes = follower.poll()
    assert ids(changes.runs["r1"].ended) == ["talk"]
    assert (len(changes.sealed), len(changes.gone), changes.stored) == (1, 1, True)
    assert follower.catch_up().runs == {}
    assert not follower.poll().stored


def test_what_was_written_and_taken_in_between_two_polls_is_caught_up_with(store, follower):
    journals.write(store.path, A, 0, [ended("before", run_id="r0")])
    store.ingest()
    assert follower.poll().stored
    journals.write(store.path, A, 1, [*said("m1", "bot", "hello"), {"k": "j", "run_id": "r1", "at_ns": 5, "body": []}])
    store.ingest()
    changes = follower.poll()
    assert (changes.runs, changes.stored) == ({}, True)
    caught = follower.catch_up()
    news = caught.runs["r1"]
    assert (caught.touched, ids(news.began), [*news.parts]) == ({"r1"}, ["m1"], ["part-hello"])
    assert [judgement.at_ns for judgement in news.judgements] == [5]
    assert follower.catch_up().runs == {}
    assert follower.run("r1") == store.run("r1")


def test_a_killed_program_is_seen_to_die_and_its_run_to_be_interrupted(store, follower):
    script = (
        "import sys, pathlib; from harness.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1])); journal.write(sys.argv[2].encode() + b'\\n')\n"
        "print(journal.process, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(store.path), json.dumps(began("talk"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process = child.stdout.readline().strip()
    changes = follower.poll()
    assert (changes.living, changes.touched) == ({process}, {"r1"})
    assert follower.summaries(["r1", "nosuch"])["r1"].status is RunStatus.RUNNING
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    changes = follower.poll()
    assert (changes.runs, changes.living, changes.touched) == ({}, frozenset(), {"r1"})
    assert follower.summaries(["r1"])["r1"].status is RunStatus.INTERRUPTED
    assert follower.run("r1") == store.run("r1")


def test_a_process_that_rotates_while_it_is_looked_at_never_looks_dead(store, follower, monkeypatch):
    first = Living(journals.write(store.path, A, 0, [began("talk")]))
    follower.poll()
    second: list[Living] = []
    real = tail.names

    def rotating(path: Path) -> list[str]:
        found = real(path)
        if not second:  # between the list and the probe: the next segment is opened, then the last let go
            second.append(Living(journals.write(store.path, A, 1, [ended("talk")])))
            first.die()
        return found

    monkeypatch.setattr(tail, "names", rotating)
    changes = follower.poll()
    assert (changes.living, len(changes.sealed)) == ({A}, 1)
    assert ids(changes.runs["r1"].ended) == ["talk"]
    second[0].die()


def test_a_write_that_was_taken_back_is_read_over(store, follower):
    path = journals.write(store.path, A, 0, [began("one")])
    writer = Living(path)
    size = path.stat().st_size
    with path.open("ab") as half:
        half.write(b'{"k":"e","run_id":"r1"')
    follower.poll()
    os.truncate(path, size)
    follower.poll()
    with path.open("ab") as again:
        again.write(lines(ended("one")))
    changes = follower.poll()
    assert (ids(changes.runs["r1"].ended), changes.bad) == (["one"], 0)
    writer.die()


def test_a_run_that_began_before_its_follower_is_whole_with_what_the_database_held(store):
    journals.write(store.path, A, 0, [began("talk"), *said("m1", "bot", "one", seq=2, parent_id="talk")])
    path = journals.write(store.path, A, 1, [])
    writer = Living(path)
    store.ingest()
    with closing(Follower(store.path)) as follower:
        follower.poll()
        assert follower.run("r1") is None
        with path.open("ab") as more:
            more.write(lines(*said("m2", "bot", "two", seq=3, start_ns=2000, parent_id="talk")))
        assert ids(follower.poll().runs["r1"].began) == ["m2"]
        run = follower.run("r1")
        assert ([message.text for message in run.messages], run.summary.status) == (["one", "two"], RunStatus.RUNNING)
        assert run == store.run("r1")
        with path.open("ab") as more:
            more.write(lines(ended("talk", end_ns=3000)))
        writer.die()
        follower.poll()
        store.ingest()
        follower.poll()
        run = follower.run("r1")
        assert run.summary.status is RunStatus.FINISHED
        assert run == store.run("r1")


def test_the_database_is_read_only_where_there_is_one_and_once_until_it_changes(store, follower, monkeypatch):
    asked = []
    monkeypatch.setattr("harness.store.follow.kept", lambda *_: asked.append(1) or {})
    writer = Living(journals.write(store.path, A, 0, [began("talk")]))
    follower.poll()
    follower.run("r1")
    assert asked == []
    journals.write(store.path, B, 0, [ended("other", run_id="r2")])
    store.ingest()
    for _ in range(3):
        follower.poll()
        follower.run("r1")
    assert asked == [1]
    writer.die()


def test_the_newest_judgement_counts_whichever_comes_first(store, follower):
    older = {"k": "j", "run_id": "r1", "at_ns": 1, "body": []}
    newer = {"k": "j", "run_id": "r1", "at_ns": 2, "body": [FINDING, {"code": "half"}, "odd"]}
    journals.write(store.path, A, 0, [ended("talk"), newer])
    journals.write(store.path, B, 0, [older])
    follower.poll()
    assert [finding.code for finding in follower.run("r1").findings] == ["L101"]
    assert follower.run("r1") == store.run("r1")


def test_runs_that_are_over_and_taken_in_are_forgotten_and_those_under_way_are_not(store):
    with closing(Follower(store.path, kept_bytes=0)) as follower, closing(Journal(store.path)) as living:
        living.write(lines(began("talk", run_id="live")))
        journals.write(store.path, A, 0, [ended("talk", run_id="over")])
        follower.poll()
        assert set(follower.runs) == {"live", "over"}
        store.ingest()
        follower.poll()
        assert set(follower.runs) == {"live"}
        assert follower.run("over") is None


def test_a_run_that_is_over_is_forgotten_though_its_process_goes_on(store):
    with (
        closing(Follower(store.path, kept_bytes=0)) as follower,
        closing(Journal(store.path, rotate_bytes=1)) as living,
    ):
        living.write(lines(began("talk")))
        follower.poll()
        living.write(lines(ended("talk")))
        living.write(lines(began("talk", run_id="next")))
        follower.poll()
        store.ingest()
        follower.poll()
        assert set(follower.runs) == {"next"}


def test_a_start_that_comes_after_its_end_is_no_news(store, follower):
    journals.write(store.path, B, 0, [ended("talk")])
    follower.poll()
    journals.write(store.path, A, 0, [began("talk")])
    assert follower.poll().runs == {}
    assert follower.run("r1") == store.run("r1")


def test_of_what_is_over_the_newest_is_kept_as_far_as_it_may(store):
    with closing(Follower(store.path, kept_bytes=600)) as follower:
        for number in range(4):
            journals.write(store.path, A, number, [ended("talk", run_id=f"r{number}")])
            follower.poll()
        store.ingest()
        follower.poll()
        assert list(follower.runs) == ["r2", "r3"]


@pytest.mark.parametrize("most_open", [1, 200])
def test_a_backlog_is_read_piece_by_piece(store, monkeypatch, most_open):
    monkeypatch.setattr(tail, "MOST_OPEN", most_open)
    for number in range(3):
        journals.write(store.path, A, number, [ended(f"s{number}{each}", seq=each) for each in range(9)])
    found: list[str] = []
    with closing(Follower(store.path, read_bytes=500)) as follower:
        for _ in range(100):
            changes = follower.poll()
            found += [span_id for news in changes.runs.values() for span_id in ids(news.ended)]
            if not changes.more:
                break
        assert found == [f"s{number}{each}" for number in range(3) for each in range(9)]
        assert not follower.poll().sealed


def test_a_closed_follower_holds_no_file_open(store):
    writer = Living(journals.write(store.path, A, 0, [began("talk")]))
    with closing(Follower(store.path)) as follower:
        before = handles()
        follower.poll()
        assert handles() == before + 1
    assert handles() == before
    writer.die()


def handles() -> int:
    return len(list(Path("/dev/fd").iterdir()))


WRITER = """
import json, sys
from pathlib import Path
from harness.journal import Journal
journal = Journal(Path(sys.argv[1]), rotate_bytes=3000)
for number in range(int(sys.argv[3])):
    span = {"run_id": sys.argv[2], "span_id": f"{sys.argv[2]}-{number}", "seq": number, "start_ns": number}
    for kind in "se":
        journal.write(json.dumps({"k": kind, **span}).encode() + b"\\n")
"""
INGESTER = """
import sys
from pathlib import Path
from harness.store import open_store
store = open_store(Path(sys.argv[1]))
while not Path(sys.argv[2]).exists():
    store.ingest()
"""


def test_while_writers_rotate_and_another_process_takes_in_each_span_is_given_once(store, tmp_path):
    count, runs = 300, ["w1", "w2", "w3"]
    heard, stop = Heard(), tmp_path / "stop"
    ingester = subprocess.Popen([sys.executable, "-c", INGESTER, str(store.path), str(stop)])
    with closing(Follower(store.path)) as follower:
        heard.hear(follower.poll())
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(store.path), run_id, str(count)]) for run_id in runs
        ]
        try:
            going_on = True
            while going_on:
                going_on = any(writer.poll() is None for writer in writers)
                changes = follower.poll()
                heard.hear(changes)
                if changes.stored:
                    heard.hear(follower.catch_up())
        finally:
            stop.touch()
            for process in (*writers, ingester):
                assert process.wait(timeout=60) == 0
        store.ingest()
        heard.hear(follower.poll())
        heard.hear(follower.catch_up())
        whole = {run_id: follower.run(run_id) for run_id in runs}
    assert files.names(store.path) == []
    assert set(heard.spans) == {(r, f"{r}-{n}") for r in runs for n in range(count)}
    assert {span.status for span in heard.spans.values()} == {Status.OK}
    assert set(heard.count.values()) == {1}
    assert list(whole.values()) == store.each(runs)


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_line_raises_and_none_of_these_is_a_record(line):
    assert read(line) is None


@given(
    st.fixed_dictionaries(
        {"k": st.sampled_from(["s", "e", "p", "l", "j", "h", "z", 5])},
        optional={
            key: st.sampled_from(["x", "", 1, -1, 2**70, 1.5, True, None, [], [FINDING, 3], {}, {"a": 1}])
            for key in (
                "run_id",
                "span_id",
                "seq",
                "start_ns",
                "hash",
                "part",
                "prev",
                "body",
                "at_ns",
                "attributes",
                "end_ns",
                "end_seq",
                "status",
                "operation",
                "kind",
                "name",
                "trace_id",
                "parent_id",
            )
        },
    )
)
def test_a_record_of_any_shape_is_read_or_is_none(record):
    found = read(json.dumps(record).encode())
    known = record["k"] in {"s", "e", "p", "l", "j"}
    assert found is None or isinstance(found, Other) is not known


# The property: whatever the interleaving.

RUNS = ["r1", "r2"]
WRITERS = range(3)
actions = st.one_of(
    st.tuples(
        st.just("write"),
        st.sampled_from(WRITERS),
        st.lists(
            st.tuples(st.sampled_from("sseeplj"), st.sampled_from(RUNS), st.integers(0, 4)), min_size=1, max_size=4
        ),
    ),
    st.tuples(
        st.just("rubbish"), st.sampled_from(WRITERS), st.sampled_from([b"torn\n", b'{"k":"e"}\n', b"\xff\n", b"[]\n"])
    ),
    st.tuples(st.just("end"), st.sampled_from(WRITERS), st.none()),
    st.tuples(st.sampled_from(["poll", "poll", "ingest"]), st.just(0), st.none()),
)


def record(kind: str, run_id: str, number: int) -> dict[str, Any]:
    if kind in "se":
        make = began if kind == "s" else ended
        return make(f"{run_id}-{number}", run_id=run_id, start_ns=1000 + number, seq=number)
    if kind == "p":
        return {"k": "p", "run_id": run_id, "hash": f"part-{number}", "body": {"role": "user", "n": number}}
    if kind == "l":
        return {"k": "l", "run_id": run_id, "hash": f"context-{number}", "prev": None, "part": f"part-{number}"}
    return {"k": "j", "run_id": run_id, "at_ns": number, "body": [{**FINDING, "seq": number}]}


class Heard:
    """All that the polls gave, put together, and how often."""

    def __init__(self) -> None:
        self.count: Counter[tuple[object, ...]] = Counter()
        self.spans: dict[tuple[str, str], Span] = {}
        self.contents: set[tuple[str, str, str]] = set()
        self.bad = 0

    def hear(self, changes: Changes) -> None:
        self.bad += changes.bad
        for run_id, news in changes.runs.items():
            for span in (*news.began, *news.ended):
                self.count[run_id, span.span_id, span.status in {Status.OK, Status.ERROR}] += 1
                self.spans[run_id, span.span_id] = span
            for table, contents in (("part", news.parts), ("link", news.links)):
                for name in contents:
                    self.count[run_id, table, name] += 1
                    self.contents.add((run_id, table, name))
            for judgement in news.judgements:
                self.count[run_id, "judgement", judgement.at_ns] += 1


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(actions, min_size=4, max_size=24))
def test_polls_give_each_record_once_and_together_what_the_store_holds(drawn):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        heard, taken_bad = Heard(), 0
        writers: dict[int, Journal] = {}
        with closing(Follower(store.path)) as follower:
            for action, number, what in [("poll", 0, None), *drawn]:
                if action == "poll":
                    changes = follower.poll()
                    heard.hear(changes)
                    if changes.stored:
                        heard.hear(follower.catch_up())
                elif action == "ingest":
                    taken_bad += store.ingest().bad
                elif action == "end":
                    if number in writers:
                        writers.pop(number).close()
                else:
                    if number not in writers:
                        # So small that it rotates under way.
                        writers[number] = Journal(store.path, rotate_bytes=900)
                    writers[number].write(what if action == "rubbish" else lines(*(record(*one) for one in what)))
            for journal in writers.values():
                journal.close()
            heard.hear(follower.poll())
            taken_bad += store.ingest().bad
            heard.hear(follower.poll())
            heard.hear(follower.catch_up())
            compare(store, follower, heard)
        assert set(heard.count.values()) <= {1}
        assert heard.bad <= taken_bad
        assert not list((store.path / FOLDER).glob("*.jsonl"))


def compare(store: Store, follower: Follower, heard: Heard) -> None:
    with store.view() as con:
        spans = con.execute("SELECT run_id, span_id, status IN ('ok', 'error') FROM spans").fetchall()
        contents = con.execute(
            """SELECT run_id, 'part', hash FROM stored.parts UNION ALL SELECT run_id, 'part', hash FROM working.parts
            UNION ALL SELECT run_id, 'link', hash FROM stored.links
            UNION ALL SELECT run_id, 'link', hash FROM working.links"""
        ).fetchall()
    assert {(*key, span.status in {Status.OK, Status.ERROR}) for key, span in heard.spans.items()} == set(spans)
    assert heard.contents == set(contents)
    for theirs in store.each(RUNS):
        assert follower.summaries([theirs.run_id])[theirs.run_id] == theirs.summary
        assert follower.run(theirs.run_id) == theirs
