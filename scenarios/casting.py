"""Who plays a scenario, and how they talk: what no schema can say of its ``agents``, ``team`` and ``workflow``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.model import Json

from . import json_schema
from .schema import FRAMEWORKS, SCHEMA, of_cast, of_team

if TYPE_CHECKING:
    from .yaml_file import Document, Place

MODULES: Mapping[str, str] = {"classic": "autogen", "agentchat": "autogen_agentchat", "ag2": "ag2"}
"""What each framework is imported as."""
_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One conversation of a scenario: who talks about what, and what they are told of the conversations before it.

    *agents* are names, in the order of the scenario. *team* is as in the file, checked, with its defaults.
    *carryover* is ``all``, ``last`` or ``none``.
    """

    name: str = ""
    agents: tuple[str, ...] = ()
    team: Mapping[str, Json] = field(default_factory=dict)
    task: str = ""
    carryover: str = "all"


def framework(value: Mapping[str, Json]) -> str:
    """Say whose agents a scenario has.

    It is as it says; else the first that is installed of those whose agents and teams can be described so; and where
    none can, of those that have its pattern.
    """
    said = value.get("framework")
    if isinstance(said, str):
        return said
    able = [name for name in FRAMEWORKS if not any(json_schema.faults(of_cast(name), value, root=SCHEMA))]
    if not able:
        able = [name for name in FRAMEWORKS if _pattern(value) in of_team(name)["properties"]["pattern"]["enum"]]
    candidates = able or FRAMEWORKS
    return next((name for name in candidates if _installed(MODULES[name])), candidates[0])


def _pattern(value: Mapping[str, Json]) -> Json:
    stages = value.get("workflow")
    teams = [value, *stages] if isinstance(stages, list) else [value]
    found = (one["team"] for one in teams if isinstance(one, Mapping) and isinstance(one.get("team"), Mapping))
    return next((team["pattern"] for team in found if "pattern" in team), None)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def agents(document: Document) -> tuple[Mapping[str, Json], ...]:
    """Read the agents of a document that fits the schema."""
    found: list[Mapping[str, Json]] = document.value["agents"]
    names = [one["name"] for one in found]
    for index, one in enumerate(found):
        place: Place = ("agents", index)
        if one["name"] in names[:index]:
            document.wrong((*place, "name"), f"two agents are called {one['name']!r}")
        if "type" in one and "role" in one:
            document.wrong((*place, "role"), "'type' and 'role' say the same: give one of them")
        for key in ("handoffs", "asks"):
            for number, other in enumerate(one.get(key, ())):
                _known(document, (*place, key, number), other, [name for name in names if name != one["name"]])
        others = [name for name in names if name != one["name"]]
        for number, chat in enumerate(one.get("nested", {}).get("chats", ())):
            _known(document, (*place, "nested", "chats", number, "recipient"), chat["recipient"], others)
        for who in told(one.get("nested", {}).get("trigger")):
            _known(document, (*place, "nested", "trigger"), who, others)
        if document.value.get("framework") == "agentchat":
            _agentchat(document, place, one)
    return tuple(found)


def told(names: Json) -> Sequence[str]:
    """Read one name or several."""
    return [names] if isinstance(names, str) else list(names or ())


def inside(agents: Sequence[Mapping[str, Json]]) -> frozenset[str]:
    """Name the agents that are only spoken to inside another one's turn."""
    return frozenset(chat["recipient"] for one in agents for chat in one.get("nested", {}).get("chats", ()))


def _agentchat(document: Document, place: Place, agent: Mapping[str, Json]) -> None:
    kind = kind_of(agent)
    mode = agent.get("human_input_mode")
    usual = "ALWAYS" if kind == "user_proxy" else "NEVER"
    if mode not in {None, usual}:
        document.wrong((*place, "human_input_mode"), f"a {kind} of AgentChat has the mode {usual!r}, not {mode!r}")
    if kind == "assistant" and not agent.get("llm_config"):
        document.wrong(place, f"{agent['name']!r} is an assistant, and has no 'llm_config'")


