"""What is secret in a project is secret in what it imports."""

from __future__ import annotations

import json

import pytest

from tests.importers.bringing import conversation, import_into, write
from tests.importers.wire import span, traces

SECRET = "sk-proj-" + "a1B2" * 10
OURS = "patient 4711"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nredact = ["patient [0-9]+"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(store) -> str:
    return repr([store.sql(f"SELECT * FROM {view}").rows for view in ("spans", "messages", "calls")])  # noqa: S608


def spans(*texts: str):
    asked = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts]
    said = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(asked), "note": texts[-1]}
    return traces(span(1, name=f"chat {texts[-1]}", said=said))


def test_secrets_and_what_the_project_calls_secret_are_taken_out_of_every_kind_of_file(project):
    talk = write(project / "talk.jsonl", conversation("one", ("user", "bot", "user", f"{OURS} has {SECRET}")))
    otlp = write(project / "otlp.jsonl", spans("hello", f"{OURS} has {SECRET}"))
    store, _ = import_into(project / "store", talk, otlp)
    found = stored(store)
    assert SECRET not in found
    assert OURS not in found
    assert found.count("[secret:pattern:") >= 4


def test_contents_without_their_secrets_are_still_found_by_the_spans_that_use_them(project):
    store, _ = import_into(project / "store", write(project / "otlp.jsonl", spans("hello", OURS, "and on")))
    (summary,) = store.runs()
    (call,) = store.run(summary.run_id).calls
    first, second, third = [each["parts"][0]["content"] for each in call.request["messages"]]
    assert (first, third) == ("hello", "and on")
    assert second.startswith("[secret:pattern:")


def test_marks_are_equal_within_a_store_and_say_nothing_to_another(project):
    said = [("user", "bot", "user", f"patient {number}") for number in (1, 2, 3, 4, 5, 1)]
    file = write(project / "talk.jsonl", conversation("one", *said))
    texts = []
    for name in ("here", "there"):
        store, _ = import_into(project / name, file)
        (summary,) = store.runs()
        texts.append([each.text for each in store.run(summary.run_id).messages])
    assert all(marks[0] == marks[-1] for marks in texts)
    assert texts[0] != texts[1]
