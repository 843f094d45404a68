"""What is read off classic agents and their messages, and changes nothing in them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from harness.model import Operation
from harness.trace import current

_INTERNAL = frozenset({"checking_agent", "speaker_selection_agent"})


def quiet(*agents: object) -> bool:
    """Say whether one of *agents* belongs to the framework's own chat that picks a speaker: it is not recorded."""
    scope = current()
    if scope is None or scope.operation is not Operation.SELECTION:
        return False
    return any(name_of(agent) in _INTERNAL for agent in agents)


def name_of(agent: object) -> str:
    """Name *agent*."""
    return str(getattr(agent, "name", "") or "")


def human(agent: object) -> bool:
    """Say whether *agent* stands for a person: it asks one, and no model answers for it."""
    return getattr(agent, "human_input_mode", "NEVER") != "NEVER" or not getattr(agent, "llm_config", None)


def same(one: object, other: object) -> bool:
    """Say whether two native messages are copies of each other."""
    return spoken_content(one) == spoken_content(other)


def spoken_content(message: object) -> tuple[object, object, object]:
    """Reduce a native message to what is said in it."""
    if not isinstance(message, dict):
        return message, None, None
    return message.get("content"), message.get("tool_calls") or None, message.get("function_call") or None


def bound(
    original: Callable[..., Any], agent: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Name the arguments of a call as the method's signature does."""
    return {**dict(zip(_parameters(original), (agent, *args), strict=False)), **kwargs}


@functools.cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def before(agent: Any, sender: Any) -> dict[str, Any]:
    """Note, before a turn, what decides whether the agent may reply. Reads only: no default springs to life."""
    counters = getattr(agent, "_consecutive_auto_reply_counter", None) or {}
    limits = getattr(agent, "_max_consecutive_auto_reply_dict", None) or {}
    try:
        return {
            "replies": dict.get(counters, sender, 0),
            "limit": dict.get(limits, sender, getattr(agent, "_max_consecutive_auto_reply", None)),
            "mode": getattr(agent, "human_input_mode", "NEVER"),
        }
    except TypeError:
        return {}
