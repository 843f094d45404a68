"""The rollups in SQL say what ``derive`` says in Python, however the records came to lie in the store."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness import derive, semconv
from harness.model import EndingKind, Finding, Operation, RunSummary, Severity, Span, Status
from harness.store import Store, open_store
from tests.store import journals

RUNS = ["run-a", "run-b", "run-c"]
PROCESSES = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"]
IDS = [f"{number:016x}" for number in range(6)]

odd = st.sampled_from([None, True, False, -1, 0, 7, 2**40, 1.5, -0.5, "", "x", "12", [], ["b", 1, "a"], {}, {"a": 1}])
word = st.sampled_from(["", "alpha", "β", "a\x00b", "two words", "'quoted\""])
values = {
    semconv.HARNESS_RUN_NAME: word,
    semconv.HARNESS_RUN_SOURCE_ID: word,
    semconv.HARNESS_RUN_MODE: word,
    semconv.HARNESS_FRAMEWORK: word,
    semconv.HARNESS_RUN_TAGS: st.lists(word, max_size=3),
    semconv.GEN_AI_WORKFLOW: word,
    semconv.HARNESS_ENDING: st.sampled_from([*(kind.value for kind in EndingKind), "else"]),
    semconv.GEN_AI_INPUT_TOKENS: st.integers(0, 2**31),
    semconv.GEN_AI_OUTPUT_TOKENS: st.integers(0, 2**31),
    semconv.GEN_AI_COST: st.floats(0, 100) | st.integers(0, 3),
    semconv.HARNESS_CACHE_HIT: st.booleans(),
    semconv.ERROR_MESSAGE: word,
}
attributes = st.fixed_dictionaries({}, optional={key: value | odd for key, value in values.items()})


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Draw a few spans of a few runs: parents may be missing, go in circles, or be the span itself."""
    found = []
    for run_id in RUNS:
        for span_id in draw(st.lists(st.sampled_from(IDS), unique=True, max_size=6)):
            start = draw(st.integers(0, 4))
            status = draw(st.sampled_from([Status.OK, Status.OK, Status.ERROR, Status.OPEN]))
            over = status is not Status.OPEN
            found.append(
                Span(
                    run_id=run_id,
                    trace_id="t",
                    span_id=span_id,
                    parent_id=draw(st.sampled_from([None, None, "elsewhere", *IDS])),
                    name=draw(word),
                    kind="INTERNAL",
                    operation=draw(st.sampled_from([*Operation, Operation.CONVERSATION, Operation.CHAT])),
                    status=status,
                    seq=draw(st.integers(0, 5)),
                    end_seq=draw(st.integers(0, 9)) if over else None,
                    start_ns=start,
                    end_ns=draw(st.none() | st.integers(0, 9)) if over else None,
                    attributes=draw(attributes),
                )
            )
    return found


severities = st.sampled_from(Severity)
judgements = st.lists(st.tuples(st.sampled_from(RUNS), st.lists(severities, max_size=3)), max_size=3)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=spans(), judged=judgements, data=st.data())
def test_totals_in_sql_equal_the_derived_ones_whatever_the_segmentation_and_arrival(
    drawn: list[Span], judged: list[tuple[str, list[Severity]]], data: st.DataObject
) -> None:
    living = data.draw(st.sets(st.sampled_from(PROCESSES)), label="living processes")
    records: list[tuple[str, dict[str, object]]] = []
    expected: list[Span] = []
    for span in drawn:
        process = data.draw(st.sampled_from(PROCESSES))
        start = {
            **{name: getattr(span, name) for name in ("run_id", "trace_id", "span_id", "parent_id", "name", "kind")},
            "k": "s",
            "operation": span.operation.value,
            "seq": span.seq,
            "start_ns": span.start_ns,
            "attributes": span.attributes,
        }
        if span.status is Status.OPEN:
            records.append((process, start))
            expected.append(span if process in living else replace(span, status=Status.INTERRUPTED))
            continue
        end = {**start, "k": "e", "end_seq": span.end_seq, "end_ns": span.end_ns, "status": span.status.value}
        begun = [(process, {**start, "attributes": {}})] * data.draw(st.integers(0, 2))
        records += data.draw(st.permutations([*begun, (process, end)]))
        expected.append(span)
    findings: dict[str, list[Finding]] = {}
    for at_ns, (run_id, found) in enumerate(judged):
        findings[run_id] = [Finding(code="X1", name="x", severity=severity, text="t") for severity in found]
        body = [{"code": "X1", "name": "x", "severity": severity.value, "text": "t"} for severity in found]
        records.append((PROCESSES[0], {"k": "j", "run_id": run_id, "at_ns": at_ns, "body": body}))
    summaries = [
        derive.summary(run_id, mine, findings.get(run_id, ()))
        for run_id in RUNS
        if (mine := [span for span in expected if span.run_id == run_id])
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        locks = [journals.Living(journals.write(store.path, process, 0, [])) for process in sorted(living)]
        try:
            arrivals = data.draw(st.lists(st.integers(0, len(records)), max_size=3).map(sorted), label="arrivals")
            bounds = [0, *arrivals, len(records)]
            for number, last in enumerate(bounds[1:], start=1):
                first = bounds[number - 1]
                for process in PROCESSES:
                    lines = [record for author, record in records[first:last] if author == process]
                    journals.write(store.path, process, number, lines)
                if data.draw(st.booleans(), label="ingest in between"):
                    store.ingest()
            assert_listed(store, summaries)
            store.ingest()
            assert_listed(store, summaries)
            assert store.ingest().lines == 0
            assert_listed(store, summaries)
            assert_rebuilt(store, summaries, expected)
        finally:
            for lock in locks:
                lock.die()


def assert_listed(store: Store, summaries: list[RunSummary]) -> None:
    listed = store.runs()
    assert [rounded(one) for one in sorted(listed, key=lambda one: one.run_id)] == [rounded(one) for one in summaries]
    assert listed == sorted(listed, key=lambda one: (-one.started_ns, one.run_id))


def assert_rebuilt(store: Store, summaries: list[RunSummary], expected: list[Span]) -> None:
    for summary in summaries:
        run = store.run(summary.run_id)
        assert rounded(run.summary) == rounded(summary)
        mine = [span for span in expected if span.run_id == summary.run_id]
        assert sorted(run.spans, key=lambda span: span.span_id) == sorted(mine, key=lambda span: span.span_id)
        assert len(list(derive.events(run))) <= 2 * len(mine)


def rounded(summary: RunSummary) -> RunSummary:
    """Sums of floats depend on their order in the last digits."""
    cost = summary.cost_usd
    return replace(summary, cost_usd=None if cost is None else pytest.approx(cost, rel=1e-12))
