"""Plant one distinct secret in each field of a real conversation, and look for them everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.store import open_store
from tests.cli.programs import harness
from tests.privacy.talk import FIELDS, everywhere, perform, shaped, wordy

pytest.importorskip("autogen", reason="the classic extra is not installed")
pytest.importorskip("textual", reason="the terminal app is not installed")

NAMES = {"agent_name", "tool_name", "run_name"}
"""What is not content: who and which."""


def found(text: str, secret: str) -> bool:
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {json.dumps(form)[1:-1] for form in forms}
    return any(form in text for form in forms)


def leaks(folder: Path, said: str, planted: dict[str, str]) -> list[str]:
    texts = [("what it said", said), *everywhere(folder)]
    return [f"{field} in {where}" for where, text in texts for field, secret in planted.items() if found(text, secret)]


def test_no_secret_is_in_the_journal_that_a_program_leaves(tmp_path: Path) -> None:
    planted = {field: shaped(field) for field in FIELDS}
    said, _ = perform(tmp_path, planted)
    segments = sorted((tmp_path / ".harness" / "journal").glob("*.jsonl"))  # of a slow run there are several
    written = "".join(segment.read_text() for segment in segments)
    assert [field for field, secret in planted.items() if found(written, secret) or found(said, secret)] == []
    header = json.loads(written.partition("\n")[0])
    assert re.search(r"--password \[secret:argument:....\] --api-key=\[secret:argument:....\]", header["program"])
    assert "[secret:openai:" in header["program"]


def test_no_secret_is_in_the_store_a_cassette_an_export_a_report_or_on_a_screen(tmp_path: Path) -> None:
    planted = {field: shaped(field) for field in FIELDS}
    assert len(set(planted.values())) == len(FIELDS)
    said, _ = perform(tmp_path, planted, "--record", "it.cassette.jsonl")
    assert leaks(tmp_path, said, planted) == []
    everything = "".join(text for _, text in everywhere(tmp_path))
    kinds = {match[1] for match in re.finditer(r"\[secret:([\w-]+):[0-9a-f]{4}\]", everything)}
    assert {
        "openai",
        "my-deploy-token",
        "password",
        "url-secret",
        "basic",
        "pattern",
        "odd-password",
    } <= kinds


def test_a_secret_leaves_the_same_mark_wherever_it_is_in_a_store_and_another_one_in_another_store(
    tmp_path: Path,
) -> None:
    planted = {field: shaped("task") if field in {"task", "reply"} else shaped(field) for field in FIELDS}
    marks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        perform(tmp_path / name, planted)
        opened = open_store(tmp_path / name / ".harness")
        texts = [message.text for message in opened.run(opened.find("@1")).messages]
        task, reply = (next(text for text in texts if text.startswith(begin)) for begin in ("Do it", "Here is"))
        (first,), (second,) = (re.findall(r"\[secret:openai:[0-9a-f]{4}\]", text) for text in (task, reply))
        assert first == second
        marks.append((tmp_path / name / ".harness" / "marks.key").read_bytes())
    assert marks[0] != marks[1]


@pytest.mark.parametrize("capture", ["metadata", "off"])
def test_no_content_is_anywhere_where_none_is_captured(tmp_path: Path, capture: str) -> None:
    planted = {field: wordy(field) for field in FIELDS}
    said, asked = perform(tmp_path, planted, "--capture", capture)
    contents = {field: word for field, word in planted.items() if field not in NAMES}
    assert leaks(tmp_path, said, contents) == []
    opened = open_store(tmp_path / ".harness")
    run = opened.run(opened.find("@1"))
    assert run.summary.messages > 10
    assert run.summary.model_calls == asked
    assert run.summary.tool_calls == 2
    assert run.summary.input_tokens
    senders = {message.sender for message in run.messages}
    assert f"helper_{planted['agent_name']}" in senders
    shown = harness("show", "@1", cwd=tmp_path).stdout
    assert f"contents withheld (capture = {capture})" in " ".join(shown.split())
    assert "[withheld" in shown
    assert all("[withheld" in message.text for message in run.messages if not message.tool_calls)


def test_a_run_without_contents_makes_no_cassette_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('ran')\n")
    done = harness("trace", "--record", "c.jsonl", "--capture", "metadata", "app.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "ran" not in done.stdout
    assert "a cassette needs contents, and capture is 'metadata'" in done.stderr
    assert "--capture full" in done.stderr
