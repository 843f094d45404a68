"""What a message says to a check: results of tools and code, and whether they tell of a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model import Json, Message, part_text

_FAILED = re.compile(
    r"(?i)\s*(?:error\b|traceback \(most recent|\{\s*[\"']error[\"']\s*:\s*(?!null|none|false|\"\"|''))"
)
_EXECUTED = re.compile(r"\s*exitcode: (-?\d+) \(execution (succeeded|failed)\)")
# Code that failed and has printed something after it may have done its work all the same.
_LAST_WORD = re.compile(r"(?i)error|exception|interrupt|timeout|not found|no such|denied|killed|invalid")
_EXECUTED_WORD = "exitcode: "


def results(message: Message) -> list[str]:
    """List what *message* brings back from tools and code, as text. What people and models say is none."""
    texts = [part_text(part) for part in _parts(message) if part.get("type") == "tool_call_response"]
    if not texts and message.role in {"tool", "execution"}:
        return [message.text]
    if not texts and message.text.lstrip().startswith(_EXECUTED_WORD):
        return [message.text]
    return texts


def failures(message: Message) -> list[str]:
    """List the results in *message* that tell of a failure, as text.

    A result says so itself (``is_error``), or in the words that frameworks and tools begin with.
    """
    return [
        text
        for part in _parts(message)
        if (text := part_text(part) or str(part.get("response") or ""))
        and (part.get("is_error") is True or _failed(part, text))
    ]


def acts(message: Message) -> bool:
    """Say whether *message* does something: calls a tool, or writes code."""
    return bool(message.tool_calls) or "```" in (text := message.text) or "'''" in text


def _failed(part: Mapping[str, Json], text: str) -> bool:
    if part.get("type") == "tool_call_response":
        return _FAILED.match(text) is not None
    if _EXECUTED_WORD not in text[:20]:
        return False
    executed = _EXECUTED.match(text)
    if executed is None or executed[2] != "failed":
        return False
    return _LAST_WORD.search(text.rstrip().rpartition("\n")[2]) is not None


def _parts(message: Message) -> list[Mapping[str, Json]]:
    parts = message.body.get("parts")
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, (list, tuple)) else []
