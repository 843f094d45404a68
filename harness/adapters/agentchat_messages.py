"""Translate AgentChat's messages, requests and results to the seam's neutral JSON. Pure; knows the objects by shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.adapters.classic_messages import arguments
from harness.model import Json

_MOST_REMEMBERED = 4096
_MOST_HISTORIES = 64
_ROLES = {
    "SystemMessage": "system",
    "UserMessage": "user",
    "AssistantMessage": "assistant",
    "FunctionExecutionResultMessage": "tool",
}
_TOOL_CALLS = ("function_calls", "tool_calls")
"""One finish reason in AgentChat's word and in OpenTelemetry's."""


class Messages:
    """What a model is told, as neutral messages; a native that has not changed gives the same neutral object again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, object, dict[str, Json]]] = {}
        self._histories: dict[int, tuple[list[Any], list[object], list[dict[str, Json]]]] = {}
        self._tools: tuple[list[Any], list[Json]] = ([], [])

    def of(self, message: Any) -> dict[str, Json]:
        """Give the neutral form of *message*; do not change it, it is shared."""
        seen, content = self._known.get(id(message)), message.content
        if seen is not None and seen[0] is message and (seen[1] is content or seen[1] == _state(content)):
            return seen[2]
        state, found = _state(content), neutral(message)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {}
        self._known[id(message)] = (message, state, found)
        return found

    def history(self, messages: Iterable[Any]) -> list[dict[str, Json]]:
        """Give the neutral forms of a whole history; what is as it was the last time is known at one look."""
        asked = list(messages)
        if not asked:
            return []
        before, states, found = self._histories.get(id(asked[0]), ([], [], []))
        now = [message.content for message in asked]
        known = len(before)
        if asked[:known] != before or not _unchanged(states, now):
            known = 0
        found = [*found[:known], *map(self.of, asked[known:])]
        states = [*states[:known], *map(_state, now[known:])]
        if len(self._histories) >= _MOST_HISTORIES:
            self._histories = {}
        self._histories[id(asked[0])] = asked, states, found
        return found

    def tools(self, given: Iterable[Any]) -> list[Json]:
        """Define the tools as OpenAI's API does; equal tools give the same list again."""
        schemas = [_schema(tool) for tool in given]
        if schemas != self._tools[0]:
            self._tools = (schemas, [{"type": "function", "function": schema} for schema in schemas])
        return self._tools[1]


def _unchanged(states: list[object], contents: list[Any]) -> bool:
    """Say whether no content was changed since it had its state: texts cannot be, and are told at one look."""
    if contents[: len(states)] == states:
        return True
    return all(now is was or _state(now) == was for was, now in zip(states, contents, strict=False))


def _state(content: Any) -> object:
    """Give what tells whether a message was changed in place."""
    if not isinstance(content, list):
        return content
    fields = ("id", "name", "arguments", "call_id", "content", "is_error")
    return [item if isinstance(item, str) else tuple(getattr(item, name, None) for name in fields) for item in content]


def _schema(tool: Any) -> Json:
    return tool if isinstance(tool, Mapping) else dict(tool.schema)


def neutral(message: Any) -> dict[str, Json]:
    """Translate one message to a model."""
    role = _ROLES.get(getattr(message, "type", ""), "user")
    parts = _thought(getattr(message, "thought", None)) + contents(message.content)
    found: dict[str, Json] = {"role": role, "parts": parts}
    if getattr(message, "source", None):
        found["name"] = message.source
    return found


def _thought(thought: object) -> list[dict[str, Json]]:
    return [{"type": "reasoning", "content": str(thought)}] if thought else []


def contents(content: object) -> list[dict[str, Json]]:
    """Translate a content: a text, or a list of texts, images, function calls and their results."""
    items = content if isinstance(content, (list, tuple)) else [content]
    return [_content(item) for item in items]


def _content(item: Any) -> dict[str, Json]:
    if isinstance(item, str):
        return {"type": "text", "content": item}
    if hasattr(item, "arguments") and hasattr(item, "name"):
        call: dict[str, Json] = {"type": "tool_call", "name": item.name, "arguments": arguments(item.arguments)}
        return {**call, "id": item.id} if item.id else call
    if hasattr(item, "call_id"):
        answer: dict[str, Json] = {"type": "tool_call_response", "response": item.content}
        if item.is_error:
            answer["is_error"] = True
        return {**answer, "id": item.call_id} if item.call_id else answer
    if hasattr(item, "data_uri"):
        return {"type": "uri", "modality": "image", "uri": item.data_uri}
    return {"type": "text", "content": str(item)}


