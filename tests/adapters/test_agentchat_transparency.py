"""The harness never breaks or changes the AgentChat program it watches, and leaves nothing when it goes."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import inspect
import pickle
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat import base, messages
from autogen_agentchat.teams._group_chat import _base_group_chat_manager, _chat_agent_container, _events
from autogen_agentchat.teams._group_chat._magentic_one import _magentic_one_orchestrator
from autogen_core import BaseAgent as CoreAgent
from autogen_core import CancellationToken, RoutedAgent
from autogen_core.logging import LLMCallEvent
from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage, UserMessage
from autogen_core.tools import BaseTool, FunctionTool, StaticStreamWorkbench, StaticWorkbench, Workbench
from autogen_ext.models.cache import ChatCompletionCache
from autogen_ext.models.openai import _openai_client
from autogen_ext.models.replay import ReplayChatCompletionClient

import harness
from harness import semconv
from harness.call import Call
from harness.call import Reply as Answer
from harness.model import Operation
from harness.trace import Trace, current
from tests.adapters.agentchat_stage import (
    agents,
    assistant,
    client,
    closed_clients,
    conditions,
    pair,
    said,
    says,
    teams,
)
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.adapters.test_agentchat_picture import ROUND
from tests.server import ScriptedServer, error, rules, tool_call

pytestmark = [*THEIR_WARNINGS, pytest.mark.usefixtures(closed_clients.__name__)]
CLASSES = [
    agents.AssistantAgent,
    agents.BaseChatAgent,
    agents.CodeExecutorAgent,
    agents.MessageFilterAgent,
    agents.SocietyOfMindAgent,
    agents.UserProxyAgent,
    teams.BaseGroupChat,
    _base_group_chat_manager.BaseGroupChatManager,
    _chat_agent_container.ChatAgentContainer,
    _events.SerializableException,
    _magentic_one_orchestrator.MagenticOneOrchestrator,
    CoreAgent,
    RoutedAgent,
    LLMCallEvent,
    ChatCompletionClient,
    ChatCompletionCache,
    _openai_client.BaseOpenAIChatCompletionClient,
    ReplayChatCompletionClient,
    _openai_client,
    BaseTool,
    FunctionTool,
    Workbench,
    StaticWorkbench,
    StaticStreamWorkbench,
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"
    harness.uninstrument()


class Clock:
    """A tool, a filter and a function of the program's own, that note how they are called."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def add(self, a: int, b: int) -> int:
        """Add."""
        self.seen.append((a, b))
        return a + b

    def choose(self, thread: Any) -> None:
        self.seen.append([message.source for message in thread])

    def stop(self, delta: Any) -> bool:
        self.seen.append(len(delta))
        return "TERMINATE" in delta[-1].to_text()


async def program(server: ScriptedServer) -> tuple[list[Any], Any, list[Any]]:
    """A program with all that can be called: what its stream gave, its result, and how it was called itself."""
    clock = Clock()
    members = [
        assistant("adder", server, "You add.", tools=[clock.add], model_client_stream=True, reflect_on_tool_use=True),
        assistant("judge", server, "You judge."),
    ]
    team = teams.SelectorGroupChat(
        members,
        client(server),
        selector_func=clock.choose,
        termination_condition=conditions.FunctionalTermination(clock.stop),
        emit_team_events=True,
    )
    items = [item async for item in team.run_stream(task="Go.")]
    given = [(type(item).__name__, getattr(item, "content", None)) for item in items]
    return given, items[-1], clock.seen


SCRIPT = {
    "role play": ["adder", "judge", "adder"],
    "You add": [tool_call("add", a=1, b=2), "It is 3.", "Done. TERMINATE"],
    "You judge": ["Sure?"],
}


async def test_a_program_gets_the_same_stream_and_its_own_functions_the_same_calls(store: Path) -> None:
    with ScriptedServer(rules(SCRIPT)) as server:
        bare, bare_result, bare_calls = await program(server)
    with ScriptedServer(rules(SCRIPT)) as server, recording(store):
        watched, result, calls = await program(server)
    assert watched == bare
    assert (said(result), result.stop_reason) == (said(bare_result), bare_result.stop_reason)
    assert [m.models_usage for m in result.messages] == [m.models_usage for m in bare_result.messages]
    assert calls == bare_calls


