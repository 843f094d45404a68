"""``harness runs``, ``show`` and ``sql``: what a person sees, and what a program reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli, semconv
from harness.errors import Exit
from harness.model import Finding, Severity
from harness.store import open_store
from tests.store import journals
from tests.store.journals import began, ended

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
HOSTILE = "\x1b[2J\x1b]0;owned\x07evil\u202e\r\nnext \x00 end"


def part(name: str, *parts: dict) -> dict:
    return {"k": "p", "run_id": "run-one", "hash": name, "body": {"role": "assistant", "parts": list(parts)}}


def text(content: str) -> dict:
    return {"type": "text", "content": content}


def message(span_id: str, seq: int, sender: str, recipients: list[str], name: str, parent: str = "talk") -> dict:
    return ended(
        span_id,
        run_id="run-one",
        parent_id=parent,
        operation="message",
        seq=seq,
        end_seq=seq,
        start_ns=T0 + seq * SECOND,
        end_ns=T0 + seq * SECOND,
        attributes={
            semconv.HARNESS_SENDER: sender,
            semconv.HARNESS_RECIPIENTS: recipients,
            semconv.HARNESS_ROLE: "assistant",
            semconv.HARNESS_MESSAGE_PART: name,
        },
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One finished run with a tool, a failed call, a finding; and one older that was killed."""
    path = tmp_path / "store"

    def of(seq: int, end_seq: int, **fields) -> dict:
        return {
            "run_id": "run-one",
            "seq": seq,
            "end_seq": end_seq,
            "start_ns": T0 + seq * SECOND,
            "end_ns": T0 + end_seq * SECOND,
            **fields,
        }

    talk = {
        semconv.HARNESS_RUN_NAME: "adding",
        semconv.HARNESS_RUN_TAGS: ["demo"],
        semconv.HARNESS_FRAMEWORK: "pyautogen 0.9",
        semconv.GEN_AI_WORKFLOW: "pair",
        semconv.HARNESS_ENDING: "max_turns",
        semconv.HARNESS_ENDING_AGENT: "user",
        semconv.HARNESS_ENDING_DETAIL: "3",
    }
    chat = {
        semconv.GEN_AI_AGENT: "bot",
        semconv.GEN_AI_REQUEST_MODEL: "gpt-4o",
        semconv.GEN_AI_INPUT_TOKENS: 1200,
        semconv.GEN_AI_OUTPUT_TOKENS: 34,
        semconv.GEN_AI_COST: 0.0123,
    }
    tool = {semconv.GEN_AI_TOOL_NAME: "add", semconv.ERROR_TYPE: "ValueError", semconv.ERROR_MESSAGE: "too big"}
    journals.write(
        path,
        A,
        0,
        [
            part("p1", text("What is 2 + 3?")),
            part(
                "p2",
                text("Let me add."),
                {"type": "tool_call", "id": "1", "name": "add", "arguments": '{"a": 2, "b": 3}'},
            ),
            part("p3", {"type": "tool_call_response", "id": "1", "response": "5"}),
            message("m1", 2, "user", ["bot"], "p1"),
            ended("turn", **of(3, 7), parent_id="talk", operation="turn", attributes={semconv.GEN_AI_AGENT: "bot"}),
            ended("chat gpt-4o", **of(4, 6), parent_id="turn", operation="chat", attributes=chat),
            message("m2", 8, "bot", ["user", "reviewer"], "p2"),
            ended("tool add", **of(9, 10), parent_id="talk", operation="tool", status="error", attributes=tool),
            message("m3", 11, "user", ["bot"], "p3"),
            ended("talk", **of(1, 12), attributes=talk),
        ],
    )
    journals.write(
        path,
        B,
        0,
        [began("dead", run_id="run-two", start_ns=T0 - SECOND, attributes={semconv.HARNESS_RUN_NAME: HOSTILE})],
    )
    finding = Finding(
        code="L101", name="repeated-message", severity=Severity.WARNING, text="says it again", span_id="m2"
    )
    open_store(path).judge("run-one", [finding])
    return path


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.execute(list(args))
    found = capsys.readouterr()
    return code, found.out, found.err


