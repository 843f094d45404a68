"""What a classic conversation looks like once it is recorded, compared with what the framework and the server say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import semconv
from harness.model import Operation, RunStatus, Status
from tests.adapters.stage import (
    THEIR_WARNINGS,
    assistant,
    autogen,
    config,
    group,
    proxy,
    recording,
    says_terminate,
    tokens,
)
from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

pytestmark = THEIR_WARNINGS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"
    harness.uninstrument()


def spoken(history: list[dict[str, Any]]) -> list[str]:
    return [message.get("content") or "" for message in history]


def adder(asking: Any, running: Any) -> Any:
    @running.register_for_execution()
    @asking.register_for_llm(description="Add two numbers.")
    def add(a: int, b: int) -> int:
        return a + b

    return add


def test_a_two_agent_chat_is_recorded_as_the_framework_and_the_server_tell_it(store: Path) -> None:
    script = [tool_call("add", a=1, b=2), "It is 3.", "Bye. TERMINATE"]
    with ScriptedServer(script) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy(default_auto_reply="Thanks.")
        adder(helper, user)
        result = user.initiate_chat(helper, message="What is 1 + 2?")
    run = seen.run
    assert [message.text for message in run.messages] == spoken(result.chat_history)
    assert [message.sender for message in run.messages] == ["user", "helper", "user", "helper", "user", "helper"]
    assert [message.recipients for message in run.messages][:2] == [("helper",), ("user",)]
    assert run.messages[1].tool_calls[0]["name"] == "add"
    assert run.summary.model_calls == len(server.log) == 3
    assert run.summary.tool_calls == 1
    assert run.summary.input_tokens == tokens(server, "prompt")
    assert run.summary.output_tokens == tokens(server, "completion")
    assert run.summary.cost_usd == pytest.approx(result.cost["usage_including_cached_inference"]["total_cost"])
    assert seen.ending == ("termination_message", "user", None)
    assert run.summary.status is RunStatus.FINISHED


def test_every_call_stands_under_the_turn_that_made_it(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "TERMINATE"]) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy()
        adder(helper, user)
        user.initiate_chat(helper, message="Go.")
    turns = [span.attributes[semconv.GEN_AI_AGENT] for span in seen.spans(Operation.TURN)]
    assert turns == ["helper", "user", "helper", "user"]
    for operation, agent in ((Operation.CHAT, "helper"), (Operation.TOOL, "user")):
        for span in seen.spans(operation):
            turn = seen.parent(span)
            assert turn is not None
            assert turn.operation is Operation.TURN
            assert turn.attributes[semconv.GEN_AI_AGENT] == agent
    for span in seen.spans(Operation.MESSAGE):
        talk = seen.parent(span)
        assert talk is not None
        assert talk.operation is Operation.CONVERSATION
        assert span.start_ns == span.end_ns


def test_a_group_chat_has_one_message_for_each_thing_said_and_its_cost_is_the_sum_of_its_calls(store: Path) -> None:
    script = rules(
        {
            "role play": ["coder", "reviewer", "coder"],
            "You code": ["def f(): ...", "def f(): return 1 TERMINATE"],
            "You review": ["Return something."],
        }
    )
    with ScriptedServer(script) as server, recording(store) as seen:
        coder, reviewer = assistant("coder", server, "You code."), assistant("reviewer", server, "You review.")
        user = proxy()
        chat, manager = group(server, [user, coder, reviewer], max_round=8)
        user.initiate_chat(manager, message="Write f.")
    run = seen.run
    assert [(m.sender, m.text) for m in run.messages] == [(m["name"], m["content"]) for m in chat.messages]
    assert [m.recipients for m in run.messages] == [
        ("coder", "reviewer"),
        ("user", "reviewer"),
        ("user", "coder"),
        ("user", "reviewer"),
    ]
    selections = seen.spans(Operation.SELECTION)
    asked = [entry for entry in server.log if "role play" in str(entry["request"]["messages"][0])]
    assert [span.attributes[semconv.HARNESS_SELECTION_CHOICE] for span in selections] == ["coder", "reviewer", "coder"]
    assert len(selections) == len(asked)
    assert run.summary.model_calls == len(server.log) == 6
    assert run.summary.input_tokens == tokens(server, "prompt")
    per_token = 0.15e-6 * tokens(server, "prompt") + 0.6e-6 * tokens(server, "completion")
    assert run.summary.cost_usd == pytest.approx(per_token)
    assert seen.ending == ("termination_message", "chat_manager", None)
    assert run.summary.turns == 3


@pytest.mark.parametrize("method", ["round_robin", "random"])
def test_a_speaker_picked_without_a_model_is_recorded_too(store: Path, method: str) -> None:
    with ScriptedServer(lambda _: "Mine.") as server, recording(store) as seen:
        one, two, user = assistant("one", server), assistant("two", server), proxy(default_auto_reply="Go on.")
        chat, manager = group(server, [user, one, two], max_round=4, speaker_selection_method=method)
        user.initiate_chat(manager, message="Start.")
    assert [(m.sender, m.text) for m in seen.run.messages] == [(m["name"], m["content"]) for m in chat.messages]
    chosen = [span.attributes[semconv.HARNESS_SELECTION_CHOICE] for span in seen.spans(Operation.SELECTION)]
    assert chosen == [message["name"] for message in chat.messages[1:]]
    assert {span.attributes[semconv.HARNESS_SELECTION_METHOD] for span in seen.spans(Operation.SELECTION)} == {method}
    assert seen.ending == ("max_rounds", None, "4")


def test_a_group_in_which_nobody_may_speak_next_says_so(store: Path) -> None:
    with ScriptedServer(["Mine."]) as server, recording(store) as seen:
        one, two = assistant("one", server), assistant("two", server)
        _, manager = group(server, [one, two], max_round=9, speaker_selection_method=lambda _last, _chat: None)
        one.initiate_chat(manager, message="Start.")
    assert [(m.sender, m.text) for m in seen.run.messages] == [("one", "Start.")]
    kind, _, detail = seen.ending
    assert kind == "no_speaker"
    assert detail
    assert seen.run.summary.status is RunStatus.FINISHED


def test_sequential_chats_are_one_run_with_a_conversation_each(store: Path) -> None:
    with ScriptedServer(lambda _: "Done. TERMINATE") as server, recording(store) as seen:
        user = proxy()
        chats = [
            {"recipient": assistant(name, server), "message": f"Do {name}.", "summary_method": "last_msg"}
            for name in ("first", "second")
        ]
        results = user.initiate_chats(chats)
    talks = seen.spans(Operation.CONVERSATION)
    assert [span.attributes[semconv.HARNESS_CONVERSATION_PATTERN] for span in talks] == [
        "sequential",
        "two_agent",
        "two_agent",
    ]
    assert [span.parent_id for span in talks] == [None, talks[0].span_id, talks[0].span_id]
    assert [m.text for m in seen.run.messages] == [text for result in results for text in spoken(result.chat_history)]
    assert seen.ending[0] == "termination_message"


def test_a_nested_chat_stands_under_the_turn_it_answers(store: Path) -> None:
    script = rules({"You write": lambda _: "Draft.", "You criticise": lambda _: "Too short."})
    with ScriptedServer(script) as server, recording(store) as seen:
        writer, critic = assistant("writer", server, "You write."), assistant("critic", server, "You criticise.")
        user = proxy(max_consecutive_auto_reply=1, default_auto_reply="And?")
        critic_chat = {"recipient": critic, "message": "What of it?", "max_turns": 1, "summary_method": "last_msg"}
        user.register_nested_chats([critic_chat], trigger=writer)
        user.initiate_chat(writer, message="Write.", max_turns=2)
    inner = next(
        s for s in seen.spans(Operation.CONVERSATION) if "critic" in str(s.attributes[semconv.GEN_AI_WORKFLOW])
    )
    above = seen.parent(inner)
    assert above is not None
    turn = seen.parent(above)
    assert turn is not None
    assert turn.operation is Operation.TURN
    assert turn.attributes[semconv.GEN_AI_AGENT] == "user"
    said = [(m.sender, m.recipients, m.text) for m in seen.run.messages]
    assert ("critic", ("user",), "Too short.") in said
    assert seen.run.summary.model_calls == len(server.log)


async def test_an_async_chat_has_the_same_picture_though_the_model_is_asked_on_another_thread(store: Path) -> None:
    with ScriptedServer([tool_call("later", a=4), "TERMINATE"]) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy()

        @user.register_for_execution()
        @helper.register_for_llm(description="Double, later.")
        async def later(a: int) -> int:
            await asyncio.sleep(0)
            return 2 * a

        result = await user.a_initiate_chat(helper, message="Go.")
    assert [m.text for m in seen.run.messages] == spoken(result.chat_history)
    for span in [*seen.spans(Operation.CHAT), *seen.spans(Operation.TOOL)]:
        turn = seen.parent(span)
        assert turn is not None
        assert turn.operation is Operation.TURN
    assert seen.spans(Operation.TOOL)[0].attributes[semconv.GEN_AI_TOOL_RESULT] == '"8"'
    assert seen.ending[0] == "termination_message"


async def test_conversations_that_run_at_once_never_mix(store: Path) -> None:
    def echo(request: dict[str, Any]) -> str:
        return f"Echo {request['messages'][-1]['content']} TERMINATE"

    with ScriptedServer(echo) as server, recording(store) as seen:
        chats = (proxy().a_initiate_chat(assistant("helper", server), message=f"n{n}") for n in range(5))
        await asyncio.gather(*chats)
    assert len(seen.runs) == 5
    said = sorted([message.text for message in run.messages] for run in seen.runs)
    assert said == [[f"n{n}", f"Echo n{n} TERMINATE"] for n in range(5)]
    assert all(run.summary.model_calls == 1 for run in seen.runs)


def test_conversations_on_threads_belong_to_the_run_around_them(store: Path) -> None:
    with ScriptedServer(lambda _: "Yes. TERMINATE") as server, recording(store) as seen:

        def talk(number: int) -> None:
            proxy().initiate_chat(assistant("helper", server), message=f"n{number}")

        with harness.run("a batch", id="batch-1", tags=["nightly"]) as run, ThreadPoolExecutor(3) as pool:
            list(pool.map(talk, range(4)))
            thread = threading.Thread(target=talk, args=(4,))
            thread.start()
            thread.join()
        assert run.run_id == "batch-1"
    assert seen.run.run_id == "batch-1"
    assert seen.run.summary.name == "a batch"
    assert seen.run.summary.tags == ("nightly",)
    assert sorted(m.text for m in seen.run.messages if m.sender == "user") == [f"n{n}" for n in range(5)]
    assert seen.run.summary.model_calls == 5


def test_tools_that_fail_are_unknown_or_get_no_json_are_errors_with_their_cause(store: Path) -> None:
    script = [
        tool_call("explode", a=1),
        tool_call("nowhere", a=1),
        Reply(tool_calls=[ToolCall(name="explode", arguments="{not json")]),
        "TERMINATE",
    ]
    with ScriptedServer(script) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy()

        @user.register_for_execution()
        @helper.register_for_llm(description="Fail.")
        def explode(a: int) -> str:
            raise LookupError(f"no {a}")

        user.initiate_chat(helper, message="Go.")
    tools = seen.spans(Operation.TOOL)
    assert [span.status for span in tools] == [Status.ERROR] * 3
    assert [span.attributes[semconv.ERROR_TYPE] for span in tools] == [
        "LookupError",
        "ToolNotRunError",
        "ToolNotRunError",
    ]
    assert "no 1" in tools[0].attributes[semconv.ERROR_MESSAGE]
    assert "not found" in tools[1].attributes[semconv.ERROR_MESSAGE]


@pytest.mark.parametrize("executor", [True, False])
def test_code_is_recorded_with_what_it_printed(store: Path, tmp_path: Path, executor: bool) -> None:  # noqa: FBT001
    work = tmp_path / "work"
    work.mkdir()
    settings: dict[str, Any] = {"work_dir": str(work), "use_docker": False}
    if executor:
        from autogen.coding import LocalCommandLineCodeExecutor

        settings = {"executor": LocalCommandLineCodeExecutor(work_dir=work)}
    code = "```python\nprint(6 * 7)\n```"
    with ScriptedServer([code, "TERMINATE"]) as server, recording(store) as seen:
        proxy(code_execution_config=settings).initiate_chat(assistant("coder", server), message="Compute.")
    (span,) = seen.spans(Operation.CODE)
    (call,) = [call for call in seen.run.calls if call.span.span_id == span.span_id]
    assert call.request["blocks"] == [{"language": "python", "code": "print(6 * 7)"}]
    assert call.reply is not None
    assert call.reply["exit_code"] == 0
    assert call.reply["output"].strip() == "42"
    assert call.agent == "user"


class Typist(autogen.UserProxyAgent):
    """A user whose typing is scripted; overriding the method is how AutoGen's guides do it."""

    typed: list[str]

    def get_human_input(self, prompt: str, **_: Any) -> str:
        assert prompt
        return self.typed.pop(0)


