"""What was just recorded is read back from journals as the store would give it, whatever happens to them meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.canonical import encode
from harness.errors import UnknownRunError
from harness.journal import Journal
from harness.model import Status
from harness.store import Store, files, open_store, recent
from harness.store.recent import Recent
from tests.store import journals
from tests.store.journals import Living, began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
FINDING = {"code": "L101", "name": "repeated", "severity": "warning", "text": "again", "evidence": {"n": 2}}
JUDGED = {"k": "j", "run_id": "r1", "at_ns": 5, "body": [FINDING]}
TALK = [began("talk"), *said("m1", "bot", "hello", seq=2), ended("m1", operation="message", seq=2), ended("talk")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_a_run_is_as_the_store_has_it_and_no_database_is_made(store):
    since = Recent(store.path)
    journals.write(store.path, A, 0, [*TALK, JUDGED])
    found = since.run("r1")
    assert not (store.path / files.DATABASE).exists()
    assert found == store.run("r1")
    assert [finding.code for finding in found.findings] == ["L101"]


def test_nothing_is_known_of_what_was_recorded_before(store):
    journals.write(store.path, A, 0, TALK)
    since = Recent(store.path)
    assert (since.waiting, since.run("r1"), since.run("r2")) == (1, None, None)


def test_a_run_of_several_processes_is_put_together_and_what_others_record_is_left_out(store):
    since = Recent(store.path)
    journals.write(store.path, A, 0, [began("talk"), ended("other", run_id="r2")])
    journals.write(store.path, B, 0, [ended("child", parent_id="talk"), began("late", seq=3)])
    journals.write(store.path, B, 1, [ended("late", seq=3)])
    found = since.run("r1")
    assert {span.span_id: span.status for span in found.spans} == {
        "talk": Status.INTERRUPTED,
        "child": Status.OK,
        "late": Status.OK,
    }
    assert found == store.run("r1")


def test_what_a_living_process_has_not_ended_is_open(store):
    since = Recent(store.path)
    writer = Living(journals.write(store.path, A, 0, [began("talk")]))
    assert [span.status for span in since.run("r1").spans] == [Status.OPEN]
    writer.die()
    assert [span.status for span in since.run("r1").spans] == [Status.INTERRUPTED]


def test_what_another_process_took_in_meanwhile_is_asked_of_the_store(store):
    since = Recent(store.path)
    journals.write(store.path, A, 0, [*TALK, JUDGED])
    before = since.run("r1")
    store.ingest()
    assert files.names(store.path) == []
    assert since.run("r1") == before == store.run("r1")
    assert since.run("r2") is None


def test_what_is_taken_in_while_it_is_read_is_not_lost(store, monkeypatch):
    since = Recent(store.path)
    journals.write(store.path, A, 0, TALK)
    journals.write(store.path, B, 0, [ended("child", parent_id="talk")])
    looked = recent._segments

    def slowly(path: Path) -> set[str]:
        found = looked(path)
        store.ingest()
        return found

    monkeypatch.setattr(recent, "_segments", slowly)
    assert {span.span_id for span in since.run("r1").spans} == {"talk", "m1", "child"}


def test_lines_that_are_no_records_are_read_over(store):
    since = Recent(store.path)
    rubbish = b'no json\n{"k":"e","run_id":"r1"}\n[1]\n\xff\n{"k":"z","run_id":"r1"}\n{"k":"e","run_id":"r1","span_'
    journals.write(store.path, A, 0, TALK, raw=rubbish)
    assert since.run("r1") == store.run("r1")


def test_reading_what_this_process_wrote_loads_no_database(tmp_path):
    code = (
        "import sys; from pathlib import Path; from harness.journal import Journal; from harness.store.recent import "
        "Recent\n"
        f"store = Path({str(tmp_path / 'store')!r}); since = Recent(store); journal = Journal(store)\n"
        f"journal.write({json.dumps(ended('one'))!r}.encode() + b'\\n'); journal.close()\n"
        "assert len(since.run('r1').spans) == 1\n"
        "sys.exit('duckdb' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


RECORDS = st.lists(
    st.sampled_from(["a", "b", "c"]).flatmap(
        lambda name: st.sampled_from([began(name), ended(name), ended(name, status="error"), *said(name, "x", name)])
    ),
    max_size=8,
)


@settings(max_examples=12)
@given(st.lists(RECORDS, min_size=1, max_size=3), st.booleans())
def test_whatever_is_recorded_it_is_as_the_store_has_it(tmp_path_factory, processes: Sequence[Any], taken: bool):  # noqa: FBT001
    path = tmp_path_factory.mktemp("store")
    since = Recent(path)
    for number, records in enumerate(processes):
        with closing(Journal(path)) as journal:
            for record in records:
                journal.write(encode({**record, "seq": number + 1}).encode() + b"\n")
    store = open_store(path)
    if taken:
        store.ingest()
    found = since.run("r1")
    try:
        assert found == store.run("r1")
    except UnknownRunError:
        assert found is None
