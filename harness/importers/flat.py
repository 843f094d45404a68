"""Read messages that were flattened into attributes: OpenInference's, and the older ``gen_ai.prompt.N`` ones."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.model import Json

_MOST = 10_000


def unfolded(attributes: Mapping[str, Json], prefix: str) -> list[Json]:
    """Put what is named ``prefix.0.a.b`` back together as a list, by number."""
    root: dict[str, Json] = {}
    for key, value in attributes.items():
        if key.startswith(prefix + "."):
            at = root
            *path, last = key[len(prefix) + 1 :].split(".")
            for step in path:
                below = at.setdefault(step, {})
                if not isinstance(below, dict):
                    below = at[step] = {"": below}
                at = below
            at[last] = value
    return _listed(root)


def _listed(given: Json) -> list[Json]:
    if not isinstance(given, dict):
        return []
    numbers = sorted(int(key) for key in given if key.isascii() and key.isdigit() and int(key[:9]) < _MOST)
    return [given[str(number)] for number in numbers if str(number) in given]


def openinference(attributes: Mapping[str, Json], prefix: str) -> list[dict[str, Json]]:
    """Read ``llm.input_messages`` or ``llm.output_messages`` as OpenTelemetry GenAI messages."""
    return [
        _message(each["message"])
        for each in unfolded(attributes, prefix)
        if isinstance(each, dict) and isinstance(each.get("message"), dict)
    ]


def older(attributes: Mapping[str, Json], prefix: str) -> list[dict[str, Json]]:
    """Read ``gen_ai.prompt`` or ``gen_ai.completion`` as OpenTelemetry GenAI messages."""
    return [_message(each) for each in unfolded(attributes, prefix) if isinstance(each, dict)]


def _message(given: Mapping[str, Json]) -> dict[str, Json]:
    role = given.get("role")
    text = given.get("content")
    if text is None:
        blocks = [_block(each) for each in _listed(given.get("contents"))]
        text = "\n".join(filter(None, blocks)) or None
    parts: list[dict[str, Json]] = []
    if role == "function" and (results := _results(given.get("function"))):
        return {"role": "tool", "parts": results}
    if role == "tool":
        parts.append({"type": "tool_call_response", "id": given.get("tool_call_id"), "response": text or ""})
    elif text is not None and text != "":
        parts.append({"type": "text", "content": text if isinstance(text, str) else json.dumps(text)})
    parts.extend(_call(each) for each in _listed(given.get("tool_calls")))
    return {
        "role": role if isinstance(role, str) else "assistant",
        "parts": [{key: value for key, value in part.items() if value is not None} for part in parts],
    }


def _results(given: Json) -> list[dict[str, Json]]:
    """Read the results of tools that OpenInference's AgentChat instrumentation puts into one message."""
    found = [parsed(each) for each in _listed(given)]
    return [
        {"type": "tool_call_response", "id": each.get("call_id"), "response": each.get("content")}
        for each in found
        if isinstance(each, dict)
    ]


def _block(given: Json) -> str:
    inner = given.get("message_content", given) if isinstance(given, dict) else {}
    if not isinstance(inner, dict):
        return ""
    text = inner.get("text")
    return text if isinstance(text, str) else f"({inner.get('type') or 'block'})"


def _call(given: Json) -> dict[str, Json]:
    inner = given.get("tool_call", given) if isinstance(given, dict) else {}
    inner = inner if isinstance(inner, dict) else {}
    function = inner.get("function")
    function = function if isinstance(function, dict) else inner
    return {
        "type": "tool_call",
        "id": inner.get("id"),
        "name": function.get("name"),
        "arguments": parsed(function.get("arguments")),
    }


def parsed(value: Json) -> Json:
    """Read a JSON string; one that is none stands for itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
