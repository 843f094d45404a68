"""AG2 1.x agents answered by a cassette: the same conversation, and no word to anybody outside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from tests.adapters.ag2_stage import add, ag2, agent, config, record, replay, store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


def kept(events: Any) -> list[Any]:
    """What a history holds, without ids that are new each time."""
    return [event for event in events if type(event).__name__ not in {"TaskStarted", "TaskCompleted"}]


async def twice(store: Path, play: Any, *, hits: int) -> Any:
    """Replay two times, everything that was recorded each time, and give what came of it."""
    for _ in range(2):
        again, replaying = await replay(store, play)
        assert (replaying.hits, replaying.misses, replaying.unused()) == (hits, (), ())
    return again


async def two_turns(server: ScriptedServer) -> list[Any]:
    reply = await agent("helper", server, tools=[add]).ask("What is 1 + 2?")
    again = await reply.ask("Sure?")
    return kept(await again.history.get_events())


TWO_TURNS = [tool_call("add", a=1, b=2), "It is 3.", "Still 3."]


async def test_a_conversation_with_a_tool_is_replayed_event_for_event(store: Path) -> None:
    with ScriptedServer(TWO_TURNS) as server:
        first = await record(store, server, two_turns)
    assert await twice(store, two_turns, hits=4) == first


async def test_a_cassette_recorded_again_is_the_same_file(store: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        with ScriptedServer(TWO_TURNS) as server:
            await record(store, server, two_turns, name)
    assert (store / "one.jsonl").read_bytes() == (store / "two.jsonl").read_bytes()


async def test_no_key_is_needed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ag2.config import OpenAIConfig

    async def play(server: ScriptedServer) -> Any:
        return (await ag2.Agent("helper", config=OpenAIConfig("gpt-4o-mini")).ask("Go.")).body

    with ScriptedServer(["Yes."]) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        first = await record(store, server, play)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert await twice(store, play, hits=1) == first == "Yes."


async def test_a_stream_is_played_back_in_the_same_chunks(store: Path) -> None:
    async def play(server: ScriptedServer) -> Any:
        seen: list[Any] = []

        def saw(event: Any) -> None:
            seen.append(event)

        async with agent("helper", server, config=config(server, streaming=True), tools=[add]).run("Go.") as run:
            run.stream.subscribe(saw, sync_to_thread=False)
            await run.result()
        return seen

    script = [tool_call("add", a=1, b=2), "A long reply that takes more than one chunk."]
    with ScriptedServer(script) as server:
        first = await record(store, server, play)
    assert sum(type(event).__name__ == "ModelMessageChunk" for event in first) > 1
    assert await twice(store, play, hits=3) == first


async def test_tools_are_not_run_again_and_fail_as_they_did(store: Path) -> None:
    ran: list[int] = []

    async def play(server: ScriptedServer) -> Any:
        def roll(sides: int) -> dict[str, int]:
            ran.append(sides)
            if not sides:
                raise ValueError("no sides")
            return {"rolled": len(ran)}

        reply = await agent("helper", server, tools=[roll]).ask("Go.")
        return kept(await reply.history.get_events())

    calls = [ToolCall(name="roll", arguments={"sides": sides}) for sides in (6, 0)]
    with ScriptedServer([Reply(tool_calls=calls), tool_call("nobody"), "Done."]) as server:
        first = await record(store, server, play)
    again = await twice(store, play, hits=5)
    assert sorted(ran) == [0, 6]
    results = [[event for event in events if type(event).__name__ == "ToolResultsEvent"] for events in (first, again)]
    assert results[0] == results[1]


async def test_what_a_tool_gives_comes_back_as_it_was_whatever_it_is(store: Path) -> None:
    gives: dict[str, Any] = {
        "text": "a",
        "number": 1.5,
        "nothing": None,
        "listed": [1, {"a": None}],
        "image": ag2.ImageInput(data=b"\x00\x01", media_type="image/png"),
        "several": ag2.ToolResult("a", {"b": 1}, metadata={"source": "x"}),
        "last": ag2.ToolResult("The end.", final=True),
    }

    async def play(server: ScriptedServer) -> Any:
        from ag2.testing import TestConfig

        tools = [
            ag2.tool(lambda _name=name: gives[_name], name=name, description="Gives.", schema=SCHEMA) for name in gives
        ]
        calls = [ag2.events.ToolCallEvent(name, id=name) for name in gives]
        reply = await ag2.Agent("helper", config=TestConfig(*calls), tools=tools).ask("Go.")
        return reply.body, [e.result for e in await reply.history.get_events() if hasattr(e, "result")]

    with ScriptedServer([]) as server:
        first = await record(store, server, play)
    assert first[0] == "The end."
    assert await twice(store, play, hits=2 * len(gives)) == first


SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


async def test_what_a_human_typed_and_what_code_printed_is_not_asked_for_again(store: Path) -> None:
    from ag2.tools import LocalEnvironment, SandboxCodeTool

    asked: list[str] = []

    async def ask_name(context: ag2.Context) -> str:
        return await context.input("Your name?")

    def ann(event: Any) -> str:
        asked.append(event.content)
        return "Ann"

    async def play(server: ScriptedServer) -> Any:
        tools = [ask_name, SandboxCodeTool(LocalEnvironment())]
        reply = await agent("helper", server, tools=tools, hitl_hook=ann).ask("Go.")
        return [event.result for event in await reply.history.get_events() if hasattr(event, "result")]

    code = "import time; print(time.time_ns())"
    with ScriptedServer(
        [tool_call("ask_name"), tool_call("run_code", code=code, language="python"), "Done."]
    ) as server:
        first = await record(store, server, play)
    assert await twice(store, play, hits=7) == first
    assert asked == ["Your name?"]


async def test_sub_agents_and_sub_tasks_are_asked_again_and_answered_from_the_cassette(store: Path) -> None:
    script = {
        "You lead": [
            tool_call("run_subtasks", tasks=["A", "B"], parallel=False),
            tool_call("task_child", objective="Count."),
            "Done.",
        ],
        "You work": lambda request: f"Did {request['messages'][-1]['content']}.",
        "You count": ["One."],
    }

    async def play(server: ScriptedServer) -> Any:
        child = agent("child", server, "You count.").as_tool(description="Counts.")
        boss = agent("boss", server, "You lead.", tools=[child], tasks=ag2.TaskConfig(prompt="You work."))
        reply = await boss.ask("Go.")
        return [event.results for event in await reply.history.get_events() if hasattr(event, "results")]

    for name in ("c.jsonl", "again.jsonl"):
        with ScriptedServer(rules(script)) as server:
            first = await record(store, server, play, name)
    assert (store / "c.jsonl").read_text() == (store / "again.jsonl").read_text()
    again, replaying = await replay(store, play)
    assert again == first
    assert (replaying.misses, replaying.unused()) == ((), ())


async def test_the_same_exception_is_raised_again(store: Path) -> None:
    import openai
    from ag2.exceptions import UnsupportedToolError

    async def refused(server: ScriptedServer) -> Any:
        with pytest.raises(openai.BadRequestError, match="too long") as raised:
            await agent("helper", server).ask("Go.")
        return str(raised.value)

    async def unsupported(server: ScriptedServer) -> Any:
        from ag2.testing import TestConfig

        with pytest.raises(UnsupportedToolError) as raised:
            await ag2.Agent("helper", config=TestConfig(UnsupportedToolError("x", "y"))).ask("Go.")
        return str(raised.value)

    for play, script in ((refused, [error(400, "too long")]), (unsupported, [])):
        with ScriptedServer(script) as server:
            first = await record(store, server, play)
        assert await twice(store, play, hits=1) == first


async def test_agents_at_the_same_time_get_each_their_own_answers(store: Path) -> None:
    async def play(server: ScriptedServer) -> Any:
        helper = agent("helper", server)
        replies = await asyncio.gather(*(helper.ask(f"n{n}") for n in range(5)))
        return [reply.body for reply in replies]

    with ScriptedServer(lambda request: f"Echo {request['messages'][-1]['content']}") as server:
        first = await record(store, server, play)
    assert await twice(store, play, hits=5) == first == [f"Echo n{n}" for n in range(5)]


async def test_another_question_than_was_recorded_is_a_miss_and_not_passed_on(store: Path) -> None:
    with ScriptedServer(["Yes."]) as server:
        await record(store, server, lambda server: agent("helper", server).ask("Go."))
    miss = plugins.sibling("scenarios.replaying").CassetteMissError
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"), pytest.raises(miss, match="Stay"):
        await agent("helper", silent).ask("Stay.")
    assert silent.log == []


async def test_the_recording_of_a_replay_is_as_the_first_one(store: Path) -> None:
    with ScriptedServer(TWO_TURNS) as server, recording(store, mode="record") as first:
        await two_turns(server)
    cassette = plugins.sibling("scenarios.cassette")
    cassette.from_runs(first.runs).write(store / "c.jsonl")
    replaying = plugins.sibling("scenarios.replaying").Replay.load(store / "c.jsonl")
    with ScriptedServer([]) as silent, recording(store, mode="replay", interceptors=(replaying,)) as second:
        await two_turns(silent)
    assert cassette.from_runs(second.runs).exchanges == cassette.from_runs(first.runs).exchanges
    assert [m.body for m in second.run.messages] == [m.body for m in first.run.messages]
    assert (second.run.summary.mode, second.run.summary.ending) == ("replay", "answered")
