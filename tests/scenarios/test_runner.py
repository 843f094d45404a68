"""Rehearsals with real AutoGen agents, recorded against the scripted server."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import harness
from harness.errors import EnvironmentProblem, Exit, UsageError
from harness.model import RunStatus, Severity
from harness.store import open_store
from scenarios import cassette, runner
from tests.server import Reply, ScriptedServer, error, rules, tool_call

pytest.importorskip("autogen", reason="the classic extra is not installed")
# AutoGen's own: it uses what pydantic is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAIR = """\
agents:
  - name: coder
    system_message: You are the coder.
    llm_config: {model: gpt-4o-mini, temperature: 0}
  - name: user
    is_termination_msg: {contains: TERMINATE}
    code_execution: {timeout: 20}
team: {initiator: user}
task: Print 6 times 7.
expect:
  ending: termination_message
  said: ["Code output: 42"]
  messages: 4
"""
PAIR_SCRIPT = ["```python\nprint(6 * 7)\n```", "It is 42. TERMINATE"]
FACTORY = """\
import autogen
from words import TASK  # a module beside it

CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "cache_seed": None}


def chat(scenario):
    assistant = autogen.AssistantAgent("assistant", llm_config=CONFIG)
    user = autogen.UserProxyAgent(
        "user", human_input_mode="NEVER", code_execution_config=False, max_consecutive_auto_reply=0
    )
    return user, assistant, TASK + scenario.name


async def later():
    user, assistant, task = chat(type("Any", (), {"name": "later"}))
    await user.a_initiate_chat(assistant, message=task)


def breaks():
    raise ValueError("no [agents] today")


def idles():
    pass
