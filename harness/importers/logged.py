"""Read requests, responses and messages of OpenAI's shape as AutoGen logs them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness import semconv
from harness.canonical import canonical
from harness.importers import conversations
from harness.importers.draft import BadLineError, Contents
from harness.model import Json, Operation

_PARAMETERS = {
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": semconv.GEN_AI_REQUEST_SEED,
}
_LONGEST_ERROR = 2000


def parsed(text: Json) -> Json:
    """Read a column that holds JSON. Raises BadLineError for one that does not."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadLineError(f"no JSON: {error}") from error


def message(given: Json) -> dict[str, Json]:
    """Write a message between agents, a text or a dict, as an OpenTelemetry GenAI message. Raises BadLineError."""
    if isinstance(given, str) or given is None:
        return {"role": "assistant", "parts": [{"type": "text", "content": given or ""}]}
    if not isinstance(given, dict):
        raise BadLineError("a message that is neither a text nor a dict")
    answers = given.get("tool_responses")
    if isinstance(answers, list):
        parts = [
            {"type": "tool_call_response", "id": each.get("tool_call_id"), "response": each.get("content")}
            for each in answers
            if isinstance(each, dict)
        ]
        return {"role": "tool", "parts": parts}
    calls = given.get("tool_calls")
    function = given.get("function_call")
    if not calls and isinstance(function, dict):
        calls = [{"name": function.get("name"), "arguments": function.get("arguments")}]
    role = given.get("role") if isinstance(given.get("role"), str) else "assistant"
    role = "tool" if role == "function" else role
    return conversations.body({**given, "role": role, "tool_calls": calls or []})


def chat(request: Mapping[str, Json], response: Json, contents: Contents) -> dict[str, Json]:
    """Give the attributes of a model call; its messages go into *contents*. A response that is a text is an error."""
    messages = request.get("messages")
    context = contents.context([message(each) for each in messages] if isinstance(messages, list) else [])
    asked = {key: value for key, value in request.items() if key not in {"model", "messages", "tools"}}
    found: dict[str, Json] = {
        semconv.HARNESS_OPERATION: Operation.CHAT.value,
        semconv.GEN_AI_OPERATION: "chat",
        semconv.GEN_AI_REQUEST_MODEL: request.get("model"),
        semconv.HARNESS_REQUEST_PARAMETERS: canonical(asked),
        semconv.HARNESS_INPUT_CONTEXT: context,
        semconv.HARNESS_TOOLS_PART: contents.part(request["tools"]) if request.get("tools") else None,
        **{name: request.get(key) for key, name in _PARAMETERS.items()},
    }
    choices = response.get("choices") if isinstance(response, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(response, dict) or not isinstance(choice, dict):
        found[semconv.ERROR_TYPE] = "error"
        told = response.get("response") if isinstance(response, dict) else response
        found[semconv.ERROR_MESSAGE] = None if told is None else str(told)[:_LONGEST_ERROR]
    else:
        counted = response.get("usage")
        usage = counted if isinstance(counted, dict) else {}
        reason = choice.get("finish_reason")
        found[semconv.HARNESS_OUTPUT_PART] = contents.part(message(choice.get("message")))
        found[semconv.GEN_AI_FINISH_REASONS] = [reason] if isinstance(reason, str) else None
        found[semconv.GEN_AI_RESPONSE_MODEL] = response.get("model")
        found[semconv.GEN_AI_RESPONSE_ID] = response.get("id")
        found[semconv.GEN_AI_INPUT_TOKENS] = usage.get("prompt_tokens")
        found[semconv.GEN_AI_OUTPUT_TOKENS] = usage.get("completion_tokens")
    return {key: value for key, value in found.items() if value is not None}
