"""What is kept day by day says of calls what the spans themselves say, however they came to lie in the store."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.store import Store, care, latencies, open_store
from harness.store.facts import CALL_OPERATIONS
from harness.store.histogram import DAY_NS
from tests.store import journals
from tests.store.journals import began, ended

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
NAMES = {"agent": "agent", "model": "model", "tool": "call_name"}
FIELDS = "name calls model_calls runs errors unpriced input_tokens output_tokens cost_usd".split()
WHICH = {"agent": CALL_OPERATIONS, "model": "'chat'", "tool": "'tool'"}

attributes = st.fixed_dictionaries(
    {},
    optional={
        "gen_ai.agent.name": st.sampled_from(["ann", "bob"]),
        "gen_ai.request.model": st.sampled_from(["small", "large"]),
        "gen_ai.tool.name": st.sampled_from(["search", "read"]),
        "gen_ai.usage.input_tokens": st.integers(0, 9),
        "gen_ai.usage.output_tokens": st.integers(0, 9),
        "gen_ai.usage.cost": st.sampled_from([0, 0.25, 2]),
        "harness.cache.hit": st.booleans(),
    },
)
calls = st.lists(
    st.tuples(
        st.sampled_from(["chat", "tool", "human", "turn", "message"]),
        st.sampled_from(["run-a", "run-b"]),
        st.integers(-1, 2 * DAY_NS // 1000).map(lambda number: number * 1000),
        st.sampled_from(["end", "end", "begin", "late"]),
        st.sampled_from(["ok", "ok", "error"]),
        attributes,
    ),
    max_size=14,
)


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    drawn=calls,
    cut=st.integers(0, 14),
    since=st.none() | st.integers(0, 2 * DAY_NS),
    merged=st.integers(1, 3),
    by=st.sampled_from([*NAMES]),
)
def test_sums_by_agent_model_and_tool_are_those_of_the_spans(monkeypatch, drawn, cut, since, merged, by):
    monkeypatch.setattr(latencies, "_MERGED_EVERY", merged)
    first, late = [], []
    for number, (operation, run_id, start_ns, told, status, said) in enumerate(drawn):
        about = {"operation": operation, "run_id": run_id, "seq": number, "start_ns": max(0, start_ns)}
        end = ended(f"s{number}", **about, end_ns=max(0, start_ns) + 10**9, status=status, attributes=said)
        start = began(f"s{number}", **about, attributes=said)
        first += {"end": [end], "begin": [start], "late": [start]}[told]
        late += [end] if told == "late" else []
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        for number, records in enumerate([first[:cut], first[cut:], late]):
            journals.write(store.path, A, number, records)
            assert_summed(store, by, since)
            store.ingest()
            assert_summed(store, by, since)
        care.compact(store.path)
        assert_summed(store, by, since)


def assert_summed(store: Store, by: str, since: int | None) -> None:
    column = NAMES[by]
    made = "FILTER (WHERE made)"
    totals = ", ".join(
        f"CASE WHEN count(*) {made} > 0 THEN sum({name}) {made} ELSE sum({name}) END"
        for name in ("input_tokens", "output_tokens", "cost_usd")
    )
    with store.view() as con:
        told = con.execute(
            f"""SELECT {column}, count(*), count(*) {made}, count(DISTINCT run_id),
            count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE made AND cost_usd IS NULL), {totals},
            bool_or(end_ns IS NOT NULL) FROM working.spans
            WHERE operation IN ({WHICH[by]}) AND start_ns >= ? GROUP BY ALL""",  # noqa: S608 - fixed names
            [since or 0],
        ).fetchall()
    found = [
        (*(getattr(one, field) for field in FIELDS), one.p95_ns is not None) for one in store.usage(by, since_ns=since)
    ]
    assert sorted(found, key=repr) == sorted(told, key=repr)


def test_calls_are_not_summed_up_by_what_is_not_kept(tmp_path):
    with pytest.raises(UsageError, match="'operation'") as caught:
        open_store(tmp_path).usage("operation")
    assert "agent, model, tool" in caught.value.hint


def test_rows_that_are_alike_become_one_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(latencies, "_MERGED_EVERY", 4)
    store = open_store(tmp_path)
    kept = []
    for number in range(8):
        journals.write(store.path, A, number, [ended(f"s{number}", operation="tool", seq=number)])
        store.ingest()
        with store.view() as con:
            kept += con.execute("SELECT count(*) FROM stored.latencies").fetchone()
    assert kept == [1, 2, 3, 1, 2, 3, 4, 1]
    assert [one.number for one in store.latencies()] == [8]
