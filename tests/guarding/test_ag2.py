"""A runaway of AG2 1.x is stopped within one call of its limit, and the agent's reply says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.model import EndingKind
from tests.adapters.ag2_stage import agent, config, store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.adapters.test_ag2_network import closed, hub, texts, three
from tests.server import Reply, Request, ScriptedServer, ToolCall

__all__ = ["store"]
pytestmark = THEIR_WARNINGS
PATIENCE_S = 30


def talk_on(request: Request) -> str:
    """Say something else each time, and never that it is over."""
    return f"And what about point {len(request['messages'])}?"


def call_on(request: Request) -> Reply:
    """Ask for the tool again, with another argument."""
    return Reply(tool_calls=[ToolCall(name="look", arguments={"page": len(request["messages"])})])


def guarding(**limits: Any) -> Any:
    """Hold these limits alone."""
    return harness.guard({"max_model_calls": None, **limits}, checks=["B"])


async def test_a_tool_loop_without_end_is_halted_and_the_reply_says_why(store: Path) -> None:
    ran: list[int] = []

    def look(page: int) -> str:
        """Look at a page."""
        ran.append(page)
        return f"page {page}"

    for limits, told, asked in (
        ({"max_model_calls": 6}, "the limit of 6 model calls was reached", 6),
        ({"max_tool_calls": 4}, "the limit of 4 tool calls was reached", 5),
        ({"max_seconds": 0}, "the limit of 0 s was reached", 0),
    ):
        with ScriptedServer(call_on) as server, recording(store) as seen:
            with guarding(**limits):
                reply = await asyncio.wait_for(agent("ann", server, tools=[look]).ask("Look."), PATIENCE_S)
            assert len(server.log) == asked
        assert reply.body == f"HALTED: {told}"
        assert seen.ending == ("stopped", "ann", told)
    assert len(ran) == 6 + 4


async def test_a_conversation_that_goes_on_stays_stopped(store: Path) -> None:
    with ScriptedServer(talk_on) as server, recording(store) as seen, guarding(max_model_calls=2):
        reply = await agent("ann", server).ask("Go on.")
        for _ in range(3):
            reply = await reply.ask("And?")
        assert len(server.log) == 2
    assert reply.body == "HALTED: the limit of 2 model calls was reached"
    endings = [ending.kind for ending in seen.run.endings.values()]
    assert endings == [EndingKind.ANSWERED] * 2 + [EndingKind.STOPPED] * 2


async def test_agents_that_ask_each_other_for_ever_are_halted(store: Path) -> None:
    def hand_over(request: Request) -> Reply:
        (tool,) = request["tools"]
        return Reply(tool_calls=[ToolCall(name=tool["function"]["name"], arguments={"objective": "Go on."})])

    with ScriptedServer(hand_over) as server, recording(store) as seen, guarding(max_model_calls=7):
        ann = agent("ann", server)
        for depth in range(12):
            ann = agent(f"a{depth}", server, tools=[ann.as_tool(description="Ask on.")])
        reply = await asyncio.wait_for(ann.ask("Go on."), PATIENCE_S)
        assert len(server.log) == 7
    assert reply.body == "HALTED: the limit of 7 model calls was reached"
    assert {ending.kind for ending in seen.run.endings.values()} == {EndingKind.STOPPED}


async def test_a_channel_whose_agents_talk_on_is_closed(store: Path) -> None:
    with ScriptedServer(talk_on) as server, recording(store) as seen, guarding(max_model_calls=9):
        async with hub() as opened:
            people = await three(opened, server)
            channel = await people[0].open(type="discussion", target=["bob", "carol"])
            people[0].ensure_channel_inbox(channel.channel_id)
            await channel.send("Topic.")
            await closed(people[0], channel)
            kept = await texts(opened, channel)
        assert len(server.log) == 9
    assert len(kept) == 1 + 9 + 1
    assert kept[-1][1] == "HALTED: the limit of 9 model calls was reached"
    assert seen.ending == ("stopped", None, "the limit of 9 model calls was reached")


async def test_what_is_to_be_raised_is_raised(store: Path) -> None:
    from openai import RateLimitError

    with ScriptedServer(talk_on) as server, recording(store):
        with harness.guard({"max_model_calls": 1}, on_stop="raise"):
            reply = await agent("ann", server).ask("Go on.")
            with pytest.raises(RateLimitError) as caught:
                await reply.ask("And?")
        assert len(server.log) == 1
    assert caught.value.code == "agentwall_limit"


async def test_sixteen_agents_at_once_never_spend_more_than_the_budget(store: Path) -> None:
    def long(_request: Request) -> Reply:
        return Reply(text="word " * 20, usage=(40, 100), delay_s=0.02)

    with ScriptedServer(long) as server, recording(store) as seen, harness.run(id="many"), guarding(max_tokens=3000):
        people = [agent(f"a{i}", server, config=config(server, max_tokens=100)) for i in range(16)]
        for _ in range(4):
            await asyncio.gather(*(one.ask("Go on.") for one in people))
    spent = seen.run.summary
    assert spent.input_tokens is not None
    assert spent.output_tokens is not None
    assert 0 < spent.input_tokens + spent.output_tokens <= 3000
