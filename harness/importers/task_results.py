"""Read the repr of AgentChat's ``TaskResult`` and of its messages, as Python's own grammar does, running nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from harness.importers import flat
from harness.importers.draft import Bad, BadLineError
from harness.model import Json

BEGINS = "TaskResult(messages=["
_LONGEST = 32 << 20
_CALLS = "ToolCallRequestEvent"
_ANSWERS = "ToolCallExecutionEvent"
_ROLES = {_ANSWERS: "tool", "ThoughtEvent": "thought", "CodeExecutionEvent": "execution"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A task's messages, as sender and body, and why it stopped."""

    messages: tuple[tuple[str, dict[str, Json]], ...]
    stop_reason: str | None


def results(text: str) -> Iterator[Result | Bad]:
    """Read every TaskResult in *text*; one that is cut off or no Python as a bad line."""
    at = text.find(BEGINS)
    while at >= 0:
        end = _end(text, at + len("TaskResult"))
        try:
            yield _result(_tree(text[at:end]))
        except BadLineError as error:
            yield Bad(line=text.count("\n", 0, at) + 1, why=str(error))
        at = text.find(BEGINS, max(end, at + 1))


def parts(kind: str, text: str) -> list[dict[str, Json]]:
    """Read what a Console printed of a message: calls and answers are reprs, all else is text."""
    if kind not in {_CALLS, _ANSWERS}:
        return [{"type": "reasoning" if kind == "ThoughtEvent" else "text", "content": text}]
    return _parts(kind, _value(_tree(text)))


def _end(text: str, at: int) -> int:
    """Find where the bracket at *at* closes; the end of *text* if it does not."""
    depth, quote = 0, ""
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\":
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(text)


def _tree(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise BadLineError("a repr that is too long to be read")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadLineError(f"a repr that cannot be read: {error}") from error


def _value(node: ast.expr) -> Json:
    """Give what a repr stands for: literals as they are, objects as their fields with their class as ``""``."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return {"": name, **{each.arg: _value(each.value) for each in node.keywords if each.arg}}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(each) for each in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        return None


def _result(node: ast.expr) -> Result:
    given = _value(node)
    if not isinstance(given, dict) or not isinstance(given.get("messages"), list):
        raise BadLineError("a TaskResult without messages")
    said = [each for each in given["messages"] if isinstance(each, dict) and isinstance(each.get("source"), str)]
    reason = given.get("stop_reason")
    return Result(
        messages=tuple((each["source"], body(each)) for each in said),
        stop_reason=reason if isinstance(reason, str) else None,
    )


def body(message: dict[str, Json]) -> dict[str, Json]:
    """Write a message, given as its fields with its class as ``""``, as an OpenTelemetry GenAI message."""
    kind = str(message[""])
    role = _ROLES.get(kind, "user" if message["source"] == "user" else "assistant")
    return {"role": role, "parts": _parts(kind, message.get("content"))}


def _parts(kind: str, content: Json) -> list[dict[str, Json]]:
    items = content if isinstance(content, list) else [content]
    found: list[dict[str, Json]] = []
    for each in items:
        if isinstance(each, dict) and each.get("") == "FunctionCall":
            arguments = flat.parsed(each.get("arguments"))
            found.append({"type": "tool_call", "id": each.get("id"), "name": each.get("name"), "arguments": arguments})
        elif isinstance(each, dict) and each.get("") == "FunctionExecutionResult":
            found.append({"type": "tool_call_response", "id": each.get("call_id"), "response": each.get("content")})
        else:
            said = each if isinstance(each, str) else "" if each is None else f"({type(each).__name__})"
            found.append({"type": "reasoning" if kind == "ThoughtEvent" else "text", "content": said})
    return found
