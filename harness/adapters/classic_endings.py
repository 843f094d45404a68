"""Work out why a classic conversation ended, from what was noted on the way.

pyautogen 0.2 says nothing about it, and later versions are silent on some paths, so all are told apart the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.model import Ending, EndingKind


def turn_ending(agent: str, notes: Mapping[str, Any]) -> Ending:
    """Say why *agent* gave no reply, in the framework's own order of checks.

    *notes* of the turn: ``human`` (the last thing a person typed), ``matched`` (an agent whose predicate said yes),
    ``mode``, ``replies`` and ``limit`` as they were before the turn.
    """
    if notes.get("human") == "exit":
        return Ending(kind=EndingKind.HUMAN, agent=agent, detail="exit")
    if notes.get("matched"):
        return Ending(kind=EndingKind.TERMINATION_MESSAGE, agent=str(notes["matched"]))
    limit, replies = notes.get("limit"), notes.get("replies")
    if notes.get("mode") == "NEVER" and isinstance(limit, int) and isinstance(replies, int) and replies >= limit:
        return Ending(kind=EndingKind.REPLY_LIMIT, agent=agent, detail=str(limit))
    return Ending(kind=EndingKind.NO_REPLY, agent=agent)


def conversation_ending(notes: Mapping[str, Any]) -> Ending:  # noqa: PLR0911 - one return a reason
    """Say why a conversation ended.

    *notes* of the conversation: ``matched`` and ``silent_turn`` (both since the last message), ``no_speaker``,
    ``group`` and ``rounds``, ``max_turns`` and ``sent`` (messages by the one who began), ``agent``, ``recipient``.
    """
    if notes.get("matched"):
        return Ending(kind=EndingKind.TERMINATION_MESSAGE, agent=str(notes["matched"]))
    if notes.get("no_speaker"):
        return Ending(kind=EndingKind.NO_SPEAKER, detail=str(notes["no_speaker"]))
    silent = notes.get("silent_turn")
    if isinstance(silent, Ending):
        return silent
    group = notes.get("group")
    if group is not None:
        limit = getattr(group, "max_round", None)
        if isinstance(limit, int) and notes.get("rounds", 0) >= limit:
            return Ending(kind=EndingKind.MAX_ROUNDS, detail=str(limit))
        return Ending(kind=EndingKind.UNKNOWN)
    max_turns = notes.get("max_turns")
    if isinstance(max_turns, int):
        if notes.get("sent", 0) >= max_turns:
            return Ending(kind=EndingKind.MAX_TURNS, detail=str(max_turns))
        limit = getattr(notes.get("recipient"), "_max_consecutive_auto_reply", None)
        name = getattr(notes.get("recipient"), "name", None)
        return Ending(kind=EndingKind.REPLY_LIMIT, agent=name, detail=str(limit))
    return Ending(kind=EndingKind.NO_REPLY)