"""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder with a store of its own, no key, and no server unless a test brings one."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    (tmp_path / "words.py").write_text('TASK = "Say hello, "\n', encoding="utf-8")
    (tmp_path / "shop.py").write_text(FACTORY, encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str, name: str = "one") -> Path:
    path = folder / f"{name}.scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def serving(monkeypatch):
    def serve(script):
        server = ScriptedServer(script)
        server.__enter__()
        servers.append(server)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        return server

    servers: list[ScriptedServer] = []
    yield serve
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def recorded(stage, serving, monkeypatch):
    """Record a scenario, and take the server and the key away."""

    def recording(text, script, name="one"):
        path = write(stage, text, name)
        server = serving(script)
        verdict = runner.run_scenario(path, record="all")
        assert verdict.recorded, verdict.reasons
        for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            monkeypatch.delenv(variable)
        return path, verdict, server

    return recording


def told(verdict):
    summary = verdict.summary
    return (
        summary.messages,
        summary.model_calls,
        summary.input_tokens,
        summary.output_tokens,
        summary.cost_usd,
        summary.ending,
    )


def test_a_pair_from_a_file_is_recorded_and_replayed_with_no_key_and_no_server(recorded):
    path, first, server = recorded(PAIR, PAIR_SCRIPT)
    assert (first.outcome, first.reasons) == ("passed", ())
    asked = len(server.log)
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons, again.remarks) == ("passed", (), ())
    assert told(again) == told(first)
    assert len(server.log) == asked == 2
    assert (again.account.hits, again.account.misses, again.account.unused) == (3, 0, 0)
    kept = open_store().run(again.run_id)
    assert kept.summary.mode == "replay"
    assert set(kept.summary.tags) == {"scenario"}
    assert [message.text for message in kept.messages] == [
        message.text for message in open_store().run(first.run_id).messages
    ]


def test_recording_again_what_did_not_change_leaves_the_file_untouched(recorded, serving):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    file = path.parent / "one.cassette.jsonl"
    before = file.stat().st_ino, file.read_bytes()
    serving(PAIR_SCRIPT)
    assert runner.run_scenario(path, record="all").recorded
    assert (file.stat().st_ino, file.read_bytes()) == before
    assert str(path.parent) not in before[1].decode()


def test_once_records_only_what_has_no_cassette(recorded, serving):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    server = serving([])
    assert runner.run_scenario(path, record="once").outcome == "passed"
    assert not server.log
    (path.parent / "one.cassette.jsonl").unlink()
    with pytest.raises(UsageError, match="no cassette at"):
        runner.run_scenario(path)
    serving(PAIR_SCRIPT)
    assert runner.run_scenario(path, record="once").recorded


def test_a_changed_prompt_diverges_and_says_where(recorded):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    path.write_text(PAIR.replace("6 times 7", "6 times 8"), encoding="utf-8")
    verdict = runner.run_scenario(path)
    assert (verdict.outcome, verdict.code) == ("failed", Exit.DIVERGED)
    where, *diff, blame, follows = verdict.reasons
    assert where.startswith(
        "model call 1 of 'coder' parts from the recording: a message from the program is another one (message 2 of 2, "
    )
    assert diff == ["  - Print 6 times 7.", "  + Print 6 times 8."]
    assert blame.startswith("class: upstream message · changed by the program · recorded on line 5 of ")
    assert blame.endswith("one.cassette.jsonl")
    assert follows == "as a consequence: 3 recorded exchanges not asked for"
    assert [hint.partition(": ")[2] for hint in verdict.hints] == [
        f"`harness accept {path}`.",
        f"`harness run --record all {path}`.",
        "undo it in the program at 'coder'.",
    ]


def test_an_expectation_that_is_not_met_fails(recorded):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    path.write_text(PAIR.replace("messages: 4", "messages: 5\n  max_model_calls: 1"), encoding="utf-8")
    verdict = runner.run_scenario(path)
    assert (verdict.outcome, verdict.code) == ("failed", Exit.FINDINGS)
    assert "expected 5 messages, but there were 4" in verdict.reasons
    assert [finding.severity for finding in verdict.findings] != [Severity.NOTE]
    assert any(reason.startswith("unexpected finding B") for reason in verdict.reasons)
    assert [f.code for f in open_store().run(verdict.run_id).findings] == [f.code for f in verdict.findings]


def test_a_factory_may_return_who_talks_to_whom_take_the_scenario_and_import_its_neighbours(recorded):
    path, first, server = recorded("factory: shop:chat\nexpect: {said: [Say hello, one]}\n", ["Hello."])
    assert first.outcome == "passed"
    assert server.log[0]["request"]["messages"][-1]["content"] == "Say hello, one"
    assert runner.run_scenario(path).outcome == "passed"


def test_a_factory_may_be_a_coroutine(recorded):
    path, first, _ = recorded("factory: shop:later\nexpect: {said: [Hello.]}\n", ["Hello."])
    assert (first.outcome, first.reasons) == ("passed", ())
    assert runner.run_scenario(path).outcome == "passed"


def test_every_rehearsal_loads_its_factory_afresh(recorded, stage):
    path, _, _ = recorded("factory: shop:chat\n", ["Hello."])
    (stage / "shop.py").write_text(FACTORY.replace("TASK + scenario.name", '"Say bye"'), encoding="utf-8")
    assert runner.run_scenario(path).code is Exit.DIVERGED


def test_what_the_agents_print_is_kept_apart(recorded, capfd):
    _, first, _ = recorded(PAIR, PAIR_SCRIPT)
    assert "print(6 * 7)" in first.output
    assert "print(6 * 7)" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("breaks", "it raised ValueError: no [agents] today"),
        ("idles", "no conversation took place: AutoGen was not used, or before the harness was attached"),
    ],
)
def test_a_factory_that_breaks_or_does_nothing_does_not_pass(stage, function, reason):
    verdict = runner.run_scenario(write(stage, f"factory: shop:{function}\n"), record="all")
    assert verdict.outcome != "passed"
    assert verdict.reasons[0] == reason
    assert not verdict.recorded
    assert not (stage / "one.cassette.jsonl").exists()


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("nowhere:chat", "no module 'nowhere'"),
        ("shop:talk", "'shop' has no function 'talk'"),
        ("shop:CONFIG", "no function"),
    ],
)
def test_a_function_that_is_not_there_is_one_clear_line(stage, factory, told):
    with pytest.raises(UsageError, match=told):
        runner.run_scenario(write(stage, f"factory: {factory}\n"), record="all")


def test_a_failed_model_call_is_recorded_where_it_is_expected_and_replayed_as_the_failure_it_was(
    recorded, serving, stage
):
    path = write(stage, "factory: shop:chat\n")
    serving([error(400, "too long")] * 2)
    unexpected = runner.run_scenario(path, record="all")
    assert (unexpected.outcome, unexpected.recorded) == ("failed", False)
    path = write(stage, "factory: shop:chat\nexpect: {ending: error}\n")
    first = runner.run_scenario(path, record="all")
    assert (first.outcome, first.recorded) == ("passed", True)
    serving([])
    again = runner.run_scenario(path)
    assert (again.outcome, again.account.hits, again.account.misses) == ("passed", 1, 0)
    assert open_store().run(again.run_id).summary.status is RunStatus.FAILED


def test_a_group_whose_speakers_a_model_picks_is_replayed(recorded):
    group = """\
