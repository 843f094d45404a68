"""A runaway of AgentChat is stopped within one call of its limit, and its TaskResult says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.model import EndingKind
from tests.adapters.agentchat_stage import agents, assistant, client, closed_clients, conditions, teams
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import Reply, Request, ScriptedServer, ToolCall

__all__ = ["closed_clients"]
pytestmark = [*THEIR_WARNINGS, pytest.mark.usefixtures("closed_clients")]
PATIENCE_S = 30


def talk_on(request: Request) -> str:
    """Say something else each time, and never that it is over."""
    return f"And what about point {len(request['messages'])}?"


def call_on(request: Request) -> Reply:
    """Ask for the tool again, with another argument."""
    return Reply(tool_calls=[ToolCall(name="look", arguments={"page": len(request["messages"])})])


def reason_of(limit: str) -> str:
    """Say what a run is told of its limit."""
    return f"the limit of {limit} was reached"


def kinds(seen: Any) -> set[EndingKind]:
    """Say why the conversations of the one run ended."""
    return {ending.kind for ending in seen.run.endings.values()}


async def play(team: Any, **limits: Any) -> Any:
    """Run *team* within *limits*, and give up if that does not end it."""
    with harness.guard({"max_model_calls": None, **limits}, checks=["B"]):
        return await asyncio.wait_for(team.run(task="Go on."), PATIENCE_S)


async def test_endless_talk_ends_with_the_reason_in_its_result(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        team = teams.RoundRobinGroupChat([assistant("ann", server), assistant("bob", server)])
        with recording(tmp_path) as seen:
            result = await play(team, max_model_calls=7)
            again = await play(team, max_model_calls=2)
        assert len(server.log) == 9
    assert result.stop_reason == reason_of("7 model calls")
    assert [message.source for message in result.messages[:3]] == ["user", "ann", "bob"]
    assert again.stop_reason == reason_of("2 model calls")
    assert [{ending.kind for ending in run.endings.values()} for run in seen.runs] == [{EndingKind.STOPPED}] * 2


async def test_an_agent_that_is_run_alone_ends_with_the_reason_too(tmp_path: Path) -> None:
    def look(page: int) -> str:
        """Look at a page."""
        return f"page {page}"

    with ScriptedServer(call_on) as server:
        ann = agents.AssistantAgent("ann", client(server), tools=[look], max_tool_iterations=1000)
        with recording(tmp_path) as seen:
            result = await play(ann, max_model_calls=6)
        assert len(server.log) == 6
    assert result.stop_reason == reason_of("6 model calls")
    assert result.messages[-1].content == reason_of("6 model calls")
    assert kinds(seen) == {EndingKind.STOPPED}


async def test_endless_tool_calls_end_and_the_agents_memory_stays_whole(tmp_path: Path) -> None:
    ran: list[int] = []

    def look(page: int) -> str:
        """Look at a page."""
        ran.append(page)
        return f"page {page}"

    with ScriptedServer(call_on) as server:
        ann = agents.AssistantAgent("ann", client(server), tools=[look], max_tool_iterations=1000)
        with recording(tmp_path) as seen:
            result = await play(teams.RoundRobinGroupChat([ann]), max_tool_calls=4)
        assert len(server.log) == 5
        remembered = await ann.model_context.get_messages()
    assert len(ran) == 4
    assert result.stop_reason == reason_of("4 tool calls")
    assert remembered[-1].type == "FunctionExecutionResultMessage"
    assert remembered[-1].content[0].is_error
    assert kinds(seen) == {EndingKind.STOPPED}


async def test_agents_that_hand_over_to_each_other_for_ever_are_stopped(tmp_path: Path) -> None:
    def hand_over(request: Request) -> Reply:
        (tool,) = request["tools"]
        return Reply(tool_calls=[ToolCall(name=tool["function"]["name"], arguments={})])

    with ScriptedServer(hand_over) as server:
        ann = agents.AssistantAgent("ann", client(server), handoffs=["bob"])
        bob = agents.AssistantAgent("bob", client(server), handoffs=["ann"])
        for limits in ({"max_model_calls": 6}, {"max_tool_calls": 3}):
            with recording(tmp_path) as seen:
                team = teams.Swarm([ann, bob])
                result = await play(team, **limits)
            assert result.stop_reason
            assert "was reached" in result.stop_reason
            assert kinds(seen) == {EndingKind.STOPPED}
        assert len(server.log) == 6 + 4


async def test_the_same_handovers_are_a_loop_that_is_stopped_before_any_limit(tmp_path: Path) -> None:
    def hand_over(request: Request) -> Reply:
        (tool,) = request["tools"]
        return Reply(tool_calls=[ToolCall(name=tool["function"]["name"], arguments={})])

    with ScriptedServer(hand_over) as server:
        ann = agents.AssistantAgent("ann", client(server), handoffs=["bob"])
        bob = agents.AssistantAgent("bob", client(server), handoffs=["ann"])
        team = teams.Swarm([ann, bob])
        with recording(tmp_path) as seen, harness.guard() as guard:
            result = await asyncio.wait_for(team.run(task="Go on."), PATIENCE_S)
        assert len(server.log) < 30
    assert result.stop_reason == guard.reason
    assert str(guard.reason).startswith("L1")
    assert guard.stops[0].why.kind == "loop_detected"
    assert kinds(seen) == {EndingKind.STOPPED}


async def test_a_selector_and_an_orchestrator_may_not_go_on_either(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        if "JSON format" in str(request["messages"][-1]):
            reason = '{"reason": "so", "answer": %s}'
            said = {"is_request_satisfied": "false", "is_in_loop": "false", "is_progress_being_made": "true"}
            said |= {"next_speaker": '"ann"', "instruction_or_question": '"Go on."'}
            return "{" + ", ".join(f'"{key}": {reason % value}' for key, value in said.items()) + "}"
        return "ann" if "role play" in str(request["messages"]).lower() else talk_on(request)

    for kind, more in ((teams.SelectorGroupChat, {"allow_repeated_speaker": True}), (teams.MagenticOneGroupChat, {})):
        for most in (1, 5, 6, 7, 8):
            with ScriptedServer(answer) as server:
                members = [assistant("ann", server), assistant("bob", server)]
                with recording(tmp_path) as seen:
                    result = await play(kind(members, model_client=client(server), **more), max_model_calls=most)
                assert len(server.log) == most, kind
            assert result.stop_reason == reason_of(f"{most} model calls")
            assert kinds(seen) == {EndingKind.STOPPED}


async def test_agents_that_ask_no_model_are_stopped_by_messages_turns_or_seconds(tmp_path: Path) -> None:
    for limit, most in (("max_messages", 5), ("max_turns", 6), ("max_seconds", 0)):
        people = [agents.UserProxyAgent(name, input_func=lambda _prompt: "Well?") for name in ("one", "two")]
        with recording(tmp_path) as seen:
            result = await play(teams.RoundRobinGroupChat(people), **{limit: most})
        assert "was reached" in str(result.stop_reason)
        assert len([message for message in result.messages if hasattr(message, "to_model_message")]) <= 8
        assert kinds(seen) == {EndingKind.STOPPED}


async def test_a_team_inside_a_team_ends_and_then_the_one_around_it(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        inner = teams.RoundRobinGroupChat([assistant("in", server)], name="inner")
        outer = teams.RoundRobinGroupChat(
            [inner, assistant("out", server)], termination_condition=conditions.MaxMessageTermination(500)
        )
        with recording(tmp_path) as seen:
            result = await play(outer, max_model_calls=5)
        assert len(server.log) == 5
    assert result.stop_reason == reason_of("5 model calls")
    assert kinds(seen) == {EndingKind.STOPPED}


async def test_a_stream_ends_with_its_result(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        members = [agents.AssistantAgent(name, client(server), model_client_stream=True) for name in ("ann", "bob")]
        with recording(tmp_path), harness.guard({"max_model_calls": 3}, checks=["B"]):
            items = [item async for item in teams.RoundRobinGroupChat(members).run_stream(task="Go on.")]
        assert len(server.log) == 3
    assert items[-1].stop_reason == reason_of("3 model calls")


async def test_what_is_to_be_raised_is_raised_as_the_framework_raises(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        team = teams.RoundRobinGroupChat([assistant("ann", server), assistant("bob", server)])
        with (
            recording(tmp_path) as seen,
            harness.guard({"max_model_calls": 3}, on_stop="raise", checks=["B"]),
            pytest.raises(RuntimeError, match="run_limit_exceeded"),
        ):
            await asyncio.wait_for(team.run(task="Go on."), PATIENCE_S)
        assert len(server.log) == 3
    assert kinds(seen) == {EndingKind.STOPPED}