def request(model: str, given: Mapping[str, Any], settings: Mapping[str, Any], messages: Messages) -> dict[str, Json]:
    """Translate what a model client is asked: the arguments of ``create``, and the client's own *settings*."""
    extra = given.get("extra_create_args") or {}
    parameters = {name: plain(value) for name, value in {**settings, **extra}.items() if name != "model"}
    choice = given.get("tool_choice", "auto")
    if choice != "auto":
        parameters["tool_choice"] = choice if isinstance(choice, str) else getattr(choice, "name", str(choice))
    if given.get("json_output"):
        parameters["json_output"] = plain(given["json_output"])
    return {
        "model": str(extra.get("model") or model),
        "messages": messages.history(given.get("messages") or ()),
        "tools": messages.tools(given.get("tools") or ()),
        "parameters": parameters,
    }


def plain(value: object) -> Json:
    """Write a setting as JSON that is the same in every process: a class by its schema, an object by its type."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    schema = getattr(value, "model_json_schema", None)
    if isinstance(value, type) and callable(schema):
        return schema()
    return (value if isinstance(value, type) else type(value)).__qualname__


def reply(result: Any, model: str, response: Mapping[str, Any]) -> dict[str, Json]:
    """Translate a CreateResult. *response* is the provider's own, as far as the client logged it.

    Both counts being 0 is how clients say that they were told none.
    """
    details = response.get("usage") or {}
    given, taken = result.usage.prompt_tokens, result.usage.completion_tokens
    usage = {
        "input_tokens": given if given or taken else None,
        "output_tokens": taken if given or taken else None,
        "cached_tokens": (details.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "reasoning_tokens": (details.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }
    return {
        "message": {"role": "assistant", "parts": _thought(result.thought) + contents(result.content)},
        "finish_reason": _TOOL_CALLS[1] if result.finish_reason == _TOOL_CALLS[0] else result.finish_reason,
        "model": response.get("model") or model,
        "id": response.get("id"),
        "usage": {name: count for name, count in usage.items() if isinstance(count, int)},
    }


def finish_reason(value: str) -> str:
    """Word a neutral finish reason as AgentChat does; what it has no word for is ``unknown``."""
    if value == _TOOL_CALLS[1]:
        return _TOOL_CALLS[0]
    return value if value in {"stop", "length", "function_calls", "content_filter"} else "unknown"


def parts_of(value: Mapping[str, Json], kind: str) -> list[Mapping[str, Json]]:
    """Pick the parts of one kind from a neutral reply."""
    return [part for part in (value.get("message") or {}).get("parts", ()) if part.get("type") == kind]


def native_arguments(part: Mapping[str, Json]) -> str:
    """Write a call's arguments as the model did."""
    given = part.get("arguments")
    return given if isinstance(given, str) else json.dumps(given)


_UNTOLD = frozenset(
    {
        "ModelClientStreamingChunkEvent",  # a piece of a message that follows
        "SelectSpeakerEvent",  # a selection is a call
        "SelectorEvent",
        "UserInputRequestedEvent",  # so is what a person is asked
    }
)


def told(item: Any) -> bool:
    """Say whether *item* of an agent's stream is something said or done that belongs into its conversation."""
    return hasattr(item, "source") and hasattr(item, "to_text") and type(item).__name__ not in _UNTOLD


def spoken(message: Any, *, human: bool) -> dict[str, Json]:
    """Translate what an agent says or does; ``handoff`` parts name to whom it hands over."""
    kind, content = type(message).__name__, getattr(message, "content", None)
    role = "tool" if kind == "ToolCallExecutionEvent" else "user" if human else "assistant"
    if kind == "ThoughtEvent":
        return {"role": role, "parts": _thought(content)}
    plainly = isinstance(content, str) or (isinstance(content, list) and kind in _LISTS)
    parts = contents(content if plainly else message.to_text())
    target = getattr(message, "target", None)
    if isinstance(target, str) and target:
        parts.append({"type": "handoff", "target": target})
    return {"role": role, "parts": parts}


_LISTS = frozenset({"ToolCallRequestEvent", "ToolCallExecutionEvent", "MultiModalMessage"})


def tasks(task: Any) -> Sequence[Any]:
    """List the messages of a task as it was given: none, a text, a message or several."""
    if task is None:
        return ()
    return task if isinstance(task, (list, tuple)) else (task,)