async def test_a_failing_team_raises_the_same_words(store: Path) -> None:
    class Sick(agents.AssistantAgent):
        async def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:
            async for item in super().on_messages_stream(messages, cancellation_token):
                yield item

    async def failure() -> str:
        with ScriptedServer([error(400, "too long")]) as server:
            team = teams.RoundRobinGroupChat([Sick("sick", client(server))], max_turns=1)
            with pytest.raises(RuntimeError) as caught:
                await team.run(task="Go.")
        return re.sub(r"127\.0\.0\.1:\d+", "(here)", str(caught.value))

    bare = await failure()
    with recording(store):
        assert await failure() == bare
    assert "Traceback" in bare


async def test_an_exception_of_the_programs_own_comes_through_as_it_is(store: Path) -> None:
    class OwnError(Exception):
        pass

    class Sick(agents.AssistantAgent):
        async def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:
            raise OwnError("mine")
            yield

    with ScriptedServer([]) as server, recording(store) as seen, pytest.raises(OwnError, match="mine"):
        await Sick("sick", client(server)).run(task="Go.")
    assert seen.ending[0] == "error"
    assert str(seen.ending[2]).endswith("OwnError")


async def test_taking_the_harness_off_leaves_every_class_as_it_was(store: Path) -> None:
    before = [dict(vars(owner)) for owner in CLASSES]
    with ScriptedServer(rules(SCRIPT)) as server, recording(store):
        await program(server)
        changed = [owner for owner, was in zip(CLASSES, before, strict=True) if dict(vars(owner)) != was]
        assert set(CLASSES) - set(changed) <= {_magentic_one_orchestrator.MagenticOneOrchestrator, FunctionTool} | {
            agents.CodeExecutorAgent, _chat_agent_container.ChatAgentContainer,
        }  # fmt: skip
    assert [dict(vars(owner)) for owner in CLASSES] == before
    assert current() is None


def test_what_a_method_is_can_still_be_told(store: Path) -> None:
    def kinds() -> list[tuple[bool, bool, str, Any]]:
        methods = [
            teams.BaseGroupChat.run_stream,
            agents.AssistantAgent.on_messages_stream,
            agents.AssistantAgent.on_messages,
            agents.BaseChatAgent.run,
            _openai_client.BaseOpenAIChatCompletionClient.create,
            _openai_client.BaseOpenAIChatCompletionClient.create_stream,
            StaticStreamWorkbench.call_tool_stream,
            agents.AssistantAgent._execute_tool_call,
        ]
        return [
            (
                inspect.isasyncgenfunction(method),
                inspect.iscoroutinefunction(method),
                method.__qualname__,
                inspect.signature(method),
            )
            for method in methods
        ]

    bare = kinds()
    with recording(store):
        assert kinds() == bare
        assert set(agents.BaseChatAgent.__abstractmethods__) == {"on_messages", "on_reset", "produced_message_types"}


async def test_teams_that_were_built_and_ran_before_are_recorded_whole(store: Path) -> None:
    with ScriptedServer(lambda _: "Mine.") as server:
        team = pair(server, termination_condition=None, max_turns=2)
        await team.run(task="Before.")
        with recording(store) as seen:
            result = await team.run(task="After.")
        await team.run(task="And without.")
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    assert seen.run.summary.turns == 2
    assert seen.run.summary.model_calls == 2
    assert [span.attributes[semconv.HARNESS_SELECTION_CHOICE] for span in seen.spans(Operation.SELECTION)] == [
        "writer", "critic",
    ]  # fmt: skip


