"""What a message says to a check: results of tools and code, whether they tell of a failure, and who heeds it."""

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

# An agent that was told of a failure and heeds it says one of these, whatever else it says.
_HEEDED = re.compile(
    r"(?i)error|fail|unable|can ?not|n['’]t\b|\bnot?\b|could|sorry|issue|problem|invalid|correct|again|retry"
    r"|trie[ds]?\b|unfortunat|apolog|mismatch|missing|\bfix|instead|adjust|mistake|wrong|exceed|limit|however|alternativ|denied"
    r"|restrict|install|troubl|unavail|\bneed|must|requir|bug|exception|debug|revis|modif|timed? ?out|only"
)
_CLAIMS = re.compile(
    r"(?i)success|\bdone\b|complet|booked|\bhere(?: is| are|['’]s)|result|answer|terminate|confirm|updated|great|finish"
    r"|cancel|found|obtained|shows?\b|\bis\b|\bare\b"
)


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


def heeds(text: str) -> bool:
    """Say whether *text*, which is said after a failure, speaks of it or goes another way; in English alone."""
    return _HEEDED.search(text) is not None


def claims(text: str) -> bool:
    """Say whether *text* claims something."""
    return _CLAIMS.search(text) is not None


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
    return [part for part in parts if isinstance(part, (dict, Mapping))] if isinstance(parts, (list, tuple)) else []
