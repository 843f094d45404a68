"""Conversation JSON lines: everything is kept once, whatever else is in the file."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import semconv
from harness.importers.conversations import ROLES, Conversations
from harness.importers.draft import Bad
from harness.model import EndingKind
from tests.importers.bringing import conversation, dump, import_into, only_run, told, write

FOLDER = Path(os.environ.get("HARNESS_DATA") or Path(__file__).parents[3] / "shared" / "data")
REAL = FOLDER / "conversations-dev.jsonl.gz"
HELLO = conversation("one", ("user", "bot", "user", "Hello"), ("bot", "user", "assistant", "Good day"))


def test_what_was_said_is_what_the_store_says(tmp_path):
    run = only_run(tmp_path / "store", write(tmp_path / "talk.jsonl", HELLO))
    assert told(run) == [("user", ("bot",), "user", "Hello"), ("bot", ("user",), "assistant", "Good day")]
    assert (run.summary.source_id, run.summary.mode, run.summary.tags) == ("one", "import", ("imported",))
    assert run.summary.model_calls == 0
    assert run.summary.input_tokens is None


def test_tool_calls_and_their_answers_keep_their_ids(tmp_path):
    asked = {
        "sender": "bot",
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "name": "add", "arguments": '{"a": 1}'},
            {"id": "c2", "type": "function", "function": {"name": "say", "arguments": "not JSON"}},
        ],
    }
    answer = {"sender": "tools", "role": "tool", "content": "1", "tool_call_id": "c1"}
    run = only_run(tmp_path / "store", write(tmp_path / "talk.jsonl", conversation("t", asked, answer)))
    calls = [(call["id"], call["name"], call["arguments"]) for call in run.messages[0].tool_calls]
    assert calls == [("c1", "add", {"a": 1}), ("c2", "say", "not JSON")]
    assert run.messages[1].body["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "1"}]


def test_keys_without_a_name_of_ours_are_kept(tmp_path):
    said = {"sender": "a", "role": "event", "content": "x", "index": 7}
    file = write(tmp_path / "talk.jsonl", conversation("k", said, task="Add up", meta={"seed": 1}, labels={"ok": True}))
    run = only_run(tmp_path / "store", file)
    root, message = run.spans
    kept = {key: value for key, value in root.attributes.items() if key.startswith(semconv.HARNESS_SOURCE_PREFIX)}
    assert kept == {
        "harness.source.task": "Add up",
        "harness.source.meta": {"seed": 1},
        "harness.source.labels": {"ok": True},
    }
    assert message.attributes["harness.source.index"] == 7


@pytest.mark.parametrize(
    ("label", "kind", "detail"),
    [
        ("termination_msg", EndingKind.TERMINATION_MESSAGE, "termination_msg"),
        ("max_round", EndingKind.MAX_ROUNDS, "max_round"),
        ("other:Maximum turns (3) reached", EndingKind.MAX_TURNS, "3"),
        ("other:No next speaker selected", EndingKind.NO_SPEAKER, "other:No next speaker selected"),
        ("max_round?", EndingKind.UNKNOWN, "max_round?"),
        ("handoff", EndingKind.UNKNOWN, "handoff"),
        (None, EndingKind.UNKNOWN, None),
    ],
)
def test_an_ending_is_read_only_where_the_label_is_exact(tmp_path, label, kind, detail):
    file = write(tmp_path / "talk.jsonl", conversation("e", ("a", None, "user", "x"), labels={"ended_by": label}))
    run = only_run(tmp_path / "store", file)
    (ending,) = run.endings.values()
    assert (ending.kind, ending.detail, run.summary.ending) == (kind, detail, kind.value)


def test_times_nobody_wrote_down_say_that_they_only_give_the_order(tmp_path):
    run = only_run(tmp_path / "store", write(tmp_path / "talk.jsonl", HELLO))
    assert run.spans[0].attributes[semconv.HARNESS_TIME_SYNTHETIC] is True
    assert [message.at_ns - run.spans[0].start_ns for message in run.messages] == [1_000_000, 2_000_000]


def test_bad_lines_are_named_and_good_ones_kept(tmp_path):
    odd = [
        "{not json",
        "[]",
        b'{"id": "\xff", "messages": []}',
        {"messages": []},
        {"id": "x", "messages": {}},
        conversation("x", {"role": "user", "content": "nobody"}),
        conversation("x", ("a", None, "king", "x")),
        conversation("x", ("a", None, "user", 7)),
        conversation("x", {"sender": "a", "role": "user", "content": "", "tool_calls": [{}]}),
        conversation("x", "no object"),
    ]
    file = write(tmp_path / "talk.jsonl", HELLO, "", *odd, conversation("two"))
    store, (account,) = import_into(tmp_path / "store", file)
    assert {run.source_id for run in store.runs()} == {"one", "two"}
    assert [bad.line for bad in account.bad] == list(range(3, 3 + len(odd)))
    assert all(bad.why for bad in account.bad)


def test_importing_again_changes_nothing(tmp_path):
    file = write(tmp_path / "talk.jsonl", HELLO, conversation("two", ("a", None, "user", "x")), HELLO)
    store, (first,) = import_into(tmp_path / "store", file)
    before = dump(store)
    store, (second,) = import_into(tmp_path / "store", file)
    assert (first.new, first.known, first.messages) == (2, 1, 3)
    assert (second.new, second.known, second.messages) == (0, 3, 0)
    assert dump(store) == before


def test_another_conversation_of_the_same_id_is_another_run(tmp_path):
    other = conversation("one", ("user", "bot", "user", "Hello again"))
    store, _ = import_into(tmp_path / "store", write(tmp_path / "a", HELLO), write(tmp_path / "b", other))
    assert [run.source_id for run in store.runs()] == ["one", "one"]


def test_a_zipped_file_is_unzipped_and_its_broken_end_is_a_bad_line(tmp_path):
    talks = b"".join(
        json.dumps(conversation(f"{n}", ("a", None, "user", os.urandom(99).hex()))).encode() + b"\n" for n in range(999)
    )
    whole = gzip.compress(talks)
    (tmp_path / "whole.gz").write_bytes(whole)
    (tmp_path / "broken.gz").write_bytes(whole[: len(whole) // 2])
    _, (account,) = import_into(tmp_path / "store", tmp_path / "whole.gz")
    assert (account.new, account.bad) == (999, [])
    _, (account,) = import_into(tmp_path / "other", tmp_path / "broken.gz")
    assert 10 < account.new < 999
    assert "broken here" in account.bad[-1].why


def test_secrets_do_not_reach_the_disk(tmp_path):
    key = "sk-" + "a1b2c3d4" * 4
    file = write(tmp_path / "talk.jsonl", conversation("s", ("a", None, "user", f"use {key}"), note=key))
    run = only_run(tmp_path / "store", file)
    assert "[secret:openai:" in run.messages[0].text
    assert key.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MESSAGES = st.fixed_dictionaries(
    {"sender": TEXTS, "role": st.sampled_from(sorted(ROLES)), "content": st.none() | TEXTS},
    optional={"recipient": st.none() | TEXTS, "more": st.integers(-5, 5)},
)


@given(st.lists(st.lists(MESSAGES, max_size=5), max_size=5), st.data())
def test_every_well_formed_conversation_becomes_a_run_of_as_many_messages(tmp_path_factory, talks, data):
    folder = tmp_path_factory.mktemp("talks")
    lines = [json.dumps({"id": f"talk {number}", "messages": talk}) for number, talk in enumerate(talks)]
    noise = data.draw(st.lists(st.sampled_from(["", "{", "null", "3", '{"id": 1}']), max_size=3))
    file = write(folder / "talks.jsonl", *lines, *noise)
    found = list(Conversations().read(file))
    drafts = [each for each in found if not isinstance(each, Bad)]
    assert [len(draft.spans) - 1 for draft in drafts] == [len(talk) for talk in talks]
    assert len(found) - len(drafts) == sum(map(bool, noise))
    assert [draft.run_id for draft in Conversations().read(file) if not isinstance(draft, Bad)] == [
        draft.run_id for draft in drafts
    ]


@pytest.mark.skipif(not REAL.is_file(), reason="no real conversations: HARNESS_DATA names no such folder")
def test_every_real_conversation_is_imported_whole_and_found_by_its_id(tmp_path):
    with gzip.open(REAL, "rt") as lines:
        expected = {talk["id"]: len(talk["messages"]) for talk in map(json.loads, lines)}
    store, (account,) = import_into(tmp_path, REAL)
    assert (account.new, account.known, account.bad) == (5417, 0, [])
    assert {run.source_id: run.messages for run in store.runs(10_000)} == expected
    assert account.messages == sum(expected.values())