async def test_a_team_that_runs_while_the_harness_comes_or_goes_is_not_disturbed(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server:
        stream = pair(server).run_stream(task="Go.")
        items = [await anext(stream)]
        harness.instrument(store)
        items.append(await anext(stream))
        harness.uninstrument()
        items += [item async for item in stream]
    assert items[-1].stop_reason == "Text 'TERMINATE' mentioned"
    assert [item.content for item in items[:-1]] == ["Go.", "Draft.", "Too short.", "Better. TERMINATE"]


async def test_components_are_dumped_and_loaded_as_ever(store: Path) -> None:
    def dumped() -> Any:
        helper = agents.AssistantAgent("helper", ReplayChatCompletionClient(["Yes."]))
        team = teams.RoundRobinGroupChat([helper], termination_condition=says(), max_turns=1)
        return team.dump_component().model_dump()

    bare = dumped()
    with recording(store) as seen:
        assert dumped() == bare
        team = teams.RoundRobinGroupChat.load_component(dumped())
        result = await team.run(task="Go.")
    assert said(result) == [("user", "Go."), ("helper", "Yes.")]
    assert len(seen.run.messages) == 2


async def test_clients_and_messages_are_copied_and_pickled_as_ever(store: Path) -> None:
    with ScriptedServer(["Yes."]) as server, recording(store):
        twin = copy.deepcopy(client(server))
        again = pickle.loads(pickle.dumps(messages.TextMessage(content="Go.", source="user")))  # noqa: S301
        result = await agents.AssistantAgent("helper", twin).run(task=again)
        await twin.close()
    assert said(result) == [("user", "Go."), ("helper", "Yes.")]


async def test_state_is_saved_and_loaded_as_ever(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store):
        team = pair(server)
        await team.run(task="Go.")
        state = await team.save_state()
        other = pair(server)
        await other.load_state(state)
        assert (await other.save_state())["agent_states"].keys() == state["agent_states"].keys()
        await team.reset()


async def test_a_class_of_clients_defined_while_watched_is_recorded(store: Path) -> None:
    with recording(store) as seen:

        class Own(ChatCompletionClient):
            component_type = "replay"

            async def create(self, messages: Any, **kwargs: Any) -> CreateResult:
                return CreateResult(content="Own.", finish_reason="stop", usage=RequestUsage(3, 4), cached=False)

            def create_stream(self, messages: Any, **kwargs: Any) -> AsyncIterator[Any]:
                raise NotImplementedError

            async def close(self) -> None: ...
            def actual_usage(self) -> Any: ...
            def total_usage(self) -> Any: ...
            def count_tokens(self, *args: Any, **kwargs: Any) -> int:
                return 0

            def remaining_tokens(self, *args: Any, **kwargs: Any) -> int:
                return 0

            @property
            def capabilities(self) -> Any:
                return self.model_info

            @property
            def model_info(self) -> Any:
                return {"vision": False, "function_calling": True, "json_output": True, "family": "unknown"}

        await agents.AssistantAgent("helper", Own()).run(task="Go.")
    (chat,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert (chat.model, chat.agent, chat.usage.input_tokens, chat.usage.output_tokens) == ("Own", "helper", 3, 4)


async def test_an_agent_of_the_programs_own_and_its_helpers_are_recorded(store: Path) -> None:
    class Own(agents.BaseChatAgent):
        def __init__(self, helper: Any) -> None:
            super().__init__("own", "Asks another.")
            self.helper = helper

        @property
        def produced_message_types(self) -> Any:
            return (messages.TextMessage,)

        async def on_messages(self, given: Any, cancellation_token: Any) -> base.Response:
            inner = await self.helper.on_messages(given, cancellation_token)
            said = messages.TextMessage(content=f"They say: {inner.chat_message.content}", source=self.name)
            return base.Response(chat_message=said)

        async def on_reset(self, cancellation_token: Any) -> None: ...

    with ScriptedServer(["Yes."]) as server, recording(store) as seen:
        result = await teams.RoundRobinGroupChat([Own(assistant("helper", server))], max_turns=1).run(task="Go.")
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    own, helper = seen.spans(Operation.TURN)
    assert helper.parent_id == own.span_id
    (chat,) = seen.spans(Operation.CHAT)
    assert (chat.parent_id, chat.attributes[semconv.GEN_AI_AGENT]) == (helper.span_id, "helper")


async def test_a_tool_and_a_model_called_by_the_program_itself_are_recorded(store: Path) -> None:
    with ScriptedServer(["Yes."]) as server, recording(store) as seen:
        tool = FunctionTool(Clock().add, name="add", description="Add.")
        assert await tool.run_json({"a": 1, "b": 2}, CancellationToken()) == 3
        bench = StaticWorkbench([tool])
        assert (await bench.call_tool("add", {"a": 2, "b": 2})).to_text() == "4"
        answer = await client(server).create([UserMessage(content="Is it?", source="user")])
    assert answer.content == "Yes."
    found = [span.operation for run in seen.runs for span in run.spans]
    assert found == [Operation.TOOL, Operation.TOOL, Operation.CHAT]
    assert {run.summary.framework for run in seen.runs} == {"autogen-agentchat 0.7.5"}


async def test_the_readers_context_is_its_own_between_the_steps_of_a_stream(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        before = contextvars.copy_context()
        async for _ in pair(server).run_stream(task="Go."):
            assert current() is None
        after = contextvars.copy_context()
    assert {variable.name for variable in after} - {variable.name for variable in before} <= {"current_context"}
    assert len(seen.runs) == 1


async def test_the_frameworks_own_telemetry_has_the_same_spans_under_the_same_parents(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    async def told() -> list[tuple[str, ...]]:
        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        with ScriptedServer([tool_call("add", a=1, b=2)] * 2) as server:
            helper = assistant("helper", server, tools=[Clock().add])
            await teams.RoundRobinGroupChat([helper], max_turns=1).run(task="Go.")
            async for _ in helper.run_stream(task="Again."):
                with provider.get_tracer("mine").start_as_current_span("between"):
                    pass
        spans = exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        pairs = [(span.name, str(span.parent and names.get(span.parent.span_id))) for span in spans]
        return [tuple(re.sub(r"[0-9a-f-]{36}", "(id)", name) for name in pair) for pair in pairs]

    bare = await told()
    with recording(store):
        assert await told() == bare
    assert ("execute_tool add", "invoke_agent helper") in bare


async def test_a_fault_of_ours_is_logged_once_and_the_team_goes_on(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(Trace, "_emit", broken)
    harness.instrument(store)
    with ScriptedServer(rules(SCRIPT)) as server:
        _, result, _ = await program(server)
    assert said(result)[-1] == ("adder", "Done. TERMINATE")
    told = [record.message for record in caplog.records if record.name == "harness"]
    assert told
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("agentchat_messages", "request"),
        ("agentchat_messages", "reply"),
        ("agentchat_messages", "spoken"),
        ("agentchat", "describe"),
        ("agentchat", "ending"),
        ("agentchat_tools", "make_call"),
        ("agentchat_calls", "make_call"),
        ("agentchat_models", "make_call"),
    ],
)
async def test_what_we_cannot_read_still_reaches_the_program(
    store: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    with ScriptedServer(rules(SCRIPT)) as server:
        bare, _, _ = await program(server)
    with ScriptedServer(rules(SCRIPT)) as server, recording(store):
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        monkeypatch.setattr(f"harness.adapters.{module}.{name}", broken)
        watched, _, _ = await program(server)
    assert watched == bare


async def test_an_interceptor_may_answer_in_the_place_of_the_model(store: Path) -> None:
    def stub(call: Call) -> Any:
        if call.operation is not Operation.CHAT:
            return (yield call)
        body = {"role": "assistant", "parts": [{"type": "text", "content": "Stubbed."}]}
        return Answer(value={"message": body, "finish_reason": "stop", "model": "stub", "usage": {}})

    with ScriptedServer([]) as server, recording(store, interceptors=(stub,)):
        plain = await assistant("helper", server).run(task="Go.")
        streamed = await assistant("helper", server, model_client_stream=True).run(task="Go.")
    assert server.log == []
    assert said(plain) == said(streamed) == [("user", "Go."), ("helper", "Stubbed.")]


async def test_an_interceptor_may_ask_for_a_stream_again(store: Path) -> None:
    def patient(call: Call) -> Any:
        reply = yield call
        return (yield call) if reply.error is not None else reply

    script = [error(400, "not yet"), "Yes."]
    with ScriptedServer(script) as server, recording(store, interceptors=(patient,)) as seen:
        result = await assistant("helper", server, model_client_stream=True).run(task="Go.")
    assert said(result)[-1] == ("helper", "Yes.")
    assert len(server.log) == 2
    assert len(seen.spans(Operation.CHAT)) == 1


async def test_a_stream_begun_in_one_task_may_be_finished_in_another(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        stream = pair(server).run_stream(task="Go.")
        first = await asyncio.create_task(anext(stream))

        async def rest() -> list[Any]:
            return [item async for item in stream]

        items = await asyncio.create_task(rest())
    assert first.content == "Go."
    assert items[-1].stop_reason == seen.ending[2]
    assert not [record for record in caplog.records if "detach" in record.message]


async def test_spans_in_the_programs_own_provider_leave_its_current_span_alone(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
    harness.instrument(store, otel=True)
    with ScriptedServer(rules(ROUND)) as server, trace.get_tracer("mine").start_as_current_span("mine") as mine:
        async for _ in pair(server).run_stream(task="Go."):
            assert trace.get_current_span() is mine
        assert trace.get_current_span() is mine
