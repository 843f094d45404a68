"""Neutral replies back into the OpenAI client's objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("openai")

from openai.types.chat import ChatCompletion

from harness.adapters import openai_replies
from harness.adapters.classic_messages import completion
from harness.canonical import encode

any_text = st.text(st.characters(exclude_categories=())) | st.sampled_from(["", "\ud83d", "ok", "日本"])
texts = st.builds(lambda text: {"type": "text", "content": text}, any_text)
calls = st.just({"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"at": 1}})
counts = st.integers(0, 9) | st.sampled_from([2**53, 2**63, 2**64])
usages = st.fixed_dictionaries(
    {}, optional={f"{name}_tokens": counts for name in ("input", "output", "cached", "reasoning", "other")}
)
plain_usages = st.fixed_dictionaries({"input_tokens": counts, "output_tokens": counts, "cached_tokens": counts})
replies = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"parts": st.lists(texts, min_size=1, max_size=1) | st.lists(texts | calls)})},
    optional={
        "finish_reason": st.sampled_from(["stop", "length", "content_filter", "tool_calls", None]),
        "model": st.none() | any_text,
        "id": st.none() | any_text,
        "usage": st.none() | usages | plain_usages,
        "choices": st.lists(st.just({"message": {"parts": [{"type": "text", "content": "or"}]}}), max_size=1),
        "chunks": st.just([1, 1]),
    },
)


def everything(model: Any) -> Any:
    """Tell all that a pydantic model has, with the types."""
    if isinstance(model, list):
        return [everything(item) for item in model]
    if not hasattr(model, "__pydantic_fields_set__"):
        return type(model), model
    held = {name: everything(item) for name, item in vars(model).items()}
    others = model.model_fields_set, model.__pydantic_extra__, model.__pydantic_private__
    return type(model), list(held), held, others


@given(replies)
def test_a_reply_is_rebuilt_as_validation_would_make_it(reply: dict[str, Any]) -> None:
    rebuilt, validated = openai_replies.completion(reply), ChatCompletion.model_validate_json(encode(completion(reply)))
    assert everything(rebuilt) == everything(validated)
    assert rebuilt == validated
    assert rebuilt.model_dump_json() == validated.model_dump_json()
    assert rebuilt.model_dump(exclude_unset=True) == validated.model_dump(exclude_unset=True)


def test_what_a_program_does_to_one_plain_answer_shows_in_no_other() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2}
    parts = [{"type": "text", "content": "Hm."}]
    reply = {"message": {"parts": parts}, "finish_reason": "stop", "model": "m", "id": "1", "usage": usage}
    before = openai_replies.completion(reply).model_dump(exclude_unset=True)
    changed = openai_replies.completion(reply)
    changed.cost = 1.5
    changed.service_tier = "default"
    changed.choices[0].message.content = "changed"
    changed.choices[0].message.refusal = "no"
    changed.usage.prompt_tokens_details.audio_tokens = 1
    changed.choices.clear()
    assert openai_replies.completion(reply).model_dump(exclude_unset=True) == before
