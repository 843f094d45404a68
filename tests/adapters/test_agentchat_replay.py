"""Real AgentChat teams answered by a cassette: the same conversation and account, and no word to anybody outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from harness.model import Operation
from tests.adapters.agentchat_stage import (
    INFO,
    MODEL,
    LocalRunner,
    again,
    agents,
    assistant,
    client,
    closed_clients,
    conditions,
    pair,
    record,
    said,
    says,
    teams,
)
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.adapters.test_agentchat_picture import ROUND, magentic
from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

pytestmark = [*THEIR_WARNINGS, pytest.mark.usefixtures(closed_clients.__name__)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()


async def team_of_two(server: ScriptedServer) -> Any:
    return await pair(server).run(task="Go.")


async def selector(server: ScriptedServer) -> Any:
    members = [assistant("writer", server, "You write."), assistant("critic", server, "You criticise.")]
    team = teams.SelectorGroupChat(members, client(server), termination_condition=says(), model_client_streaming=True)
    return await team.run(task="Go.")


async def swarm(server: ScriptedServer) -> Any:
    members = [
        assistant("front", server, "You greet.", handoffs=["tech"]),
        assistant("tech", server, "You repair.", handoffs=["front"]),
    ]
    return await teams.Swarm(members, termination_condition=says()).run(task="It is broken.")


async def orchestra(server: ScriptedServer) -> Any:
    members = [assistant("helper", server), assistant("other", server)]
    return await teams.MagenticOneGroupChat(members, client(server)).run(task="Find it.")


async def graph(server: ScriptedServer) -> Any:
    one, two, three = (assistant(name, server, name) for name in ("one", "two", "three"))
    plan = teams.DiGraphBuilder().add_node(one).add_node(two).add_node(three)
    plan.add_edge(one, two).add_edge(one, three)
    return await teams.GraphFlow(plan.get_participants(), plan.build()).run(task="Go.")


async def society(server: ScriptedServer) -> Any:
    mind = agents.SocietyOfMindAgent("mind", team=pair(server), model_client=client(server))
    return await teams.RoundRobinGroupChat([mind], termination_condition=says("DONE")).run(task="Go.")


async def streaming(server: ScriptedServer) -> Any:
    return await assistant("helper", server, model_client_stream=True).run(task="Go.")


async def agent_as_tool(server: ScriptedServer) -> Any:
    from autogen_agentchat.tools import AgentTool, TeamTool

    tools = [
        AgentTool(assistant("judge", server, "You judge.")),
        TeamTool(pair(server), name="editors", description="Edit.", return_value_as_last_message=True),
    ]
    return await assistant("asker", server, "You ask.", tools=tools, reflect_on_tool_use=True).run(task="Go.")


def mind(request: dict[str, Any]) -> Any:
    return "Together. DONE" if request["messages"][0]["role"] == "user" else None


def society_script() -> Any:
    inner = rules(ROUND)
    return lambda request: mind(request) or inner(request)


BOTH = Reply(
    tool_calls=[ToolCall(name="judge", arguments={"task": "J."}), ToolCall(name="editors", arguments={"task": "E."})]
)
PLAYS = {
    "round robin": (team_of_two, lambda: rules(ROUND)),
    "selector": (
        selector,
        lambda: rules({**ROUND, "role play": ["writer", "critic", "nobody", "writer"]}),
    ),
    "swarm": (
        swarm,
        lambda: rules({"You greet": [tool_call("transfer_to_tech")], "You repair": ["Repaired. TERMINATE"]}),
    ),
    "magentic one": (orchestra, lambda: magentic),
    "graph": (graph, lambda: lambda request: f"By {request['messages'][0]['content']}"),
    "society of mind": (society, society_script),
    "streaming": (streaming, lambda: ["A long reply that takes more than one chunk."]),
    "agents and teams as tools": (
        agent_as_tool,
        lambda: rules({**ROUND, "You judge": ["Fair."], "You ask": [BOTH, "Noted."]}),
    ),
}


def used(result: Any) -> list[str]:
    return [repr(message.models_usage) for message in result.messages]


@pytest.mark.parametrize("name", PLAYS)
async def test_a_team_plays_again_as_it_was_recorded(store: Path, name: str) -> None:
    play, script = PLAYS[name]
    # Branches of a graph run side by side: which of two answers comes first is the network's to decide.
    in_order = sorted if name == "graph" else list
    with ScriptedServer(script()) as server:
        first, seen = await record(store, server, play)
        assert seen.run.summary.model_calls == len(server.log)
    for _ in range(2):
        result, replay = await again(store, play)
        assert in_order(said(result)) == in_order(said(first))
        assert result.stop_reason == first.stop_reason
        assert in_order(used(result)) == in_order(used(first))
        assert (replay.misses, replay.unused()) == ((), ())


@pytest.mark.parametrize("name", PLAYS)
async def test_recording_the_same_again_gives_the_same_bytes(store: Path, name: str) -> None:
    play, script = PLAYS[name]
    for cassette in ("one.jsonl", "two.jsonl"):
        with ScriptedServer(script()) as server:
            await record(store, server, play, cassette)
    assert (store / "one.jsonl").read_bytes() == (store / "two.jsonl").read_bytes()


async def test_a_replayed_run_looks_like_the_one_that_was_recorded(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server:
        _, first = await record(store, server, team_of_two)
    with ScriptedServer([]) as silent, recording(store) as seen, harness.replay(store / "c.jsonl"):
        await team_of_two(silent)
    one, two = first.run.summary, seen.run.summary
    for name in ("messages", "model_calls", "turns", "input_tokens", "output_tokens", "cost_usd", "ending"):
        assert getattr(two, name) == getattr(one, name)
    assert two.mode == "replay"


async def test_chunks_of_a_stream_come_again_as_they_came(store: Path) -> None:
    async def play(server: ScriptedServer) -> list[Any]:
        helper = assistant("helper", server, model_client_stream=True)
        items = [item async for item in helper.run_stream(task="Go.")]
        return [item.content for item in items if type(item).__name__ == "ModelClientStreamingChunkEvent"]

    with ScriptedServer(["A long reply that takes more than one chunk."]) as server:
        first, _ = await record(store, server, play)
    assert len(first) > 1
    assert (await again(store, play))[0] == first


async def test_tools_code_and_people_are_answered_with_what_they_gave(store: Path, tmp_path: Path) -> None:
    tried: list[int] = []
    runner = LocalRunner(tmp_path)
    typed = iter(["More.", "Enough. TERMINATE"])

    def roll(sides: int) -> int:
        """Roll."""
        tried.append(sides)
        if sides == 0:
            raise ValueError("no sides\n" + "x" * 3000)
        return len(tried)

    async def play(server: ScriptedServer) -> Any:
        helper = assistant("helper", server, tools=[roll], max_tool_iterations=3)
        members = [
            helper,
            agents.CodeExecutorAgent("runner", runner),
            agents.UserProxyAgent("boss", input_func=lambda _prompt: next(typed)),
        ]
        return await teams.RoundRobinGroupChat(members, termination_condition=says()).run(task="Go.")

    script = [
        tool_call("roll", sides=6),
        tool_call("roll", sides=0),
        "```python\nimport time; print(time.time_ns())\n```",
        "Thanks.",
    ]
    with ScriptedServer(script) as server:
        first, _ = await record(store, server, play)
    assert (tried, runner.ran) == ([6, 0], 1)
    result, replay = await again(store, play)
    assert said(result) == said(first)
    assert (tried, runner.ran) == ([6, 0], 1)
    assert (replay.misses, replay.unused()) == ((), ())


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_who_approves_of_code_is_asked_once_and_answers_again(
    store: Path, tmp_path: Path, *, asynchronous: bool
) -> None:
    asked: list[str] = []
    runner = LocalRunner(tmp_path)

    def approve(request: Any) -> Any:
        asked.append(request.code)
        return agents.ApprovalResponse(approved="harmless" in request.code, reason="I read it.")

    async def approve_later(request: Any) -> Any:
        return approve(request)

    async def play(server: ScriptedServer) -> Any:
        chosen = approve_later if asynchronous else approve
        coder = agents.CodeExecutorAgent("runner", runner, approval_func=chosen)
        members = [assistant("coder", server), coder]
        return await teams.RoundRobinGroupChat(members, max_turns=4).run(task="Go.")

    script = ["```python\nprint('harmless')\n```", "```python\nprint('evil')\n```"]
    with ScriptedServer(script) as server:
        first, seen = await record(store, server, play)
    people = [call for call in seen.run.calls if call.span.operation is Operation.HUMAN]
    assert [(call.agent, call.reply["input"]) for call in people if call.reply] == [
        ("runner", "approved: I read it."),
        ("runner", "refused: I read it."),
    ]
    result, replay = await again(store, play)
    assert said(result) == said(first)
    assert (len(asked), runner.ran) == (2, 1)
    assert replay.unused() == ()


async def test_a_tool_that_tells_on_its_way_is_run_again(store: Path) -> None:
    from autogen_core.tools import BaseStreamTool
    from pydantic import BaseModel

    class Given(BaseModel):
        steps: int

    class Count(BaseStreamTool[Given, Any, Any]):
        def __init__(self) -> None:
            super().__init__(Given, str, "count", "Count.")

        async def run_stream(self, args: Given, cancellation_token: Any) -> Any:
            from autogen_agentchat.messages import ThoughtEvent

            for step in range(args.steps):
                yield ThoughtEvent(content=f"step {step}", source="count")
            yield "counted"

        async def run(self, args: Given, cancellation_token: Any) -> str:
            return "counted"

    async def play(server: ScriptedServer) -> Any:
        return await assistant("helper", server, tools=[Count()]).run(task="Go.")

    with ScriptedServer([tool_call("count", steps=2)]) as server:
        first, seen = await record(store, server, play)
    assert [m.text for m in seen.run.messages if m.sender == "count"] == ["step 0", "step 1"]
    result, _ = await again(store, play)
    assert said(result) == said(first)


async def test_an_error_of_the_model_is_raised_again_as_it_was(store: Path) -> None:
    import openai

    async def play(server: ScriptedServer) -> Any:
        return await assistant("helper", server).run(task="Go.")

    refused = pytest.raises(openai.BadRequestError, match="too long")
    with ScriptedServer([error(400, "too long")]) as server, recording(store, mode="record") as seen, refused:
        await play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with pytest.raises(openai.BadRequestError, match="too long"):
        await again(store, play)


async def test_no_key_is_needed_to_replay(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    async def play(server: ScriptedServer, **settings: Any) -> Any:
        model = OpenAIChatCompletionClient(model=MODEL, base_url=server.base_url, model_info=INFO, **settings)
        try:
            return await agents.AssistantAgent("helper", model).run(task="Go.")
        finally:
            await model.close()

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ScriptedServer(["Yes."]) as server:
        first, _ = await record(store, server, lambda server: play(server, api_key="scripted"))
    result, _ = await again(store, play)
    assert said(result) == said(first)


async def test_a_client_accounts_for_what_a_cassette_answered(store: Path) -> None:
    async def play(server: ScriptedServer) -> Any:
        helper = assistant("helper", server)
        await helper.run(task="Go.")
        return helper._model_client.total_usage()

    with ScriptedServer(["Yes."]) as server:
        first, _ = await record(store, server, play)
        assert (first.prompt_tokens, first.completion_tokens) == server.tokens
    assert (await again(store, play))[0] == first


async def test_the_frameworks_cache_does_not_answer_for_a_cassette(store: Path) -> None:
    from autogen_ext.models.cache import ChatCompletionCache

    async def play(server: ScriptedServer) -> Any:
        model = ChatCompletionCache(client(server))
        return [said(await agents.AssistantAgent("helper", model).run(task="Go.")) for _ in range(2)]

    with ScriptedServer(["Yes.", "No."]) as server:
        first, _ = await record(store, server, play)
        assert len(server.log) == 2
    result, replay = await again(store, play)
    assert result == first
    assert replay.unused() == ()


async def test_a_condition_that_counts_tokens_ends_a_replay_where_it_ended_the_run(store: Path) -> None:
    async def play(server: ScriptedServer) -> Any:
        stop = conditions.TokenUsageTermination(max_completion_token=6)
        return await pair(server, termination_condition=stop).run(task="Go.")

    with ScriptedServer(rules({"You write": ["Draft."] * 9, "You criticise": ["Too short."] * 9})) as server:
        first, seen = await record(store, server, play)
    result, _ = await again(store, play)
    assert (said(result), result.stop_reason) == (said(first), first.stop_reason)
    assert len(seen.spans(Operation.CHAT)) > 2


async def test_a_request_that_was_not_recorded_fails_and_names_the_difference(store: Path) -> None:
    from scenarios.replaying import CassetteMissError

    with ScriptedServer(["Yes."]) as server:
        await record(store, server, lambda server: assistant("helper", server).run(task="Go."))
    with pytest.raises(CassetteMissError, match="not in the cassette"):
        await again(store, lambda server: assistant("helper", server, "You refuse.").run(task="Go."))
