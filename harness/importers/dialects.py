"""Translate the attributes of foreign spans into ours: OpenTelemetry GenAI old and new, OpenInference, AG2's own.

Only names are translated. What nobody said stays unknown, and what has no name of ours keeps its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from harness import semconv
from harness.canonical import canonical
from harness.derive.history import message
from harness.importers import flat, logged, printed
from harness.importers.conversations import body
from harness.importers.draft import BadLineError
from harness.importers.foreign import Foreign
from harness.model import Json, Operation

Attributes = Mapping[str, Json]
_GEN_AI = {
    "chat": Operation.CHAT,
    "text_completion": Operation.CHAT,
    "generate_content": Operation.CHAT,
    "invoke_agent": Operation.TURN,
    "execute_tool": Operation.TOOL,
    "invoke_workflow": Operation.CONVERSATION,
}
_AG2 = {
    "conversation": Operation.CONVERSATION,
    "multi_conversation": Operation.CONVERSATION,
    "agent": Operation.TURN,
    "llm": Operation.CHAT,
    "tool": Operation.TOOL,
    "code_execution": Operation.CODE,
    "human_input": Operation.HUMAN,
    "speaker_selection": Operation.SELECTION,
}
_OPENINFERENCE = {"LLM": Operation.CHAT, "AGENT": Operation.TURN, "TOOL": Operation.TOOL}
# Ours first, then the names others use for it, the newer before the older.
_SAME = {
    semconv.GEN_AI_PROVIDER: ("gen_ai.system", "llm.provider", "llm.system"),
    semconv.GEN_AI_REQUEST_MODEL: ("llm.request.model_name", "llm.model_name", "embedding.model_name"),
    semconv.GEN_AI_RESPONSE_MODEL: ("llm.response.model_name",),
    semconv.GEN_AI_INPUT_TOKENS: ("gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens"),
    semconv.GEN_AI_OUTPUT_TOKENS: (
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    semconv.GEN_AI_CACHE_READ_TOKENS: (
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    semconv.GEN_AI_REASONING_TOKENS: ("llm.token_count.completion_details.reasoning",),
    semconv.GEN_AI_COST: ("llm.cost.total", "operation.cost"),
    semconv.GEN_AI_AGENT: ("agent.name", "graph.node.id"),
    semconv.GEN_AI_TOOL_NAME: ("tool.name",),
    semconv.GEN_AI_TOOL_CALL_ID: ("tool.id", "tool_call.id"),
    semconv.GEN_AI_TOOL_ARGUMENTS: ("tool_call.function.arguments", "tool_arguments"),
    semconv.GEN_AI_TOOL_RESULT: ("tool_response",),
    semconv.HARNESS_CODE_EXIT: ("ag2.code_execution.exit_code",),
    semconv.HARNESS_CODE_OUTPUT: ("ag2.code_execution.output",),
    semconv.HARNESS_HUMAN_PROMPT: ("ag2.human_input.prompt",),
    semconv.HARNESS_HUMAN_INPUT: ("ag2.human_input.response",),
    semconv.HARNESS_SELECTION_CHOICE: ("ag2.speaker_selection.selected",),
    semconv.HARNESS_SELECTION_CANDIDATES: ("ag2.speaker_selection.candidates",),
}
# What a tool is given is its "input", and by OpenInference's word its "parameters": which some take for their types.
_OF_TOOLS = (
    (semconv.GEN_AI_TOOL_ARGUMENTS, "input.value"),
    (semconv.GEN_AI_TOOL_ARGUMENTS, "tool.parameters"),
    (semconv.GEN_AI_TOOL_RESULT, "output.value"),
)
ASKS, ANSWERS = "ag2.recipient.name", "ag2.sender.name"
"""Whom a classic chat was begun with, and whom a turn in it replies to, as OpenInference's AG2 instrumentation says."""
_PICKERS = frozenset({"checking_agent", "speaker_selection_agent"})
_PICKED = re.compile(r"\[AGENT SELECTED\](.+)", re.DOTALL)
_FLAT = ("llm.input_messages.", "llm.output_messages.", "llm.tools.", "gen_ai.prompt.", "gen_ai.completion.")
_COUNTS = frozenset(
    {
        semconv.GEN_AI_INPUT_TOKENS,
        semconv.GEN_AI_OUTPUT_TOKENS,
        semconv.GEN_AI_CACHE_READ_TOKENS,
        semconv.GEN_AI_REASONING_TOKENS,
    }
)
INSTRUCTIONS = "gen_ai.system_instructions"
_NO_PARAMETERS = frozenset({"model", "messages", "tools", "stream", "stream_options"})
_CONTENTS = (semconv.GEN_AI_INPUT_MESSAGES, semconv.GEN_AI_OUTPUT_MESSAGES, semconv.GEN_AI_TOOL_DEFINITIONS)