def test_what_a_human_typed_is_recorded_and_an_exit_is_the_humans(store: Path) -> None:
    with ScriptedServer(["First.", "Second."]) as server, recording(store) as seen:
        user = Typist("boss", human_input_mode="ALWAYS", code_execution_config=False)
        user.typed = ["more", "exit"]
        user.initiate_chat(assistant("helper", server), message="Go.")
    humans = seen.spans(Operation.HUMAN)
    assert [span.attributes[semconv.HARNESS_HUMAN_INPUT] for span in humans] == ["more", "exit"]
    assert seen.ending == ("human", "boss", "exit")


def test_nothing_typed_at_a_termination_message_is_the_messages_ending(store: Path) -> None:
    with ScriptedServer(["Done. TERMINATE"]) as server, recording(store) as seen:
        user = Typist(
            "boss", human_input_mode="TERMINATE", code_execution_config=False, is_termination_msg=says_terminate
        )
        user.typed = [""]
        user.initiate_chat(assistant("helper", server), message="Go.")
    assert seen.ending == ("termination_message", "boss", None)


def test_the_reply_limit_that_ended_a_chat_is_named_with_its_agent(store: Path) -> None:
    with ScriptedServer(lambda _: "Hm.") as server, recording(store) as seen:
        proxy(max_consecutive_auto_reply=2, default_auto_reply="And?").initiate_chat(
            assistant("helper", server), message="Go."
        )
    assert seen.ending == ("reply_limit", "user", "2")


