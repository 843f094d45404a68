"""What each instrumentation of AutoGen writes for one small conversation, and what we make of it.

Each is written by hand in the manner of the tool and version that its test names: the user asks ``helper`` what 1 + 2
is, and it adds with a tool.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.importers.otlp import OtlpJson
from harness.model import EndingKind, Operation, RunStatus
from tests.importers.bringing import import_into, only_run, told, write
from tests.importers.wire import link, span, traces

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from harness.model import Run

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
TEAM = "5d0f6c1e-1b3a-4c57-9e0a-7a1f3a6b2c4d"
BUS = "autogen SingleThreadedAgentRuntime"
AGENT, LLM, TOOL = ({"openinference.span.kind": kind} for kind in ("AGENT", "LLM", "TOOL"))


def imported(folder: Path, *documents: dict[str, Any]) -> Run:
    return only_run(folder / "store", write(folder / "traces.jsonl", *documents))


def counted(run: Run) -> tuple[int, int, int | None, int | None]:
    each = run.summary
    return each.model_calls, each.tool_calls, each.input_tokens, each.output_tokens


def operations(run: Run) -> list[str]:
    passed_over = {Operation.MESSAGE, Operation.OTHER}
    return [each.operation.value for each in run.spans if each.operation not in passed_over]


# Classic AutoGen, openinference-instrumentation-ag2 0.1.12 and openinference-instrumentation-openai 0.1.66


def reply(number: int, parent: int, agent: str, to: str, given: list[Any], said: Any, **more: Any) -> dict[str, Any]:
    output = {} if said is None else {"output.value": said if isinstance(said, str) else json.dumps(said)}
    attributes = {**AGENT, "agent.name": agent, "ag2.sender.name": to, "input.value": json.dumps(given), **output}
    return span(number, parent, name=f"{agent}.generate_reply", said=attributes, **more)


def chat(number: int, parent: int | None, sender: str, to: str, message: Any, result: str, **more: Any):
    given = json.dumps({"message": message, "sender": sender, "recipient": to})
    attributes = {**AGENT, "agent.name": sender, "ag2.recipient.name": to, "input.value": given, "output.value": result}
    return span(number, parent, name=f"{sender}.initiate_chat", said=attributes, **more)


def completion(number: int, parent: int, given: int, taken: int) -> dict[str, Any]:
    return span(
        number,
        parent,
        name="ChatCompletion",
        said={
            **LLM,
            "llm.model_name": "m",
            "llm.invocation_parameters": '{"model": "m", "stream": false, "temperature": 0}',
            "llm.finish_reason": "stop",
            "llm.token_count.prompt": given,
            "llm.token_count.completion": taken,
        },
    )


def test_a_classic_chat_that_openinference_watched_has_its_messages_and_who_said_them_to_whom(tmp_path):
    asks = {"content": None, "role": "assistant", "tool_calls": [CALL]}
    answers = {"role": "tool", "tool_responses": [{"tool_call_id": "call_1", "content": "3"}], "content": "3"}
    opening = {"content": "1 + 2?", "role": "user", "name": "user"}
    tool = span(
        5,
        4,
        name="add",
        said={
            **TOOL,
            "tool.name": "add",
            "tool.parameters": '{"a": "int", "b": "int"}',
            "tool_call.function.arguments": '{"a": 1, "b": 2}',
            "input.value": '{"arguments": "{}", "name": "add"}',
            "output.value": '[true, {"name": "add", "role": "function", "content": "3"}]',
        },
    )
    run = imported(
        tmp_path,
        traces(
            chat(1, None, "user", "helper", "1 + 2?", "It is 3."),
            reply(2, 1, "helper", "user", [opening], asks),
            completion(3, 2, 24, 4),
            reply(4, 1, "user", "helper", [opening, asks], answers),
            tool,
            reply(6, 1, "helper", "user", [opening, asks, answers], "It is 3."),
            completion(7, 6, 79, 4),
            reply(8, 1, "user", "helper", [opening], None),
        ),
    )
    assert told(run) == [
        ("user", ("helper",), "user", "1 + 2?"),
        ("helper", ("user",), "assistant", ""),
        ("user", ("helper",), "tool", "3"),
        ("helper", ("user",), "assistant", "It is 3."),
    ]
    assert operations(run) == ["conversation", "turn", "chat", "turn", "tool", "turn", "chat", "turn"]
    assert counted(run) == (2, 1, 103, 8)
    assert [call.agent for call in run.calls] == ["helper", "user", "helper"]
    assert (run.calls[1].request["arguments"], run.calls[1].reply["result"]) == ({"a": 1, "b": 2}, 3)
    assert run.calls[0].span.attributes["harness.request.parameters"] == '{"temperature":0}'
    assert (run.summary.ending, run.summary.status) == (EndingKind.UNKNOWN.value, RunStatus.FINISHED)


def test_a_tool_that_failed_in_a_classic_chat_failed(tmp_path):
    result = [False, {"name": "add", "role": "function", "content": "Error: no 1"}]
    run = imported(
        tmp_path, traces(span(1, name="add", said={**TOOL, "tool.name": "add", "output.value": json.dumps(result)}))
    )
    assert (run.summary.errors, run.calls[0].error) == (1, "error: Error: no 1")


def test_the_chat_in_which_autogen_picks_a_speaker_is_a_selection_and_nobody_spoke_in_it(tmp_path):
    prompt = {"content": "Read the above conversation.", "override_role": "system"}
    run = imported(
        tmp_path,
        traces(
            chat(1, None, "user", "chat_manager", "Write.", "Done."),
            reply(2, 1, "chat_manager", "user", [{"content": "Write.", "role": "user"}], None),
            chat(3, 2, "checking_agent", "speaker_selection_agent", prompt, "[AGENT SELECTED]coder"),
            reply(4, 3, "speaker_selection_agent", "checking_agent", [prompt], "coder"),
            completion(5, 4, 10, 1),
            reply(6, 2, "coder", "chat_manager", [{"content": "Write.", "role": "user"}], "Done."),
        ),
    )
    assert operations(run) == ["conversation", "turn", "selection", "chat", "turn"]
    selection, asked = run.calls
    assert (selection.agent, selection.reply["choice"], asked.agent) == (
        "chat_manager",
        "coder",
        "speaker_selection_agent",
    )
    assert [(sender, text) for sender, _, _, text in told(run)] == [("user", "Write."), ("coder", "Done.")]


def test_what_an_agent_repeats_from_a_chat_of_its_own_it_said_itself(tmp_path):
    run = imported(
        tmp_path,
        traces(
            chat(1, None, "user", "outer", "Go.", "Here."),
            reply(2, 1, "outer", "user", [{"content": "Go.", "role": "user"}], "Here."),
            chat(3, 2, "outer", "inner", "Help.", "Here."),
            reply(4, 3, "inner", "outer", [{"content": "Help.", "role": "user"}], "Here."),
        ),
    )
    assert sorted((sender, to, text) for sender, to, _, text in told(run)) == [
        ("inner", ("outer",), "Here."),
        ("outer", ("inner",), "Help."),
        ("outer", ("user",), "Here."),
        ("user", ("outer",), "Go."),
    ]


# AgentChat, its own telemetry (autogen-core and autogen-agentchat 0.7.5)


def message(name: str, source: str, content: Any, kind: str = "TextMessage") -> dict[str, Any]:
    at = f"2025-06-15T15:06:40.{int(name):06d}Z"
    return {"id": f"id-{name}", "source": source, "created_at": at, "content": content, "type": kind}


def handled(number: int, parent: int | None, by: str, carried: dict[str, Any], *, trace: int, **more: Any):
    member = by != "RoundRobinGroupChatManager"
    attributes = {
        "messaging.operation": "process",
        "recipient_agent_type": f"{by}_{TEAM}",
        "recipient_agent_class": "ChatAgentContainer" if member else by,
        "message": json.dumps(carried),
    }
    return span(number, parent, trace=trace, name=f"autogen process {by}_{TEAM}.({TEAM})-A", said=attributes, **more)


def agentchat(*, tools: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    """Write a team's run: each agent is made in a trace of its own, and each message handled in one linked to."""
    task = message("1", "user", "1 + 2?")
    call = message("2", "helper", [{"id": "call_1", "arguments": '{"a": 1}', "name": "add"}], "ToolCallRequestEvent")
    result = [{"content": "3", "name": "add", "call_id": "call_1", "is_error": False}]
    done = message("3", "helper", result, "ToolCallExecutionEvent")
    answer = message("4", "helper", "It is 3.")
    last = message("5", "critic", "Good. TERMINATE")
    manager = "RoundRobinGroupChatManager"
    asked = {"gen_ai.operation.name": "invoke_agent", "gen_ai.system": "autogen"}
    made = {"gen_ai.operation.name": "create_agent", "gen_ai.system": "autogen"}
    start = {"messages": [task]}
    said = {"response": {"chat_message": answer, "inner_messages": [call, done]}, "name": "helper"}
    ended = {"response": {"chat_message": last, "inner_messages": []}, "name": "critic"}
    return [
        traces(
            span(1, trace=1, name="create_agent helper", said={**made, "gen_ai.agent.name": "helper"}),
            span(2, trace=2, name="create_agent critic", said={**made, "gen_ai.agent.name": "critic"}),
            span(6, 5, trace=4, at=(6, 50), name="invoke_agent helper", said={**asked, "gen_ai.agent.name": "helper"}),
            span(7, 6, trace=4, name="execute_tool add", said={"gen_ai.operation.name": "execute_tool"}),
            span(61, 60, trace=6, name="invoke_agent critic", said={**asked, "gen_ai.agent.name": "critic"}),
            *tools,
            scope="autogen-core",
        ),
        traces(
            span(3, trace=3, name=f"autogen create {manager}_{TEAM}.({TEAM})-A", kind=4),
            handled(4, 3, manager, start, trace=3),
            handled(40, 3, "helper", start, trace=3),
            handled(41, 3, "critic", start, trace=3),
            handled(5, None, "helper", {}, trace=4, links=[link(4, 3)]),
            handled(8, None, manager, {"message": call}, trace=5, links=[link(6, 4)]),
            handled(9, 8, manager, {"message": done}, trace=5),
            handled(51, 8, "critic", said, trace=5),
            handled(52, 8, manager, said, trace=5),
            handled(60, None, "critic", {}, trace=6, links=[link(52, 5)]),
            handled(70, None, "helper", ended, trace=7, links=[link(61, 6)]),
            handled(71, None, manager, ended, trace=7, links=[link(61, 6)]),
            scope=BUS,
        ),
    ]


