"""What a project says is secret, and what of a content stays where none is captured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness import semconv
from harness.canonical import encode
from harness.capture import WITHHELD, Withholding
from harness.config import Capture
from harness.errors import UsageError
from harness.model import Operation
from harness.redaction import Redaction, store_key
from harness.store import open_store
from harness.text import mark, redactor

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
JSON = st.recursive(
    TEXTS | st.none() | st.integers(-9, 9), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)


@given(
    st.sampled_from(["password", "apiKey", "Authorization", "client_secret", "x-api-key", "refresh_token"]),
    TEXTS.filter(bool).filter(lambda text: not text.startswith("[secret:")),
    st.integers(0, 3),
)
def test_a_field_named_like_a_secret_loses_its_value_however_deep_in_json_it_is(
    name: str, value: str, depth: int
) -> None:
    document: Any = {"before": 'a "word"\\', name: value, "after": [value[:0], "x"]}
    text = encode(document)
    for _ in range(depth):
        text = encode({"type": "tool_call", "arguments": text})
    found: Any = redactor({})(text if depth else '"tool_call' + text).removeprefix('"tool_call')
    for _ in range(depth):
        found = json.loads(found)["arguments"]
    found = json.loads(found)
    assert found.pop(name).startswith(f"[secret:{name.lower()}:")
    assert found == {"before": 'a "word"\\', "after": ["", "x"]}


@given(JSON)
def test_a_projects_own_rules_leave_the_rest_as_it_is(value: Any) -> None:
    assert Redaction(environment={}, patterns=["no such text \x00"]).value(value) == value


def test_a_pattern_and_a_function_take_out_what_they_find_in_each_text() -> None:
    rules = Redaction(environment={}, patterns=[r"\bEMP-\d+\b"], also=lambda text: text.replace("Rosebud", "***"))
    said = rules.value({"content": "one\nEMP-17 says Rosebud", "n": 1, "list": ["EMP-17"]})
    assert said == {
        "content": f"one\n{mark('pattern', 'EMP-17')} says ***",
        "n": 1,
        "list": [mark("pattern", "EMP-17")],
    }


def broken(_text: str) -> str:
    raise LookupError("Rosebud")


@pytest.mark.parametrize("also", [broken, lambda _text: None, lambda _text: 1])
def test_a_function_that_breaks_withholds_the_text_and_never_leaks_it(also: Any) -> None:
    assert Redaction(environment={}, also=also).text("Rosebud") == mark("withheld", "Rosebud")


def test_a_function_of_the_programs_own_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    harness.uninstrument()
    attached = harness.instrument(tmp_path, redact=lambda text: text.replace("Rosebud", "[sled]"))
    with attached.trace.operation(Operation.CONVERSATION, "chat about Rosebud", {"note": "Rosebud"}):
        attached.trace.spoken(
            "ann", ["bob"], {"role": "user", "parts": [{"type": "text", "content": "It is Rosebud."}]}
        )
    harness.uninstrument()
    (journal,) = (tmp_path / "journal").glob("*.jsonl")
    assert "Rosebud" not in journal.read_text()
    opened = open_store(tmp_path)
    assert opened.run(opened.find("@1")).messages[0].text == "It is [sled]."


def test_a_mark_is_equal_within_a_store_and_tells_nobody_else_anything(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, again, two = (store_key(tmp_path / name) for name in ("one", "one", "two"))
    assert one == again != two
    assert (tmp_path / "one" / "marks.key").stat().st_mode & 0o777 == 0o600
    secret = "sk-" + "aB3d" * 8
    marks = [redactor({}, key=key)(secret) for key in (one, again, two)]
    assert marks[0] == marks[1]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["marks.key"]


def test_a_store_that_cannot_keep_a_key_gets_one_for_this_process(tmp_path: Path) -> None:
    assert len(store_key(tmp_path / "nowhere")) == 32


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["app.py", "--password", "hunter2", "-v"], ["app.py", "--password", "?", "-v"]),
        (["app.py", "--api-key=abc", "--token", "-x"], ["app.py", "--api-key=?", "--token", "-x"]),
        (["app.py", "--key-file", "a.pem", "--max-tokens=4"], ["app.py", "--key-file", "a.pem", "--max-tokens=4"]),
    ],
)
def test_a_command_line_loses_what_follows_an_option_named_like_a_secret(words: list[str], kept: list[str]) -> None:
    said = Redaction(environment={}).command(words).split(" ")
    assert [word if word in kept else word.partition("[secret:argument:")[0] + "?" for word in said] == kept


# Contents that are not captured ---------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8"), min_size=4), st.text(min_size=4))
def test_withheld_contents_are_equal_where_they_were_and_nowhere_else(one: str, other: str) -> None:
    marks = Withholding(Capture.METADATA, b"key")
    assert (marks.mark(one) == marks.mark(other)) is (one == other)
    assert marks.mark(one) != Withholding(Capture.METADATA, b"another").mark(one)
    assert marks.mark(one).startswith(f"[withheld:{len(one)}:")


def test_a_message_keeps_who_and_which_tool_and_no_content() -> None:
    body = {
        "role": "assistant",
        "name": "ann",
        "parts": [
            {"type": "text", "content": "plum"},
            {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": "plum"}},
            {"type": "tool_call_response", "id": "c1", "response": "plum"},
            {"type": "uri", "modality": "image", "uri": "http://plum"},
        ],
    }
    kept = Withholding(Capture.METADATA, b"").body(body)
    assert "plum" not in json.dumps(kept)
    assert [part["type"] for part in kept["parts"]] == ["text", "tool_call", "tool_call_response", "uri"]
    assert (kept["role"], kept["name"], kept["parts"][1]["name"]) == ("assistant", "ann", "add")
    assert Withholding(Capture.OFF, b"").body(body)["parts"] == [{"type": "text", "content": WITHHELD}]


@given(st.dictionaries(st.sampled_from([*semconv.STRUCTURE, "mine", semconv.GEN_AI_TOOL_RESULT]), TEXTS))
def test_an_attribute_nobody_has_listed_is_withheld(attributes: dict[str, str]) -> None:
    for capture in (Capture.METADATA, Capture.OFF):
        kept = Withholding(capture, b"").attributes(attributes)
        assert kept.keys() == attributes.keys()
        assert kept.get("mine", "[withheld").startswith("[withheld") or not attributes["mine"]
        assert {kept[name] for name in kept if name in semconv.STRUCTURE} == {
            attributes[name] for name in attributes if name in semconv.STRUCTURE
        }


@pytest.mark.parametrize(("setting", "said"), [("all", "must be one of full, metadata, off"), ("", "must be one of")])
def test_a_capture_that_is_none_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    harness.uninstrument()
    with pytest.raises(UsageError, match=said):
        harness.instrument(tmp_path, capture=setting)


def test_a_loop_is_found_by_hashes_alone_and_not_judged_where_there_are_none(tmp_path: Path) -> None:
    from harness import check, derive

    judged = {}
    for capture in ("full", "metadata", "off"):
        harness.uninstrument()
        attached = harness.instrument(tmp_path / capture, capture=capture)
        with attached.trace.operation(Operation.CONVERSATION, "a → b"):
            for number in range(8):
                said = {
                    "role": "user",
                    "parts": [{"type": "text", "content": ("Thanks!", "No, thank you!")[number % 2]}],
                }
                attached.trace.spoken("ab"[number % 2], ["ba"[number % 2]], said)
        harness.uninstrument()
        opened = open_store(tmp_path / capture)
        judging = check.Judge(select=["L101"])
        found = [finding for event in derive.events(opened.run(opened.find("@1"))) for finding in judging.see(event)]
        judged[capture] = ([finding.seq for finding in found], judging.not_judged())
    (words, _), (hashes, unjudged) = judged["full"], judged["metadata"]
    assert len(words) == len(hashes) == 1
    assert words[0] <= hashes[0] <= words[0] + 1  # hashes are equal or not: what is alike in words they do not show
    assert unjudged == {}
    assert judged["off"] == ([], {"L101": "its contents were not recorded"})