def operation(span: Foreign) -> Operation:
    """Say what a span stands for; what is none of ours is OTHER."""
    said = span.attributes
    if (known := _openinference(span)) is not None:
        return known
    for key, table in (
        (semconv.HARNESS_OPERATION, {each.value: each for each in Operation}),
        ("ag2.span.type", _AG2),
        (semconv.GEN_AI_OPERATION, _GEN_AI),
        ("openinference.span.kind", _OPENINFERENCE),
    ):
        name = said.get(key)
        found = table.get(name) if isinstance(name, str) else None
        if found is not None:
            return found
    return Operation.OTHER


def _openinference(span: Foreign) -> Operation | None:
    """Read what OpenInference calls a chain or an agent: a chat, how AutoGen itself picks a speaker, a team's run."""
    said = span.attributes
    if said.get("openinference.span.kind") not in {"AGENT", "CHAIN"}:
        return None
    if "participant_names" in said:
        return Operation.CONVERSATION
    if said.get("agent.name") in _PICKERS:
        return Operation.SELECTION if ASKS in said else Operation.OTHER
    return Operation.CONVERSATION if ASKS in said else None


def attributes(span: Foreign, stands_for: Operation) -> dict[str, Json]:
    """Give the attributes of *span* under our names, the contents of messages aside."""
    found = {
        key: value
        for key, value in span.attributes.items()
        if value is not None and not key.startswith(_FLAT) and key not in _CONTENTS and key != INSTRUCTIONS
    }
    for ours, others in _SAME.items():
        if ours not in found:
            value = next((found[other] for other in others if other in found), None)
            if value is not None:
                found[ours] = value
        if ours in _COUNTS and isinstance(found.get(ours), float) and found[ours].is_integer():
            found[ours] = int(found[ours])
    _particular(span, stands_for, found)
    return found


def _particular(span: Foreign, stands_for: Operation, found: dict[str, Json]) -> None:
    """Complete what only one operation has."""
    if stands_for is Operation.CHAT:
        _of_chat(found)
    elif stands_for is Operation.TOOL:
        _of_tool(span, found)
    elif stands_for is Operation.TURN:
        found.setdefault(semconv.GEN_AI_AGENT, span.name.rpartition("invoke_agent ")[2])
    elif stands_for is Operation.CONVERSATION and "participant_names" in found:
        found.setdefault(semconv.GEN_AI_WORKFLOW, span.name.partition(".")[0])
        result = flat.parsed(found.get("output.value"))
        reason = result.get("stop_reason") if isinstance(result, dict) else None
        found.update(printed.why(reason) if isinstance(reason, str) else {})
    elif stands_for is Operation.SELECTION:
        if found.get(semconv.GEN_AI_AGENT) in _PICKERS:
            del found[semconv.GEN_AI_AGENT]  # it is the manager's choice
        picked = _PICKED.fullmatch(str(found.get("output.value")))
        if picked:
            found.setdefault(semconv.HARNESS_SELECTION_CHOICE, picked[1])
        candidates = flat.parsed(found.get(semconv.HARNESS_SELECTION_CANDIDATES))
        if isinstance(candidates, list):
            found[semconv.HARNESS_SELECTION_CANDIDATES] = candidates


def _of_chat(found: dict[str, Json]) -> None:
    reasons = flat.parsed(found.get(semconv.GEN_AI_FINISH_REASONS, found.get("llm.finish_reason")))
    if reasons is not None:
        found[semconv.GEN_AI_FINISH_REASONS] = reasons if isinstance(reasons, list) else [reasons]
    given = flat.parsed(found.get("llm.invocation_parameters"))
    if isinstance(given, dict):
        parameters = {key: value for key, value in given.items() if key not in _NO_PARAMETERS}
        found.setdefault(semconv.HARNESS_REQUEST_PARAMETERS, canonical(parameters))
    counts = (semconv.GEN_AI_INPUT_TOKENS, semconv.GEN_AI_OUTPUT_TOKENS)
    if "openinference.span.kind" in found and all(found.get(key) == 0 for key in counts):
        for key in counts:  # what it says of a streamed answer: nobody has asked a model with no token at all
            del found[key]