def test_runs_are_listed_with_their_marks_counts_and_costs(store, capsys):
    code, out, err = run(capsys, "runs", "--store", str(store))
    header, first, second = out.splitlines()
    assert code == Exit.CLEAN
    assert header.split() == [
        "RUN",
        "NAME",
        "ENDED",
        "BY",
        "MESSAGES",
        "CALLS",
        "TOKENS",
        "COST",
        "TIME",
        "FINDINGS",
        "WHEN",
    ]
    assert re.fullmatch(
        r"✔  run-one  adding  +max turns +3 +1 +1,234 +\$0\.0123 +11\.0 s  ▲ 1 warning  2023-11-1[45]", first
    )
    assert re.fullmatch(r"◌  run-two  .*evil.* interrupted +0 +0 +– +– +0\.0 ms +2023-11-1[45]", second)
    assert "\x1b" not in out
    assert "harness show @1" in err


def test_runs_can_be_limited_filtered_and_read_by_programs(store, capsys):
    _, out, err = run(capsys, "runs", "-n", "1", "--store", str(store))
    assert len(out.splitlines()) == 2
    assert "older ones" in err
    code, out, _ = run(capsys, "runs", "--tag", "demo", "--json", "--store", str(store))
    (listed,) = json.loads(out)
    assert code == Exit.CLEAN
    assert {key: listed[key] for key in ("run_id", "status", "ending", "messages", "tags", "worst", "cost_usd")} == {
        "run_id": "run-one",
        "status": "finished",
        "ending": "max_turns",
        "messages": 3,
        "tags": ["demo"],
        "worst": "warning",
        "cost_usd": 0.0123,
    }
    assert listed["source_id"] is None


def test_a_store_without_runs_says_what_to_do_and_prints_nothing(tmp_path, capsys):
    (tmp_path / "store").mkdir()
    code, out, err = run(capsys, "runs", "--store", str(tmp_path / "store"))
    assert (code, out) == (Exit.CLEAN, "")
    assert "harness trace your_app.py" in err
    assert run(capsys, "runs", "--json", "--store", str(tmp_path / "store"))[1] == "[]\n"


def test_a_store_that_is_missing_is_one_line_and_exit_3(tmp_path, capsys):
    code, out, err = run(capsys, "runs", "--store", str(tmp_path / "none"))
    assert (code, out) == (Exit.ENVIRONMENT, "")
    assert err.splitlines()[0].startswith("harness: no store at")


