"""The histogram kept at ingest says, to the width of a bucket, what the spans themselves say."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import SYNTHETIC_NS, SYNTHETIC_UNTIL_NS
from harness.store import Store, care, open_store
from harness.store.histogram import DAY_NS, WIDTH
from tests.store import journals
from tests.store.journals import began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
CLOSE = math.sqrt(WIDTH) * (1 + 1e-9)
BY = {"agent": "gen_ai.agent.name", "name": "gen_ai.tool.name", "model": "gen_ai.request.model"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def took(number: int, ns: int, *, operation: str = "tool", start_ns: int = 1000, **fields: str) -> dict:
    attributes = {BY[key]: value for key, value in fields.items()}
    times = {"start_ns": start_ns, "end_ns": start_ns + ns}
    return ended(f"{operation}-{number}", operation=operation, seq=number, attributes=attributes, **times)


def exact(times: list[int], percent: int) -> int:
    return sorted(times)[math.ceil(len(times) * percent / 100) - 1]


def near(found: int, true: int) -> bool:
    return found == 0 if true <= 0 else true / CLOSE - 1 <= found <= true * CLOSE + 1


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    drawn=st.lists(
        st.tuples(st.sampled_from(["chat", "tool", "turn"]), st.sampled_from(["ann", "bob"]), st.integers(-5, 10**12)),
        min_size=1,
        max_size=60,
    ),
    cuts=st.lists(st.integers(0, 60), max_size=2).map(sorted),
    waits=st.booleans(),
)
def test_percentiles_are_within_half_a_bucket_however_the_spans_arrived(drawn, cuts, waits):
    records = [
        took(number, ns, operation=operation, agent=agent) for number, (operation, agent, ns) in enumerate(drawn)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        bounds = [0, *cuts, len(records)]
        for number, last in enumerate(bounds[1:]):
            # The last of a segment is told again by the next: it counts once.
            first = max(0, bounds[number] - 1)
            journals.write(store.path, A, number, records[first : max(first, last)])
            if not waits or number < len(bounds) - 2:
                store.ingest()
        found = {(one.operation, one.agent): one for one in store.latencies()}
    groups: dict[tuple[str, str], list[int]] = {}
    for operation, agent, ns in drawn:
        groups.setdefault((operation, agent), []).append(ns)
    assert found.keys() == groups.keys()
    for key, times in groups.items():
        one = found[key]
        assert one.number == len(times)
        assert (one.name, one.model) == (None, None)
        for percent, told in ((50, one.p50_ns), (95, one.p95_ns), (99, one.p99_ns)):
            assert near(told, exact(times, percent))


def test_what_takes_longest_comes_first_by_whatever_is_asked(store):
    records = [
        took(1, 10**6, name="search", agent="ann"),
        took(2, 10**9, name="compile", agent="ann"),
        took(3, 10**7, operation="chat", model="gpt-4o", agent="bob"),
    ]
    journals.write(store.path, A, 0, records)
    for _ in range(2):
        assert [(one.name, one.number) for one in store.latencies(by=["name"])] == [
            ("compile", 1),
            (None, 1),
            ("search", 1),
        ]
        assert [(one.model, one.agent) for one in store.latencies(by=["model", "agent"])] == [
            (None, "ann"),
            ("gpt-4o", "bob"),
        ]
        (whole,) = store.latencies(by=[])
        assert (whole.operation, whole.number) == (None, 3)
        assert near(whole.p50_ns, 10**7)
        store.ingest()


def test_what_did_not_end_was_said_or_came_from_a_cache_took_no_time(store):
    cached = ended("c", operation="chat", attributes={"harness.cache.hit": True}, seq=2)
    lock = journals.Living(journals.write(store.path, A, 0, [began("open"), *said("m", "a", "x", seq=3), cached]))
    journals.write(store.path, B, 0, [began("dead", run_id="r2")])
    for _ in range(2):
        assert store.latencies() == []
        store.ingest()
    lock.die()
    journals.write(store.path, B, 1, [ended("dead", run_id="r2")])
    for _ in range(2):
        assert [one.number for one in store.latencies()] == [1]
        store.ingest()


@pytest.mark.parametrize("first", [0, 1, DAY_NS - 1, DAY_NS, DAY_NS + 1, 2 * DAY_NS - 1, 2 * DAY_NS, 3 * DAY_NS])
def test_only_what_began_since_then_counts_to_the_nanosecond(store, first):
    starts = [0, DAY_NS - 1, DAY_NS, DAY_NS + 1, 2 * DAY_NS]
    expected = sum(start >= first for start in starts)
    for waits in (3, 0):
        records = [took(number, 5, start_ns=start) for number, start in enumerate(starts) if number >= waits]
        journals.write(store.path, A, waits, records)
        found = [one.number for one in store.latencies(since_ns=first)]
        assert found == [number for number in [sum(start >= first for start in starts[waits:])] if number]
        store.ingest()
    assert [one.number for one in store.latencies(since_ns=first)] == [number for number in [expected] if number]


def test_a_few_nanoseconds_of_today_are_not_lost_in_the_figures_of_its_date(store):
    now = 1_790_000_000_000_000_000
    journals.write(store.path, A, 0, [took(1, 1, start_ns=now), took(2, 5, start_ns=now)])
    for _ in range(2):
        (found,) = store.latencies(by=[])
        assert (found.number, found.p50_ns) == (2, 1)
        assert near(found.p95_ns, 5)
        store.ingest()


def test_times_that_an_import_made_up_are_no_latencies(store):
    named = {"operation": "tool", "name": "search"}
    journals.write(store.path, A, 0, [took(1, 5, start_ns=SYNTHETIC_NS, **named), took(2, 7, start_ns=10**18, **named)])
    for _ in range(2):
        (found,) = store.latencies()
        assert (found.number, near(found.p95_ns, 7)) == (1, True)
        (used,) = store.usage(by="tool")
        assert (used.calls, near(used.p95_ns, 7)) == (2, True)
        assert store.latencies(since_ns=SYNTHETIC_UNTIL_NS - 1) == store.latencies()
        store.ingest()


def test_runs_that_are_pruned_do_not_count_any_more(store):
    journals.write(store.path, A, 0, [took(1, 5), {**took(2, 5, start_ns=9000), "run_id": "r2"}])
    store.ingest()
    care.prune(store.path, care.Keep(newest=1))
    assert [one.number for one in store.latencies()] == [1]


def test_an_empty_store_took_no_time_and_an_unknown_key_is_refused(store):
    assert store.latencies() == []
    assert store.latencies(by=[]) == []
    with pytest.raises(UsageError, match="'tool'") as caught:
        store.latencies(by=["tool"])
    assert "operation, agent, name, model" in caught.value.hint