agents:
  - {name: user, default_auto_reply: Go on.}
  - {name: writer, description: Writes., system_message: You are the writer., llm_config: {model: gpt-4o-mini}}
  - {name: critic, description: Reads., system_message: You are the critic., llm_config: {model: gpt-4o-mini}}
team: {pattern: group, initiator: user, max_round: 4, speaker_selection: auto}
task: Write a line.
expect: {ending: max_rounds, messages: 4, said: [A line., Longer.], findings: [T301]}
"""
    speakers = iter(["writer", "critic", "writer"])
    script = rules(
        {
            "You are the writer": ["A line.", "A longer line."],
            "You are the critic": ["Longer."],
            "": lambda _: next(speakers),
        }
    )
    path, first, server = recorded(group, script)
    assert (first.outcome, first.reasons) == ("passed", ())
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons, again.account.hits) == ("passed", (), len(server.log))
    assert told(again) == told(first)


def test_random_speakers_are_the_recorded_ones(recorded):
    group = """\
agents:
  - {name: user, default_auto_reply: Go on.}
  - {name: ann, default_auto_reply: I am Ann.}
  - {name: bob, default_auto_reply: I am Bob.}
  - {name: cat, default_auto_reply: I am Cat.}
team: {pattern: group, initiator: user, max_round: 12, speaker_selection: random}
task: Who speaks?
"""
    random.seed(1)
    path, first, server = recorded(group, [])
    assert not server.log
    random.seed(2)
    again = runner.run_scenario(path)
    assert (again.reasons, again.account.misses) == (first.reasons, 0)
    spoken = [[message.sender for message in open_store().run(v.run_id).messages] for v in (first, again)]
    assert spoken[0] == spoken[1]
    assert len(set(spoken[0])) > 1


def test_tools_of_a_file_are_registered_called_and_replayed(recorded, stage):
    (stage / "tools.py").write_text(
        'from pathlib import Path\n\n\ndef add(a: int, b: int) -> str:\n    """Add two numbers."""\n'
        '    with Path("called").open("a") as file:\n        file.write("x")\n    return str(a + b)\n',
        encoding="utf-8",
    )
    text = """\
agents:
  - {name: helper, system_message: Add., llm_config: {model: gpt-4o-mini}, tools: ["tools:add"]}
  - {name: user, is_termination_msg: {regex: "TERMINATE$"}}
team: {initiator: user}
task: What is 2 + 3?
expect: {tools: [add], said: ["5"], ending: termination_message}
"""
    path, first, server = recorded(text, [tool_call("add", a=2, b=3), "It is 5. TERMINATE"])
    assert (first.outcome, first.reasons) == ("passed", ())
    assert server.log[0]["request"]["tools"][0]["function"]["description"] == "Add two numbers."
    assert (stage / "called").read_text() == "x"
    assert runner.run_scenario(path).outcome == "passed"
    assert (stage / "called").read_text() == "x"
    path.write_text(text + "live: [tool]\n", encoding="utf-8")
    assert runner.run_scenario(path).outcome == "passed"
    assert (stage / "called").read_text() == "xx"


PROGRAM = """\
import sys
import shop

user, assistant, _ = shop.chat(type("Any", (), {"name": ""}))
user.initiate_chat(assistant, message=sys.argv[1])
user.initiate_chat(assistant, message="And once more.")
sys.exit(int(sys.argv[2]))
"""


def test_an_unmodified_program_is_one_run_recorded_and_replayed_in_a_process_of_its_own(recorded, stage):
    (stage / "app.py").write_text(PROGRAM, encoding="utf-8")
    text = "program: app.py 'Say hello.' 0\nexpect: {said: [Say hello., Hello., Again.], messages: 4}\n"
    path, first, server = recorded(text, ["Hello.", "Again."])
    assert (first.outcome, first.reasons) == ("passed", ())
    assert len(server.log) == 2
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons, again.remarks) == ("passed", (), ())
    assert told(again) == told(first)
    assert (again.account.hits, again.account.misses, again.account.unused) == (2, 0, 0)
    assert open_store().run(again.run_id).summary.name == "one"
    path.write_text(text.replace("'Say hello.' 0", "'Say bye.' 0"), encoding="utf-8")
    diverged = runner.run_scenario(path)
    assert (diverged.outcome, diverged.code) == ("failed", Exit.DIVERGED)
    assert diverged.reasons[1:3] == ("  - Say hello.", "  + Say bye.")
    assert diverged.account.misses == 1
    path.write_text(text.replace("'Say hello.' 0", "'Say hello.' 3"), encoding="utf-8")
    assert runner.run_scenario(path).reasons[0].startswith("it exited with 3")


CLOCK = """\
import shop

