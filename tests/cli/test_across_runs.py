"""``harness diff`` and ``harness stats``: what a person sees of several runs, and what a program reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import cli, semconv
from harness.causes import Cause, CauseKind
from harness.cli.diff import sentence
from harness.errors import Exit
from tests.store import journals
from tests.store.journals import ended

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
HOSTILE = "\x1b[2J\u202eevil\n"


def run(run_id: str, day: int, said: list[str], *, cost: float | None = 0.5, model: str = "gpt-4o") -> list[dict]:
    """A chat of one agent whose every message but the first comes of a model call, one second each."""
    start = day * DAY
    about = {"run_id": run_id, "parent_id": "talk"}
    records = [
        ended("talk", run_id=run_id, start_ns=start, end_ns=start + DAY // 2, attributes={"harness.run.name": "chat"})
    ]
    for number, words in enumerate(said):
        at = start + 10 * number * SECOND
        name = f"{run_id}-{number}"
        body = {"role": "assistant", "parts": [{"type": "text", "content": words}]}
        records.append({"k": "p", "run_id": run_id, "hash": name, "body": body})
        if number:
            turn = {**about, "operation": "turn", "seq": 9 * number, "start_ns": at, "end_ns": at + number * SECOND}
            asked = {
                semconv.GEN_AI_AGENT: "bot\x1b[31m",
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.HARNESS_OUTPUT_PART: name,
            }
            used = {semconv.GEN_AI_INPUT_TOKENS: 100, semconv.GEN_AI_OUTPUT_TOKENS: 10, semconv.GEN_AI_COST: cost}
            records.append(ended(f"t{number}", **turn, attributes={semconv.GEN_AI_AGENT: "bot\x1b[31m"}))
            call = {**turn, "operation": "chat", "parent_id": f"t{number}", "seq": 9 * number + 1}
            records.append(ended(f"c{number}", **call, attributes={**asked, **used}))
        spoken = {semconv.HARNESS_SENDER: "bot\x1b[31m" if number else "user", semconv.HARNESS_MESSAGE_PART: name}
        moment = at + number * SECOND
        point = {"operation": "message", "seq": 9 * number + 2, "start_ns": moment, "end_ns": moment}
        records.append(ended(f"m{number}", **about, **point, attributes=spoken))
    return records


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four runs: the second as the first, the third parting from it, the fourth of another model and no known cost."""
    path = tmp_path / "store"
    runs = [
        run("run-a", 1, ["hi", "one", "two"]),
        run("run-b", 2, ["hi", "one", "two"]),
        run("run-c", 3, ["hi", "one", f"zwei {HOSTILE}", "three"]),
        run("run-d", 4, ["hi", "one"], cost=None, model="local"),
    ]
    tool = ended(
        "tool", run_id="run-d", operation="tool", parent_id="talk", status="error", start_ns=4 * DAY, end_ns=4 * DAY + 5
    )
    journals.write(path, "aaaaaaaaaaaa", 0, [record for one in runs for record in one])
    journals.write(path, "aaaaaaaaaaaa", 1, [{**tool, "attributes": {semconv.GEN_AI_TOOL_NAME: "mail"}}])
    return path


def ask(capsys: pytest.CaptureFixture[str], *args: object, code: int = Exit.CLEAN) -> str:
    assert cli.execute([str(arg) for arg in args]) == code
    out = capsys.readouterr().out
    assert not re.search("[\x00-\x08\x0b-\x1a\x1c-\x1f\u202e]", out)
    assert "\x1b[2J" not in out
    return out


def test_runs_that_said_the_same_are_equal(store, capsys):
    out = ask(capsys, "diff", "run-a", "run-b", "--store", store)
    assert "equal: the same was said, and they ended alike" in out
    found = json.loads(ask(capsys, "diff", "run-a", "run-b", "--json", "--store", store))
    assert (found["equal"], found["cause"], found["totals"]["cost_usd"]["change"]) == (True, None, 0)


def test_runs_that_part_say_where_and_why(store, capsys):
    out = ask(capsys, "diff", "run-a", "@2", "--store", store, code=Exit.FINDINGS)
    lines = out.splitlines()
    assert lines[0].startswith("A ✔ run-a chat · ")
    assert "parted at message 3: same request, different reply → the model, not your code" in out
    assert "=   2  bot␛[31m: one" in out
    assert "≠ A 3  bot␛[31m: two" in out
    assert "+ B 4  bot␛[31m: three" in out
    assert re.search(r"model calls +2 +3 +\+1", out)
    assert re.search(r"cost +\$1.0000 +\$1.5000 +\+\$0.5000", out)
    found = json.loads(ask(capsys, "diff", "run-a", "run-c", "--json", "--store", store, code=Exit.FINDINGS))
    assert (found["parting"], found["cause"]["kind"], len(found["rows"])) == (2, "model", 4)


def test_what_is_unknown_of_a_run_has_no_difference(store, capsys):
    out = ask(capsys, "diff", "run-a", "run-d", "--store", store, code=Exit.FINDINGS)
    assert re.search(r"cost +\$1.0000 +– +–", out)


def test_a_run_that_is_not_there_is_a_mistake(store, capsys):
    assert cli.execute(["diff", "run-a", "run-x", "--store", str(store)]) == Exit.USAGE
    assert "no run 'run-x'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", CauseKind)
@pytest.mark.parametrize("field", ["speaker", "ending", "message", "tools.mail"])
def test_every_cause_is_one_sentence(kind, field):
    said = sentence(Cause(kind=kind, field=field, left=None, right=None))
    assert said
    assert "\n" not in said