def test_the_turn_limit_that_ended_a_chat_is_named(store: Path) -> None:
    with ScriptedServer(lambda _: "Hm.") as server, recording(store) as seen:
        proxy(default_auto_reply="And?").initiate_chat(assistant("helper", server), message="Go.", max_turns=2)
    assert len(seen.run.messages) == 4
    assert seen.ending == ("max_turns", None, "2")


def test_a_chat_that_a_model_error_ends_is_failed_with_its_cause_and_the_error_reaches_the_program(store: Path) -> None:
    import openai

    with (
        ScriptedServer([error(400, "too long")]) as server,
        recording(store) as seen,
        pytest.raises(openai.BadRequestError, match="too long"),
    ):
        proxy().initiate_chat(assistant("helper", server), message="Go.")
    (call,) = seen.spans(Operation.CHAT)
    assert call.status is Status.ERROR
    assert call.attributes[semconv.ERROR_TYPE] == "BadRequestError"
    assert seen.ending[:1] == ("error",)
    assert seen.run.summary.status is RunStatus.FAILED
    assert [m.text for m in seen.run.messages] == ["Go."]


def test_a_fallback_to_the_next_model_shows_both_attempts(store: Path) -> None:
    with ScriptedServer([error(400, "no"), "Yes. TERMINATE"]) as server, recording(store) as seen:
        settings = config(server)
        settings["config_list"].append({**settings["config_list"][0], "model": "gpt-4o"})
        helper = autogen.AssistantAgent("helper", llm_config=settings)
        proxy().initiate_chat(helper, message="Go.")
    calls = seen.spans(Operation.CHAT)
    assert [(span.attributes[semconv.GEN_AI_REQUEST_MODEL], span.status) for span in calls] == [
        ("gpt-4o-mini", Status.ERROR),
        ("gpt-4o", Status.OK),
    ]
    assert len(server.log) == 2