SAID = [
    ("user", ("helper", "critic"), "user", "1 + 2?"),
    ("helper", (), "assistant", ""),
    ("helper", (), "tool", "3"),
    ("helper", ("critic",), "assistant", "It is 3."),
    ("critic", ("helper",), "assistant", "Good. TERMINATE"),
]


def test_a_team_in_many_traces_is_one_run_with_each_message_once(tmp_path):
    run = imported(tmp_path, *agentchat())
    assert told(run) == SAID
    assert operations(run) == ["turn", "tool", "turn"]
    assert counted(run) == (0, 1, None, None)
    assert (run.summary.name, run.summary.ending) == ("RoundRobinGroupChat", None)
    assert [call["id"] for call in run.messages[1].tool_calls] == ["call_1"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dice=st.randoms(use_true_random=False))
def test_a_team_is_the_same_run_in_whatever_order_its_spans_come(tmp_path, dice: random.Random):
    scopes = [document["resourceSpans"][0]["scopeSpans"][0] for document in agentchat()]
    spans = [(scope["scope"]["name"], each) for scope in scopes for each in scope["spans"]]
    dice.shuffle(spans)
    shuffled = write(tmp_path / "shuffled", *(traces(each, scope=name) for name, each in spans))
    (draft,) = OtlpJson().read(write(tmp_path / "ordered", *agentchat()))
    assert list(OtlpJson().read(shuffled)) == [draft]


