"""Translate classic AutoGen's messages, requests and replies to the seam's neutral JSON, and replies back. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.model import Json

_NOT_PARAMETERS = frozenset({"model", "messages", "tools"})
_PLAIN = (str, int, float, bool, type(None))
_MOST_REMEMBERED = 4096
_MOST_HISTORIES = 64
_ROLE_AND_PARTS = 2


class Messages:
    """Native messages as neutral ones; a native that has not changed gives the same neutral object again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any, dict[str, Json]]] = {}
        self._histories: dict[int, tuple[Any, list[Any], list[dict[str, Json]]]] = {}
        self._answer: tuple[str, dict[str, Json]] | None = None

    def of(self, message: object) -> dict[str, Json]:
        """Give the neutral form of *message*; do not change it, it is shared."""
        return self._of(message)[1]

    def _of(self, message: object) -> tuple[Any, dict[str, Json]]:
        """Give a copy of *message* as it is now, and its neutral form."""
        if not isinstance(message, dict):
            return _copied(message), neutral(message)
        seen = self._known.get(id(message))
        if seen is not None and seen[0] is message and _equal(seen[1], message):
            return seen[1], seen[2]
        copied, found = _copied(message), neutral(message)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {}
        self._known[id(message)] = (message, copied, found)
        return copied, found

    def answered(self, response: Any) -> dict[str, Json]:
        """Translate a model client's response, and know the text of its answer again when the agent says it."""
        found = reply(response)
        body = found["message"]
        if len(body) == _ROLE_AND_PARTS and [part["type"] for part in body["parts"]] == ["text"]:
            self._answer = body["parts"][0]["content"], body
        return found

    def said(self, text: str, role: str) -> dict[str, Json]:
        """Give the neutral form of a plain *text*: what a model has just answered is the same object again."""
        answer = self._answer
        if answer is not None and answer[0] is text and answer[1]["role"] == role:
            return answer[1]
        return {"role": role, "parts": [_text(text)]}

    def history(self, messages: Iterable[object]) -> list[dict[str, Json]]:
        """Give the neutral forms of a whole history; what is as it was the last time is known at one look."""
        asked = list(messages)
        if not asked:
            return []
        first, before, found = self._histories.get(id(asked[0]), (None, [], []))
        same = first is asked[0] and _equal(before, asked[: len(before)])
        before, found = (list(before), list(found)) if same else ([], [])
        for message in asked[len(before) :]:
            copied, told = self._of(message)
            before.append(copied)
            found.append(told)
        if len(self._histories) >= _MOST_HISTORIES:
            self._histories = {}
        self._histories[id(asked[0])] = (asked[0], before, found)
        return found


