"""Translate the attributes of foreign spans into ours: OpenTelemetry GenAI old and new, OpenInference, AG2's own.

Only names are translated. What nobody said stays unknown, and what has no name of ours keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import semconv
from harness.canonical import canonical
from harness.derive.history import message
from harness.importers import flat
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
    "multi_conversation": Operation.OTHER,
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
    semconv.GEN_AI_TOOL_ARGUMENTS: ("tool.parameters", "tool_arguments"),
    semconv.GEN_AI_TOOL_RESULT: ("tool_response",),
    semconv.HARNESS_CODE_EXIT: ("ag2.code_execution.exit_code",),
    semconv.HARNESS_CODE_OUTPUT: ("ag2.code_execution.output",),
    semconv.HARNESS_HUMAN_PROMPT: ("ag2.human_input.prompt",),
    semconv.HARNESS_HUMAN_INPUT: ("ag2.human_input.response",),
    semconv.HARNESS_SELECTION_CHOICE: ("ag2.speaker_selection.selected",),
    semconv.HARNESS_SELECTION_CANDIDATES: ("ag2.speaker_selection.candidates",),
}
_OF_TOOLS = {semconv.GEN_AI_TOOL_ARGUMENTS: "input.value", semconv.GEN_AI_TOOL_RESULT: "output.value"}
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
_CONTENTS = (semconv.GEN_AI_INPUT_MESSAGES, semconv.GEN_AI_OUTPUT_MESSAGES, semconv.GEN_AI_TOOL_DEFINITIONS)


def operation(span: Foreign) -> Operation:
    """Say what a span stands for; what is none of ours is OTHER."""
    said = span.attributes
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
    if stands_for is Operation.TOOL:
        found.setdefault(semconv.GEN_AI_TOOL_NAME, span.name.rpartition("execute_tool ")[2])
        for ours, theirs in _OF_TOOLS.items():
            if ours not in found and theirs in found:
                found[ours] = found[theirs]
            if isinstance(found.get(ours), (dict, list)):
                found[ours] = canonical(found[ours])
    elif stands_for is Operation.TURN:
        found.setdefault(semconv.GEN_AI_AGENT, span.name.rpartition("invoke_agent ")[2])
    elif stands_for is Operation.SELECTION:
        candidates = flat.parsed(found.get(semconv.HARNESS_SELECTION_CANDIDATES))
        if isinstance(candidates, list):
            found[semconv.HARNESS_SELECTION_CANDIDATES] = candidates


def asked(span: Foreign) -> list[Mapping[str, Json]]:
    """Read the messages that went into a span, its instructions first."""
    said = span.attributes
    found = _messages(said.get(semconv.GEN_AI_INPUT_MESSAGES))
    found = found or flat.openinference(said, "llm.input_messages") or flat.older(said, "gen_ai.prompt")
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
    return [{key: value for key, value in each.items() if key != "finish_reason"} for each in found]


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
    from harness.importers.conversations import body
    from harness.importers.draft import BadLineError

    try:
        return body({**given, "role": given.get("role") or "assistant"})
    except BadLineError:
        return {"role": "assistant", "parts": [{"type": "text", "content": canonical(given)}]}
