"""What an AgentChat conversation looks like once recorded, compared with what the framework and the server say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import prices, semconv
from harness.model import Operation, RunStatus, Status
from tests.adapters.agentchat_stage import (
    MODEL,
    LocalRunner,
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
from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

pytestmark = [*THEIR_WARNINGS, pytest.mark.usefixtures(closed_clients.__name__)]
ROUND = {"You write": ["Draft.", "Better. TERMINATE"], "You criticise": ["Too short."]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"
    harness.uninstrument()


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def explode(a: int) -> int:
    """Explode."""
    raise ValueError(f"no {a}")


def choices(seen: Any) -> list[str]:
    return [span.attributes[semconv.HARNESS_SELECTION_CHOICE] for span in seen.spans(Operation.SELECTION)]


async def test_a_team_is_recorded_as_the_framework_and_the_server_tell_it(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        team = pair(server)
        result = await team.run(task="Go.")
        used = [member._model_client.total_usage() for member in team._participants]
    run = seen.run
    assert [(m.sender, m.text) for m in run.messages] == said(result)
    assert [m.recipients for m in run.messages] == [("writer", "critic"), ("critic",), ("writer",), ("critic",)]
    assert [m.role for m in run.messages] == ["user", "assistant", "assistant", "assistant"]
    assert run.summary.model_calls == len(server.log) == 3
    assert (run.summary.input_tokens, run.summary.output_tokens) == server.tokens
    assert server.tokens == (sum(u.prompt_tokens for u in used), sum(u.completion_tokens for u in used))
    assert run.summary.cost_usd == pytest.approx(prices.cost_usd(MODEL, *server.tokens))
    assert run.summary.framework == "autogen-agentchat 0.7.5"
    assert choices(seen) == ["writer", "critic", "writer"]
    assert seen.ending == ("termination_message", None, result.stop_reason)
    assert run.summary.status is RunStatus.FINISHED


async def test_every_call_stands_under_the_turn_of_the_agent_that_made_it(store: Path) -> None:
    script = {"You add": [tool_call("add", a=1, b=2), "It is 3."], "You criticise": ["TERMINATE"]}
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        adder = assistant("adder", server, "You add.", tools=[add], reflect_on_tool_use=True)
        members = [adder, assistant("critic", server, "You criticise.")]
        result = await teams.RoundRobinGroupChat(members, termination_condition=says()).run(task="Go.")
    turns = seen.spans(Operation.TURN)
    assert [turn.attributes[semconv.GEN_AI_AGENT] for turn in turns] == ["adder", "critic"]
    inside = [span for span in seen.run.spans if span.parent_id == turns[0].span_id]
    kinds = [span.operation for span in sorted(inside, key=lambda span: span.seq)]
    assert [kind for kind in kinds if kind is not Operation.MESSAGE] == [Operation.CHAT, Operation.TOOL, Operation.CHAT]
    assert all(seen.parent(turn).operation is Operation.CONVERSATION for turn in turns)
    (tool,) = [call for call in seen.run.calls if call.span.operation is Operation.TOOL]
    assert (tool.agent, tool.name, tool.request["arguments"], tool.reply) == (
        "adder", "add", {"a": 1, "b": 2}, {"result": "3"},
    )  # fmt: skip
    assert tool.request["call_id"] == "call_1"
    assert [m.text for m in seen.run.messages] == ["Go.", "", "3", "It is 3.", "TERMINATE"]
    assert [m.sender for m in seen.run.messages] == [message.source for message in result.messages]
    assert seen.run.messages[1].tool_calls[0]["name"] == "add"
    assert seen.run.messages[1].recipients == ()


async def test_a_tool_that_fails_is_unknown_or_is_given_no_json_is_an_error(store: Path) -> None:
    calls = [
        ToolCall(name="explode", arguments={"a": 7}),
        ToolCall(name="nothing", arguments={}),
        ToolCall(name="add", arguments='{"a": 1,, }'),
    ]
    with ScriptedServer([Reply(tool_calls=calls)]) as server, recording(store) as seen:
        result = await assistant("helper", server, tools=[add, explode]).run(task="Go.")
    told = {each.call_id: each.content for each in result.messages[2].content}
    tools = [call for call in seen.run.calls if call.span.operation is Operation.TOOL]
    assert {call.name: call.span.attributes[semconv.ERROR_MESSAGE] for call in tools} == {
        "explode": told["call_1"], "nothing": told["call_2"], "add": told["call_3"],
    }  # fmt: skip
    assert {call.name: call.span.attributes[semconv.ERROR_TYPE] for call in tools} == {
        "explode": "ToolFailedError", "nothing": "ToolNotRunError", "add": "ToolNotRunError",
    }  # fmt: skip
    assert {call.agent for call in tools} == {"helper"}
    assert seen.run.summary.status is RunStatus.FINISHED


async def test_a_selector_has_its_model_call_under_the_selection(store: Path) -> None:
    script = {
        "role play": ["critic", "nobody", "writer"],
        "You write": ["Better. TERMINATE"],
        "You criticise": ["Too short."],
    }
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        members = [assistant("writer", server, "You write."), assistant("critic", server, "You criticise.")]
        team = teams.SelectorGroupChat(
            members, client(server), termination_condition=says(), allow_repeated_speaker=True
        )
        result = await team.run(task="Go.")
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    picked = seen.spans(Operation.SELECTION)
    assert choices(seen) == ["critic", "writer"]
    assert {span.attributes[semconv.HARNESS_SELECTION_METHOD] for span in picked} == {"auto"}
    assert picked[0].attributes[semconv.HARNESS_SELECTION_CANDIDATES] == ["writer", "critic"]
    under = [
        [chat.attributes[semconv.GEN_AI_AGENT] for chat in seen.spans(Operation.CHAT) if chat.parent_id == span.span_id]
        for span in picked
    ]
    assert under == [["SelectorGroupChatManager"], ["SelectorGroupChatManager"] * 2]
    assert seen.run.summary.model_calls == len(server.log)
    assert (seen.run.summary.input_tokens, seen.run.summary.output_tokens) == server.tokens


async def test_a_selection_tells_who_could_be_chosen_and_whether_the_program_chose(store: Path) -> None:
    def first(messages: Any) -> str | None:
        return "one" if len(messages) == 1 else None

    script = {"role play": ["three"], "": ["Mine."] * 2}
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        members = [assistant(name, server) for name in ("one", "two", "three")]
        await teams.SelectorGroupChat(members, client(server), max_turns=2, selector_func=first).run(task="Go.")
    picked = [
        (
            span.attributes[semconv.HARNESS_SELECTION_METHOD],
            span.attributes[semconv.HARNESS_SELECTION_CANDIDATES],
            span.attributes[semconv.HARNESS_SELECTION_CHOICE],
        )
        for span in seen.spans(Operation.SELECTION)
    ]
    assert picked == [("custom", ["one", "two", "three"], "one"), ("auto", ["one", "two", "three"], "three")]


async def test_a_selection_names_the_only_one_left_where_no_model_had_to_be_asked(store: Path) -> None:
    with ScriptedServer(["Mine."] * 2) as server, recording(store) as seen:
        members = [assistant(name, server) for name in ("one", "two")]
        team = teams.SelectorGroupChat(
            members, client(server), max_turns=2, allow_repeated_speaker=True, candidate_func=lambda _said: ["two"]
        )
        await team.run(task="Go.")
    offered = [span.attributes[semconv.HARNESS_SELECTION_CANDIDATES] for span in seen.spans(Operation.SELECTION)]
    assert len(server.log) == 2
    assert offered == [["two"]] * 2


async def test_a_handoff_is_a_tool_call_a_message_and_a_choice(store: Path) -> None:
    script = {"You greet": [tool_call("transfer_to_tech")], "You repair": ["Repaired. TERMINATE"]}
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        members = [
            assistant("front", server, "You greet.", handoffs=["tech"]),
            assistant("tech", server, "You repair.", handoffs=["front"]),
        ]
        result = await teams.Swarm(members, termination_condition=says()).run(task="It is broken.")
    assert [(m.sender, m.text) for m in seen.run.messages if m.recipients] == [
        ("user", "It is broken."),
        ("front", "Transferred to tech, adopting the role of tech immediately."),
        ("tech", "Repaired. TERMINATE"),
    ]
    (handed,) = [part for m in seen.run.messages for part in m.body["parts"] if part["type"] == "handoff"]
    assert handed["target"] == "tech"
    assert choices(seen) == ["front", "tech"]
    (tool,) = seen.spans(Operation.TOOL)
    assert tool.attributes[semconv.GEN_AI_TOOL_NAME] == "transfer_to_tech"
    assert tool.status is Status.OK
    assert seen.ending == ("termination_message", None, result.stop_reason)


async def test_a_graph_with_branches_names_all_who_go_next(store: Path) -> None:
    with ScriptedServer(lambda request: f"By {request['messages'][0]['content']}") as server, recording(store) as seen:
        one, two, three, four = (assistant(name, server, name) for name in ("one", "two", "three", "four"))
        graph = teams.DiGraphBuilder()
        for member in (one, two, three, four):
            graph.add_node(member)
        graph.add_edge(one, two).add_edge(one, three).add_edge(two, four).add_edge(three, four)
        result = await teams.GraphFlow(graph.get_participants(), graph.build()).run(task="Go.")
    assert sorted((m.sender, m.text) for m in seen.run.messages) == sorted(said(result))
    assert choices(seen) == ["one", "two, three", "four"]
    assert seen.ending == ("no_speaker", None, result.stop_reason)
    assert result.stop_reason == "Digraph execution is complete"
    for chat in seen.spans(Operation.CHAT):
        assert seen.parent(chat).attributes[semconv.GEN_AI_AGENT] == chat.attributes[semconv.GEN_AI_AGENT]


def ledger(speaker: str, *, done: bool) -> str:
    answers = {
        "is_request_satisfied": done,
        "is_progress_being_made": True,
        "is_in_loop": False,
        "instruction_or_question": "Do it.",
        "next_speaker": speaker,
    }
    return json.dumps({name: {"reason": "because", "answer": answer} for name, answer in answers.items()})


def magentic(request: dict[str, Any]) -> str:
    last = str(request["messages"][-1]["content"])
    if "You help" in str(request["messages"][0]["content"]):
        return "Done it."
    if "is_request_satisfied" in last:
        return ledger("helper", done="Done it." in str(request["messages"]))
    return "The answer." if "final" in last.lower() else "A plan."


async def test_magentic_one_is_recorded_with_its_plans_ledgers_and_answer(store: Path) -> None:
    with ScriptedServer(magentic) as server, recording(store) as seen:
        members = [assistant("helper", server), assistant("other", server)]
        result = await teams.MagenticOneGroupChat(members, client(server)).run(task="Find it.")
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    boss = "MagenticOneOrchestrator"
    heard = [(m.sender, m.recipients) for m in seen.run.messages]
    assert heard[0] == ("user", (boss,))
    assert heard[1] == heard[2] == heard[-1] == (boss, ("helper", "other"))
    assert heard[3] == ("helper", ("other", boss))
    assert [span.attributes.get(semconv.HARNESS_SELECTION_CHOICE) for span in seen.spans(Operation.SELECTION)] == [
        "helper", None,
    ]  # fmt: skip
    assert seen.run.summary.model_calls == len(server.log) == 6
    asking = [chat.attributes[semconv.GEN_AI_AGENT] for chat in seen.spans(Operation.CHAT)]
    assert asking == [boss, boss, boss, "helper", boss, boss]
    assert seen.ending == ("termination_message", boss, "because")
    assert result.stop_reason == "because"


async def test_an_agent_alone_answers_who_asked_it(store: Path) -> None:
    with ScriptedServer(["Yes.", "No."]) as server, recording(store) as seen:
        helper = assistant("helper", server)
        first = await helper.run(task="Is it?")
        second = [item async for item in helper.run_stream(task="Sure?")][-1]
    assert len(seen.runs) == 2
    for run, result in zip(seen.runs, (first, second), strict=True):
        assert [(m.sender, m.text) for m in run.messages] == said(result)
        assert [m.recipients for m in run.messages] == [("helper",), ("user",)]
        assert [ending.kind.value for ending in run.endings.values()] == ["answered"]
        assert run.summary.turns == 1


async def test_an_agent_that_is_asked_directly_is_a_conversation_too(store: Path) -> None:
    from autogen_agentchat.messages import TextMessage
    from autogen_core import CancellationToken

    with ScriptedServer(["Yes."]) as server, recording(store) as seen:
        given = [TextMessage(content="Is it?", source="boss")]
        response = await assistant("helper", server).on_messages(given, CancellationToken())
    assert response.chat_message.content == "Yes."
    assert [(m.sender, m.recipients, m.text) for m in seen.run.messages] == [
        ("boss", ("helper",), "Is it?"),
        ("helper", ("boss",), "Yes."),
    ]


async def test_a_society_of_mind_holds_the_conversation_inside_it(store: Path) -> None:
    script = {**ROUND, "outside": []}

    def answer(request: dict[str, Any]) -> Any:
        return inner(request) if request["messages"][0]["role"] == "system" else "Together. DONE"

    inner = rules(script)
    with ScriptedServer(answer) as server, recording(store) as seen:
        mind = agents.SocietyOfMindAgent("mind", team=pair(server), model_client=client(server))
        result = await teams.RoundRobinGroupChat([mind], termination_condition=says("DONE")).run(task="Go.")
    talks = seen.spans(Operation.CONVERSATION)
    assert len(talks) == 2
    assert seen.parent(talks[1]).operation is Operation.TURN
    assert seen.parent(talks[1]).attributes[semconv.GEN_AI_AGENT] == "mind"
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    assert seen.run.endings[talks[1].span_id].kind.value == "termination_message"
    assert seen.ending == ("termination_message", None, result.stop_reason)
    assert seen.run.summary.model_calls == len(server.log) == 4


async def test_a_team_in_a_team_says_each_message_once_and_everybody_hears_it(store: Path) -> None:
    with ScriptedServer(rules({**ROUND, "You judge": ["Fine. DONE"]})) as server, recording(store) as seen:
        inner = teams.RoundRobinGroupChat([pair(server, name="editors")], name="house", max_turns=1)
        judge = assistant("judge", server, "You judge.")
        outer = teams.RoundRobinGroupChat([inner, judge], termination_condition=says("DONE"))
        result = await outer.run(task="Go.")
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    assert [m.recipients for m in seen.run.messages] == [
        ("house", "judge"),
        ("critic", "judge"),
        ("writer", "judge"),
        ("critic", "judge"),
        ("house",),
    ]
    assert len(seen.spans(Operation.CONVERSATION)) == 3
    assert all(span.end_ns is not None for span in seen.run.spans)


async def test_what_was_said_in_a_team_that_failed_was_heard_by_nobody_else(store: Path) -> None:
    script = {"You write": ["Draft."], "You criticise": [error(400, "too long")]}
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        outer = teams.RoundRobinGroupChat([pair(server, name="editors"), assistant("judge", server)])
        with pytest.raises(RuntimeError, match="too long"):
            await outer.run(task="Go.")
    assert [m.recipients for m in seen.run.messages] == [("editors", "judge"), ("critic",)]
    assert all(span.end_ns is not None for span in seen.run.spans)


async def test_an_agent_as_a_tool_holds_a_conversation_under_the_tool(store: Path) -> None:
    from autogen_agentchat.tools import AgentTool

    script = {"You ask": [tool_call("critic", task="Judge."), "Noted."], "You criticise": ["Too short."]}
    with ScriptedServer(rules(script)) as server, recording(store) as seen:
        critic = AgentTool(assistant("critic", server, "You criticise."))
        asker = assistant("asker", server, "You ask.", tools=[critic], reflect_on_tool_use=True)
        result = await asker.run(task="Go.")
    (tool,) = seen.spans(Operation.TOOL)
    inner = seen.spans(Operation.CONVERSATION)[1]
    assert inner.parent_id == tool.span_id
    assert tool.status is Status.OK
    assert sorted((m.sender, m.text) for m in seen.run.messages) == sorted(said(result))
    assert seen.run.summary.model_calls == len(server.log) == 3
    assert {chat.attributes[semconv.GEN_AI_AGENT] for chat in seen.spans(Operation.CHAT)} == {"asker", "critic"}


async def test_code_is_recorded_with_language_exit_code_output_and_where_it_ran(store: Path, tmp_path: Path) -> None:
    with ScriptedServer(["```python\nprint(6 * 7)\n```"]) as server, recording(store) as seen:
        runner = agents.CodeExecutorAgent("runner", LocalRunner(tmp_path))
        team = teams.RoundRobinGroupChat([assistant("coder", server), runner], max_turns=2)
        result = await team.run(task="Go.")
    (code,) = [call for call in seen.run.calls if call.span.operation is Operation.CODE]
    assert code.request["blocks"] == [{"language": "python", "code": "print(6 * 7)\n"}]
    assert code.reply == {"exit_code": 0, "output": "42\n"}
    assert code.agent == "runner"
    assert code.span.attributes[semconv.HARNESS_CODE_EXECUTOR] == "LocalRunner"
    assert code.span.attributes[semconv.HARNESS_CODE_SANDBOXED] is False
    assert [(m.sender, m.text) for m in seen.run.messages] == said(result)
    assert seen.ending == ("max_turns", None, "2")


async def test_what_a_person_types_is_recorded(store: Path) -> None:
    typed = iter(["More.", "Enough. TERMINATE"])
    with ScriptedServer(["First.", "Second."]) as server, recording(store) as seen:
        boss = agents.UserProxyAgent("boss", input_func=lambda _prompt: next(typed))
        team = teams.RoundRobinGroupChat([assistant("helper", server), boss], termination_condition=says())
        result = await team.run(task="Go.")
    asked = [call for call in seen.run.calls if call.span.operation is Operation.HUMAN]
    assert [(call.agent, call.reply["input"]) for call in asked] == [("boss", "More."), ("boss", "Enough. TERMINATE")]
    assert {call.request["prompt"] for call in asked} == {"Enter your response: "}
    spoken = [(message.source, message.to_text()) for message in result.messages if hasattr(message, "to_model_text")]
    assert [(m.sender, m.text) for m in seen.run.messages] == spoken
    assert [m.role for m in seen.run.messages] == ["user", "assistant", "user", "assistant", "user"]


async def test_a_streamed_reply_is_whole_and_says_when_its_first_chunk_came(store: Path) -> None:
    text = "A long reply that takes more than one chunk."
    with ScriptedServer([text]) as server, recording(store) as seen:
        helper = agents.AssistantAgent(
            "helper", client(server, stream_options={"include_usage": True}), model_client_stream=True
        )
        items = [item async for item in helper.run_stream(task="Go.")]
    pieces = [item.content for item in items if type(item).__name__ == "ModelClientStreamingChunkEvent"]
    assert len(pieces) > 1
    (chat,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert chat.reply["message"]["parts"] == [{"type": "text", "content": text}]
    assert chat.reply["chunks"] == [len(piece) for piece in pieces]
    assert 0 < chat.span.attributes[semconv.GEN_AI_TIME_TO_FIRST_CHUNK] <= (chat.span.end_ns - chat.span.start_ns) / 1e9
    assert chat.span.attributes[semconv.GEN_AI_REQUEST_STREAM] is True
    assert (chat.usage.input_tokens, chat.usage.output_tokens) == server.tokens


async def test_a_stream_tells_the_tokens_of_reasoning_and_of_the_providers_cache(store: Path) -> None:
    script = [Reply(text="A reply.", usage=(100, 50), details=(64, 32))]
    with ScriptedServer(script) as server, recording(store) as seen:
        asked = client(server, stream_options={"include_usage": True})
        await agents.AssistantAgent("helper", asked, model_client_stream=True).run(task="Go.")
    (call,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert call.span.attributes[semconv.GEN_AI_CACHE_READ_TOKENS] == 64
    assert call.span.attributes[semconv.GEN_AI_REASONING_TOKENS] == 32
    assert call.usage.cost_usd == prices.cost_usd(MODEL, 100, 50, cached_tokens=64)


async def test_a_stream_of_nothing_but_a_tool_call_says_when_its_first_chunk_came(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2)]) as server, recording(store) as seen:
        await assistant("helper", server, tools=[add], model_client_stream=True).run(task="Go.")
    (chat,) = seen.spans(Operation.CHAT)
    assert 0 < chat.attributes[semconv.GEN_AI_TIME_TO_FIRST_CHUNK] <= (chat.end_ns - chat.start_ns) / 1e9


async def test_tokens_nobody_counted_are_unknown_and_not_none_at_all(store: Path) -> None:
    with ScriptedServer(["A reply."]) as server, recording(store) as seen:
        await assistant("helper", server, model_client_stream=True).run(task="Go.")
    assert seen.run.summary.input_tokens is None
    assert seen.run.summary.cost_usd is None


async def test_a_reply_from_the_frameworks_cache_is_marked_and_costs_nothing(store: Path) -> None:
    from autogen_ext.models.cache import ChatCompletionCache

    with ScriptedServer(["Yes."]) as server, recording(store) as seen:
        cached = ChatCompletionCache(client(server))
        for _ in range(2):
            await agents.AssistantAgent("helper", cached).run(task="Is it?")
    assert len(server.log) == 1
    hits = [span.attributes.get(semconv.HARNESS_CACHE_HIT) for run in seen.runs for span in run.spans
            if span.operation is Operation.CHAT]  # fmt: skip
    assert hits == [None, True]
    assert [run.summary.model_calls for run in seen.runs] == [1, 0]
    assert seen.runs[1].summary.cost_usd == 0


async def test_a_request_that_was_sent_again_counts_its_retries(store: Path) -> None:
    script = [error(500, "try later", retry_after_ms="1"), "Yes."]
    with ScriptedServer(script) as server, recording(store) as seen:
        await assistant("helper", server).run(task="Go.")
    (chat,) = seen.spans(Operation.CHAT)
    assert chat.attributes[semconv.HARNESS_RETRIES] == 1
    assert len(server.log) == 2


ENDINGS: list[tuple[Any, str, str]] = [
    (lambda: conditions.MaxMessageTermination(2), "max_rounds", "Maximum number of messages 2 reached"),
    (lambda: conditions.TextMentionTermination("Draft"), "termination_message", "Text 'Draft' mentioned"),
    (lambda: conditions.SourceMatchTermination(["critic"]), "termination_message", "'critic' answered"),
    (
        lambda: conditions.TextMessageTermination("writer"),
        "termination_message",
        "Text message received from 'writer'",
    ),
    (lambda: conditions.TokenUsageTermination(max_total_token=1), "stopped", "Token usage limit reached"),
    (lambda: conditions.TimeoutTermination(0), "stopped", "Timeout of 0 seconds reached"),
    (
        lambda: conditions.FunctionalTermination(lambda messages: messages[0].source == "critic"),
        "termination_message",
        "Functional termination condition met",
    ),
    (
        lambda: conditions.MaxMessageTermination(2) | conditions.TextMentionTermination("Draft"),
        "termination_message",
        "Maximum number of messages 2 reached, current message count: 2, Text 'Draft' mentioned",
    ),
    (
        lambda: conditions.MaxMessageTermination(2) & conditions.SourceMatchTermination(["critic"]),
        "termination_message",
        "Maximum number of messages 2 reached, current message count: 2, 'critic' answered",
    ),
]


@pytest.mark.parametrize(("condition", "kind", "words"), ENDINGS)
async def test_a_condition_that_stops_a_team_is_told_by_its_name_and_in_its_own_words(
    store: Path, condition: Any, kind: str, words: str
) -> None:
    met = condition()
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        result = await pair(server, termination_condition=met).run(task="Go.")
    assert seen.ending == (kind, None, result.stop_reason)
    (talk,) = seen.spans(Operation.CONVERSATION)
    names = [type(one).__name__ for one in getattr(met, "_conditions", [met])]
    assert talk.attributes[semconv.HARNESS_ENDING_CONDITION] == ", ".join(names)
    assert (result.stop_reason or "").startswith(words)


async def test_a_team_that_is_stopped_from_outside_says_so(store: Path) -> None:
    stop = conditions.ExternalTermination()
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        team = pair(server, termination_condition=stop)
        async for item in team.run_stream(task="Go."):
            if getattr(item, "source", None) == "writer":
                stop.set()
    assert seen.ending == ("stopped", None, "External termination requested")


async def test_a_limit_of_turns_is_told_by_its_number(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        await pair(server, termination_condition=None, max_turns=2).run(task="Go.")
    assert seen.ending == ("max_turns", None, "2")


async def test_a_handoff_to_somebody_outside_ends_the_team(store: Path) -> None:
    with ScriptedServer([tool_call("transfer_to_user")]) as server, recording(store) as seen:
        team = teams.Swarm(
            [assistant("front", server, handoffs=["user"])],
            termination_condition=conditions.HandoffTermination(target="user"),
        )
        result = await team.run(task="Go.")
    assert seen.ending == ("termination_message", None, "Handoff to user from front detected.")
    assert seen.ending[2] == result.stop_reason


async def test_a_model_that_refuses_ends_the_team_with_its_error(store: Path) -> None:
    refused = pytest.raises(RuntimeError, match="too long")
    with ScriptedServer([error(400, "too long")]) as server, recording(store) as seen, refused:
        await pair(server).run(task="Go.")
    assert seen.ending == ("error", None, "BadRequestError")
    assert seen.run.summary.status is RunStatus.FAILED
    (chat,) = seen.spans(Operation.CHAT)
    assert chat.attributes[semconv.ERROR_TYPE] == "BadRequestError"
    assert all(span.end_ns is not None for span in seen.run.spans)


async def test_a_cancelled_team_was_interrupted(store: Path) -> None:
    from autogen_core import CancellationToken

    token = CancellationToken()

    def answer(_request: Any) -> Reply:
        loop.call_soon_threadsafe(token.cancel)
        return Reply(text="Too late.", delay_s=5)

    loop = asyncio.get_running_loop()
    with ScriptedServer(answer) as server, recording(store) as seen, pytest.raises(asyncio.CancelledError):
        await pair(server).run(task="Go.", cancellation_token=token)
    assert seen.ending == ("interrupted", None, "CancelledError")
    assert all(span.end_ns is not None for span in seen.run.spans)
    (chat,) = seen.spans(Operation.CHAT)
    assert chat.attributes[semconv.ERROR_TYPE] == "CancelledError"


async def test_teams_at_the_same_time_are_never_mixed(store: Path) -> None:
    def answer(request: Any) -> str:
        return f"Echo {request['messages'][-1]['content']}" + (" TERMINATE" if len(request["messages"]) > 3 else "")

    with ScriptedServer(answer) as server, recording(store) as seen:
        results = await asyncio.gather(*(pair(server).run(task=f"n{n}") for n in range(5)))
    assert len(seen.runs) == 5
    recorded = sorted([(m.sender, m.text) for m in run.messages] for run in seen.runs)
    assert recorded == sorted(said(result) for result in results)
    assert sum(run.summary.model_calls for run in seen.runs) == len(server.log)


async def test_streams_that_are_read_in_turn_are_runs_of_their_own(store: Path) -> None:
    def answer(request: Any) -> str:
        return f"Echo {request['messages'][1]['content']} TERMINATE"

    with ScriptedServer(answer) as server, recording(store) as seen:
        streams = [pair(server).run_stream(task=f"n{n}") for n in range(3)]
        while streams:
            for stream in list(streams):
                if await anext(stream, None) is None:
                    streams.remove(stream)
    assert sorted(tuple(m.text for m in run.messages) for run in seen.runs) == [
        (f"n{n}", f"Echo n{n} TERMINATE") for n in range(3)
    ]
    assert {run.summary.status for run in seen.runs} == {RunStatus.FINISHED}


async def test_a_stream_that_is_left_early_is_recorded_to_where_its_team_went(store: Path) -> None:
    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        stream = pair(server).run_stream(task="Go.")
        async for item in stream:
            if getattr(item, "source", None) == "writer":
                break
        await stream.aclose()
    assert seen.ending[0] == "termination_message"
    assert seen.run.summary.model_calls == len(server.log)
    assert all(span.end_ns is not None for span in seen.run.spans)


async def test_a_stream_that_nobody_closes_is_over_when_the_loop_is(store: Path) -> None:
    def left() -> None:
        async def leave() -> None:
            async for _ in pair(server).run_stream(task="Go."):
                break

        asyncio.run(leave())

    with ScriptedServer(rules(ROUND)) as server, recording(store) as seen:
        await asyncio.to_thread(left)
    assert all(span.end_ns is not None for span in seen.run.spans)


async def test_a_runtime_of_the_programs_own_keeps_its_teams_apart(store: Path) -> None:
    from autogen_core import SingleThreadedAgentRuntime

    def answer(request: Any) -> str:
        return f"Echo {request['messages'][1]['content']} TERMINATE"

    with ScriptedServer(answer) as server, recording(store) as seen:
        runtime = SingleThreadedAgentRuntime()
        runtime.start()
        await asyncio.gather(*(pair(server, runtime=runtime).run(task=f"n{n}") for n in range(3)))
        await runtime.stop()
    assert sorted(tuple(m.text for m in run.messages) for run in seen.runs) == [
        (f"n{n}", f"Echo n{n} TERMINATE") for n in range(3)
    ]
    assert all(run.summary.model_calls == 1 for run in seen.runs)


async def test_a_team_that_goes_on_is_a_run_of_its_own_each_time(store: Path) -> None:
    with ScriptedServer(lambda _: "Mine.") as server, recording(store) as seen:
        team = pair(server, termination_condition=None, max_turns=1)
        first, second = await team.run(task="Go."), await team.run()
    assert [[(m.sender, m.text) for m in run.messages] for run in seen.runs] == [said(first), said(second)]


async def test_teams_inside_one_block_are_one_run(store: Path) -> None:
    with ScriptedServer(lambda _: "Mine.") as server, recording(store) as seen, harness.run("both", id="both"):
        results = [await pair(server, termination_condition=None, max_turns=1).run(task="Go.") for _ in range(2)]
    assert seen.run.run_id == "both"
    assert [(m.sender, m.text) for m in seen.run.messages] == [each for result in results for each in said(result)]
    assert {ending.kind.value for ending in seen.run.endings.values()} == {"max_turns"}


async def test_the_set_up_of_every_member_is_described(store: Path, tmp_path: Path) -> None:
    with ScriptedServer(lambda _: "Mine.") as server, recording(store) as seen:
        members = [
            assistant("coder", server, tools=[add], handoffs=["boss"], max_tool_iterations=3),
            agents.CodeExecutorAgent("runner", LocalRunner(tmp_path)),
            agents.UserProxyAgent("boss"),
        ]
        stop = says() | conditions.MaxMessageTermination(5)
        team = teams.SelectorGroupChat(
            members, client(server), termination_condition=stop, max_turns=1, selector_func=lambda _: "coder"
        )
        await team.run(task="Go.")
    (root,) = seen.spans(Operation.CONVERSATION)
    coder, runner, boss, group = json.loads(root.attributes[semconv.HARNESS_AGENTS])
    assert (coder["models"], coder["tools"], coder["handoffs"]) == ([MODEL], ["add"], ["boss"])
    assert coder["max_tool_iterations"] == 3
    assert (runner["code_execution"], runner["code_approval"]) == ("LocalRunner", False)
    assert boss["human_input_mode"] == "ALWAYS"
    assert (group["type"], group["max_turns"], group["speaker_selection"]) == ("SelectorGroupChat", 1, "custom")
    assert group["termination"] == {
        "type": "OrTerminationCondition",
        "conditions": [
            {"type": "TextMentionTermination", "text": "TERMINATE"},
            {"type": "MaxMessageTermination", "max_messages": 5, "include_agent_event": False},
        ],
    }


@pytest.mark.parametrize(
    "sent",
    [{"extra_body": {"agentwall_run_id": "mine"}}, {"default_headers": {"X-AgentWall-Run-ID": "mine"}}],
)
async def test_teams_whose_clients_send_the_same_run_id_are_one_run_of_that_id(
    store: Path, sent: dict[str, Any]
) -> None:
    with ScriptedServer(["One.", "Two.", "Three."]) as server, recording(store) as seen:
        for _ in range(2):
            one = agents.AssistantAgent("one", client(server, **sent))
            await teams.RoundRobinGroupChat([one], max_turns=1).run(task="Go.")
        await assistant("two", server).run(task="Go.")
    assert sorted(run.summary.messages for run in seen.runs if run.run_id == "mine") == [4]
    assert len({run.run_id for run in seen.runs}) == 2