user, assistant, _ = shop.chat(type("Any", (), {"name": ""}))
user.initiate_chat(assistant, message="It is TIME. Say hello.")
"""


def test_a_program_is_matched_as_its_scenario_says(recorded, stage):
    (stage / "app.py").write_text(CLOCK.replace("TIME", "2026-11-20T09:30:59"), encoding="utf-8")
    text = "program: app.py\nnormalise: [iso-time]\n"
    path, _, _ = recorded(text, ["Hello."])
    file = stage / "one.cassette.jsonl"
    assert cassette.read(file).header.normalise == ("iso-time",)
    (stage / "app.py").write_text(CLOCK.replace("TIME", "2027-01-02T10:00:00"), encoding="utf-8")
    later = runner.run_scenario(path)
    assert (later.outcome, later.account.normalised, later.account.hits) == ("passed", 1, 0)
    assert later.remarks == ("1 request was as recorded but for volatile values",)
    path.write_text("program: app.py\nnormalise: []\n", encoding="utf-8")
    strict = runner.run_scenario(path)
    assert strict.code is Exit.DIVERGED
    assert strict.hints[0] == "Only what is new each time differs: `normalise: [iso-time]` takes it out."
    by_number = runner.run_scenario(path, matching="sequence")
    assert (by_number.outcome, by_number.account.changed) == ("passed", 1)


def test_strictly_nothing_may_be_left_over(recorded):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    path.write_text(PAIR.replace("{initiator: user}", "{initiator: user, max_turns: 1}"), encoding="utf-8")
    assert runner.run_scenario(path).code is not Exit.DIVERGED
    strict = runner.run_scenario(path, matching="strict")
    assert strict.code is Exit.DIVERGED
    assert "(a code execution of 'user' was recorded, and nobody asks for it)" in strict.reasons[0]


def test_missing_autogen_is_a_problem_of_the_environment(recorded, monkeypatch):
    path, _, _ = recorded("factory: shop:chat\n", ["Hello."])
    monkeypatch.setitem(__import__("sys").modules, "autogen", None)
    with pytest.raises(EnvironmentProblem, match="classic AutoGen") as caught:
        runner.run_scenario(path)
    assert "autogen-harness[demo]" in caught.value.hint


def test_nothing_stays_attached_and_who_was_attached_is_taken_off(recorded, stage):
    from harness import recording

    path, _, _ = recorded("factory: shop:chat\n", ["Hello."])
    harness.instrument(stage / "other")
    runner.run_scenario(path)
    assert recording._recording is None
    assert not open_store(stage / "other").runs()


def test_scenarios_are_found_below_folders_but_not_in_hidden_ones(stage):
    names = ["b", "a", "deep/er/c", ".hidden/d"]
    for name in names:
        path = stage / f"{name}.scenario.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    found = [str(path.relative_to(stage)) for path in runner.find([stage, stage / "b.scenario.yaml"])]
    assert found == ["a.scenario.yaml", "b.scenario.yaml", "deep/er/c.scenario.yaml"]
    with pytest.raises(UsageError, match="no file or folder"):
        runner.find([stage / "nowhere"])
    assert runner.find([stage / ".hidden" / "d.scenario.yaml"])


def test_the_cassette_is_a_file_that_can_be_read_in_a_review(recorded):
    path, _, _ = recorded(PAIR, PAIR_SCRIPT)
    lines = [json.loads(line) for line in (path.parent / "one.cassette.jsonl").read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == [
        "cassette",
        "message",
        "message",
        "message",
        "exchange",
        "exchange",
        "message",
        "message",
        "message",
        "exchange",
    ]
    kinds = [line["exchange"]["kind"] for line in lines if "exchange" in line]
    assert kinds == ["chat", "code", "chat"]


def test_slow_or_streamed_answers_are_no_part_of_a_cassette(recorded):
    _, _, _ = recorded("factory: shop:chat\n", [Reply(text="Hello.", headers={"x-request-id": "r1"})])
    text = Path("one.cassette.jsonl").read_text()
    assert "r1" not in text
    assert "chatcmpl" not in text
