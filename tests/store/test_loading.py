"""Runs that are read together are what each of them is when it is read alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import Finding, Severity
from harness.store import loading, open_store
from harness.store.verifying import verify
from tests.store import journals
from tests.store.journals import began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
HOUR = 3_600 * 1_000_000_000
RUNS = [f"run-{number}" for number in range(12)]


def talk(run_id: str, start_ns: int, turns: int) -> list[dict]:
    """A finished run that says and asks *turns* things."""
    about = {"run_id": run_id, "start_ns": start_ns}
    lines = [ended("talk", **about, end_ns=start_ns + turns + 1)]
    prev = None
    for turn in range(turns):
        lines += said(f"m{turn}", "a", f"{run_id} {turn}", **about, parent_id="talk", seq=2 + turn)
        link = f"{run_id}-{turn}"
        lines.append({"k": "l", "run_id": run_id, "hash": link, "prev": prev, "part": f"part-{run_id} {turn}"})
        asked = {"harness.input.context": link}
        lines.append(ended(f"ask{turn}", **about, operation="chat", parent_id="talk", seq=50 + turn, attributes=asked))
        prev = link
    return lines


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Twelve runs in groups: near in time and far apart, long and short; one judged, two not taken in, one open."""
    opened = open_store(tmp_path_factory.mktemp("store") / "store")
    for number, run_id in enumerate(RUNS[:10]):
        journals.write(opened.path, A, number, talk(run_id, (number // 3) * 5 * HOUR + number + 1, 1 + number % 4))
        if number % 4 == 3:
            opened.ingest()
    opened.judge(RUNS[2], [Finding(code="X1", name="x", severity=Severity.NOTE, text=text) for text in ("b", "a")])
    opened.ingest()
    journals.write(opened.path, B, 0, talk(RUNS[10], 7, 2))
    living = journals.Living(
        journals.write(opened.path, B, 1, [*talk(RUNS[11], HOUR, 2), began("on", run_id=RUNS[11])])
    )
    yield opened
    living.die()


@pytest.fixture(scope="module")
def alone(store):
    return {run_id: store.each([run_id]) for run_id in (*RUNS, "nobody")}


@settings(max_examples=30)
@given(
    asked=st.lists(st.sampled_from([*RUNS, "nobody"]), max_size=16),
    most_runs=st.integers(1, 5),
    most_spans=st.integers(1, 20),
)
def test_runs_read_together_are_what_each_is_alone_in_the_order_asked_for(store, alone, asked, most_runs, most_spans):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_MOST_RUNS", most_runs)
        patch.setattr(loading, "_MOST_SPANS", most_spans)
        assert store.each(asked) == [run for run_id in asked for run in alone[run_id]]


def test_what_is_said_of_a_run_is_read_in_its_order(store):
    assert [finding.text for finding in store.each(RUNS)[2].findings] == ["b", "a"]


def test_a_run_far_away_does_not_widen_where_its_neighbours_are_looked_for(store):
    with store.view() as con:
        groups = list(loading._groups(loading._bounds(con, RUNS[:10])))
    assert [[run.run_id for run in group] for group in groups] == [RUNS[0:3], RUNS[3:6], RUNS[6:9], RUNS[9:10]]


@pytest.mark.parametrize("most_runs", [1, 5, 200])
def test_every_run_is_verified_however_many_are_read_at_once(store, monkeypatch, most_runs):
    monkeypatch.setattr(loading, "_MOST_RUNS", most_runs)
    found = verify(store.path)
    assert (found.runs, found.of, found.flaws) == (12, 12, [])
    assert found.parts == found.links == sum(1 + number % 4 for number in range(10)) + 4
