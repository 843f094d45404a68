"""What SQL, Python and a model say of a run."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.store import open_store
from scenarios import cassette, runner
from scenarios.unmet import CheckBrokeError
from tests.adapters.recorded import THEIR_WARNINGS
from tests.scenarios.rehearsing import Record, record, stage
from tests.server import error, rules

__all__ = ["record", "stage"]
pytest.importorskip("autogen", reason="the classic extra is not installed")
pytestmark = THEIR_WARNINGS

CHAT = """\
framework: classic
agents:
- {name: user, max_consecutive_auto_reply: 0}
- {name: writer, system_message: You write., llm_config: {model: gpt-4o-mini}}
team: {initiator: user}
task: Write a rhyme.
expect:
"""
JUDGE = "  judge: [{criterion: It rhymes., llm_config: {model: gpt-4o-mini, temperature: 0}}]\n"
RHYME = ["Roses, noses."]


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        ("sql: [SELECT count(*) = 2 FROM messages]", ()),
        ("sql: [{query: SELECT model_calls FROM runs, equals: 1}]", ()),
        ("sql: [{query: SELECT text FROM messages WHERE sender = 'writer', equals: 'Roses, noses.'}]", ()),
        ("sql: [WITH x AS (SELECT * FROM spans) SELECT count(*) > 1 FROM x]", ()),
        ("sql: [SELECT false]", ("the answer to SELECT false is false, not true",)),
        ("sql: [SELECT 1]", ("the answer to SELECT 1 is 1, not true",)),
        (
            "sql: [SELECT run_id FROM spans]",
            ("the answer to SELECT run_id FROM spans should be one value, and has 6 rows",),
        ),
        ("python: ['tools:polite']", ()),
        ("python: ['tools:rude']", ("tools:rude: it is rude",)),
    ],
)
def test_questions_to_a_run_are_answered_by_that_run_alone(line, reasons, record: Record) -> None:
    record(CHAT.partition("expect")[0], RHYME, "another")
    _, verdict, _ = record(f"{CHAT}  {line}\n", RHYME)
    assert verdict.reasons == reasons


@pytest.mark.parametrize("query", ["DROP TABLE spans", "SELECT nothing FROM nowhere", "SELECT 1; SELECT 2"])
def test_what_is_no_question_is_an_error_of_the_file(query, record: Record) -> None:
    with pytest.raises(UsageError, match=r"'expect\.sql'"):
        record(f"{CHAT}  sql: ['{query}']\n", RHYME)


def test_a_function_that_breaks_does_not_let_the_scenario_pass(record: Record) -> None:
    with pytest.raises(CheckBrokeError, match="tools:broken could not judge the run: LookupError: nothing there"):
        record(f"{CHAT}  python: ['tools:broken']\n", RHYME)


def test_a_judge_is_asked_once_recorded_and_replayed_and_counts_nowhere(record: Record) -> None:
    path, first, server = record(CHAT + JUDGE, rules({"You write": RHYME, "You judge": ["PASS\nIt does."]}))
    assert (first.outcome, first.reasons, first.recorded) == ("passed", (), True)
    assert (first.summary.model_calls, first.summary.messages) == (1, 2)
    asked = server.log[1]["request"]
    assert asked["temperature"] == 0
    assert "Criterion: It rhymes." in asked["messages"][1]["content"]
    assert "writer: Roses, noses." in asked["messages"][1]["content"]
    kept = cassette.read(path.parent / "one.cassette.jsonl").exchanges
    assert [(found.agent, found.conversation) for found in kept] == [("writer", "user → writer"), ("judge", "judge")]
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons, again.remarks) == ("passed", (), ())
    assert (again.account.hits, again.account.misses, again.account.unused) == (2, 0, 0)
    assert again.summary.model_calls == 1


def test_a_judge_that_finds_it_wanting_fails_and_says_why(record: Record) -> None:
    _, verdict, _ = record(CHAT + JUDGE, rules({"You write": RHYME, "You judge": ["**FAIL**: no rhyme in it."]}))
    assert verdict.outcome == "failed"
    assert verdict.reasons == ("judge finds it is not so that It rhymes.: no rhyme in it.",)


@pytest.mark.parametrize("said", ["I would rather not say.", error(400, "too long")])
def test_a_judge_without_a_verdict_is_inconclusive(said, record: Record) -> None:
    _, verdict, _ = record(CHAT + JUDGE, rules({"You write": RHYME, "You judge": [said]}))
    assert verdict.outcome == "inconclusive"


def test_another_conversation_is_another_question_to_the_judge(record: Record) -> None:
    text = CHAT + JUDGE
    path, _, _ = record(text, rules({"You write": RHYME, "You judge": ["PASS\nIt does."]}))
    file = path.parent / "one.cassette.jsonl"
    file.write_text(file.read_text().replace("Roses, noses.", "Roses.", 1))
    verdict = runner.run_scenario(path)
    assert verdict.outcome != "passed"
    assert len(open_store().run(verdict.run_id).messages) == 2


def test_a_program_is_judged_too(record: Record, stage) -> None:
    (stage / "app.py").write_text(
        "import autogen\n"
        "config = {'config_list': [{'model': 'gpt-4o-mini'}], 'cache_seed': None}\n"
        "writer = autogen.AssistantAgent('writer', system_message='You write.', llm_config=config)\n"
        "user = autogen.UserProxyAgent('user', human_input_mode='NEVER', code_execution_config=False,\n"
        "                              max_consecutive_auto_reply=0)\n"
        "user.initiate_chat(writer, message='Write a rhyme.')\n",
        encoding="utf-8",
    )
    script = rules({"You write": RHYME, "You judge": ["PASS\nIt does."]})
    path, first, _ = record("program: app.py\nmatching: strict\nexpect:\n" + JUDGE, script)
    assert (first.outcome, first.reasons, first.recorded) == ("passed", (), True)
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons) == ("passed", ())
    assert (again.account.hits, again.account.misses, again.account.unused) == (2, 0, 0)
