"""Leave contents out of what is recorded: their length and a keyed hash stand in for them, or nothing does.

What may stay is listed by name. A content under a name nobody thought of is withheld.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from harness import semconv
from harness.canonical import canonical, encode
from harness.config import Capture
from harness.model import LIMITS, EndingKind, Json

_STAYS = frozenset(
    {
        semconv.GEN_AI_OPERATION,
        semconv.GEN_AI_PROVIDER,
        semconv.GEN_AI_WORKFLOW,
        semconv.GEN_AI_CONVERSATION_ID,
        semconv.GEN_AI_AGENT,
        semconv.GEN_AI_REQUEST_MODEL,
        semconv.GEN_AI_RESPONSE_MODEL,
        semconv.GEN_AI_RESPONSE_ID,
        semconv.GEN_AI_FINISH_REASONS,
        semconv.GEN_AI_TOOL_NAME,
        semconv.GEN_AI_TOOL_TYPE,
        semconv.GEN_AI_TOOL_CALL_ID,
        semconv.ERROR_TYPE,
        semconv.SERVER_ADDRESS,
        semconv.HARNESS_CAPTURE,
        semconv.HARNESS_CODE_EXECUTOR,
        semconv.HARNESS_CONVERSATION_PATTERN,
        semconv.HARNESS_ENDING,
        semconv.HARNESS_ENDING_AGENT,
        semconv.HARNESS_ENDING_CONDITION,
        semconv.HARNESS_FAULT,
        semconv.HARNESS_FRAMEWORK,
        semconv.HARNESS_GUARD,
        semconv.HARNESS_GUARD_CODE,
        semconv.HARNESS_GUARD_LIMIT,
        semconv.HARNESS_INPUT_CONTEXT,
        semconv.HARNESS_MESSAGE_PART,
        semconv.HARNESS_OPERATION,
        semconv.HARNESS_OUTPUT_PART,
        semconv.HARNESS_RECIPIENTS,
        semconv.HARNESS_ROLE,
        semconv.HARNESS_RUN_ID,
        semconv.HARNESS_RUN_MODE,
        semconv.HARNESS_RUN_NAME,
        semconv.HARNESS_RUN_SOURCE_ID,
        semconv.HARNESS_RUN_TAGS,
        semconv.HARNESS_SELECTION_CANDIDATES,
        semconv.HARNESS_SELECTION_CHOICE,
        semconv.HARNESS_SELECTION_METHOD,
        semconv.HARNESS_SENDER,
        semconv.HARNESS_TOOLS_PART,
    }
)
_JSON = frozenset({semconv.GEN_AI_TOOL_ARGUMENTS, semconv.GEN_AI_TOOL_RESULT, semconv.HARNESS_REQUEST_PARAMETERS})
_TELLING_ENDINGS = frozenset(kind.value for kind in (*LIMITS, EndingKind.ERROR, EndingKind.INTERRUPTED))
_SET_UP = frozenset(
    {"name", "type", "human_input_mode", "models", "tools", "code_execution", "speaker_selection", "language"}
)
WITHHELD = "[withheld]"
"""Stands for whatever was said where not even its length is kept."""


class Withholding:
    """Takes contents out of messages, tool definitions and attributes: gives copies that keep who, what and how many.

    Texts become ``[withheld:LENGTH:HASH]``: the length in characters (of the JSON, where it is no text), and 64 bits of
    a hash with the store's *key*. Equal contents of one store leave equal texts.
    """

    def __init__(self, capture: Capture, key: bytes) -> None:
        """Withhold what *capture* (METADATA or OFF) says."""
        self.capture = capture
        self._key = key

    def mark(self, value: Json) -> str:
        """Stand in for *value*."""
        if self.capture is Capture.OFF:
            return WITHHELD
        if value == "":
            return ""
        text = value if isinstance(value, str) else canonical(value)
        hashed = hashlib.blake2b(text.encode(errors="replace"), digest_size=8, key=self._key).hexdigest()
        return f"[withheld:{len(text)}:{hashed}]"

    def body(self, body: Json) -> Json:
        """Copy a message, or a list of tool definitions, without its contents."""
        if isinstance(body, list):
            return [self._tool(tool) for tool in body] if self.capture is Capture.METADATA else []
        if not isinstance(body, Mapping):
            return self.mark(body)
        kept: dict[str, Json] = {name: str(body[name]) for name in ("role", "name") if body.get(name)}
        parts = body.get("parts") or ()
        if self.capture is Capture.OFF:
            return {**kept, "parts": [{"type": "text", "content": WITHHELD}] if parts else []}
        return {**kept, "parts": [self._part(part) for part in parts]}

    def _part(self, part: Json) -> dict[str, Json]:
        if not isinstance(part, Mapping):
            return {"type": "text", "content": self.mark(part)}
        kept = {name: part[name] for name in ("type", "id", "name", "modality") if part.get(name)}
        if part.get("type") == "tool_call":
            return {**kept, "arguments": self.mark(part.get("arguments"))}
        if part.get("type") == "tool_call_response":
            return {**kept, "response": self.mark(part.get("response"))}
        said = part["content"] if "content" in part else {key: part[key] for key in part if key not in kept}
        return {**kept, "content": self.mark(said)}

    def _tool(self, tool: Json) -> dict[str, Json]:
        inner = tool.get("function", tool) if isinstance(tool, Mapping) else {}
        name = inner.get("name") if isinstance(inner, Mapping) else None
        return {"type": "function", "function": {"name": str(name or ""), "description": self.mark(tool)}}

    def attributes(self, attributes: Mapping[str, Json]) -> dict[str, Json]:
        """Copy the *attributes* of a span without contents."""
        return {name: self._attribute(name, value, attributes) for name, value in attributes.items()}

    def _attribute(self, name: str, value: Json, beside: Mapping[str, Json]) -> Json:
        telling = name == semconv.HARNESS_ENDING_DETAIL and beside.get(semconv.HARNESS_ENDING) in _TELLING_ENDINGS
        if telling or name in _STAYS or value is None or isinstance(value, (bool, int, float)):
            return value
        if name == semconv.HARNESS_AGENTS:
            return self._json(value, self._agents)
        if name == semconv.HARNESS_CODE_BLOCKS:
            return self._json(value, self._blocks)
        many = isinstance(value, (list, tuple))
        return encode(self.mark(value)) if name in _JSON else [*map(self.mark, value)] if many else self.mark(value)

    def _json(self, text: Json, keep: Callable[[Json], Json]) -> str:
        try:
            return encode(keep(json.loads(text)))
        except (TypeError, ValueError):
            return encode(self.mark(text))

    def _agents(self, value: Json) -> Json:
        """Keep how agents are set up, and no words of theirs."""
        if isinstance(value, list):
            return [self._agents(item) for item in value]
        if not isinstance(value, Mapping):
            return value if isinstance(value, (bool, int, float)) else None
        kept = {}
        for name, item in value.items():
            found = item if name in _SET_UP else self._agents(item) if not isinstance(item, str) else self.mark(item)
            if found not in (None, WITHHELD):
                kept[name] = found
        return kept

    def _blocks(self, value: Json) -> Json:
        blocks = [block for block in value if isinstance(block, Mapping)] if isinstance(value, list) else []
        return [
            {"language": str(block.get("language") or ""), "code": self.mark(block.get("code"))} for block in blocks
        ]
