"""Describe how AgentChat's agents and teams are set up: models, tools, handoffs, limits, conditions. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.adapters.agentchat_messages import plain
from harness.adapters.agentchat_models import model_of
from harness.model import Json

_MANAGED = {"RoundRobinGroupChat": "round_robin", "Swarm": "handoff", "GraphFlow": "graph", "SelectorGroupChat": "auto"}


def describe(member: Any) -> dict[str, Json]:
    """Give the set-up of an agent, or of a team and those in it, as JSON; what it does not have is left out."""
    if hasattr(member, "_participants"):
        return _known(_team(member))
    client, executor = getattr(member, "_model_client", None), getattr(member, "_code_executor", None)
    benches = _each(getattr(member, "_workbench", None))
    inner = getattr(member, "_team", None) or getattr(member, "_wrapped_agent", None)
    return _known(
        {
            "name": getattr(member, "name", None),
            "type": type(member).__name__,
            "description": getattr(member, "description", None) or None,
            "models": [model_of(client)] if client is not None else None,
            "tools": sorted(name for bench in benches for name in _tools(bench)) or None,
            "workbenches": [type(bench).__name__ for bench in benches if not hasattr(bench, "_tools")] or None,
            "handoffs": sorted(handoff.target for handoff in _handoffs(member)) or None,
            "max_tool_iterations": getattr(member, "_max_tool_iterations", None),
            "reflect_on_tool_use": getattr(member, "_reflect_on_tool_use", None),
            "streams": getattr(member, "_model_client_stream", None) or None,
            "human_input_mode": "ALWAYS" if hasattr(member, "input_func") else None,
            "code_execution": type(executor).__name__ if executor is not None else None,
            "code_approval": getattr(member, "_approval_func", None) is not None if executor is not None else None,
            "inner": describe(inner) if inner is not None else None,
        }
    )


def settings(member: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the settings of the model clients of an agent, or of a team's manager and those in the team."""
    client = getattr(member, "_model_client", None)
    for name in ("_create_args", "_raw_config"):
        if isinstance(found := getattr(client, name, None), Mapping):
            yield found
    inner = getattr(member, "_team", None) or getattr(member, "_wrapped_agent", None)
    for each in (*(getattr(member, "_participants", None) or ()), *([] if inner is None else [inner])):
        yield from settings(each)


def _team(team: Any) -> dict[str, Json]:
    client = getattr(team, "_model_client", None)
    custom = getattr(team, "_selector_func", None) is not None
    ends = getattr(team, "_termination_condition", None)
    words = _mentions(ends)
    return {
        "name": team.name,
        "type": type(team).__name__,
        "description": team.description or None,
        "models": [model_of(client)] if client is not None else None,
        "max_turns": getattr(team, "_max_turns", None),
        "max_stalls": getattr(team, "_max_stalls", None),
        "speaker_selection": "custom" if custom else _MANAGED.get(type(team).__name__),
        "allow_repeated_speaker": getattr(team, "_allow_repeated_speaker", None),
        "termination": condition(ends),
        "graph": plain(_edges(getattr(team, "_graph", None))),
        "members": [{**describe(member), **_told(member, words)} for member in team._participants],  # noqa: SLF001
    }


def _told(member: Any, words: Sequence[str]) -> dict[str, Json]:
    """Say whether the prompt of *member* speaks of one of the *words* that its team ends with, if both are known."""
    prompts = getattr(member, "_system_messages", None)
    if not words or not isinstance(prompts, list) or getattr(member, "_model_client", None) is None:
        return {}
    return {"end_in_prompt": any(word in str(prompt.content) for prompt in prompts for word in words)}


def _mentions(condition: Any) -> list[str]:
    """List the words that *condition* waits for in what is said."""
    inner = getattr(condition, "_conditions", None)
    if isinstance(inner, (list, tuple)):
        return [word for each in inner for word in _mentions(each)]
    word = getattr(condition, "_termination_text", None)
    return [word] if isinstance(word, str) and word else []


def condition(found: Any) -> dict[str, Json] | None:
    """Give a termination condition by name, with its settings, or with the conditions it is made of."""
    if found is None:
        return None
    inner = getattr(found, "_conditions", None)
    if isinstance(inner, (list, tuple)):
        return {"type": type(found).__name__, "conditions": [condition(each) for each in inner]}
    settings: Mapping[str, Any] = {}
    if hasattr(found, "_to_config"):
        try:
            settings = found._to_config().model_dump()  # noqa: SLF001
        except Exception:  # noqa: BLE001 - a condition of the user's own may not know how
            settings = {}
    if sources := getattr(found, "_sources", None):  # of a text that is mentioned, its own form does not tell whose
        settings = {**settings, "sources": list(sources)}
    return {"type": type(found).__name__, **_known({name: plain(value) for name, value in settings.items()})}


def _edges(graph: Any) -> dict[str, list[str]] | None:
    if graph is None:
        return None
    return {name: [edge.target for edge in node.edges] for name, node in graph.nodes.items()}


def _each(benches: Any) -> list[Any]:
    return list(benches) if isinstance(benches, (list, tuple)) else [] if benches is None else [benches]


def _tools(bench: Any) -> Iterable[str]:
    tools = getattr(bench, "_tools", None)
    return [str(tool.name) for tool in tools] if isinstance(tools, list) else ()


def _handoffs(member: Any) -> list[Any]:
    found = getattr(member, "_handoffs", None)
    return list(found.values()) if isinstance(found, Mapping) else []


def _known(found: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in found.items() if value is not None}
