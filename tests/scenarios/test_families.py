"""Agents in a scenario's file, of every framework and pattern: recorded against the scripted server, and replayed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import Exit, UsageError
from harness.store import open_store
from scenarios import runner
from scenarios.casting import MODULES
from tests.adapters.recorded import THEIR_WARNINGS
from tests.scenarios.rehearsing import Record, record, stage
from tests.server import Script, rules, tool_call

__all__ = ["record", "stage"]
pytestmark = THEIR_WARNINGS
MODEL = "llm_config: {model: gpt-4o-mini}"
PLANNED = lambda request: "Roses." if "Three lines." in request["messages"][-1]["content"] else "Nothing."  # noqa: E731


@dataclass(frozen=True, kw_only=True)
class Play:
    text: str
    script: Script
    asked: int


def needs(framework: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(MODULES[framework]) is None
    return pytest.mark.skipif(missing, reason=f"the {framework} extra is not installed")


PAIR = f"""\
agents:
- {{name: writer, description: Writes., system_message: You write., {MODEL}}}
- {{name: critic, description: Criticises., system_message: You criticise., {MODEL}}}
task: Write a line.
"""
LINES = {"You write": ["A line.", "A better line."], "You criticise": ["Longer.", "Fine. DONE"]}
FLOW = f"""\
agents:
- {{name: planner, system_message: You plan., {MODEL}}}
- {{name: writer, system_message: You write., {MODEL}}}
workflow:
- {{name: plan, agents: [planner], task: Plan a poem.}}
- {{name: write, agents: [writer], task: Write it.}}
expect: {{said: [Roses.]}}
"""
PLAYS: Mapping[str, tuple[str, Play]] = {
    "classic, stages with carryover": (
        "classic",
        Play(
            text=f"""\
framework: classic
agents:
- {{name: user, max_consecutive_auto_reply: 0}}
- {{name: planner, system_message: You plan., {MODEL}}}
- {{name: writer, system_message: You write., {MODEL}}}
workflow:
- {{name: plan, agents: [user, planner], team: {{initiator: user}}, task: Plan a poem.}}
- {{name: write, agents: [user, writer], team: {{initiator: user}}, task: Write it.}}
expect: {{said: [Roses.], speakers: [user, planner, user, writer]}}
""",
            script=rules({"You plan": ["Three lines."], "You write": PLANNED}),
            asked=2,
        ),
    ),
    "agentchat, one agent with a tool": (
        "agentchat",
        Play(
            text=f"""\
framework: agentchat
agents:
- {{name: helper, system_message: You help., {MODEL}, tools: ["tools:add"], reflect_on_tool_use: true}}
task: What is 1 + 2?
expect: {{tools: [{{name: add, arguments: {{a: 1, b: 2}}}}], said: [It is 3.], ending: answered}}
""",
            script=[tool_call("add", a=1, b=2), "It is 3."],
            asked=2,
        ),
    ),
    "agentchat, in turn until a message ends it, streamed": (
        "agentchat",
        Play(
            text="framework: agentchat\n"
            + PAIR.replace("name: writer,", "name: writer, stream: true,")
            + "team: {is_termination_msg: {regex: 'DONE$'}, max_turns: 6}\n"
            "expect: {ending: termination_message, speakers: [user, writer, critic, writer, critic]}\n",
            script=rules(LINES),
            asked=4,
        ),
    ),
    "agentchat, a model picks who speaks": (
        "agentchat",
        Play(
            text=PAIR + "team: {pattern: selector, initiator: critic, max_messages: 3, is_termination_msg: {equals: x},"
            " selector_prompt: '{roles} {participants} {history}'}\n"
            "expect: {ending: max_rounds, findings: [T301], speakers: [user, writer, critic]}\n",
            script=rules(
                {**LINES, "": lambda request: "critic" if "A line." in str(request["messages"]) else "writer"}
            ),
            asked=3,
        ),
    ),
    "agentchat, handed over in a swarm": (
        "agentchat",
        Play(
            text=f"""\
