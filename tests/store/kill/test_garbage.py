"""Garbage in a journal costs nothing but itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.store import care, open_store
from tests.store import journals
from tests.store.journals import ended

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
NASTY = [
    b"",
    b"\x00" * 5000,
    b"\xff\xfe\xfd",
    b"\xef\xbb\xbf{}",
    b"\r",
    b'"',
    b"{",
    b'{"k":"e","run_id":"r9',
    b"[" * 5000,
    b'{"a":' * 2000,
    b"nan",
    b'{"k":["e"],"run_id":{},"span_id":3,"seq":"x","start_ns":1e999}',
    b'{"k":"p","run_id":"r1","hash":"h"}',
    b'{"k":"e","run_id":"r1","span_id":"s","seq":99999999999999999999999,"start_ns":1}',
    b'{"k":"e","k":"s"}',
    b'{"k":"d","dropped":"many"}',
    b'{"k":"h","v":99}',
    b'{"\\ud800":"\\udfff"}',
    b"-" * 100_000,
]
rubbish = st.one_of(st.sampled_from(NASTY), st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")))


@settings(max_examples=8)
@given(between=st.lists(rubbish, min_size=1, max_size=12), torn=rubbish)
def test_every_good_line_among_garbage_is_kept_before_and_after_an_ingest(between, torn):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "store")
        path = journals.write(store.path, A, 0, [ended("first")])
        with path.open("ab") as out:
            for number, line in enumerate(between):
                good = journals.write(store.path, B, number, [ended(f"good-{number}", seq=number + 2)])
                out.write(line + b"\n" + good.read_bytes().splitlines(keepends=True)[1])
                good.unlink()
            out.write(torn)
        expected = {"first", *(f"good-{number}" for number in range(len(between)))}
        for _ in range(2):
            assert {span.span_id for span in store.run("r1").spans} == expected
            store.ingest()


@pytest.mark.parametrize("short", [b'{"k":', b"[[", b"nan", b'{"k":"e","run_id":', b"-"])
def test_a_line_that_ends_too_soon_hides_neither_the_one_before_nor_the_one_after(tmp_path, short):
    store = open_store(tmp_path / "store")
    path = journals.write(store.path, A, 0, [ended(f"span-{number}", seq=number) for number in range(4)])
    header, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + (short + b"\n").join(lines))
    for _ in range(2):
        spans = store.run("r1").spans
        assert [(span.span_id, span.start_ns, span.end_ns) for span in spans] == [
            (f"span-{number}", 1000, 2000) for number in range(4)
        ]
        store.ingest()
    assert care.info(store.path).bad == 3


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\x00" * 70_000, b"{" * 70_000])
def test_a_segment_of_nothing_but_garbage_hides_no_other(tmp_path, content):
    store = open_store(tmp_path / "store")
    journals.write(store.path, B, 0, [ended("good")])
    (store.path / "journal" / f"{A}-0000.jsonl").write_bytes(content)
    (store.path / "journal" / ".hidden-0000.jsonl").write_bytes(content)
    (store.path / "journal" / "notes.txt").write_bytes(content)
    for _ in range(2):
        assert {span.span_id for span in store.run("r1").spans} == {"good"}
        store.ingest()