def _copied(value: Any) -> Any:
    """Copy what may be changed in place. What nobody here knows is like nothing, not even itself the next time."""
    if isinstance(value, dict):
        return {key: item if type(item) in _PLAIN else _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value if isinstance(value, _PLAIN) else object()


def _equal(before: Any, now: Any) -> bool:
    try:
        return bool(before == now)
    except Exception:  # noqa: BLE001 - a program's own object, compared by rules of its own
        return False


def neutral(message: object) -> dict[str, Json]:
    """Translate one native message, a dict or a plain text."""
    if not isinstance(message, (dict, Mapping)):
        return {"role": "user", "parts": [_text(message)]}
    role = str(message.get("role") or "user")
    found: dict[str, Json] = {"role": role}
    content, responses = message.get("content"), message.get("tool_responses")
    if responses:
        found["role"] = "tool"
        parts = [_response(response.get("content"), response.get("tool_call_id")) for response in responses]
    elif role in {"tool", "function"}:
        parts = [_response(content, message.get("tool_call_id"))]
    else:
        parts = _contents(content)
    if message.get("function_call"):
        parts.append(_call(message["function_call"], None))
    parts += [_call(call.get("function") or {}, call.get("id")) for call in message.get("tool_calls") or ()]
    found["parts"] = parts
    if message.get("name"):
        found["name"] = str(message["name"])
    return found


def _contents(content: object) -> list[dict[str, Json]]:
    if content is None:
        return []
    if isinstance(content, str) or not isinstance(content, Sequence):
        return [_text(content)]
    return [_content(item) for item in content]


def _content(item: object) -> dict[str, Json]:
    if not isinstance(item, Mapping):
        return _text(item)
    if item.get("type") == "text":
        return _text(item.get("text"))
    if item.get("type") == "image_url":
        image = item.get("image_url")
        address = image.get("url") if isinstance(image, Mapping) else image
        return {"type": "uri", "modality": "image", "uri": str(address)}
    return {**item, "type": str(item.get("type") or "other")}


def _text(content: object) -> dict[str, Json]:
    return {"type": "text", "content": content if isinstance(content, str) else str(content)}


def _response(content: object, call_id: object) -> dict[str, Json]:
    part: dict[str, Json] = {"type": "tool_call_response", "response": content}
    return {**part, "id": str(call_id)} if call_id else part


def _call(function: Mapping[str, Any], call_id: object) -> dict[str, Json]:
    part: dict[str, Json] = {
        "type": "tool_call",
        "name": str(function.get("name") or ""),
        "arguments": arguments(function.get("arguments")),
    }
    return {**part, "id": str(call_id)} if call_id else part


def arguments(text: object) -> Json:
    """Read a call's arguments into an object where that loses nothing, else keep the text as it is."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # Contents are kept with sorted keys.
    return value if isinstance(value, dict) and json.dumps(value, sort_keys=True) == text else text


def request(params: Mapping[str, Any], messages: Messages) -> dict[str, Json]:
    """Translate what a model client is asked. ``parameters`` is everything beyond model, messages and tools."""
    return {
        "model": params.get("model"),
        "messages": messages.history(params.get("messages") or ()),
        "tools": list(params.get("tools") or params.get("functions") or ()),
        "parameters": {
            key: _parameter(value) for key, value in params.items() if key not in _NOT_PARAMETERS and key != "functions"
        },
    }


def _parameter(value: object) -> Json:
    """Name a response format given as a class by its schema, so that it is the same in every process."""
    schema = getattr(value, "model_json_schema", None)
    return schema() if isinstance(value, type) and callable(schema) else value


def reply(response: Any) -> dict[str, Json]:
    """Translate a model client's response: its choices, their finish reasons, and the tokens it reports."""
    choices = list(response.choices)
    found: dict[str, Json] = {
        **_choice(choices[0] if choices else None),
        "model": getattr(response, "model", None),
        "id": getattr(response, "id", None),
        "usage": tokens(getattr(response, "usage", None)),
    }
    if choices[1:]:
        found["choices"] = [_choice(choice) for choice in choices[1:]]
    return found


def _choice(choice: Any) -> dict[str, Json]:
    message = getattr(choice, "message", None)
    native = {
        "role": "assistant",
        "content": getattr(message, "content", None),
        "function_call": _function(getattr(message, "function_call", None)),
        "tool_calls": [
            {"id": getattr(call, "id", None), "function": _function(getattr(call, "function", None)) or {}}
            for call in _each(getattr(message, "tool_calls", None))
        ],
    }
    return {"message": neutral(native), "finish_reason": getattr(choice, "finish_reason", None)}


def _each(items: object) -> Iterable[Any]:
    return items if isinstance(items, (list, tuple)) else ()


def _function(function: object) -> dict[str, Any] | None:
    if function is None:
        return None
    return {"name": getattr(function, "name", None), "arguments": getattr(function, "arguments", None)}


def tokens(usage: object) -> dict[str, int]:
    """Translate the tokens that a response reports; what it leaves out is left out."""
    given = getattr(usage, "prompt_tokens_details", None)
    taken = getattr(usage, "completion_tokens_details", None)
    found = {
        "input_tokens": getattr(usage, "prompt_tokens", None),
        "output_tokens": getattr(usage, "completion_tokens", None),
        "cached_tokens": getattr(given, "cached_tokens", None),
        "reasoning_tokens": getattr(taken, "reasoning_tokens", None),
    }
    return {name: count for name, count in found.items() if isinstance(count, int)}


def completion(value: Mapping[str, Json]) -> dict[str, Json]:
    """Rebuild an OpenAI chat completion, as JSON, from a neutral reply."""
    usage = value.get("usage") or {}
    given, taken = usage.get("input_tokens"), usage.get("output_tokens")
    choices = enumerate((value, *(value.get("choices") or ())))
    found: dict[str, Json] = {
        "id": value.get("id") or "replayed",
        "object": "chat.completion",
        "created": 0,
        "model": value.get("model") or "",
        "choices": [_native_choice(index, choice) for index, choice in choices],
    }
    if given is not None and taken is not None:
        found["usage"] = {
            "prompt_tokens": given,
            "completion_tokens": taken,
            "total_tokens": given + taken,
            "prompt_tokens_details": {"cached_tokens": usage.get("cached_tokens") or 0},
            "completion_tokens_details": {"reasoning_tokens": usage.get("reasoning_tokens") or 0},
        }
    return found


def _native_choice(index: int, choice: Mapping[str, Json]) -> dict[str, Json]:
    body = choice.get("message") or {}
    texts = [part.get("content") or "" for part in body.get("parts", ()) if part.get("type") == "text"]
    message: dict[str, Json] = {"role": "assistant", "content": "".join(texts) if texts else None}
    calls = [part for part in body.get("parts", ()) if part.get("type") == "tool_call"]
    tool_calls = [
        {"id": part["id"], "type": "function", "function": _native_function(part)} for part in calls if part.get("id")
    ]
    if tool_calls:
        message["tool_calls"] = tool_calls
    legacy = [part for part in calls if not part.get("id")]
    if legacy:
        message["function_call"] = _native_function(legacy[0])
    return {
        "index": index,
        "message": message,
        "finish_reason": choice.get("finish_reason") or "stop",
        "logprobs": None,
    }


def _native_function(part: Mapping[str, Json]) -> dict[str, str]:
    given = part.get("arguments")
    return {"name": part.get("name") or "", "arguments": given if isinstance(given, str) else json.dumps(given)}
