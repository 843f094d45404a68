"""Describe how an AG2 1.x agent is set up: model, tools, human, sub-tasks, policies. Reads only.

AG2 1.x has no termination predicate, no limit of turns or replies and no human input mode on an agent (``Agent`` in
``ag2/agent.py``, 1.2.1): its turn goes on as long as the model asks for tools. So none of these is described.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from harness.model import Json

_RANDOM_NAME = re.compile(r"^subtask-[0-9a-f]{8}$")


def name_of(agent: object) -> str:
    """Name *agent*; the agents that AG2 makes for sub-tasks, whose names are random, are all ``subtask``."""
    name = str(getattr(agent, "name", "") or "")
    return "subtask" if _RANDOM_NAME.match(name) else name


def describe(agent: Any) -> dict[str, Json]:
    """Give the set-up of *agent* as JSON; what it does not have is left out."""
    tasks = getattr(agent, "_task_config", None)
    tools = list(_tools(getattr(agent, "tools", ())))
    found: dict[str, Json] = {
        "name": name_of(agent),
        "type": type(agent).__name__,
        "models": _models(getattr(agent, "config", None)) or None,
        "tools": sorted(str(tool.name) for tool in tools) or None,
        "agents": sorted(name_of(tool.agent) for tool in tools if hasattr(tool, "agent")) or None,
        "code_execution": next((where for where in map(_where, tools) if where), None),
        "human_input": True if getattr(agent, "_hitl_hook", None) else None,
        "approval": sorted(str(tool.name) for tool in tools if _approved(tool)) or None,
        "subtasks": {"max_concurrency": tasks.max_concurrency} if tasks else None,
        "middleware": _kinds(getattr(entry, "cls", entry) for entry in getattr(agent, "_middleware", ())),
        "observers": _kinds(getattr(agent, "_observers", ())),
        "policies": _kinds(getattr(agent, "_policies", ())),
    }
    return {name: value for name, value in found.items() if value is not None}


def _tools(tools: Iterable[Any]) -> Iterator[Any]:
    """List *tools*, those of toolkits one by one."""
    for tool in tools:
        inner = getattr(tool, "tools", None)
        if isinstance(inner, tuple):
            yield from _tools(inner)
        else:
            yield tool


def _models(config: Any) -> list[str]:
    try:
        return [str(config.model)]
    except (AttributeError, NotImplementedError):
        return []


def _where(tool: Any) -> str | None:
    """Name where a tool runs the code or the commands that a model writes."""
    inside = getattr(tool, "_env", None) or getattr(tool, "_adapter", None)
    return None if inside is None else executor(inside)


def executor(inside: Any) -> str:
    """Name where code runs: the environment, or what its adapter was made of."""
    factory = getattr(inside, "_factory", inside)
    if type(factory).__name__ == "SingletonFactory":
        factory = factory.sandbox
    return type(factory).__name__


def _approved(tool: Any) -> bool:
    return any(type(hook).__name__ == "ApprovalRequired" for hook in getattr(tool, "_middleware", ()))


def _kinds(things: Iterable[Any]) -> list[str] | None:
    names = [thing.__name__ if isinstance(thing, type) else type(thing).__name__ for thing in things]
    return names or None
