"""AG2 1.x's replies and tool results survive the way into neutral JSON and back, and random ids the way out and in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ag2 = pytest.importorskip("ag2", reason="the ag2 extra is not installed")

from ag2.events import (  # noqa: E402 - only where it is installed
    BinaryInput,
    DataInput,
    FileIdInput,
    ModelMessage,
    ModelResponse,
    TextInput,
    ToolCallEvent,
    ToolCallsEvent,
    ToolResult,
    UrlInput,
    Usage,
)
from ag2.events.input_events import BinaryType  # noqa: E402

from harness.adapters import ag2_events as native  # noqa: E402
from harness.adapters import ag2_inputs  # noqa: E402
from harness.adapters.ag2_ids import Ids, Known  # noqa: E402

words = st.text(max_size=20)
counts = st.integers(0, 10**6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
calls = st.builds(
    lambda name, call_id, arguments: ToolCallEvent(name, id=call_id, arguments=arguments),
    words,
    words,
    st.dictionaries(words, plain, max_size=3).map(json.dumps) | words,
)
inputs = st.one_of(
    words.map(TextInput),
    plain.map(DataInput),
    st.builds(
        lambda data, kind: BinaryInput(data, media_type="a/b", kind=kind), st.binary(), st.sampled_from(BinaryType)
    ),
    st.builds(lambda url, kind: UrlInput(url, kind=kind), words, st.sampled_from(BinaryType)),
    st.builds(lambda name, file: FileIdInput(name, filename=file), words, st.none() | words),
)


def through_json(value: Any) -> Any:
    """As a cassette keeps it."""
    return json.loads(json.dumps(value))


@given(words, st.lists(calls, max_size=3), st.sampled_from([None, "stop"]), st.sampled_from(["openai", None]))
def test_a_response_survives_the_way_there_and_back(text: str, asked: list[Any], finish: Any, provider: Any) -> None:
    message = ModelMessage(text) if text else None
    response = ModelResponse(message, tool_calls=ToolCallsEvent(asked), finish_reason=finish, model="m")
    again = native.response(through_json(native.reply(response, [])), provider)
    assert again == response
    assert [call.arguments for call in again.tool_calls.calls] == [call.arguments for call in asked]
    assert (again.finish_reason, again.model, again.provider) == (finish, "m", provider)


@given(counts, counts, st.none() | counts, st.none() | counts)
def test_usage_survives_and_its_total_is_whole(
    given_: int, taken: int, cached: int | None, thought: int | None
) -> None:
    usage = Usage(given_, taken, given_ + taken, cache_read_input_tokens=cached, thinking_tokens=thought)
    response = ModelResponse(ModelMessage("a"), usage=usage, provider="openai")
    assert native.response(through_json(native.reply(response, [])), "openai").usage == usage


@given(counts, counts, st.none() | counts)
def test_usage_that_leaves_the_cache_out_survives_too(given_: int, taken: int, cached: int | None) -> None:
    usage = Usage(given_, taken, given_ + taken, cache_read_input_tokens=cached)
    told = native.reply(ModelResponse(ModelMessage("a"), usage=usage, provider="anthropic"), [])
    assert told["usage"]["input_tokens"] == given_ + (cached or 0)
    again = native.response(through_json(told), "anthropic").usage
    assert (again.prompt_tokens, again.completion_tokens) == (given_, taken)


@given(st.lists(inputs, max_size=3), st.booleans(), st.dictionaries(words, plain, max_size=2))
def test_a_tool_result_survives_the_way_there_and_back(parts: list[Any], final: bool, metadata: Any) -> None:  # noqa: FBT001
    found = ToolResult(parts=parts, final=final, metadata=metadata)
    again = ag2_inputs.tool_result(through_json(ag2_inputs.result(found)))
    assert (again.parts, again.final, again.metadata) == (found.parts, final, metadata)


@given(st.lists(st.uuids(version=4).map(lambda one: one.hex), min_size=1, max_size=4, unique=True), st.data())
def test_ids_that_are_hidden_are_shown_again_and_are_the_same_in_every_run(ids: list[str], data: Any) -> None:
    others = [f"{number:032x}" for number in range(len(ids))]
    order = data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=6))
    hidden = []
    for names in (ids, others):
        known, text = Known(), " ".join(names[at] for at in order)
        known.result({"made": [names]})
        run = Ids(known)
        hidden.append(run.hide({"said": text}))
        assert run.show(hidden[-1]) == {"said": text}
    assert hidden[0] == hidden[1]
    assert not any(one in str(hidden) for one in ids)


def test_an_agent_of_a_hub_goes_by_its_name_and_what_is_not_known_stays() -> None:
    known, stranger = Known(), "f" * 32
    known.prompt(f"You are bob (agent_id: {'a' * 32}).\nHelp.")
    run = Ids(known)
    assert run.hide(f"{'a' * 32} and {stranger}") == f"[agent bob] and {stranger}"
    assert run.show("[agent bob], [agent eve], [id 1]") == f"{'a' * 32}, [agent eve], [id 1]"