def _of_tool(span: Foreign, found: dict[str, Json]) -> None:
    found.setdefault(semconv.GEN_AI_TOOL_NAME, span.name.rpartition("execute_tool ")[2])
    for ours, theirs in _OF_TOOLS:
        if ours not in found and theirs in found:
            found[ours] = found[theirs]
    result = flat.parsed(found.get(semconv.GEN_AI_TOOL_RESULT))
    if _is_classic_result(result):
        done, told = result
        found[semconv.GEN_AI_TOOL_RESULT] = told["content"]
        if not done:
            found.setdefault(semconv.ERROR_TYPE, "error")
            found.setdefault(semconv.ERROR_MESSAGE, told["content"])
    for ours in (semconv.GEN_AI_TOOL_ARGUMENTS, semconv.GEN_AI_TOOL_RESULT):
        if isinstance(found.get(ours), (dict, list)):
            found[ours] = canonical(found[ours])


def _is_classic_result(value: Json) -> TypeGuard[tuple[bool, dict[str, Json]]]:
    """Say whether *value* is what classic AutoGen's ``execute_function`` returns: success, and a message."""
    return (
        isinstance(value, list)
        and [type(each) for each in value] == [bool, dict]
        and value[1].get("role") in {"function", "tool"}
        and "content" in value[1]
    )


def asked(span: Foreign) -> list[Mapping[str, Json]]:
    """Read the messages that went into a span, its instructions first."""
    said = span.attributes
    found = _messages(said.get(semconv.GEN_AI_INPUT_MESSAGES))
    found = found or flat.openinference(said, "llm.input_messages") or flat.older(said, "gen_ai.prompt")
    found = found or _of_classic(span, "input.value")
    instructions = flat.parsed(said.get(INSTRUCTIONS))
    if isinstance(instructions, str) and instructions:
        instructions = [{"type": "text", "content": instructions}]
    if isinstance(instructions, list) and instructions:
        return [{"role": "system", "parts": [part for part in instructions if isinstance(part, dict)]}, *found]
    return list(found)


def answered(span: Foreign) -> list[Mapping[str, Json]]:
    """Read the messages that came out of a span."""
    said = span.attributes
    found = _messages(said.get(semconv.GEN_AI_OUTPUT_MESSAGES))
    found = found or flat.openinference(said, "llm.output_messages") or flat.older(said, "gen_ai.completion")
    found = found or _of_classic(span, "output.value")
    return [{key: value for key, value in each.items() if key != "finish_reason"} for each in found]


def _of_classic(span: Foreign, key: str) -> Sequence[Mapping[str, Json]]:
    """Read messages of classic agents as OpenInference's AG2 instrumentation writes them, whole or as their text."""
    said = span.attributes
    value = said.get(key)
    if not isinstance(value, str) or not (ASKS in said or ANSWERS in said):
        return []
    given = flat.parsed(value)
    if key == "input.value" and ASKS in said:
        opening = given.get("message") if isinstance(given, dict) else None
        given = [{"role": "user", "content": opening} if isinstance(opening, str) else opening]
    elif not (isinstance(given, list) and key == "input.value"):
        given = [given if isinstance(given, dict) else value]
    return [found for each in given if (found := _classic(each)) is not None]


def _classic(given: Json) -> Mapping[str, Json] | None:
    try:
        return logged.message(given)
    except BadLineError:
        return None


def tools(span: Foreign) -> list[Json]:
    """Read the definitions of tools that a model was given."""
    given = flat.parsed(span.attributes.get(semconv.GEN_AI_TOOL_DEFINITIONS))
    if isinstance(given, list):
        return given
    found = [
        flat.parsed(each.get("tool", each).get("json_schema") if isinstance(each.get("tool", each), dict) else None)
        for each in flat.unfolded(span.attributes, "llm.tools")
        if isinstance(each, dict)
    ]
    return [each for each in found if each is not None]


def _messages(given: Json) -> Sequence[Mapping[str, Json]]:
    """Read a list of messages, or the JSON string of one; messages of OpenAI's shape have a content, not parts."""
    listed = flat.parsed(given)
    found: list[Mapping[str, Json]] = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and "parts" not in each and "content" in each:
            found.append(_openai(each))
        elif (body := message(each)) is not None:
            found.append(body)
    return found


def _openai(given: Mapping[str, Json]) -> Mapping[str, Json]:
    try:
        return body({**given, "role": given.get("role") or "assistant"})
    except BadLineError:
        return {"role": "assistant", "parts": [{"type": "text", "content": canonical(given)}]}
