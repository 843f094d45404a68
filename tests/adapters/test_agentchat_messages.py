"""AgentChat's messages, results and endings in the words of the seam, and results back again."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")

from autogen_agentchat import messages as native
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from pydantic import BaseModel

from harness.adapters import agentchat_messages, agentchat_models
from harness.adapters.agentchat_endings import cut_short, ending

texts = st.text(max_size=20)
calls = st.builds(
    FunctionCall,
    id=texts,
    name=texts,
    arguments=texts | st.dictionaries(texts, st.integers() | texts, max_size=3).map(json.dumps),
)
counts = st.integers(0, 10**9)
results = st.builds(
    CreateResult,
    finish_reason=st.sampled_from(["stop", "length", "function_calls", "content_filter", "unknown"]),
    content=texts | st.lists(calls, min_size=1, max_size=3),
    usage=st.builds(RequestUsage, counts, counts),
    cached=st.sampled_from([False]),
    thought=st.none() | st.text(min_size=1, max_size=20),
)


@given(results)
def test_a_result_comes_back_from_the_seam_as_it_went_there(result: CreateResult) -> None:
    value = json.loads(json.dumps(agentchat_messages.reply(result, "m", {})))
    assert agentchat_models._completion(object(), value) == result


def test_every_message_to_a_model_has_a_neutral_form() -> None:
    call = FunctionCall(id="c1", name="add", arguments='{"a": 1}')
    result = FunctionExecutionResult(content="3", name="add", call_id="c1", is_error=False)
    failure = FunctionExecutionResult(content="no", name="add", call_id="c2", is_error=True)
    picture = Image.from_base64(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    found = [
        agentchat_messages.neutral(message)
        for message in (
            SystemMessage(content="Help."),
            UserMessage(content=["Look:", picture], source="boss"),
            AssistantMessage(content=[call], source="helper", thought="Hm."),
            FunctionExecutionResultMessage(content=[result, failure]),
        )
    ]
    assert found[0] == {"role": "system", "parts": [{"type": "text", "content": "Help."}]}
    assert found[1]["name"] == "boss"
    assert found[1]["parts"][0] == {"type": "text", "content": "Look:"}
    assert found[1]["parts"][1]["uri"].startswith("data:image/png;base64,")
    assert found[2]["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "tool_call", "name": "add", "arguments": {"a": 1}, "id": "c1"},
    ]
    assert found[3] == {
        "role": "tool",
        "parts": [
            {"type": "tool_call_response", "response": "3", "id": "c1"},
            {"type": "tool_call_response", "response": "no", "is_error": True, "id": "c2"},
        ],
    }


def test_a_message_that_was_changed_in_place_is_read_again() -> None:
    known = agentchat_messages.Messages()
    message = AssistantMessage(content=[FunctionCall(id="1", name="add", arguments="{}")], source="a")
    first = known.of(message)
    assert known.of(message) is first
    message.content[0].arguments = '{"a": 1}'  # type: ignore[union-attr]
    assert known.of(message)["parts"][0]["arguments"] == {"a": 1}
    text = UserMessage(content="One.", source="a")
    known.of(text)
    text.content = "Two."
    assert known.of(text)["parts"][0]["content"] == "Two."


class Verdict(BaseModel):
    good: bool


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (native.TextMessage(content="Hi.", source="a"), [{"type": "text", "content": "Hi."}]),
        (
            native.StructuredMessage[Verdict](content=Verdict(good=True), source="a"),
            [{"type": "text", "content": '{"good":true}'}],
        ),
        (
            native.HandoffMessage(content="Yours.", target="b", source="a"),
            [{"type": "text", "content": "Yours."}, {"type": "handoff", "target": "b"}],
        ),
        (native.ThoughtEvent(content="Hm.", source="a"), [{"type": "reasoning", "content": "Hm."}]),
    ],
)
def test_what_agents_say_and_do_has_a_neutral_form(message: Any, parts: list[Any]) -> None:
    assert agentchat_messages.spoken(message, human=False) == {"role": "assistant", "parts": parts}
    assert agentchat_messages.told(message)


def test_pieces_of_messages_and_what_is_a_call_are_no_messages() -> None:
    for item in (
        native.ModelClientStreamingChunkEvent(content="Hi", source="a"),
        native.SelectSpeakerEvent(content=["b"], source="a"),
        native.UserInputRequestedEvent(request_id="1", source="a"),
        SimpleNamespace(stop_reason=None),
    ):
        assert not agentchat_messages.told(item)


def test_settings_are_the_same_in_every_process() -> None:
    value = {"json": Verdict, "tool": object(), "stop": ("a", "b"), "deep": {"x": [1, None]}}
    assert agentchat_messages.plain(value) == {
        "json": Verdict.model_json_schema(),
        "tool": "object",
        "stop": ["a", "b"],
        "deep": {"x": [1, None]},
    }


_OVER = "The group chat has already terminated."


def stop(content: str, source: str = "Manager") -> Any:
    return native.StopMessage(content=content, source=source)


@pytest.mark.parametrize(
    ("message", "decides", "kind", "agent", "detail"),
    [
        (None, False, "no_speaker", None, None),
        (stop("Maximum number of turns 7 reached."), False, "max_turns", None, "7"),
        (stop(_OVER), False, "stopped", None, _OVER),
        (stop("Max rounds reached."), True, "max_rounds", "Manager", "Max rounds reached."),
        (stop("It is found."), True, "termination_message", "Manager", "It is found."),
        (stop("Nobody knows."), False, "unknown", None, "Nobody knows."),
        (stop("Enough.", "OwnTermination"), False, "termination_message", None, "Enough."),
        (stop("a, b", "MaxMessageTermination, OwnTermination"), False, "termination_message", None, "a, b"),
        (stop("a, b", "TimeoutTermination, ExternalTermination"), False, "stopped", None, "a, b"),
    ],
)  # fmt: skip
def test_a_team_ends_as_its_stop_message_says(message: Any, decides: Any, kind: str, agent: Any, detail: Any) -> None:
    found = ending(message, "Manager", decides=decides)
    assert (found.kind.value, found.agent, found.detail) == (kind, agent, detail)


def test_an_error_is_told_by_the_type_that_the_manager_saw() -> None:
    seen = SimpleNamespace(error_type="ValueError")
    assert cut_short(RuntimeError("x"), seen).detail == "ValueError"
    assert cut_short(RuntimeError("x"), None).detail == "RuntimeError"
    assert cut_short(KeyboardInterrupt(), None).kind.value == "interrupted"
    assert cut_short(GeneratorExit(), None).kind.value == "stopped"


def test_a_client_is_named_by_its_model_its_family_or_its_class() -> None:
    inner = SimpleNamespace(_create_args={"model": "gpt-4o", "temperature": 0}, create=None)
    around = SimpleNamespace(client=inner, model_info={"family": "other"})
    assert agentchat_models.model_of(around) == "gpt-4o"
    assert agentchat_models.settings_of(around) == {"model": "gpt-4o", "temperature": 0}
    assert agentchat_models.model_of(SimpleNamespace(model_info={"family": "r1"})) == "r1"
    assert agentchat_models.model_of(SimpleNamespace(model_info={"family": "unknown"})) == "SimpleNamespace"


def test_a_history_that_goes_on_is_known_and_one_that_was_changed_in_place_is_not() -> None:
    known = agentchat_messages.Messages()
    told: list[Any] = [
        SystemMessage(content="Help."),
        UserMessage(content="Add.", source="user"),
        AssistantMessage(content=[FunctionCall(id="1", name="add", arguments="{}")], source="helper"),
    ]
    first = known.history(told)
    again = known.history([*told, UserMessage(content="And?", source="user")])
    assert all(one is other for one, other in zip(first, again, strict=False))
    assert again == agentchat_messages.Messages().history([*told, UserMessage(content="And?", source="user")])
    told[1].content = "Subtract."
    assert known.history(told)[1]["parts"] == [{"type": "text", "content": "Subtract."}]
    told[2].content[0].arguments = '{"a": 1}'
    assert known.history(told) == agentchat_messages.Messages().history(told)
    assert known.history(told[:1]) == agentchat_messages.Messages().history(told[:1])
    assert known.history([]) == []
