"""Native messages to neutral ones and back."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.adapters.classic_messages import Messages, arguments, completion, neutral, reply, request

names = st.text("abcdefgh_", min_size=1, max_size=8)
objects = st.dictionaries(names, st.none() | st.integers() | st.text() | st.lists(st.booleans()), max_size=3)
written = objects.map(json.dumps) | objects.map(lambda o: json.dumps(o, separators=(",", ":"))) | st.text()
tool_calls = st.lists(
    st.builds(lambda n, a, i: {"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": a}},
              names, written, st.integers(0, 99)),
    max_size=3,
)  # fmt: skip


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | st.text())}
    if calls := draw(tool_calls):
        message["tool_calls"] = calls
    elif draw(st.booleans()):
        message["function_call"] = {"name": draw(names), "arguments": draw(written)}
    given_tokens, taken = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    return {
        "id": draw(names),
        "object": "chat.completion",
        "created": 0,
        "model": draw(names),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": draw(st.sampled_from(["stop", "length"])),
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": given_tokens,
            "completion_tokens": taken,
            "total_tokens": given_tokens + taken,
            "prompt_tokens_details": {"cached_tokens": draw(st.integers(0, 9))},
            "completion_tokens_details": {"reasoning_tokens": draw(st.integers(0, 9))},
        },
    }


@given(completions())
def test_a_completion_survives_the_way_there_and_back(native: dict[str, Any]) -> None:
    pytest.importorskip("openai")
    from openai.types.chat import ChatCompletion

    assert completion(reply(ChatCompletion.model_validate(native))) == native


@given(written)
def test_arguments_are_read_only_where_nothing_is_lost(text: str) -> None:
    value = arguments(text)
    assert value == text or json.dumps(value) == text


def test_usage_that_nobody_reported_stays_unknown() -> None:
    message = SimpleNamespace(content="hi", function_call=None, tool_calls=None)
    response = SimpleNamespace(choices=[SimpleNamespace(message=message)], model="own")
    assert reply(response)["usage"] == {}
    assert "usage" not in completion(reply(response))


def test_tool_results_of_several_calls_are_one_message_with_a_part_each() -> None:
    native = {
        "role": "tool",
        "content": "1\n2",
        "tool_responses": [
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
        ],
    }
    assert neutral(native)["parts"] == [
        {"type": "tool_call_response", "id": "a", "response": "1"},
        {"type": "tool_call_response", "id": "b", "response": "2"},
    ]


def test_images_are_named_by_their_address() -> None:
    content = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]
    assert neutral({"role": "user", "content": content})["parts"] == [
        {"type": "text", "content": "Look:"},
        {"type": "uri", "modality": "image", "uri": "https://x.test/a.png"},
    ]


def test_an_unchanged_message_is_translated_once_and_a_changed_one_again() -> None:
    messages, native = Messages(), {"role": "user", "content": "one"}
    first = messages.of(native)
    assert messages.of(native) is first
    native["content"] = "two"
    assert messages.of(native)["parts"] == [{"type": "text", "content": "two"}]


def test_everything_beyond_model_messages_and_tools_is_a_parameter() -> None:
    params = {"model": "m", "messages": [], "tools": [{"type": "function"}], "temperature": 0.2, "tool_choice": "none"}
    assert request(params, Messages()) == {
        "model": "m",
        "messages": [],
        "tools": [{"type": "function"}],
        "parameters": {"temperature": 0.2, "tool_choice": "none"},
    }


@given(native=completions(), role=st.sampled_from(["user", "assistant"]), copied=st.booleans())
def test_what_an_agent_says_is_the_same_whether_or_not_a_model_has_just_answered_it(
    *, native: dict[str, Any], role: str, copied: bool
) -> None:
    from openai.types.chat import ChatCompletion

    messages, response = Messages(), ChatCompletion.model_validate(native)
    answer = messages.answered(response)
    assert answer == reply(response)
    text = response.choices[0].message.content or ""
    said = messages.said(f"{text} "[:-1] if copied else text, role)
    assert said == {**neutral(text), "role": role}
    if answer["message"] == said and text and not copied:
        assert said is answer["message"]  # so it is worked on once
