"""What a message or a call holds, as blocks of text; whatever shape a foreign program gave it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model import CallRecord, Ending, EndingKind, Json, Message, Operation, Status

from . import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A text and the style it is shown in. *kind* is the type of the part it came from."""

    kind: str
    text: str
    style: str = ""


def as_json(value: Json, *, indent: int | None = None) -> str:
    """Write *value* as JSON a person can read; what JSON cannot hold is written as Python would."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=repr)


def blocks(body: Mapping[str, Json]) -> list[Block]:
    """Take a message apart: texts, reasoning, tool calls, tool results, and what is none of these."""
    parts = body.get("parts")
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        return [Block(kind="other", text=as_json(body), style="dim")] if body else []
    return [block for block in map(_block, parts) if block.text]


def _block(part: Json) -> Block:
    if not isinstance(part, Mapping):
        return Block(kind="other", text=as_json(part), style="dim")
    kind = str(part.get("type"))
    if kind == "text":
        return Block(kind=kind, text=_text(part.get("content")))
    if kind == "reasoning":
        return Block(kind=kind, text=_text(part.get("content")), style="italic dim")
    if kind == "tool_call":
        return Block(kind=kind, text=f"→ {part.get('name')}({arguments(part.get('arguments'))})", style="bold")
    if kind == "tool_call_response":
        return Block(kind=kind, text=f"← {_text(part.get('response'))}")
    return Block(kind=kind, text=f"[{kind}] {as_json(part)}", style="dim")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else as_json(value)


def arguments(value: Json) -> str:
    """Write a tool's arguments the way a call is written: ``folder="inbox", limit=50``."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={as_json(given)}" for name, given in value.items())
    return "" if value is None else as_json(value)


def text_of(message: Message) -> str:
    """Give all a message says, for the clipboard or a one-line summary."""
    return "\n".join(block.text for block in blocks(message.body))


_VERBS: Mapping[Operation, str] = {
    Operation.CHAT: "asks",
    Operation.TOOL: "calls",
    Operation.CODE: "runs",
    Operation.HUMAN: "asks the human",
    Operation.SELECTION: "selects the next speaker",
}


def headline(call: CallRecord) -> str:
    """Say in a few words what a call asked for."""
    name = call.model if call.span.operation is Operation.CHAT else call.name
    verb = _VERBS.get(call.span.operation, call.span.name)
    return f"{verb} {name}" if name and call.span.operation not in {Operation.HUMAN, Operation.SELECTION} else verb


def outcome(call: CallRecord) -> str:
    """Say how a call that did not simply succeed stands."""
    if call.error is not None:
        return call.error
    if call.span.status is Status.OPEN:
        return "waiting for the answer"
    if call.span.status is Status.INTERRUPTED:
        return "no answer came: the program died"
    return str(call.span.status.value)


_ENDINGS: Mapping[EndingKind, str] = {
    EndingKind.TERMINATION_MESSAGE: "ended by a termination message",
    EndingKind.REPLY_LIMIT: "ended by the limit of automatic replies",
    EndingKind.MAX_TURNS: "ended by the limit of turns",
    EndingKind.MAX_ROUNDS: "ended by the limit of rounds",
    EndingKind.HUMAN: "ended by the human",
    EndingKind.NO_REPLY: "ended because nobody replied",
    EndingKind.ANSWERED: "ended with an answer",
    EndingKind.NO_SPEAKER: "ended because there was no next speaker",
    EndingKind.STOPPED: "stopped",
    EndingKind.ERROR: "ended by an error",
    EndingKind.INTERRUPTED: "interrupted: the program died before the conversation ended",
    EndingKind.UNKNOWN: "ended; nothing says why",
}


def farewell(ending: Ending) -> str:
    """Say why a conversation ended, and by whose word."""
    return ", ".join(filter(None, (_ENDINGS[ending.kind], ending.agent, ending.detail)))


def usage(call: CallRecord) -> str:
    """Say what a call used, as far as it is known; empty if nothing is."""
    used = call.usage
    known = (
        (used.input_tokens, f"{words.count(used.input_tokens)} tokens in"),
        (used.output_tokens, f"{words.count(used.output_tokens)} tokens out"),
        (used.cost_usd, words.money(used.cost_usd)),
    )
    return " · ".join(text for value, text in known if value is not None)