framework: agentchat
agents:
- {{name: front, system_message: You greet., {MODEL}, handoffs: [tech]}}
- {{name: tech, system_message: You repair., {MODEL}, handoffs: [front]}}
team: {{pattern: swarm, is_termination_msg: {{contains: REPAIRED}}}}
task: It is broken.
expect: {{ending: termination_message, said: [{{text: REPAIRED, by: tech}}], not_said: [{{text: REPAIRED, by: front}}]}}
""",
            script=rules({"You greet": [tool_call("transfer_to_tech")], "You repair": ["It is REPAIRED."]}),
            asked=2,
        ),
    ),
    "agentchat, stages with carryover": (
        "agentchat",
        Play(
            text="framework: agentchat\n" + FLOW,
            script=rules({"You plan": ["Three lines."], "You write": PLANNED}),
            asked=2,
        ),
    ),
    "ag2, one asks another as a tool": (
        "ag2",
        Play(
            text="framework: ag2\n"
            + PAIR.replace("You write.,", "You write., asks: [critic],")
            + "expect: {ending: answered, tools: {include: [task_critic], exclude: [add]}, said: [Draft.]}\n",
            script=rules(
                {"You write": [tool_call("task_critic", objective="What of it?"), "Draft."], "You criticise": ["Hm."]}
            ),
            asked=3,
        ),
    ),
    "ag2, one consults another on a hub": (
        "ag2",
        Play(
            text=PAIR + "team: {pattern: consulting}\nexpect: {ending: answered, speakers: [writer, critic]}\n",
            script=rules({"You criticise": ["Longer."]}),
            asked=1,
        ),
    ),
    "ag2, in turn on a hub": (
        "ag2",
        Play(
            text="framework: ag2\n" + PAIR + "team: {pattern: round_robin, max_turns: 4, initiator: critic}\n"
            "expect: {ending: max_turns, findings: [T301], speakers: [critic, writer, critic, writer]}\n",
            script=rules(LINES),
            asked=3,
        ),
    ),
    "ag2, stages with carryover": (
        "ag2",
        Play(
            text="framework: ag2\n" + FLOW,
            script=rules({"You plan": ["Three lines."], "You write": PLANNED}),
            asked=2,
        ),
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(family)) for name, (family, _) in PLAYS.items()])
def test_agents_in_a_file_are_recorded_and_replayed(name: str, record: Record) -> None:
    _, play = PLAYS[name]
    path, first, server = record(play.text, play.script)
    assert (first.outcome, first.reasons, first.recorded) == ("passed", (), True)
    assert len(server.log) == play.asked
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons) == ("passed", ())
    assert (again.account.misses, again.account.unused) == (0, 0)
    assert again.account.hits >= play.asked
    spoken = [[(m.sender, m.text) for m in open_store().run(v.run_id).messages] for v in (first, again)]
    assert spoken[0] == spoken[1]


@needs("ag2")
def test_a_turn_that_fails_on_a_hub_ends_the_rehearsal(record: Record) -> None:
    text = "framework: ag2\n" + PAIR + "team: {pattern: round_robin, max_turns: 4, initiator: critic}\n"
    path, _, _ = record(text, rules(LINES))
    path.write_text(text.replace("You write.", "You draft."), encoding="utf-8")
    verdict = runner.run_scenario(path)
    assert (verdict.outcome, verdict.code) == ("failed", Exit.DIVERGED)
    assert verdict.reasons[0].startswith("model call 1 of 'writer' parts from the recording")


@needs("ag2")
def test_agents_that_ask_each_other_in_a_ring_are_refused(record: Record) -> None:
    text = "framework: ag2\n" + PAIR.replace("You write.,", "You write., asks: [critic],")
    text = text.replace("You criticise.,", "You criticise., asks: [writer],")
    with pytest.raises(UsageError, match="in a ring: writer → critic → writer"):
        record(text, [])


@pytest.mark.parametrize("family", [pytest.param(family, marks=needs(family)) for family in MODULES])
@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("messages: 3", "the limit of 3 messages was reached"),
        ("model_calls: 2", "the limit of 2 model calls was reached"),
        ("tokens: 20", "the limit of 20 tokens was reached"),
        ("cost_usd: 0.000004", "the limit of $4e-06 was reached"),
    ],
)
def test_a_limit_stops_agents_that_would_go_on_and_is_replayed(
    family: str, limits: str, told: str, record: Record
) -> None:
    team = {
        "classic": "{max_turns: 40}",
        "agentchat": "{max_turns: 40}",
        "ag2": "{pattern: round_robin, max_turns: 40}",
    }
    text = f"framework: {family}\n{PAIR}team: {team[family]}\nlimits: {{{limits}}}\n"
    path, first, server = record(text + "expect: {ending: stopped}\n", lambda r: f"Hello {len(r['messages'])}.")
    assert (first.outcome, first.reasons, first.recorded) == ("passed", (), True)
    assert 0 < len(server.log) < 10
    assert open_store().run(first.run_id).summary.ending == "stopped"
    again = runner.run_scenario(path)
    assert (again.outcome, again.reasons) == ("passed", ())
    assert (again.account.hits, again.account.misses, again.account.unused) == (len(server.log), 0, 0)
    path.write_text(text, encoding="utf-8")
    failed = runner.run_scenario(path)
    assert (failed.outcome, failed.reasons[0]) == ("failed", f"it was stopped: {told}")


@needs("classic")
def test_one_agent_may_have_a_limit_of_its_own(record: Record) -> None:
    text = "framework: classic\n" + PAIR.replace("You write.,", "You write., limits: {model_calls: 1},")
    _, verdict, server = record(text + "team: {max_turns: 9}\n", lambda r: f"Hello {len(r['messages'])}.")
    assert verdict.reasons[0] == "it was stopped: the limit of 1 model calls was reached by 'writer'"
    assert len(server.log) == 3


@needs("agentchat")
def test_a_factory_may_return_a_team_and_its_task(record: Record, stage: Path) -> None:
    (stage / "shop.py").write_text(
        "from autogen_agentchat.agents import AssistantAgent\n"
        "from autogen_ext.models.openai import OpenAIChatCompletionClient\n\n\n"
        "async def chat():\n"
        "    return AssistantAgent('helper', OpenAIChatCompletionClient(model='gpt-4o-mini')), 'Say hello.'\n",
        encoding="utf-8",
    )
    path, first, _ = record("factory: shop:chat\nexpect: {said: [Hello.]}\n", ["Hello."])
    assert (first.outcome, first.reasons) == ("passed", ())
    assert runner.run_scenario(path).outcome == "passed"


@needs("classic")
def test_a_limit_stops_a_program_in_its_own_process(record: Record, stage: Path) -> None:
    (stage / "app.py").write_text(
        "import autogen\n"
        "config = {'config_list': [{'model': 'gpt-4o-mini'}], 'cache_seed': None}\n"
        "one, other = (autogen.AssistantAgent(name, llm_config=config) for name in ('one', 'other'))\n"
        "one.initiate_chat(other, message='Go.', max_turns=30)\n",
        encoding="utf-8",
    )
    text = "program: app.py\nlimits: {model_calls: 3}\n"
    path, first, server = record(text + "expect: {ending: stopped}\n", lambda r: f"Hello {len(r['messages'])}.")
    assert (first.outcome, first.reasons, first.recorded, len(server.log)) == ("passed", (), True, 3)
    again = runner.run_scenario(path)
    assert (again.outcome, again.account.hits, again.account.unused) == ("passed", 3, 0)
    path.write_text(text, encoding="utf-8")
    assert runner.run_scenario(path).reasons == ("it was stopped: the limit of 3 model calls was reached",)