def kind_of(agent: Mapping[str, Json]) -> str:
    """Say what kind of agent it is: as it says, else an assistant if it has a model, and a user if not."""
    said = agent.get("type") or agent.get("role")
    if said:
        return str(said)
    return "assistant" if agent.get("llm_config") else "user_proxy"


def stages(document: Document, names: Sequence[str]) -> tuple[Stage, ...]:
    """Read the conversations of a document that fits the schema: its workflow, or its one team and task."""
    family = document.value["framework"]
    hidden = inside(document.value["agents"])
    names = [name for name in names if name not in hidden] or names
    if "workflow" not in document.value:
        team = _team(document, ("team",), document.value.get("team", {}), family, names)
        return (Stage(agents=tuple(names), team=team, task=document.value["task"]),)
    if "team" in document.value:
        document.wrong(("team",), "in a 'workflow' each stage has a 'team' of its own")
    found = []
    for index, one in enumerate(document.value["workflow"]):
        place: Place = ("workflow", index)
        for number, name in enumerate(one.get("agents", ())):
            _known(document, (*place, "agents", number), name, names)
        here = [name for name in names if name in one.get("agents", names)]
        found.append(
            Stage(
                name=one.get("name", ""),
                agents=tuple(here),
                team=_team(document, (*place, "team"), one.get("team", {}), family, here),
                task=one["task"],
                carryover=one.get("carryover", "all"),
            )
        )
    return tuple(found)


def _team(
    document: Document, place: Place, team: Mapping[str, Json], family: str, names: Sequence[str]
) -> Mapping[str, Json]:
    for key in ("initiator", "recipient"):
        if key in team:
            _known(document, (*place, key), team[key], names)
    pattern = team.get("pattern") or _usual(family, len(names))
    initiator = team.get("initiator") or names[0]
    others = [name for name in names if name != initiator]
    recipient = team.get("recipient") or (others[0] if others else initiator)
    if pattern == "two_agent" and len(names) != _PAIR:
        document.wrong((*place, "pattern"), f"'two_agent' takes two agents, and there are {len(names)}")
    if recipient == initiator and pattern in {"two_agent", "consulting"}:
        key = "recipient" if "recipient" in team else "pattern"
        document.wrong((*place, key), f"{initiator!r} cannot talk to itself")
    settled = {**team, "pattern": pattern, "initiator": initiator}
    if family == "classic":
        return {"speaker_selection": "auto", **settled, "recipient": recipient}
    if pattern in {"selector", "magentic_one"} and not team.get("llm_config") and not _any_model(document):
        document.wrong((*place, "pattern"), f"a {pattern!r} needs a model: give the team an 'llm_config'")
    if (pattern == "graph") != ("edges" in team):
        document.wrong((*place, "pattern"), "a 'graph' has 'edges', and nothing else has")
    _edges(document, (*place, "edges"), team.get("edges", ()), names)
    if family == "ag2" and pattern == "round_robin" and not others:
        document.wrong((*place, "pattern"), "'round_robin' takes two agents or more")
    return {**settled, "recipient": recipient} if pattern == "consulting" else settled


def _edges(document: Document, place: Place, edges: Sequence[Mapping[str, Json]], names: Sequence[str]) -> None:
    leads: dict[Json, Json] = {}
    for number, edge in enumerate(edges):
        for end in ("from", "to"):
            if end in edge:
                _known(document, (*place, number, end), edge[end], names)
        if "tool" in edge and leads.setdefault(edge["tool"], edge["from"]) != edge["from"]:
            document.wrong((*place, number, "tool"), f"the tool {edge['tool']!r} leads on from one agent alone")


def _any_model(document: Document) -> bool:
    return any(one.get("llm_config") for one in document.value["agents"])


def _usual(family: str, count: int) -> str:
    if family == "classic":
        return "two_agent" if count == _PAIR else "group"
    return "single" if count == 1 or family == "ag2" else "round_robin"


def _known(document: Document, place: Place, name: str, names: Sequence[str]) -> None:
    from .json_schema import meant
    from .json_schema import name as called

    if name not in names:
        what = f"{called(place)} cannot be {name!r}{meant(name, tuple(names))}"
        document.wrong(place, what, hint=f"Known: {', '.join(names)}.")