def test_stats_sum_up_by_agent_model_tool_and_run(store, capsys):
    by_agent = json.loads(ask(capsys, "stats", "--json", "--store", store))
    assert [group["agent"] for group in by_agent] == ["bot\x1b[31m", None]
    bot = by_agent[0]
    assert (bot["calls"], bot["runs"], bot["input_tokens"], bot["unpriced"]) == (8, 4, 800, 1)
    durations = (pytest.approx(SECOND, rel=0.02), pytest.approx(3 * SECOND, rel=0.02))
    assert (bot["cost_usd"], bot["p50_ns"], bot["p95_ns"]) == (pytest.approx(3.5), *durations)
    by_model = json.loads(ask(capsys, "stats", "--by", "model", "--json", "--store", store))
    assert [(group["model"], group["calls"], group["cost_usd"]) for group in by_model] == [
        ("gpt-4o", 7, pytest.approx(3.5)),
        ("local", 1, None),
    ]
    by_tool = json.loads(ask(capsys, "stats", "--by", "tool", "--json", "--store", store))
    assert [(group["tool"], group["calls"], group["errors"], group["cost_usd"]) for group in by_tool] == [
        ("mail", 1, 1, None)
    ]
    by_run = json.loads(ask(capsys, "stats", "--by", "run", "--json", "--store", store))
    assert [(group["run"], group["calls"], group["runs"]) for group in by_run] == [("chat", 9, 4)]


def test_stats_are_a_table_in_which_the_unknown_is_a_dash(store, capsys):
    assert cli.execute(["stats", "--by", "model", "--store", str(store)]) == Exit.CLEAN
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert lines[0] == ["MODEL", "CALLS", "FAILED", "TOKENS", "IN", "OUT", "COST", "P50", "P95", "RUNS"]
    assert lines[1] == ["gpt-4o", "7", "0", "700", "70", "$3.5000", "2.0", "s", "3.0", "s", "3"]
    assert lines[2] == ["local", "1", "0", "100", "10", "–", "1.0", "s", "1.0", "s", "1"]
    assert "The cost of 1 of 8 model calls is unknown." in captured.err


def test_the_stats_of_runs_tell_which_agents_fail_and_slow_down_in_them(store, capsys):
    slow = run("run-e", 5, ["hi", *(str(number) for number in range(1, 17))])
    failed = ended("failed", run_id="run-e", operation="chat", parent_id="talk", status="error", start_ns=5 * DAY)
    journals.write(store, "aaaaaaaaaaaa", 2, [*slow, {**failed, "attributes": {semconv.GEN_AI_AGENT: "other"}}])
    exact = json.loads(ask(capsys, "stats", "run-e", "run-a", "--json", "--store", store))
    assert [(group["agent"], group["calls"], group["runs"]) for group in exact] == [
        ("bot\x1b[31m", 18, 2),
        ("other", 1, 1),
    ]
    bot, other = exact
    assert (bot["failure_rate"], other["failure_rate"], other["slowdown"]) == (0, 1, None)
    assert bot["slowdown"] == pytest.approx(12.5 / 4.5)  # call by call, each takes a second longer
    lines = [line.split() for line in ask(capsys, "stats", "run-e", "--store", store).splitlines()]
    assert lines[0][-1] == "SLOWER"
    assert lines[1][-2:] == ["×", "2.8"]
    assert lines[2][:4] == ["other", "1", "1", "(100%)"]
    assert json.loads(ask(capsys, "stats", "run-a", "--json", "--store", store))[0]["slowdown"] is None
    assert cli.execute(["stats", "run-a", "--by", "tool", "--store", str(store)]) == Exit.CLEAN
    assert capsys.readouterr().err == "No calls of tools in these runs.\n"
    assert cli.execute(["stats", "run-x", "--store", str(store)]) == Exit.USAGE


def test_stats_by_the_name_of_runs_say_how_many_a_limit_ended(tmp_path, capsys):
    for number, (ending, mode) in enumerate(
        [("max_turns", "live"), ("termination_message", "live"), ("max_rounds", "replay")]
    ):
        about = {"harness.run.name": "chat", semconv.HARNESS_ENDING: ending, semconv.HARNESS_RUN_MODE: mode}
        talk = ended("talk", run_id=f"r{number}", start_ns=number * DAY, attributes=about)
        call = ended("call", run_id=f"r{number}", operation="chat", parent_id="talk", start_ns=number * DAY)
        journals.write(tmp_path / "store", "aaaaaaaaaaaa", number, [talk, call])
    (group,) = json.loads(ask(capsys, "stats", "--by", "run", "--json", "--store", tmp_path / "store"))
    assert (group["runs"], group["by_limit"]) == (3, 2)


def test_stats_since_then_leave_out_what_began_before(store, capsys):
    assert cli.execute(["stats", "--since", "7d", "--store", str(store)]) == Exit.CLEAN
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("No calls in ")
    assert cli.execute(["stats", "--since", "always", "--store", str(store)]) == Exit.USAGE
    assert "say 90min" in capsys.readouterr().err


def test_an_answer_from_a_cache_costs_nothing_and_hides_no_unknown(tmp_path, capsys):
    call = {"run_id": "r", "operation": "chat"}
    model = {semconv.GEN_AI_REQUEST_MODEL: "m"}
    cached = ended("cached", **call, attributes={**model, semconv.HARNESS_CACHE_HIT: True})
    made = ended("made", **call, attributes=model)
    for number, (records, cost) in enumerate([([cached], 0), ([cached, made], None)]):
        path = tmp_path / str(number)
        journals.write(path, "aaaaaaaaaaaa", 0, records)
        (group,) = json.loads(ask(capsys, "stats", "--by", "model", "--json", "--store", path))
        assert (group["calls"], group["model_calls"], group["cost_usd"]) == (1 + number, number, cost)