def test_a_message_that_two_files_tell_of_was_said_once(tmp_path):
    manager, start = "RoundRobinGroupChatManager", {"messages": [message("1", "user", "1 + 2?")]}
    ended = write(tmp_path / "1", traces(handled(3, 2, "helper", start, trace=1)))
    later = write(tmp_path / "2", traces(handled(2, None, manager, start, trace=1)))
    store, accounts = import_into(tmp_path / "store", ended, later)
    (summary,) = store.runs()
    assert [(each.messages, each.spans) for each in accounts] == [(1, 2), (0, 1)]
    assert told(store.run(summary.run_id)) == [("user", ("helper",), "user", "1 + 2?")]


def test_pieces_of_a_streamed_message_are_no_messages(tmp_path):
    piece = message("9", "helper", "It", "ModelClientStreamingChunkEvent")
    run = imported(tmp_path, traces(handled(1, None, "RoundRobinGroupChatManager", {"message": piece}, trace=1)))
    assert told(run) == []


def test_what_no_agentchat_would_send_is_survived(tmp_path):
    odd = [{"message": 3}, {"messages": "x"}, {"response": []}, {"message": {"source": None}}, {"message": {"id": 7}}]
    fine = {"message": {"source": "a", "content": {"sum": 3}, "type": "StructuredMessage[Sum]", "created_at": "now"}}
    spans = [handled(number, None, "a", each, trace=1) for number, each in enumerate([*odd, fine], start=1)]
    run = imported(tmp_path, traces(*spans))
    assert told(run) == [("a", (), "assistant", '{"sum": 3}')]


