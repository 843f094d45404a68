"""Read conversation JSON lines: one object a line, with an ``id`` and the ``messages`` that were said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from harness import semconv
from harness.importers import files
from harness.importers.draft import Bad, BadLineError, Draft, Told, run_name
from harness.model import EndingKind, Json

KIND = "conversations"
ROLES = frozenset({"user", "assistant", "tool", "execution", "thought", "event", "system"})
_TAKEN = frozenset({"id", "framework", "messages"})
_TAKEN_OF_MESSAGE = frozenset({"sender", "recipient", "role", "content", "tool_calls", "tool_call_id"})
_ENDINGS = {
    "termination_msg": EndingKind.TERMINATION_MESSAGE,
    "max_round": EndingKind.MAX_ROUNDS,
    "max_turns": EndingKind.MAX_TURNS,
    "max_auto_reply": EndingKind.REPLY_LIMIT,
    "human_exit": EndingKind.HUMAN,
    "other:No next speaker selected": EndingKind.NO_SPEAKER,
    **{kind.value: kind for kind in EndingKind},
}
_MAX_TURNS = re.compile(r"other:Maximum turns \((\d{1,9})\) reached")


class Conversations:
    """Reads conversations that were written down without their times or calls."""

    title = "conversation JSON lines"

    def sniff(self, head: bytes) -> bool:
        """Say whether one of the first lines is a conversation."""
        for line in head.splitlines()[:20]:
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(found, dict):
                return "id" in found and isinstance(found.get("messages"), list)
        return False

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield a run for each conversation."""
        for found in files.lines(path):
            if isinstance(found, Bad):
                yield found
                continue
            number, line = found
            try:
                yield _draft(number, line)
            except BadLineError as error:
                yield Bad(line=number, why=str(error))


def _draft(number: int, line: bytes) -> Draft:
    given = _parsed(line)
    source_id = given.get("id")
    if not isinstance(source_id, str) or not source_id:
        raise BadLineError("the conversation has no id that is a string")
    messages = given.get("messages")
    if not isinstance(messages, list):
        raise BadLineError(f"conversation {source_id!r} has no list of messages")
    told = Told(run_name(KIND, source_id, line.strip().decode()), source_id, number=number)
    for message in messages:
        _say(told, message)
    framework = given.get("framework")
    attributes = {
        **_kept(given, _TAKEN),
        **({semconv.HARNESS_FRAMEWORK: framework} if isinstance(framework, str) and framework else {}),
        **_ending(given.get("labels")),
    }
    return told.draft(KIND, source_id, attributes)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        line.decode()
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLineError(f"no JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise BadLineError("no UTF-8") from error
    if not isinstance(given, dict):
        raise BadLineError("no JSON object")
    return given


def _say(told: Told, message: Json) -> None:
    if not isinstance(message, dict):
        raise BadLineError(f"message {told.messages} is no JSON object")
    where = f"message {told.messages}"
    sender, recipient, role = message.get("sender"), message.get("recipient"), message.get("role")
    if not isinstance(sender, str):
        raise BadLineError(f"{where} has no sender")
    if role not in ROLES:
        raise BadLineError(f"{where} has the role {role!r}, which is none of {', '.join(sorted(ROLES))}")
    recipients = [recipient] if isinstance(recipient, str) and recipient else []
    told.say(sender, recipients, body(message), more=_kept(message, _TAKEN_OF_MESSAGE))


def body(message: Mapping[str, Json]) -> dict[str, Json]:
    """Write a message of OpenAI's shape as an OpenTelemetry GenAI message. Raises BadLineError for an odd one."""
    role = message["role"]
    text = _text(message.get("content"))
    parts: list[dict[str, Json]] = []
    if role == "tool":
        parts.append({"type": "tool_call_response", "id": _label(message.get("tool_call_id")), "response": text or ""})
    elif text is not None:
        parts.append({"type": "reasoning" if role == "thought" else "text", "content": text})
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise BadLineError("a message has tool_calls that are no list")
    parts.extend(map(_call, calls))
    return {"role": role, "parts": [{key: value for key, value in part.items() if value is not None} for part in parts]}


def _text(content: Json) -> str | None:
    """Read a content: a text, nothing, or OpenAI's list of blocks, of which texts count."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [
            block if isinstance(block, str) else str(block.get("text") or f"({block.get('type', 'block')})")
            for block in content
            if isinstance(block, (str, dict))
        ]
        return "\n".join(texts)
    raise BadLineError("a message has a content that is no text")


def _call(call: Json) -> dict[str, Json]:
    inner = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise BadLineError("a message calls a tool without a name")
    arguments = inner.get("arguments")
    if isinstance(arguments, str):
        with suppress(orjson.JSONDecodeError):  # what a model wrote need not be JSON, and is kept as it is
            arguments = orjson.loads(arguments)
    return {"type": "tool_call", "id": _label(call.get("id")), "name": inner["name"], "arguments": arguments}


def _label(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _kept(given: Mapping[str, Json], taken: frozenset[str]) -> dict[str, Json]:
    """Keep what we have no name for under the names it came with."""
    return {
        f"{semconv.HARNESS_SOURCE_PREFIX}{key}": value
        for key, value in given.items()
        if key not in taken and value is not None
    }


def _ending(labels: Json) -> dict[str, Json]:
    """Read why it ended where the label is exact; one that guesses, or means something else, is only kept."""
    said = labels.get("ended_by") if isinstance(labels, dict) else None
    if not isinstance(said, str):
        return {semconv.HARNESS_ENDING: EndingKind.UNKNOWN.value}
    turns = _MAX_TURNS.fullmatch(said)
    if turns:
        return {semconv.HARNESS_ENDING: EndingKind.MAX_TURNS.value, semconv.HARNESS_ENDING_DETAIL: turns[1]}
    kind = _ENDINGS.get(said, EndingKind.UNKNOWN)
    return {semconv.HARNESS_ENDING: kind.value, semconv.HARNESS_ENDING_DETAIL: said}