def test_a_run_is_shown_as_the_conversation_it_was(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(capsys, "show", "run-one", "--store", str(store))
    assert code == Exit.CLEAN
    assert re.sub(r"2023-11-1[45]", "DATE", out) == (
        "✔ adding\n"
        "  max turns · 3 messages · 1 model call · 1 tool call · 1,234 tokens · $0.0123 ·\n"
        "  11.0 s\n"
        "  run run-one · pyautogen 0.9 · DATE · tagged demo\n"
        "\n"
        "user → bot\n"
        "  What is 2 + 3?\n"
        "\n"
        "bot → user, reviewer                        gpt-4o · 1,200 + 34 tokens · $0.0123\n"
        "  Let me add.\n"
        "  → add(a=2, b=3)\n"
        "  ▲ warning L101 repeated-message: says it again\n"
        "\n"
        "  ✖ tool add failed: ValueError: too big\n"
        "\n"
        "user → bot\n"
        "  ← 5\n"
        "\n"
        "■ ended: max turns by user (3)\n"
    )
    assert f"`harness show run-one --spans --store {store}`" in err


def test_the_spans_of_a_run_are_shown_as_a_tree(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "show", "@1", "--spans", "--store", str(store))
    assert out.split("\n\n")[1].splitlines() == [
        "    11.0 s  ✔ talk",
        "              ✔ user → bot: What is 2 + 3?",
        "     4.0 s    ✔ turn",
        "     2.0 s      ✔ chat gpt-4o · bot · 1,200 + 34 tokens · $0.0123",
        "              ✔ bot → user, reviewer: Let me add.",
        "     1.0 s    ✖ tool add · ValueError: too big",
        "              ✔ user → bot: 5",
    ]


def test_an_answer_from_the_frameworks_own_cache_is_named_and_has_no_price(tmp_path, capsys):
    path = tmp_path / "store"
    hit = {semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", semconv.HARNESS_CACHE_HIT: True, semconv.GEN_AI_COST: 0.0}
    given = {semconv.GEN_AI_AGENT: "bot", semconv.HARNESS_SENDER: "bot", semconv.HARNESS_MESSAGE_PART: "said"}
    turn = {"run_id": "run-one", "parent_id": "turn"}
    records = [
        part("said", text("Again.")),
        ended("turn", run_id="run-one", operation="turn", seq=0, end_seq=9, attributes=given),
        ended("chat", **turn, operation="chat", seq=1, end_seq=2, attributes=hit),
        ended("said", **turn, operation="message", seq=3, end_seq=4, attributes=given),
    ]
    journals.write(path, A, 0, records)
    assert "gpt-4o · from the framework's cache\n  Again.\n" in run(capsys, "show", "@1", "--store", str(path))[1]
    assert "chat · from the framework's cache" in run(capsys, "show", "@1", "--spans", "--store", str(path))[1]


def test_an_interrupted_run_says_so_and_hostile_names_stay_text(store, capsys):
    code, out, _ = run(capsys, "show", "run-two", "--store", str(store))
    assert code == Exit.CLEAN
    assert out.splitlines()[-1] == "◌ interrupted: its process died; 0 messages had been said"
    assert "evil" in out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)


def test_a_run_is_one_json_document(store, capsys):
    _, out, _ = run(capsys, "show", "@1", "--json", "--spans", "--store", str(store))
    found = json.loads(out)
    assert [said["text"] for said in found["messages"]] == ["What is 2 + 3?", "Let me add.", "5"]
    assert [call["operation"] for call in found["calls"]] == ["chat", "tool"]
    assert found["calls"][0]["usage"] == {"input_tokens": 1200, "output_tokens": 34, "cost_usd": 0.0123}
    assert found["endings"] == {"talk": {"kind": "max_turns", "agent": "user", "detail": "3"}}
    assert found["findings"][0]["code"] == "L101"
    assert len(found["spans"]) == 7
    assert "spans" not in json.loads(run(capsys, "show", "@1", "--json", "--store", str(store))[1])


def test_an_unknown_run_is_one_line_with_those_that_are_like_it(store, capsys):
    code, out, err = run(capsys, "show", "run-tow", "--store", str(store))
    assert (code, out) == (Exit.USAGE, "")
    assert err == "harness: no run 'run-tow'\n  Did you mean run-two, run-one?\n"


def test_sql_prints_a_table_or_json(store, capsys):
    query = "SELECT run_id, cost_usd, tags, 'a\x1bb' AS odd FROM runs ORDER BY run_id"
    code, out, err = run(capsys, "sql", query, "--store", str(store))
    assert (code, err) == (Exit.CLEAN, "")
    assert out == (
        'run_id   cost_usd  tags      odd\nrun-one    0.0123  ["demo"]  a␛b\nrun-two         –  []        a␛b\n'
    )
    _, out, _ = run(capsys, "sql", "SELECT run_id, tags, 1 AS run_id FROM runs", "--json", "--store", str(store))
    assert {"run_id": "run-one", "tags": ["demo"], "run_id:2": 1} in json.loads(out)
    code, out, err = run(capsys, "sql", "SELECT run_id FROM runs WHERE false", "--store", str(store))
    assert (code, out, err) == (Exit.CLEAN, "run_id\n", "No rows.\n")


@pytest.mark.parametrize("query", ["DROP VIEW runs", "SELECT oops FROM runs", "COPY runs TO 'x.csv'"])
def test_sql_that_is_no_question_is_one_line_and_exit_2(store, capsys, query):
    code, out, err = run(capsys, "sql", query, "--store", str(store))
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith("harness: ")
    assert len(err.splitlines()) <= 2


def test_reading_loads_neither_frameworks_nor_the_sdk(store):
    code = (
        "import sys; from harness.cli import execute; execute(sys.argv[1:]); "
        "heavy = {'autogen', 'openai', 'textual', 'rich', 'yaml', 'opentelemetry', 'numpy', 'hypothesis'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    for args in (["runs"], ["show", "@1"], ["sql", "FROM runs"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *args, "--store", str(store)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert done.stderr.splitlines()[-1] == "[]"