def test_a_team_whose_member_failed_has_failed(tmp_path):
    error = {"error": {"error_type": "BadRequestError", "error_message": "no luck"}}
    failing = traces(handled(80, None, "RoundRobinGroupChatManager", error, trace=8, links=[link(3, 3)]), scope=BUS)
    run = imported(tmp_path, *agentchat(), failing)
    (root,) = (each for each in run.spans if each.attributes.get("error.type") == "BadRequestError")
    assert (run.summary.status, root.attributes["error.message"]) == (RunStatus.FAILED, "no luck")


def test_an_agent_that_never_spoke_is_a_run_of_its_own(tmp_path):
    made = {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "idle"}
    early = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "idle"}
    file = write(tmp_path / "t", traces(span(1, trace=1, said=early), span(2, trace=2, said=made)))
    store, _ = import_into(tmp_path / "store", file)
    assert len(store.runs()) == 2


# The same with openinference-instrumentation-autogen-agentchat 0.1.22 and openinference-instrumentation-openai 0.1.66


def test_a_team_that_two_instrumentations_watch_is_counted_once_and_says_why_it_stopped(tmp_path):
    task = {"messages": [message("1", "user", "1 + 2?")], "stop_reason": "Text 'TERMINATE' mentioned"}
    team = {
        "openinference.span.kind": "CHAIN",
        "team_id": TEAM,
        "participant_names": ["helper", "critic"],
        "output.value": json.dumps(task),
    }
    usage = {"llm.token_count.prompt": 24, "llm.token_count.completion": 4}
    watched = traces(
        span(100, trace=4, at=(5, 90), name="RoundRobinGroupChat.run_stream", said=team),
        span(101, 6, trace=4, name="helper.on_messages_stream", said={**AGENT, "graph.node.id": "helper"}),
        span(102, 101, trace=4, name="OpenAIChatCompletionClient.create", said={**LLM, **usage}),
        span(103, 102, trace=4, name="ChatCompletion", said={**LLM, **usage}),
        span(
            104,
            7,
            trace=4,
            name="helper.add",
            said={**TOOL, "tool.name": "add", "input.value": '{"a": 1}', "output.value": "3"},
        ),
        scope="openinference.instrumentation.autogen_agentchat",
    )
    run = imported(tmp_path, *agentchat(), watched)
    assert told(run) == SAID
    assert counted(run) == (1, 1, 24, 4)
    assert run.summary.turns == 2
    assert (run.summary.name, run.summary.ending) == ("RoundRobinGroupChat", EndingKind.TERMINATION_MESSAGE.value)
    (tool,) = (call for call in run.calls if call.span.operation is Operation.TOOL)
    assert (tool.request["arguments"], tool.reply["result"]) == ({"a": 1}, 3)


def test_no_tokens_at_all_are_not_known_tokens(tmp_path):
    said = {**LLM, "llm.token_count.prompt": 0, "llm.token_count.completion": 0}
    assert counted(imported(tmp_path, traces(span(1, said=said)))) == (1, 0, None, None)


def test_results_of_tools_that_a_model_was_told_of_are_read(tmp_path):
    result = json.dumps({"name": "add", "content": "3", "call_id": "call_1", "is_error": False})
    said = {
        **LLM,
        "llm.input_messages.0.message.role": "function",
        "llm.input_messages.0.message.function.0": result,
    }
    (call,) = imported(tmp_path, traces(span(1, said=said))).calls
    expected = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "3"}]}
    assert call.request["messages"] == [expected]


# AG2 1.2.1, its TelemetryMiddleware


def ag2(number: int, parent: int | None, kind: str, **said: Any) -> dict[str, Any]:
    operation = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool"}.get(kind)
    more = {"gen_ai.operation.name": operation} if operation else {}
    attributes = {key.replace("__", "."): value for key, value in said.items()}
    return span(number, parent, said={"ag2.span.type": kind, **more, **attributes})


