from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.store import open_store
from tests.store import journals
from tests.store.journals import ended

A = "aaaaaaaaaaaa"


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    drawn=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 50), st.booleans()), max_size=30),
    limit=st.integers(1, 6),
    waiting=st.booleans(),
)
def test_what_failed_last_is_listed_whichever_run_it_is_of(drawn, limit, waiting):
    records = [
        ended(
            f"s{number:02}",
            run_id=run_id,
            seq=number,
            start_ns=start_ns,
            status="error" if failed else "ok",
            attributes={"error.type": "Late"} if failed else {},
        )
        for number, (run_id, start_ns, failed) in enumerate(drawn)
    ]
    failed = [record for record in records if record["status"] == "error"]
    expected = sorted(failed, key=lambda record: (-record["start_ns"], record["run_id"], -record["seq"]))
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        journals.write(store.path, A, 0, records[: len(records) // 2])
        store.ingest()
        journals.write(store.path, A, 1, records[len(records) // 2 :])
        if not waiting:
            store.ingest()
        found = store.failures(limit)
    assert [one.span_id for one in found] == [record["span_id"] for record in expected[:limit]]
    assert {one.error for one in found} <= {"Late"}
