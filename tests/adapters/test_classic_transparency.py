"""The harness never breaks or changes the program it watches, and leaves nothing when it goes."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.call import Call, Reply
from harness.model import Operation
from harness.trace import Trace, current
from tests.adapters.stage import THEIR_WARNINGS, assistant, autogen, group, proxy, recording
from tests.server import ScriptedServer, tool_call

pytestmark = THEIR_WARNINGS


@pytest.fixture
def store(tmp_path: Path) -> Any:
    yield tmp_path / "store"
    harness.uninstrument()


def classes() -> list[Any]:
    from autogen.agentchat import chat, conversable_agent
    from autogen.coding import LocalCommandLineCodeExecutor
    from autogen.oai.client import OpenAIClient

    return [
        autogen.ConversableAgent,
        autogen.UserProxyAgent,
        autogen.GroupChat,
        autogen.GroupChatManager,
        autogen.OpenAIWrapper,
        OpenAIClient,
        LocalCommandLineCodeExecutor,
        chat,
        conversable_agent,
        autogen,
    ]


def talk(server: ScriptedServer) -> tuple[Any, Any]:
    """A chat with a tool, as a program would hold it: its result, and how often its own functions were called."""
    helper = assistant("helper", server)
    seen: list[Any] = []

    def matched(message: dict[str, Any]) -> bool:
        seen.append(message.get("content"))
        return "TERMINATE" in str(message.get("content"))

    user = proxy(is_termination_msg=matched)

    @user.register_for_execution()
    @helper.register_for_llm(description="Add.")
    def add(a: int, b: int) -> int:
        seen.append((a, b))
        return a + b

    user.register_hook("process_last_received_message", lambda content: content)
    result = user.initiate_chat(helper, message="Go.")
    return result, seen


def test_a_program_gets_the_same_result_and_its_own_functions_the_same_calls(store: Path) -> None:
    script = [tool_call("add", a=1, b=2), "TERMINATE"]
    with ScriptedServer(script) as server:
        bare, bare_calls = talk(server)
    with ScriptedServer(script) as server, recording(store):
        watched, watched_calls = talk(server)
    assert watched.chat_history == bare.chat_history
    assert watched.cost == bare.cost
    assert watched.summary == bare.summary
    assert watched_calls == bare_calls


def test_taking_the_harness_off_leaves_every_class_as_it_was(store: Path) -> None:
    before = [dict(vars(owner)) for owner in classes()]
    with ScriptedServer([tool_call("add", a=1, b=2), "TERMINATE"]) as server, recording(store):
        talk(server)
        assert [dict(vars(owner)) for owner in classes()] != before
    assert [dict(vars(owner)) for owner in classes()] == before
    assert current() is None


def test_agents_that_were_built_before_are_recorded_whole(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "TERMINATE"]) as server:
        helper, user = assistant("helper", server), proxy()
        user.register_function({"add": lambda a, b: str(a + b)})
        with recording(store) as seen:
            user.initiate_chat(helper, message="Go.")
    assert len(seen.run.messages) == 4
    assert len(seen.spans(Operation.TOOL)) == 1
    assert seen.ending == ("termination_message", "user", None)


def test_an_agent_copied_while_watched_behaves_as_its_own(store: Path) -> None:
    with ScriptedServer(lambda _: "TERMINATE") as server, recording(store) as seen:
        user = proxy()
        user.register_function({"add": lambda a, b: str(a + b)})
        twin = copy.deepcopy(user)
        twin._name = "twin"
        twin.initiate_chat(assistant("helper", server), message="Go.")
        assert user.chat_messages == {}
        assert twin.function_map.keys() == {"add"}
        assert type(twin.function_map) is dict
    assert [message.sender for message in seen.run.messages] == ["twin", "helper"]


def test_a_reply_function_left_out_by_reference_is_left_out_all_the_same(store: Path) -> None:
    with ScriptedServer([]) as server, recording(store):
        helper = assistant("helper", server)
        reply = helper.generate_reply(
            messages=[{"role": "user", "content": "Go."}], exclude=[autogen.ConversableAgent.generate_oai_reply]
        )
    assert reply == ""
    assert server.log == []


def test_the_programs_dice_roll_as_they_would(store: Path) -> None:
    def rolls(server: ScriptedServer) -> list[Any]:
        random.seed(3)
        one, two, user = assistant("one", server), assistant("two", server), proxy(default_auto_reply="Go on.")
        chat, manager = group(server, [user, one, two], max_round=6, speaker_selection_method="random")
        user.initiate_chat(manager, message="Start.")
        return [[message["name"] for message in chat.messages], random.random()]  # noqa: S311

    with ScriptedServer(lambda _: "Mine.") as server:
        bare = rolls(server)
        with recording(store):
            assert rolls(server) == bare


def test_a_fault_of_ours_is_logged_once_and_the_conversation_goes_on(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(Trace, "_emit", broken)
    harness.instrument(store)
    with ScriptedServer([tool_call("add", a=1, b=2), "TERMINATE"]) as server:
        result, _ = talk(server)
    assert [m["content"] for m in result.chat_history] == ["Go.", None, "3", "TERMINATE"]
    told = [record.message for record in caplog.records if record.name == "harness"]
    assert told
    assert len(told) == len(set(told))


@pytest.mark.parametrize("name", ["request", "reply"])
def test_a_reply_we_cannot_read_still_reaches_the_program(
    store: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from harness.adapters import classic_messages

    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    with ScriptedServer(["TERMINATE"]) as server, recording(store):
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        monkeypatch.setattr(classic_messages, name, broken)
        result = proxy().initiate_chat(assistant("helper", server), message="Go.")
    assert [m["content"] for m in result.chat_history] == ["Go.", "TERMINATE"]


def test_an_interceptor_may_answer_in_the_place_of_the_model(store: Path) -> None:
    def stub(call: Call) -> Any:
        if call.operation is not Operation.CHAT:
            return (yield call)
        body = {"role": "assistant", "parts": [{"type": "text", "content": "Stubbed. TERMINATE"}]}
        return Reply(value={"message": body, "finish_reason": "stop", "model": "stub", "usage": {}})

    with ScriptedServer([]) as server, recording(store, interceptors=(stub,)) as seen:
        result = proxy().initiate_chat(assistant("helper", server), message="Go.")
    assert server.log == []
    assert result.chat_history[-1]["content"] == "Stubbed. TERMINATE"
    assert seen.run.summary.input_tokens is None


def test_attaching_twice_is_attaching_once(store: Path) -> None:
    first = harness.instrument(store)
    assert harness.instrument(store / "elsewhere") is first
    harness.uninstrument()
    harness.uninstrument()
    assert not (store / "elsewhere").exists()


def test_a_chat_gets_as_deep_as_it_would(store: Path) -> None:
    def depth() -> int:
        def answer(agent: Any, messages: Any = None, sender: Any = None, config: Any = None) -> tuple[bool, str]:
            return True, "again"

        one, two = (
            autogen.ConversableAgent(
                name, llm_config=False, human_input_mode="NEVER", max_consecutive_auto_reply=10_000
            )
            for name in ("one", "two")
        )
        for agent in (one, two):
            agent.register_reply([autogen.ConversableAgent, None], answer, position=1)
        with pytest.raises(RecursionError):
            one.initiate_chat(two, message="hi", silent=True)
        return len(two.chat_messages[one])

    bare = depth()
    with recording(store):
        watched = depth()
    assert watched > 0.95 * bare


def test_a_subclass_that_overrides_sending_is_asked_as_before(store: Path) -> None:
    sent: list[Any] = []

    class Own(autogen.UserProxyAgent):
        def send(self, message: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(message)
            return super().send(message, *args, **kwargs)

    with ScriptedServer(["TERMINATE"]) as server, recording(store) as seen:
        user = Own("user", human_input_mode="NEVER", code_execution_config=False)
        user.initiate_chat(assistant("helper", server), message="Go.", max_turns=1)
    assert sent == ["Go."]
    assert len(seen.run.messages) == 2


def test_a_client_whose_response_has_no_choices_is_recorded_as_it_is(store: Path) -> None:
    from types import SimpleNamespace

    class Own:
        def __init__(self, config: dict[str, Any], **_: Any) -> None:
            self.config = config

        def create(self, params: dict[str, Any]) -> Any:
            return SimpleNamespace(choices=[], model="own", cost=0)

        def message_retrieval(self, response: Any) -> list[str]:
            return ["From nowhere. TERMINATE"]

        def cost(self, response: Any) -> float:
            return 0

        @staticmethod
        def get_usage(response: Any) -> dict[str, Any]:
            return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0, "model": "own"}

    def outcome() -> Any:
        settings = {"config_list": [{"model": "own", "model_client_cls": "Own"}], "cache_seed": None}
        helper = autogen.AssistantAgent("helper", llm_config=settings)
        helper.register_model_client(model_client_cls=Own)
        try:
            return proxy().initiate_chat(helper, message="Go.").chat_history[-1]["content"]
        except IndexError as error:  # as later versions do
            return repr(error)

    bare = outcome()
    with recording(store) as seen:
        assert outcome() == bare
    assert seen.run.summary.model_calls == 1
    assert seen.run.summary.input_tokens is None
