"""Work out why a team stopped, from the StopMessage that AgentChat itself makes on every path. Pure."""

from __future__ import annotations

import re
from typing import Any

from harness.adapters.seam import broken_off
from harness.call import StoppedError
from harness.model import Ending, EndingKind

_CONDITIONS = {
    "MaxMessageTermination": EndingKind.MAX_ROUNDS,
    "TokenUsageTermination": EndingKind.STOPPED,
    "TimeoutTermination": EndingKind.STOPPED,
    "ExternalTermination": EndingKind.STOPPED,
}
"""The conditions that are no termination message, by the source of their StopMessage."""

_MAX_TURNS = re.compile(r"Maximum number of turns (\d+) reached\.")
_WORDS = {
    "Digraph execution is complete": EndingKind.NO_SPEAKER,
    "Max rounds reached.": EndingKind.MAX_ROUNDS,
    "The group chat has already terminated.": EndingKind.STOPPED,
    "The group chat is stopped.": EndingKind.NO_SPEAKER,
}
"""What managers say for themselves, their own limit of turns aside."""


def ending(stop: Any, manager: str, *, decides: bool) -> Ending:
    """Say why the team stopped with the message *stop* (None: the runtime had nothing more to do).

    *manager* is the name of the team's manager; *decides* says that it may find the task done by itself, as
    Magentic-One does. Where several conditions were met at once, a termination message counts before all else.
    """
    if stop is None:
        return Ending(kind=EndingKind.NO_SPEAKER)
    text, source = str(stop.content), str(stop.source)
    if source == manager:
        turns = _MAX_TURNS.fullmatch(text)
        if turns:
            return Ending(kind=EndingKind.MAX_TURNS, detail=turns[1])
        kind = _WORDS.get(text, EndingKind.TERMINATION_MESSAGE if decides else EndingKind.UNKNOWN)
        return Ending(kind=kind, agent=manager if decides else None, detail=text)
    kinds = [_CONDITIONS.get(name, EndingKind.TERMINATION_MESSAGE) for name in source.split(", ")]
    return Ending(kind=min(kinds, key=lambda kind: kind is not EndingKind.TERMINATION_MESSAGE), detail=text)


def condition(stop: Any, manager: str) -> str | None:
    """Name the condition that the message *stop* is of, or several between commas; None where *manager* spoke."""
    return None if stop is None or stop.source == manager else str(stop.source)


def cut_short(error: BaseException, why: Any) -> Ending:
    """Say why a run ended with *error*; *why* is the error that the manager told of, if it did."""
    if isinstance(error, GeneratorExit):
        return Ending(kind=EndingKind.STOPPED, detail="the stream was left")
    if isinstance(error, Exception) and getattr(why, "error_type", None):
        if why.error_type == StoppedError.__name__:
            return Ending(kind=EndingKind.STOPPED, detail=str(why.error_message))
        return Ending(kind=EndingKind.ERROR, detail=str(why.error_type))
    return broken_off(error)
