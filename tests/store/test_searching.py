from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.store import Store, open_store, searching
from tests.store import journals
from tests.store.journals import ended, said

A = "aaaaaaaaaaaa"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def talk(number: int, *texts: str, **attributes: str) -> list[dict]:
    """A run that says *texts* and then calls a tool with *attributes*."""
    run_id, start_ns = f"run-{number:03}", 1000 + number * 100
    spoken = [
        said(f"m{place}", "ann", text, run_id=run_id, seq=place, start_ns=start_ns + place)
        for place, text in enumerate(texts)
    ]
    tool = ended("tool", run_id=run_id, operation="tool", seq=50, start_ns=start_ns + 50, attributes=attributes)
    return [*itertools.chain(*spoken), tool]


def places(store: Store, text: str, limit: int = 50) -> list[tuple[str, str]]:
    return [(hit.run_id, hit.span_id) for hit in store.search(text, limit)]


def test_the_newest_run_comes_first_and_in_it_what_was_last(store):
    for number in (2, 0, 3):
        journals.write(store.path, A, number, talk(number, "needle", "hay", "a needle again"))
        store.ingest()
    journals.write(store.path, A, 9, talk(1, "needle"))
    expected = [("run-003", "m2"), ("run-003", "m0"), ("run-002", "m2"), ("run-002", "m0"), ("run-001", "m0")]
    for _ in range(2):
        assert places(store, "needle", 5) == expected
        assert places(store, "needle") == [*expected, ("run-000", "m2"), ("run-000", "m0")]
        store.ingest()


def test_a_hit_shows_what_stands_around_it_on_one_line(store):
    journals.write(store.path, A, 0, talk(0, "x" * 300 + '\nthe "needle"\x1b[31m\n' + "y" * 300))
    (hit,) = store.search('"needle"')
    assert '"needle"' in hit.excerpt
    assert hit.excerpt.startswith("…x")
    assert hit.excerpt.endswith("y…")
    assert len(hit.excerpt) <= 160
    assert hit.excerpt.isprintable()
    assert (hit.seq, hit.span_id) == (0, "m0")


@pytest.mark.parametrize("text", ["grün ✓ 🙂", 'say "so"', "two\nlines", "back\\slash", "50%_'); DROP", "tab\there"])
def test_text_is_found_as_it_is_written_however_the_journal_escapes_it(store, text):
    journals.write(store.path, A, 0, talk(0, f"before {text} after"))
    for line in (f'{{"result": "{text}"}}', text):
        journals.write(store.path, A, 1, talk(1, **{"gen_ai.tool.call.result": line}))
    for _ in range(2):
        assert places(store, text) == [("run-001", "tool"), ("run-000", "m0")]
        store.ingest()


def test_names_of_fields_are_not_what_was_said_and_letters_have_their_case(store):
    journals.write(store.path, A, 0, talk(0, "Needle", **{"error.message": "timeout"}))
    for text in ("content", "parts", "error.message", "needle", "hash"):
        assert places(store, text) == []
    assert places(store, "timeout") == [("run-000", "tool")]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a NeEdLe in hay", "nEEdlE"),
        ("Grüße, ÉCOLE", "école"),
        ("ПРИВЕТ", "привет"),
        ("what? (A.B)* [x] {1} ^$ | \\D", "(a.b)* [X] {1} ^$ | \\d"),
        ('Say "So"\nand\tgo', 'say "SO"\nAND\tGO'),
        ("🙂 Yes 100%_", "🙂 YES 100%_"),
    ],
)
def test_letters_of_either_case_are_found_where_that_is_asked_for(store, said, text):
    journals.write(store.path, A, 0, talk(0, f"before {said} after"))
    journals.write(store.path, A, 1, talk(1, **{"gen_ai.tool.call.result": said}))
    for _ in range(2):
        assert places(store, text) == []
        found = [(hit.run_id, hit.span_id) for hit in store.search(text, any_case=True)]
        assert found == [("run-001", "tool"), ("run-000", "m0")]
        assert list(store.search(f"{text}x", any_case=True)) == []
        store.ingest()


def test_what_is_said_in_one_run_is_not_found_in_another(store):
    part, *rest = talk(0, "needle")
    other = [{**record, "run_id": "run-999"} for record in rest]
    journals.write(store.path, A, 0, [part, *rest, *other])
    assert places(store, "needle") == [("run-000", "m0")]


def test_every_hit_is_found_once_however_small_the_chunks(store, monkeypatch):
    monkeypatch.setattr(searching, "_FEWEST_RUNS", 1)
    monkeypatch.setattr(searching, "_MOST_RUNS", 3)
    monkeypatch.setattr(searching, "_ROWS", 2)
    same = [{**record, "start_ns": 5} if "start_ns" in record else record for record in talk(7, "needle", "needle")]
    for number in range(12):
        lines = [{**record, "run_id": f"run-{number:03}"} for record in same]
        journals.write(store.path, A, number, lines)
        if number == 7:
            store.ingest()
    found = [hit.run_id for hit in store.search("needle", 100)]
    assert found == [f"run-{number:03}" for number in range(12) for _ in range(2)]
    assert [hit.run_id for hit in store.search("needle", 3)] == found[:3]


def test_an_ingest_may_come_between_two_hits(store, monkeypatch):
    monkeypatch.setattr(searching, "_FEWEST_RUNS", 1)
    journals.write(store.path, A, 0, [*talk(0, "needle"), *talk(1, "needle")])
    hits = store.search("needle")
    assert next(hits).run_id == "run-001"
    assert store.ingest().segments == 1
    assert [hit.run_id for hit in hits] == ["run-000"]


def test_nothing_is_found_where_nothing_is_and_nothing_cannot_be_searched_for(store):
    assert places(store, "x") == []
    journals.write(store.path, A, 0, talk(0, "x"))
    assert places(store, "x", 0) == []
    assert places(store, "\ud800") == []
    with pytest.raises(UsageError, match="nothing to search for"):
        store.search("")
