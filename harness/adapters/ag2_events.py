"""Translate AG2 1.x's events to the seam's neutral JSON, and replies back."""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ag2.compact import CompactionSummary
from ag2.events import (
    BaseEvent,
    ModelMessage,
    ModelMessageChunk,
    ModelReasoning,
    ModelRequest,
    ModelResponse,
    ToolCallEvent,
    ToolCallsEvent,
    ToolErrorEvent,
    ToolResultEvent,
    ToolResultsEvent,
    Usage,
)
from ag2.events.types import BinaryResult

from harness.adapters.ag2_ids import Ids
from harness.adapters.ag2_inputs import failure, plain, result, said, words
from harness.adapters.classic_messages import arguments
from harness.model import Json

_MOST_REMEMBERED = 4096
_MOST_HISTORIES = 16
# Their input tokens leave out what was read from or written to the provider's cache; OpenTelemetry's include it.
_CACHE_APART = frozenset({"anthropic", "bedrock"})


_TOLD = (ModelRequest, ModelResponse, ToolResultsEvent, CompactionSummary)
"""What a model is told of a history."""


class Messages:
    """Native events of one run as neutral messages; an event that has not changed gives the same object again."""

    def __init__(self, ids: Ids) -> None:
        """*ids* names what is random in them."""
        self.ids = ids
        self._known: dict[int, tuple[BaseEvent, tuple[object, ...], dict[str, Json]]] = {}
        self._prompts: dict[str, dict[str, Json]] = {}
        self._histories: dict[int, tuple[list[BaseEvent], list[dict[str, Json]]]] = {}
        self._schemas: tuple[Any, ...] = ()
        self._definitions: list[Json] = []

    def of(self, event: BaseEvent) -> dict[str, Json] | None:
        """Give the neutral form of *event*, None if no model is told of it; do not change it, it is shared."""
        state = _state(event)
        seen = self._known.get(id(event))
        if seen is not None and seen[0] is event and seen[1] == state:
            return seen[2]
        found = neutral(event)
        if found is not None:
            found = self.ids.hide(found)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {}
            self._known[id(event)] = (event, state, found)
        return found

    def history(self, prompt: Iterable[str], events: Iterable[BaseEvent]) -> list[dict[str, Json]]:
        """List what a model is told: the system prompt, and what was said so far; each tool's result on its own.

        A history that goes on costs what is new of it.
        """
        told = "\n".join(prompt)
        system = self._prompts.get(told)
        if system is None:
            if len(self._prompts) >= _MOST_REMEMBERED:
                self._prompts = {}
            system = self._prompts[told] = {"role": "system", "parts": [words(self.ids.hide(told))]}
        said_so_far = self._said(list(events))
        return [system, *said_so_far] if told else said_so_far

    def _said(self, events: list[BaseEvent]) -> list[dict[str, Json]]:
        if not events:
            return []
        before, found = self._histories.get(id(events[0]), ([], []))
        same = len(before) <= len(events) and all(map(operator.is_, before, events))
        before, found = (before, [*found]) if same else ([], [])
        for event in events[len(before) :]:
            if not isinstance(event, _TOLD):
                continue  # a lone tool result comes again among those of its turn
            told_of = event.results if isinstance(event, ToolResultsEvent) and len(event.results) > 1 else [event]
            found += [body for body in map(self.of, told_of) if body is not None]
        if len(self._histories) >= _MOST_HISTORIES:
            self._histories = {}
        self._histories[id(events[0])] = events, found
        return found

    def definitions(self, schemas: Sequence[Any]) -> list[Json]:
        """List tool schemas as tool definitions; the same schemas give the same list again."""
        if len(schemas) != len(self._schemas) or any(a is not b for a, b in zip(schemas, self._schemas, strict=True)):
            self._schemas = tuple(schemas)
            self._definitions = self.ids.hide([plain(schema) for schema in schemas])
        return self._definitions


def _state(event: BaseEvent) -> tuple[object, ...]:
    if isinstance(event, ModelRequest):
        return tuple((id(part), getattr(part, "content", None)) for part in event.parts)
    if isinstance(event, ModelResponse):
        return event.content, *((call.id, call.name, call.arguments) for call in event.tool_calls.calls)
    if isinstance(event, ToolResultsEvent):
        return tuple(id(result.result) for result in event.results)
    if isinstance(event, ToolResultEvent):
        return (id(event.result),)
    return ()


def neutral(event: BaseEvent) -> dict[str, Json] | None:
    """Translate one event; None for those that no model is told of."""
    if isinstance(event, ModelResponse):
        return {"role": "assistant", "parts": _answer(event)}
    if isinstance(event, ToolResultsEvent):
        return {"role": "tool", "parts": [_outcome(result) for result in event.results]}
    if isinstance(event, ToolResultEvent):
        return {"role": "tool", "parts": [_outcome(event)]}
    if isinstance(event, ModelRequest):
        return said(event.parts, "user")
    if isinstance(event, CompactionSummary):
        return {"role": "user", "parts": [words(f"[Summary of earlier conversation]\n{event.summary}")]}
    return None