def test_a_reply_from_the_frameworks_own_cache_is_marked_and_costs_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diskcache", reason="the framework's disk cache is not installed")
    monkeypatch.chdir(tmp_path)
    with ScriptedServer(lambda _: "Yes. TERMINATE") as server, recording(store) as seen:
        for _ in range(2):
            helper = autogen.AssistantAgent("helper", llm_config={**config(server), "cache_seed": 7})
            proxy().initiate_chat(helper, message="Go.", clear_history=True)
    assert len(server.log) == 1
    first, second = seen.runs
    assert first.summary.model_calls == 1
    assert second.summary.model_calls == 0
    assert second.summary.cost_usd == 0
    assert [m.text for m in second.messages] == ["Go.", "Yes. TERMINATE"]


def test_the_frameworks_own_cache_does_not_answer_while_recording(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ScriptedServer(lambda _: "Yes. TERMINATE") as server, recording(store, mode="record"):
        for _ in range(2):
            helper = autogen.AssistantAgent("helper", llm_config={**config(server), "cache_seed": 7})
            proxy().initiate_chat(helper, message="Go.")
    assert len(server.log) == 2


def test_messages_sent_outside_any_chat_make_one_run(store: Path) -> None:
    with ScriptedServer(["Yes. TERMINATE"]) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy()
        user.send("Go.", helper, request_reply=True)
    assert [(m.sender, m.text) for m in seen.run.messages] == [("user", "Go."), ("helper", "Yes. TERMINATE")]


def test_messages_that_ask_for_no_reply_outside_any_chat_are_one_run_together(store: Path) -> None:
    with ScriptedServer(["TERMINATE"]) as server, recording(store) as seen:
        helper, user = assistant("helper", server), proxy()
        for number in range(5):
            user.send(f"Remember {number}.", helper, request_reply=False)
        user.initiate_chat(helper, message="Go.", clear_history=False)
    loose, chat = seen.runs
    assert [message.text for message in loose.messages] == [f"Remember {number}." for number in range(5)]
    assert [message.text for message in chat.messages] == ["Go.", "TERMINATE"]


def test_a_chat_that_is_stopped_from_outside_says_so(store: Path) -> None:
    class Impatient(autogen.UserProxyAgent):
        def get_human_input(self, prompt: str, **_: Any) -> str:
            raise KeyboardInterrupt(prompt)

    user = Impatient("boss", human_input_mode="ALWAYS", code_execution_config=False)
    with ScriptedServer(["Done?"]) as server, recording(store) as seen, pytest.raises(KeyboardInterrupt):
        user.initiate_chat(assistant("helper", server), message="Go.")
    assert seen.ending == ("interrupted", None, "KeyboardInterrupt")


def test_a_message_is_stored_once_however_often_it_is_asked_about(store: Path) -> None:
    with ScriptedServer(lambda _: "An answer.") as server, recording(store) as seen:
        user = proxy(default_auto_reply="A question.", max_consecutive_auto_reply=9)
        user.initiate_chat(assistant("helper", server), message="The beginning of it all.")
    written = [line for path in (store / "journal").iterdir() for line in path.read_text().splitlines()]
    assert sum("The beginning of it all." in line for line in written) <= 2  # as it was said, and as the model saw it
    last = [call for call in seen.run.calls if call.span.operation is Operation.CHAT][-1]
    assert len(last.request["messages"]) == len(server.log[-1]["request"]["messages"])
    assert [m["role"] for m in last.request["messages"]] == [m["role"] for m in server.log[-1]["request"]["messages"]]
