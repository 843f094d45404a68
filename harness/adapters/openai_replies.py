"""Rebuild the OpenAI client's response object from a neutral reply.

A plain answer, one text with or without tokens, is by far the most frequent. It is made from one that was validated
before, of the same shape, since to validate each takes longer than all else that a replay does for a call.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from harness.adapters import classic_messages as native
from harness.canonical import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model import Json

_REASONS = frozenset({"stop", "length", "content_filter"})
_TOKENS = frozenset({"input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"})
_MOST_TOKENS = 1 << 53


def completion(value: Mapping[str, Json]) -> Any:
    """Rebuild a ChatCompletion from the neutral reply *value*, every part of it an object of its own."""
    text = _plain_text(value)
    return _validated(value) if text is None else _plain(value, text)


def _validated(value: Mapping[str, Json]) -> Any:
    from openai.types.chat import ChatCompletion

    return ChatCompletion.model_validate_json(encode(native.completion(value)))  # a third faster than from objects


def _plain_text(value: Mapping[str, Json]) -> str | None:
    """Give the text of a plain answer whose every value is what validation would leave as it is; else None."""
    parts: Sequence[Any] = (value.get("message") or {}).get("parts") or ()
    usage = value.get("usage") or {}
    if len(parts) != 1 or parts[0].get("type") != "text" or value.get("choices"):
        return None
    text, names = parts[0].get("content"), (value.get("model"), value.get("id"))
    if not all(type(one) is str and one and _writable(one) for one in (text, *names)):
        return None
    counts = all(type(count) is int and 0 <= count < _MOST_TOKENS for count in usage.values())
    both = not usage or ("input_tokens" in usage and "output_tokens" in usage)
    known = value.get("finish_reason") in _REASONS and usage.keys() <= _TOKENS
    return text if counts and both and known else None


def _writable(text: str) -> bool:
    """Say whether *text* has no half of a surrogate pair, which JSON cannot hold."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def _shape(*, counted: bool) -> Any:
    """Validate one plain answer, to make others from."""
    usage = {"input_tokens": 0, "output_tokens": 0} if counted else {}
    parts = [{"type": "text", "content": "."}]
    return _validated({"message": {"parts": parts}, "finish_reason": "stop", "model": ".", "id": ".", "usage": usage})


def _plain(value: Mapping[str, Json], text: str) -> Any:
    usage = value.get("usage") or {}
    shape = _shape(counted=bool(usage))
    choice = shape.choices[0]
    message = _like(choice.message, {"content": text})
    made = {
        "id": value["id"],
        "model": value["model"],
        "choices": [_like(choice, {"finish_reason": value["finish_reason"], "message": message})],
    }
    if usage:
        given, taken, counted = usage["input_tokens"], usage["output_tokens"], shape.usage
        made["usage"] = _like(
            counted,
            {
                "prompt_tokens": given,
                "completion_tokens": taken,
                "total_tokens": given + taken,
                "prompt_tokens_details": _like(
                    counted.prompt_tokens_details, {"cached_tokens": usage.get("cached_tokens") or 0}
                ),
                "completion_tokens_details": _like(
                    counted.completion_tokens_details, {"reasoning_tokens": usage.get("reasoning_tokens") or 0}
                ),
            },
        )
    return _like(shape, made)


def _like(model: Any, values: dict[str, Any]) -> Any:
    """Copy a pydantic *model* as its own ``__copy__`` does, with other *values*; what it holds besides is plain."""
    made = object.__new__(type(model))
    beyond = model.__pydantic_extra__
    _set(made, "__dict__", {**model.__dict__, **values})
    _set(made, "__pydantic_fields_set__", set(model.__pydantic_fields_set__))
    _set(made, "__pydantic_extra__", None if beyond is None else {**beyond})
    _set(made, "__pydantic_private__", None)
    return made


_set = object.__setattr__
