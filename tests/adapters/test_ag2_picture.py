"""What an AG2 1.x conversation looks like once it is recorded, compared with what the framework and the server say."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import semconv
from harness.model import Operation, RunStatus, Status
from tests.adapters.ag2_stage import add, ag2, agent, config, said, store, tokens
from tests.adapters.recorded import THEIR_WARNINGS, Recorded, recording
from tests.server import Reply, ScriptedServer, ToolCall, rules, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


def names(seen: Recorded, operation: Operation, attribute: str) -> list[Any]:
    return [span.attributes.get(attribute) for span in seen.spans(operation)]


async def test_two_turns_with_a_tool_are_one_run_as_the_server_tells_it(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "It is 3.", "Still 3."]) as server, recording(store) as seen:
        reply = await agent("helper", server, tools=[add]).ask("What is 1 + 2?")
        again = await reply.ask("Sure?")
    run = seen.run
    assert again.body == "Still 3."
    assert said(run) == [
        ("user", ("helper",), "What is 1 + 2?"),
        ("helper", (), "add(…)"),
        ("helper", (), "3"),
        ("helper", ("user",), "It is 3."),
        ("user", ("helper",), "Sure?"),
        ("helper", ("user",), "Still 3."),
    ]
    assert run.summary.model_calls == len(server.log) == 3
    assert run.summary.tool_calls == server.tool_calls.total() == 1
    assert (run.summary.input_tokens, run.summary.output_tokens) == server.tokens
    assert run.summary.cost_usd == pytest.approx(
        0.15e-6 * tokens(server, "prompt") + 0.6e-6 * tokens(server, "completion")
    )
    assert run.summary.turns == 2
    assert run.summary.status is RunStatus.FINISHED
    assert run.summary.framework == f"ag2 {ag2.__version__}"
    assert seen.ending == ("answered", "helper", "stop")


async def test_every_call_stands_under_the_turn_and_every_message_under_the_conversation(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "3."]) as server, recording(store) as seen:
        await agent("helper", server, tools=[add]).ask("Go.")
    (talk,) = seen.spans(Operation.CONVERSATION)
    (turn,) = seen.spans(Operation.TURN)
    assert turn.attributes[semconv.GEN_AI_AGENT] == "helper"
    assert [span.parent_id for span in seen.spans(Operation.CHAT)] == [turn.span_id, turn.span_id]
    assert [span.parent_id for span in seen.spans(Operation.TOOL)] == [turn.span_id]
    assert {span.parent_id for span in (*seen.spans(Operation.MESSAGE), turn)} == {talk.span_id}


async def test_a_model_call_names_what_the_server_was_sent(store: Path) -> None:
    script = [Reply(tool_calls=[ToolCall(name="add", arguments={"a": n, "b": 1}) for n in (1, 2)]), "Done."]
    with ScriptedServer(script) as server, recording(store) as seen:
        await agent("helper", server, tools=[add], config=config(server, temperature=0.5)).ask("Go.")
    calls = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    for call, entry in zip(calls, server.log, strict=True):
        sent = entry["request"]
        assert [body["role"] for body in call.request["messages"]] == [body["role"] for body in sent["messages"]]
        assert call.request["parameters"]["temperature"] == sent["temperature"] == 0.5
        assert [tool["function"]["name"] for tool in call.request["tools"]] == ["add"]
        assert call.span.attributes[semconv.GEN_AI_PROVIDER] == "openai"
        assert call.reply is not None
        assert call.reply["id"] == entry["response"]["id"]
    assert [part["response"] for part in seen.run.messages[2].body["parts"]] == [2, 3]


async def test_an_agent_as_a_tool_is_a_conversation_inside_the_call_and_its_tokens_count_once(store: Path) -> None:
    script = rules({"You lead": [tool_call("task_child", objective="Count."), "Done."], "You count": ["One."]})
    with ScriptedServer(script) as server, recording(store) as seen:
        child = agent("child", server, "You count.")
        reply = await agent("boss", server, "You lead.", tools=[child.as_tool(description="Counts.")]).ask("Go.")
        used = (await reply.usage()).total
    outer, inner = seen.spans(Operation.CONVERSATION)
    (tool,) = seen.spans(Operation.TOOL)
    assert inner.parent_id == tool.span_id
    assert inner.attributes[semconv.GEN_AI_WORKFLOW] == "boss → child"
    assert ("boss", ("child",), "Count.") in said(seen.run)
    assert ("child", ("boss",), "One.") in said(seen.run)
    assert seen.run.summary.model_calls == len(server.log) == 3
    assert (seen.run.summary.input_tokens, seen.run.summary.output_tokens) == server.tokens
    assert (used.prompt_tokens, used.completion_tokens) == server.tokens
    assert json.loads(outer.attributes[semconv.HARNESS_AGENTS])[0]["agents"] == ["child"]


async def test_sub_tasks_at_the_same_time_do_not_mix_and_have_no_random_names(store: Path) -> None:
    both = [ToolCall(name="run_subtask", arguments={"task": task}) for task in ("A", "B")]
    script = rules(
        {
            "You lead": [Reply(tool_calls=both), "Done."],
            "You work": lambda request: f"Did {request['messages'][-1]['content']}.",
        }
    )
    with ScriptedServer(script) as server, recording(store) as seen:
        await agent("boss", server, "You lead.", tasks=ag2.TaskConfig(prompt="You work.")).ask("Go.")
    inner = seen.spans(Operation.CONVERSATION)[1:]
    assert [span.attributes[semconv.GEN_AI_WORKFLOW] for span in inner] == ["boss → subtask"] * 2
    said = [
        [message.text for message in seen.run.messages if message.conversation_id == talk.span_id] for talk in inner
    ]
    assert sorted(said) == [["A", "Did A."], ["B", "Did B."]]
    assert seen.run.summary.model_calls == len(server.log) == 4


async def test_a_sub_agent_in_the_background_belongs_to_the_run_and_what_it_brings_is_said(store: Path) -> None:
    from ag2.tools.subagents import background_agent_tool

    hold, delivered = threading.Event(), asyncio.Event()
    script = rules(
        {
            "You lead": [tool_call("background_task_child", objective="Count."), "Begun.", "So."],
            "You count": [Reply(text="One.", hold=hold)],
        }
    )

    def saw(event: Any) -> None:
        if type(event).__name__ == "MessageEnqueued":
            delivered.set()

    with ScriptedServer(script) as server, recording(store) as seen:
        child = agent("child", server, "You count.")
        boss = agent("boss", server, "You lead.", tools=[background_agent_tool(child, description="Counts.")])
        stream = ag2.MemoryStream()
        stream.subscribe(saw, sync_to_thread=False)
        reply = await boss.ask("Go.", stream=stream)
        hold.set()
        await asyncio.wait_for(delivered.wait(), 30)
        await reply.ask("And?")
    assert ("child", ("boss",), "One.") in said(seen.run)
    brought = [message.text for message in seen.run.messages if "completed" in message.text]
    assert brought == ["Background task [id 1] (Count.) completed:\nOne."]
    assert seen.run.summary.model_calls == len(server.log) == 4


async def test_a_streamed_reply_is_whole_and_says_when_its_first_chunk_came(store: Path) -> None:
    chunks: list[str] = []

    def saw(event: Any) -> None:
        if type(event).__name__ == "ModelMessageChunk":
            chunks.append(event.content)

    text = "A long reply that takes more than one chunk."
    with ScriptedServer([text]) as server, recording(store) as seen:
        helper = agent("helper", server, config=config(server, streaming=True))
        async with helper.run("Go.") as run:
            run.stream.subscribe(saw)
            reply = await run.result()
    (chat,) = seen.spans(Operation.CHAT)
    assert reply.body == "".join(chunks) == text
    assert len(chunks) > 1
    assert seen.run.messages[-1].text == text
    assert 0 < chat.attributes[semconv.GEN_AI_TIME_TO_FIRST_CHUNK] <= ((chat.end_ns or 0) - chat.start_ns) / 1e9
    assert chat.attributes[semconv.GEN_AI_REQUEST_STREAM] is True
    assert (seen.run.summary.input_tokens, seen.run.summary.output_tokens) == server.tokens


async def test_upkeep_of_the_history_is_model_calls_of_the_agent_and_nothing_that_is_said(store: Path) -> None:
    from ag2.aggregate import AggregateTrigger, ConversationSummaryAggregate
    from ag2.compact import CompactTrigger, SummarizeCompact
    from ag2.knowledge import MemoryKnowledgeStore

    with ScriptedServer(lambda _: "Short.") as server, recording(store) as seen:
        knowledge = ag2.KnowledgeConfig(
            store=MemoryKnowledgeStore(),
            compact=SummarizeCompact(2, config(server)),
            compact_trigger=CompactTrigger(max_events=3),
            aggregate=ConversationSummaryAggregate(config(server)),
            aggregate_trigger=AggregateTrigger(on_end=True),
        )
        reply = await agent("helper", server, knowledge=knowledge).ask("One.")
        reply = await reply.ask("Two.")
        used = (await reply.usage()).total
    assert names(seen, Operation.CHAT, semconv.GEN_AI_AGENT) == ["helper"] * len(server.log)
    assert len(server.log) == 5
    assert (used.prompt_tokens, used.completion_tokens) == server.tokens
    assert (seen.run.summary.input_tokens, seen.run.summary.output_tokens) == server.tokens
    assert [text for _, _, text in said(seen.run)] == ["One.", "Short.", "Two.", "Short."]


async def test_a_tool_that_fails_one_that_nobody_knows_and_one_that_is_denied_say_so(store: Path) -> None:
    from ag2.middleware import approval_required

    def explode(a: int) -> str:
        raise ValueError("no sides")

    def guarded() -> str:
        raise AssertionError

    script = [tool_call("explode", a=1), tool_call("nobody"), tool_call("guarded"), "Sorry."]
    with ScriptedServer(script) as server, recording(store) as seen:
        denied = ag2.tool(guarded, middleware=[approval_required()])
        helper = agent("helper", server, tools=[explode, denied], hitl_hook=lambda _event: "no")
        await helper.ask("Go.")
    tools = seen.spans(Operation.TOOL)
    assert [span.status for span in tools] == [Status.ERROR] * 3
    assert [span.attributes[semconv.ERROR_TYPE] for span in tools] == [
        "ValueError",
        "ToolNotRunError",
        "ToolNotRunError",
    ]
    assert [span.attributes[semconv.ERROR_MESSAGE] for span in tools] == [
        "no sides",
        "ToolNotFoundError: Tool `nobody` not found",
        "User denied the tool call request",
    ]
    answers = [message.text for message in seen.run.messages if message.role == "tool"]
    assert answers == [
        "ValueError: no sides",
        "ToolNotFoundError: Tool `nobody` not found",
        "User denied the tool call request",
    ]
    assert names(seen, Operation.HUMAN, semconv.HARNESS_HUMAN_INPUT) == ["no"]
    assert seen.run.summary.status is RunStatus.FINISHED


async def test_tools_of_every_registration_style_are_recorded(store: Path) -> None:
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    @ag2.tool
    def decorated(a: int) -> dict[str, int]:
        return {"a": a}

    kit = ag2.Toolkit()

    @kit.tool
    def kept(a: int) -> list[int]:
        return [a]

    script = [tool_call(name, a=1) for name in ("later", "decorated", "kept", "on_agent", "for_turn")] + ["Done."]
    with ScriptedServer(script) as server, recording(store) as seen:
        helper = agent("helper", server, tools=[later, decorated, kit])

        @helper.tool
        def on_agent(a: int) -> str:
            return str(a)

        @ag2.tool
        def for_turn(a: int) -> bool:
            return bool(a)

        await helper.ask("Go.", tools=[for_turn])
    assert [call.reply for call in seen.run.calls if call.span.operation is Operation.TOOL] == [
        {"result": 2},
        {"result": {"a": 1}},
        {"result": [1]},
        {"result": "1"},
        {"result": True},
    ]


async def test_what_a_human_is_asked_and_types_is_recorded_also_through_a_sub_agent(store: Path) -> None:
    async def ask_name(context: ag2.Context) -> str:
        return await context.input("Your name?")

    script = rules(
        {"You lead": [tool_call("task_child", objective="Ask."), "Done."], "You ask": [tool_call("ask_name"), "Ann."]}
    )
    with ScriptedServer(script) as server, recording(store) as seen:
        child = agent("child", server, "You ask.", tools=[ask_name])
        boss = agent("boss", server, "You lead.", tools=[child.as_tool(description="Asks.")], hitl_hook=lambda _: "Ann")
        await boss.ask("Go.")
    (human,) = seen.spans(Operation.HUMAN)
    assert human.attributes[semconv.GEN_AI_AGENT] == "child"
    assert human.attributes[semconv.HARNESS_HUMAN_PROMPT] == "Your name?"
    assert human.attributes[semconv.HARNESS_HUMAN_INPUT] == "Ann"
    above = seen.parent(human)
    assert above is not None
    assert above.attributes[semconv.GEN_AI_TOOL_NAME] == "ask_name"


async def test_code_and_commands_say_where_they_run_and_how_they_end(store: Path) -> None:
    from ag2.tools import LocalEnvironment, SandboxCodeTool, SandboxShellTool

    script = [
        tool_call("run_code", code="print(6 * 7)", language="python"),
        tool_call("run_shell_command", command="echo hi; false"),
        "Done.",
    ]
    with ScriptedServer(script) as server, recording(store) as seen:
        environment = LocalEnvironment()
        helper = agent("helper", server, tools=[SandboxCodeTool(environment), SandboxShellTool(environment)])
        await helper.ask("Go.")
    code = [call for call in seen.run.calls if call.span.operation is Operation.CODE]
    assert [(call.name, call.reply) for call in code] == [
        ("python", {"exit_code": 0, "output": "42"}),
        ("sh", {"exit_code": 1, "output": "hi\n[exit code: 1]"}),
    ]
    for call in code:
        assert call.span.attributes[semconv.HARNESS_CODE_EXECUTOR] == "LocalEnvironment"
        assert call.span.attributes[semconv.HARNESS_CODE_SANDBOXED] is False
        above = seen.parent(call.span)
        assert above is not None
        assert above.operation is Operation.TOOL


async def test_conversations_at_the_same_time_are_runs_of_their_own(store: Path) -> None:
    with ScriptedServer(lambda request: f"Echo {request['messages'][-1]['content']}") as server:
        with recording(store) as seen:
            helper = agent("helper", server)
            await asyncio.gather(*(helper.ask(f"n{n}") for n in range(4)))
        texts = sorted([message.text for message in run.messages] for run in seen.runs)
    assert texts == [[f"n{n}", f"Echo n{n}"] for n in range(4)]
    assert [run.summary.model_calls for run in seen.runs] == [1] * 4


def test_conversations_in_threads_are_runs_of_their_own_unless_a_run_is_asked_for(store: Path) -> None:
    with ScriptedServer(lambda _: "Yes.") as server:
        helper = agent("helper", server)

        def ask(text: str) -> None:
            asyncio.run(helper.ask(text))

        with recording(store) as seen:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(ask, "ab"))
            with harness.run("together", id="one"), ThreadPoolExecutor(2) as pool:
                list(pool.map(ask, "cd"))
    assert sorted(run.summary.messages for run in seen.runs) == [2, 2, 4]
    assert [run.run_id for run in seen.runs if run.summary.messages == 4] == ["one"]


async def test_the_usage_of_any_provider_is_counted_as_opentelemetry_does(store: Path) -> None:
    from ag2.events import ModelMessage, ModelResponse, Usage
    from ag2.testing import TestConfig

    def response(provider: str, **usage: int) -> ModelResponse:
        return ModelResponse(ModelMessage("Hi."), usage=Usage(**usage), provider=provider, model="gpt-4o-mini")

    told = [
        response("openai", prompt_tokens=10, completion_tokens=5, cache_read_input_tokens=4, thinking_tokens=2),
        response("anthropic", prompt_tokens=6, completion_tokens=5, cache_read_input_tokens=4),
        response("gemini", prompt_tokens=10, completion_tokens=3, total_tokens=15, thinking_tokens=2),
    ]
    with recording(store) as seen:
        for each in told:
            await ag2.Agent("helper", config=TestConfig(each)).ask("Go.")
    for run in seen.runs:
        assert (run.summary.input_tokens, run.summary.output_tokens) == (10, 5)
    chats = [span for run in seen.runs for span in run.spans if span.operation is Operation.CHAT]
    assert [span.attributes.get(semconv.GEN_AI_CACHE_READ_TOKENS) for span in chats] == [4, 4, None]
    assert [span.attributes.get(semconv.GEN_AI_REASONING_TOKENS) for span in chats] == [2, None, 2]


async def test_a_config_of_the_programs_own_is_asked_through_the_seam_whatever_its_client_is(store: Path) -> None:
    from ag2.events import ModelMessage, ModelResponse

    class Client:
        async def __call__(self, messages: Any, context: Any, **_: Any) -> ModelResponse:
            return ModelResponse(ModelMessage(f"Object after {len(messages)}."))

    async def function(messages: Any, context: Any, **_: Any) -> ModelResponse:
        return ModelResponse(ModelMessage(f"Function after {len(messages)}."))

    class Config:
        model = "my-model"

        def __init__(self, client: Any) -> None:
            self.client = client

        def create(self) -> Any:
            return self.client

    with recording(store) as seen:
        for client in (Client(), function):
            reply = await ag2.Agent("helper", config=Config(client)).ask("Go.")
            await reply.ask("Again.")
    assert [run.summary.model_calls for run in seen.runs] == [2, 2]
    assert {call.model for run in seen.runs for call in run.calls} == {"my-model"}
    assert [run.messages[1].text for run in seen.runs] == ["Object after 1.", "Function after 1."]


async def test_how_an_agent_is_set_up_is_told_on_its_conversation(store: Path) -> None:
    from ag2.middleware import RetryMiddleware, approval_required
    from ag2.observers import LoopDetector
    from ag2.tools import LocalEnvironment, SandboxCodeTool

    with ScriptedServer(["Yes."]) as server, recording(store) as seen:
        guarded = ag2.tool(add, name="guarded", middleware=[approval_required()])
        helper = agent(
            "helper",
            server,
            tools=[add, guarded, SandboxCodeTool(LocalEnvironment())],
            hitl_hook=lambda _: "y",
            tasks=ag2.TaskConfig(max_concurrency=2),
            middleware=[RetryMiddleware()],
            observers=[LoopDetector()],
        )
        await helper.ask("Go.")
    (talk,) = seen.spans(Operation.CONVERSATION)
    assert json.loads(talk.attributes[semconv.HARNESS_AGENTS]) == [
        {
            "name": "helper",
            "type": "Agent",
            "models": ["gpt-4o-mini"],
            "tools": ["add", "guarded", "run_code"],
            "code_execution": "LocalEnvironment",
            "human_input": True,
            "approval": ["guarded"],
            "subtasks": {"max_concurrency": 2},
            "middleware": ["RetryMiddleware"],
            "observers": ["LoopDetector"],
        }
    ]


async def test_each_run_says_its_own_framework_where_there_are_several(store: Path) -> None:
    stage = pytest.importorskip("tests.adapters.stage")
    with ScriptedServer(["Yes.", "TERMINATE"]) as server, recording(store) as seen:
        await agent("helper", server).ask("Go.")
        stage.proxy().initiate_chat(stage.assistant("helper", server), message="Go.")
    assert [str(run.summary.framework).split()[0] for run in seen.runs] == ["ag2", "autogen"]


@pytest.mark.parametrize(
    "sent",
    [{"extra_body": {"agentwall_run_id": "mine"}}, {"default_headers": {"X-AgentWall-Run-ID": "mine"}}],
)
async def test_agents_whose_configs_send_the_same_run_id_are_one_run_of_that_id(
    store: Path, sent: dict[str, Any]
) -> None:
    with ScriptedServer(["One.", "Two.", "Three."]) as server, recording(store) as seen:
        for name in ("one", "two"):
            await agent(name, server, config=config(server, **sent)).ask("Go.")
        await agent("three", server).ask("Go.")
    assert sorted(run.summary.messages for run in seen.runs if run.run_id == "mine") == [4]
    assert len({run.run_id for run in seen.runs}) == 2