def _answer(response: ModelResponse) -> list[dict[str, Json]]:
    parts = [words(response.content)] if response.content else []
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments(call.arguments)}
        for call in response.tool_calls.calls
    ]
    for file in response.files:
        parts.append(
            {"type": "blob", "content": base64.b64encode(file.data).decode(), "metadata": plain(file.metadata)}
        )
    return parts


def _outcome(event: ToolResultEvent) -> dict[str, Json]:
    outcome = {"type": "tool_call_response", "id": event.parent_id}
    if isinstance(event, ToolErrorEvent):
        return {**outcome, "response": failure(event.error), "is_error": True}
    return {**outcome, "response": result(event.result)}


# Requests -------------------------------------------------------------------------------------------------------------


def parameters(options: Mapping[str, Any], schema: Any) -> dict[str, Json]:
    """Keep the settings of a request that were set, and the shape its answer must have."""
    found = {
        name: plain(value)
        for name, value in options.items()
        if name != "model" and value is not None and type(value).__name__ not in {"Omit", "NotGiven"}
    }
    if not found.get("stream"):
        found.pop("stream", None)
    if schema is not None:
        found["response_format"] = {"name": schema.name, "schema": plain(schema.json_schema)}
    return found


# Replies --------------------------------------------------------------------------------------------------------------


def reply(response: ModelResponse, published: Sequence[BaseEvent]) -> dict[str, Json]:
    """Read a model's response, and the reasoning and the chunks its client *published* on the way."""
    thoughts = [{"type": "reasoning", "content": e.content} for e in published if isinstance(e, ModelReasoning)]
    chunks = [len(e.content) for e in published if isinstance(e, ModelMessageChunk)]
    return {
        **({"chunks": chunks} if chunks else {}),
        "message": {"role": "assistant", "parts": [*thoughts, *_answer(response)]},
        "finish_reason": response.finish_reason,
        "model": response.model,
        "id": response.response_id,
        "usage": _usage(response.usage, response.provider),
    }


def _usage(usage: Usage, provider: str | None) -> dict[str, int]:
    given, taken, thought = usage.prompt_tokens, usage.completion_tokens, usage.thinking_tokens
    if given is not None and provider in _CACHE_APART:
        given += (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    elif thought and None not in {given, taken, usage.total_tokens} and usage.total_tokens == given + taken + thought:
        taken += thought  # Gemini counts what was thought apart from what was said.
    counts = {
        "input_tokens": given,
        "output_tokens": taken,
        "cached_tokens": usage.cache_read_input_tokens,
        "reasoning_tokens": thought,
    }
    return {name: int(count) for name, count in counts.items() if count is not None}


def response(value: Mapping[str, Json], provider: str | None) -> ModelResponse:
    """Rebuild a model's response from a neutral reply."""
    parts = (value.get("message") or {}).get("parts") or ()
    words = "".join(part.get("content") or "" for part in parts if part.get("type") == "text")
    calls = [
        ToolCallEvent(id=str(part.get("id") or ""), name=str(part.get("name") or ""), arguments=_written(part))
        for part in parts
        if part.get("type") == "tool_call"
    ]
    files = [
        BinaryResult(base64.b64decode(part.get("content") or ""), metadata=part.get("metadata") or {})
        for part in parts
        if part.get("type") == "blob"
    ]
    return ModelResponse(
        message=ModelMessage(words) if words else None,
        tool_calls=ToolCallsEvent(calls),
        usage=_native_usage(value.get("usage") or {}, provider),
        files=files,
        model=value.get("model"),
        provider=provider,
        finish_reason=value.get("finish_reason"),
    )


def thoughts(value: Mapping[str, Json]) -> list[str]:
    """List what a model thought aloud, in a neutral reply."""
    parts = (value.get("message") or {}).get("parts") or ()
    return [part.get("content") or "" for part in parts if part.get("type") == "reasoning"]


def _written(part: Mapping[str, Json]) -> str:
    given = part.get("arguments")
    return given if isinstance(given, str) else json.dumps(given)


def _native_usage(usage: Mapping[str, Json], provider: str | None) -> Usage:
    given, taken, cached = usage.get("input_tokens"), usage.get("output_tokens"), usage.get("cached_tokens")
    if given is not None and provider in _CACHE_APART:
        given -= cached or 0
    return Usage(
        prompt_tokens=given,
        completion_tokens=taken,
        total_tokens=None if given is None or taken is None else given + taken,
        cache_read_input_tokens=cached,
        thinking_tokens=usage.get("reasoning_tokens"),
    )