def asked(number: int, parent: int, given: list[Any], said: dict[str, Any], *usage: int) -> list[dict[str, Any]]:
    counts = dict(zip(("gen_ai__usage__input_tokens", "gen_ai__usage__output_tokens"), usage, strict=True))
    contents = {"gen_ai__input__messages": json.dumps(given), "gen_ai__output__messages": json.dumps([said])}
    return [ag2(number, parent, "llm", **contents, **counts), ag2(number + 1, parent, "usage", **counts)]


def test_an_agent_that_only_its_model_calls_tell_of_has_said_what_they_say(tmp_path):
    question = {"content": "1 + 2?", "role": "user"}
    calls = {"content": None, "role": "assistant", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
    task = {"content": "Add 1 and 2.", "role": "user"}
    run = imported(
        tmp_path,
        traces(
            ag2(1, None, "agent", gen_ai__agent__name="boss"),
            *asked(2, 1, [question], calls, 20, 9),
            ag2(4, 1, "tool", gen_ai__tool__name="add"),
            ag2(5, 4, "agent", gen_ai__agent__name="helper"),
            *asked(6, 5, [task], {"content": "3", "role": "assistant"}, 10, 1),
            *asked(8, 1, [question, calls, result], {"content": "It is 3.", "role": "assistant"}, 75, 2),
            scope="opentelemetry.instrumentation.ag2",
        ),
    )
    assert sorted(told(run)) == sorted(
        [
            ("user", ("boss",), "user", "1 + 2?"),
            ("boss", (), "assistant", ""),
            ("boss", ("helper",), "user", "Add 1 and 2."),
            ("helper", ("boss",), "assistant", "3"),
            ("boss", (), "tool", "3"),
            ("boss", ("user",), "assistant", "It is 3."),
        ]
    )
    assert counted(run) == (3, 1, 105, 12)


def test_a_channel_is_one_run_in_which_each_envelope_was_said_once(tmp_path):
    """The hub of AG2 1.2.1 writes each envelope and the turn that answers it into a trace of its own."""

    def turn(trace: int, agent: str, asked: str, answer: str) -> list[dict[str, Any]]:
        given, said = [{"content": asked, "role": "user"}], [{"content": answer, "role": "assistant"}]
        contents = {"gen_ai__input__messages": json.dumps(given), "gen_ai__output__messages": json.dumps(said)}
        number = 10 * trace
        spans = [
            ag2(number, None, "envelope", ag2__network__channel_id="c-1"),
            ag2(number + 1, number, "agent", gen_ai__agent__name=agent),
            ag2(number + 2, number + 1, "llm", **contents),
        ]
        return [{**each, "traceId": f"{trace:032x}"} for each in spans]

    turns = [turn(1, "writer", "[critic]: Go.", "One."), turn(2, "critic", "[writer]: One.", "Two.")]
    run = imported(tmp_path, *(traces(*each) for each in turns))
    assert sorted(told(run)) == [
        ("critic", (), "assistant", "Two."),
        ("critic", (), "user", "Go."),
        ("writer", (), "assistant", "One."),
    ]
    assert run.summary.source_id == "c-1"


# Logfire 5.2.0


def test_a_run_is_named_as_logfire_shows_it(tmp_path):
    said = {"logfire.msg_template": "ask {what}", "logfire.msg": "ask sums", "logfire.span_type": "span"}
    assert imported(tmp_path, traces(span(1, name="ask {what}", said=said))).summary.name == "ask sums"


# autogen 0.14.1, its own autogen.opentelemetry


def test_chats_one_after_another_are_one_run(tmp_path):
    def talk(number: int, name: str) -> list[dict[str, Any]]:
        opening = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"Begin {name}"}]}])
        said = {"gen_ai__agent__name": "user", "gen_ai__conversation__id": name, "gen_ai__input__messages": opening}
        return [ag2(number, 1, "conversation", **said)]

    run = imported(tmp_path, traces(ag2(1, None, "multi_conversation"), *talk(2, "one"), *talk(3, "two")))
    assert operations(run) == ["conversation"] * 3
    assert told(run) == [("user", (), "user", "Begin one"), ("user", (), "user", "Begin two")]


def test_a_list_that_came_as_json_is_a_list(tmp_path):
    said = {"ag2.span.type": "llm", "gen_ai.response.finish_reasons": '["stop"]'}
    (chat_span,) = imported(tmp_path, traces(span(1, said=said))).spans
    assert chat_span.attributes["gen_ai.response.finish_reasons"] == ["stop"]
