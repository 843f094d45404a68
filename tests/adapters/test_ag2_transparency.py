"""The harness never breaks or changes an AG2 1.x program that it watches, and leaves nothing when it goes."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.call import Call, Reply
from harness.contents import Contents
from harness.model import Operation
from harness.trace import Trace, current
from tests.adapters.ag2_stage import add, ag2, agent, config, said, store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import ScriptedServer, error, rules, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


def owners() -> list[Any]:
    """Every class and module that a hook sits on, and those they inherit from."""
    from ag2.config import OpenAIConfig
    from ag2.config.openai.openai_client import OpenAIClient
    from ag2.context import ConversationContext
    from ag2.network import AgentClient, Hub, HumanClient
    from ag2.testing import TestClient, TestConfig
    from ag2.tools import executor
    from ag2.tools.final import FunctionTool
    from ag2.tools.sandbox import CodeAdapter
    from ag2.tools.sandbox.adapter.shell import ShellAdapter

    return [
        *(ag2.Agent, ag2.MemoryStream, ConversationContext, executor, FunctionTool, CodeAdapter, ShellAdapter),
        *(OpenAIConfig, OpenAIClient, TestConfig, TestClient, Hub, AgentClient, HumanClient),
    ]


async def talk(server: ScriptedServer) -> Any:
    """All that a program can see: events as plain and as interrupting observers get them, middleware, results."""
    seen: list[Any] = []

    class Middleware(ag2.middleware.BaseMiddleware):
        async def on_turn(self, call_next: Any, event: Any, context: Any) -> Any:
            seen.append("turn")
            return await call_next(event, context)

        async def on_llm_call(self, call_next: Any, events: Any, context: Any) -> Any:
            seen.append(("model", [type(event).__name__ for event in events]))
            return await call_next(events, context)

        async def on_tool_execution(self, call_next: Any, event: Any, context: Any) -> Any:
            seen.append(("tool", event.name))
            return await call_next(event, context)

        async def on_human_input(self, call_next: Any, event: Any, context: Any) -> Any:
            seen.append(("human", event.content))
            return await call_next(event, context)

    def interrupt(event: Any) -> Any:
        seen.append(("interrupted", type(event).__name__))
        return event

    async def ask_name(context: ag2.Context) -> str:
        return await context.input("Your name?")

    def explode(a: int) -> str:
        raise ValueError(a)

    script_tools = [add, ask_name, explode]
    helper = agent("helper", server, tools=script_tools, hitl_hook=lambda _: "Ann", middleware=[Middleware])
    async with helper.run("Go.") as run:
        run.stream.subscribe(interrupt, interrupt=True, sync_to_thread=False)
        run.stream.subscribe(lambda event: seen.append(type(event).__name__), sync_to_thread=False)
        first = await run.result()
    second = await first.ask("Again.")
    random = {"HumanInputRequest", "HumanMessage"}  # they carry ids that are new each time
    history = [event for event in await second.history.get_events() if type(event).__name__ not in random]
    return second.body, seen, [repr(event) for event in history], (await second.usage()).total


SCRIPT = [tool_call("add", a=1, b=2), tool_call("ask_name"), tool_call("explode", a=1), "First.", "Second."]


async def test_a_program_sees_the_same_events_in_the_same_order_and_sends_the_same_requests(store: Path) -> None:
    with ScriptedServer(SCRIPT) as server:
        bare, asked = await talk(server), [entry["request"] for entry in server.log]
    with ScriptedServer(SCRIPT) as server, recording(store):
        watched = await talk(server)
        assert [entry["request"] for entry in server.log] == asked
    assert watched == bare


async def test_exceptions_are_the_programs_own_objects(store: Path) -> None:
    from ag2.testing import TestConfig

    mine = RuntimeError("mine")
    with recording(store), pytest.raises(RuntimeError) as raised:
        await ag2.Agent("helper", config=TestConfig(mine)).ask("Go.")
    assert raised.value is mine


async def test_taking_the_harness_off_leaves_every_class_as_it_was(store: Path) -> None:
    before = [dict(vars(owner)) for owner in owners()]
    with ScriptedServer([tool_call("add", a=1, b=2), "Done."]) as server, recording(store):
        await agent("helper", server, tools=[add]).ask("Go.")
        assert [dict(vars(owner)) for owner in owners()] != before
    assert [dict(vars(owner)) for owner in owners()] == before
    assert current() is None


async def test_agents_that_were_built_before_are_recorded_whole_and_those_left_over_go_on_without(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "Three.", "Again."]) as server:
        helper = agent("helper", server, tools=[add])
        with recording(store) as seen:
            reply = await helper.ask("Go.")
        assert (await reply.ask("And?")).body == "Again."
    assert [text for _, _, text in said(seen.run)] == ["Go.", "add(…)", "3", "Three."]
    assert seen.run.summary.tool_calls == 1


async def test_a_reply_from_before_goes_on_watched(store: Path) -> None:
    with ScriptedServer(["First.", "Second."]) as server:
        reply = await agent("helper", server).ask("Go.")
        with recording(store) as seen:
            await reply.ask("And?")
    (call,) = seen.run.calls
    assert [body["role"] for body in call.request["messages"]] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("broken", ["open", "close", "spoken", "part", "context", "_asked", "_answered"])
async def test_a_fault_of_ours_changes_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError("a fault of ours")

    script = rules({"You lead": [tool_call("task_child", objective="Count."), "Done."], "You count": ["One."]})

    async def play(server: ScriptedServer) -> Any:
        child = agent("child", server, "You count.").as_tool(description="Counts.")
        return (await agent("boss", server, "You lead.", tools=[child]).ask("Go.")).body

    monkeypatch.setattr(Contents if hasattr(Contents, broken) else Trace, broken, harness.trace.safely(fail))
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with ScriptedServer(script) as server:
        harness.instrument(store)
        assert await play(server) == "Done."
        assert len(server.log) == 3
    assert current() is None


async def test_someone_in_between_may_answer_for_the_model_and_the_tool(store: Path) -> None:
    def answers(call: Call) -> Any:
        if call.operation is Operation.TOOL:
            return Reply(value={"result": 41})
        if len(call.request["messages"]) == 2:
            part = {"type": "tool_call", "id": "1", "name": "add", "arguments": {"a": 1, "b": 2}}
            return Reply(value={"message": {"role": "assistant", "parts": [part]}})
        reply = yield call
        return reply

    with ScriptedServer(["It is 41."]) as server, recording(store, interceptors=(answers,)):
        reply = await agent("helper", server, tools=[add]).ask("Go.")
        assert server.log[0]["request"]["messages"][-1]["content"] == "41"
    assert reply.body == "It is 41."


async def test_mocks_of_the_programs_own_stay_as_they_are(store: Path) -> None:
    from unittest.mock import AsyncMock, CallableMixin

    from ag2.events import ModelMessage, ModelResponse

    before = dict(vars(CallableMixin))
    client = AsyncMock(return_value=ModelResponse(ModelMessage("Mocked.")))

    class Config:
        model = "mocked"

        def create(self) -> Any:
            return client

    with recording(store) as seen:
        reply = await ag2.Agent("helper", config=Config()).ask("Go.")
        assert dict(vars(CallableMixin)) == before
    assert reply.body == "Mocked."
    assert client.await_count == seen.run.summary.model_calls == 1


async def test_turns_on_one_stream_still_wait_for_one_another(store: Path) -> None:
    with ScriptedServer(lambda request: f"After {len(request['messages'])}") as server, recording(store) as seen:
        helper, stream = agent("helper", server), ag2.MemoryStream()
        await asyncio.gather(*(helper.ask(f"n{n}", stream=stream) for n in range(3)))
    replies = [message.text for run in seen.runs for message in run.messages if message.sender == "helper"]
    assert sorted(replies) == ["After 2", "After 4", "After 6"]


def test_hooks_keep_the_signatures_and_the_kinds_of_what_they_wrap(store: Path) -> None:
    from ag2.context import ConversationContext

    before = {name: inspect.signature(getattr(ag2.Agent, name)) for name in ("_drive_scope", "_prepare_turn", "ask")}
    with recording(store):
        assert {name: inspect.signature(getattr(ag2.Agent, name)) for name in before} == before
        assert inspect.iscoroutinefunction(ConversationContext.send)
        assert ConversationContext.send.__name__ == "send"


def test_ag2_and_its_network_are_not_imported_unless_the_program_does(tmp_path: Path) -> None:
    program = (
        "import sys, harness; harness.instrument(sys.argv[1]); assert 'ag2' not in sys.modules; import ag2;"
        "assert 'ag2.network' not in sys.modules; harness.uninstrument()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_server_that_fails_raises_as_without_us(store: Path) -> None:
    import openai

    async def play() -> tuple[type, str, type]:
        with ScriptedServer([error(429, "slow down")]) as server, pytest.raises(openai.RateLimitError) as raised:
            await agent("helper", server, config=config(server, max_retries=0)).ask("Go.")
        return type(raised.value), str(raised.value), type(raised.value.__cause__)

    bare = await play()
    with recording(store):
        assert await play() == bare
