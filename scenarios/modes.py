"""How a scenario's calls are played: from the cassette, for real, or by a stub; and what is frozen meanwhile.

``replay: {tool: live, human: {stub: "exit"}}`` speaks of tools, code and people; models answer from the cassette. A
stub gives one answer, or one for each name: of a tool, or of the agent whose human is asked. Who is not named is
replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.freezing import FROZEN
from harness.model import Json, Operation

if TYPE_CHECKING:
    from .yaml_file import Document

SILENT: Mapping[Operation, Json] = {Operation.CODE: "", Operation.HUMAN: ""}
"""What a stub without an answer gives: code that prints nothing and ends well, and a person who presses Enter."""

_WORDS = ("replay", "live", "stub")


def _form(told: str, words: tuple[str, ...], *answers: dict[str, Any]) -> dict[str, Any]:
    stub = {"type": "object", "additionalProperties": False, "required": ["stub"]}
    forms = [{"type": "string", "enum": list(words)}]
    return {"anyOf": [*forms, {**stub, "properties": {"stub": {"anyOf": list(answers)}}}], "description": told}


_TEXT: dict[str, Any] = {"type": "string"}
_NAMED = {"type": "object", "minProperties": 1}
FORM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "tool": _form(
            "Tools. A stub gives its answer for every tool, or has one for each tool by name.",
            _WORDS[:2],
            {**_NAMED, "description": "Tools by name; the others are replayed."},
            {"type": ["string", "number", "boolean", "null", "array"], "description": "The result of every tool."},
        ),
        "code": _form(
            "Code. A stub's text is what it prints; without one it prints nothing.",
            _WORDS,
            _TEXT,
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {"exit_code": {"type": "integer"}, "output": _TEXT},
            },
        ),
        "human": _form(
            "People. A stub types its text, or has one for each agent whose human is asked; without one, only Enter.",
            _WORDS,
            _TEXT,
            {**_NAMED, "additionalProperties": _TEXT},
        ),
    },
    "description": "How tools, code and people are played: replayed unless it says otherwise.",
}
"""The form of ``replay`` as JSON Schema."""
FREEZE: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "enum": list(FROZEN)},
    "description": "What stands still, in recordings and replays alike.",
}
"""The form of ``freeze`` as JSON Schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """How calls are played. *live* are kinds that are made for real, *stubs* holds the answers of kinds that are not.

    *freeze* names what stands still: see ``harness.freezing``. What is in neither is answered by the cassette.
    """

    live: frozenset[Operation] = frozenset()
    stubs: Mapping[Operation, Json] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()


def read(document: Document) -> Modes:
    """Read the modes of a scenario that has its form. Raises UsageError if a kind is both live and stubbed."""
    live = set(map(Operation, document.value.get("live", ())))
    stubs: dict[Operation, Json] = {}
    for name, value in document.value.get("replay", {}).items():
        kind = Operation(name)
        if isinstance(value, Mapping) or value == "stub":
            stubs[kind] = value["stub"] if isinstance(value, Mapping) else SILENT[kind]
            if kind in live:
                document.wrong(("replay", name), f"{name!r} is live already, so no stub can answer it")
        elif value == "live":
            live.add(kind)
    freeze = tuple(dict.fromkeys(document.value.get("freeze", ())))
    return Modes(live=frozenset(live), stubs=stubs, freeze=freeze)
