"""``harness audit`` on programs of each framework, on functions that make agents, and on scenarios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit import grid
from tests.audit.test_verb import audit

_AGENTCHAT = """
import asyncio
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient


def team(condition=None):
    client = OpenAIChatCompletionClient(model="gpt-4o")
    writer = AssistantAgent("writer", client, system_message="You write.")
    critic = AssistantAgent("critic", client, system_message="You object.")
    return RoundRobinGroupChat([writer, critic], termination_condition=condition or TextMentionTermination("DONE"))


def short():
    return team(MaxMessageTermination(4))


async def main():
    await team(TextMentionTermination("DONE") | MaxMessageTermination(6)).run(task="Write.")
    Path("after").write_text("went on")


if __name__ == "__main__":
    asyncio.run(main())
"""
_AG2 = """
import asyncio

import ag2
from ag2.config import OpenAIConfig


def look() -> str:
    return "nothing"


def alone():
    return ag2.Agent("alone", "You answer.", config=OpenAIConfig("gpt-4o"))


async def main():
    await ag2.Agent("looker", "You look.", config=OpenAIConfig("gpt-4o"), tools=[look]).ask("Hello.")


if __name__ == "__main__":
    asyncio.run(main())
"""
_CLASSIC = """
import autogen

config = {"config_list": [{"model": "gpt-4o"}]}
members = [
    autogen.ConversableAgent(name, llm_config=config, human_input_mode="NEVER", code_execution_config=False)
    for name in ("one", "two", "three")
]
manager = autogen.GroupChatManager(autogen.GroupChat(members, [], max_round=5), llm_config=config)
"""


def certificate(folder: Path, target: str) -> dict[str, Any]:
    done = audit(folder, target, "--json")
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif("agentchat" not in grid.families(), reason="the agentchat extra is not installed")
def test_an_agentchat_program_is_judged_at_its_first_question(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(_AGENTCHAT)
    found = certificate(tmp_path, "app.py")
    assert found["certificate"]["verdict"] == "bounded"
    assert (found["certificate"]["messages"], found["certificate"]["model_calls"]) == (6, 5)
    assert found["certificate"]["why"] == ["MaxMessageTermination(6)"]
    assert not (tmp_path / "after").exists()
    lines = {agent["name"]: agent["line"] for agent in found["agents"]}
    assert lines["writer"] == 13
    assert lines["critic"] == 14


@pytest.mark.skipif("agentchat" not in grid.families(), reason="the agentchat extra is not installed")
def test_a_function_that_makes_a_team_is_called(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(_AGENTCHAT)
    endless = certificate(tmp_path, "app:team")
    assert endless["certificate"]["verdict"] == "unbounded"
    assert endless["certificate"]["path"][0] == "writer → critic → writer → …"
    assert "A701" in {each["code"] for each in endless["findings"]}
    assert certificate(tmp_path, "app:short")["certificate"]["model_calls"] == 3


@pytest.mark.skipif("ag2" not in grid.families(), reason="the ag2 extra is not installed")
def test_an_ag2_agent_with_tools_has_no_end_and_one_without_answers_once(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(_AG2)
    assert certificate(tmp_path, "app.py")["certificate"]["verdict"] == "unbounded"
    alone = certificate(tmp_path, "app:alone")["certificate"]
    assert (alone["verdict"], alone["messages"], alone["model_calls"]) == ("bounded", 2, 1)


@pytest.mark.skipif(len(grid.families()) < 3, reason="one of the frameworks is not installed")
def test_a_program_of_several_frameworks_is_judged_for_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(_AG2)
    (tmp_path / "group.py").write_text(_CLASSIC)
    (tmp_path / "app.py").write_text(f"import group, other\n\nasking = other.alone()\n{_AGENTCHAT}")
    found = certificate(tmp_path, "app.py")
    told = {each["what"]: (each["begun"], each["certificate"]["messages"]) for each in found["conversations"]}
    assert told == {
        "the team RoundRobinGroupChat": (True, 6),
        "the group chat of chat_manager": (False, 5),
        "a question to alone": (False, 2),
    }
    assert found["conversations"][0]["begun"]
    assert found["framework"] == "autogen_agentchat, autogen, ag2"
    assert {agent["name"] for agent in found["agents"]} >= {"writer", "critic", "one", "two", "three", "alone"}


@pytest.mark.skipif("classic" not in grid.families(), reason="the classic extra is not installed")
def test_a_manager_by_itself_is_judged_as_its_group(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(_CLASSIC)
    found = certificate(tmp_path, "app:manager")["certificate"]
    assert (found["verdict"], found["messages"], found["model_calls"]) == ("bounded", 5, 16)


@pytest.mark.skipif("classic" not in grid.families(), reason="the classic extra is not installed")
def test_a_scenario_is_judged_by_its_agents(tmp_path: Path) -> None:
    library = Path(__file__).parent.parent.parent / "scenarios" / "library"
    found = certificate(tmp_path, str(library / "politeness.scenario.yaml"))
    assert (found["certificate"]["verdict"], found["certificate"]["messages"]) == ("bounded", 12)


@pytest.mark.skipif("classic" not in grid.families(), reason="the classic extra is not installed")
def test_a_tool_that_begins_a_chat_by_itself_is_named_as_not_counted(tmp_path: Path) -> None:
    tool = """

@members[0].register_for_execution(name="plan")
@members[1].register_for_llm(description="Plan.")
def plan() -> str:
    members[2].initiate_chat(members[2], message="Plan.")
    return "done"
"""
    (tmp_path / "app.py").write_text(_CLASSIC + tool)
    assert certificate(tmp_path, "app:manager")["certificate"]["not_counted"] == [
        "what the tool plan of one asks of models by itself"
    ]
