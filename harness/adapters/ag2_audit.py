"""Read off AG2 1.x agents and channels what one turn takes, and who speaks after whom. Reads only.

Nothing that AG2 1.x brings counts the tool calls of a turn, so it ends only when a model asks for no more. Middleware,
observers and policies of the program's own may end it sooner, which nobody can look into.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.adapters.ag2_setup import name_of
from harness.setups import Ask, Member, Plan, Rule, Untold, Workflow


def plan(agent: Any) -> Plan:
    """Plan the answer of *agent* to one question."""
    return ask(agent)


def ask(agent: Any) -> Ask:
    """Say what one turn of *agent* takes."""
    name = name_of(agent)
    tools = tuple(dict.fromkeys(str(getattr(tool, "name", type(tool).__name__)) for tool in each_tool(agent)))
    calls = 1 if getattr(agent, "config", None) is not None else 0
    own = _own(agent)
    if tools and own is not None:
        return Ask(member=Member(name=name, calls=calls, hidden=own))
    return Ask(member=Member(name=name, calls=calls), loops=tools)


def talk(kind: str, order: Iterable[str], agents: Mapping[str, Any]) -> Plan:
    """Plan a channel without a graph, of the *kind* that its manifest names: the ids of who takes part in *order*.

    Whoever is sent something there answers it: two in turn (``conversation``), all in turn (``discussion``), or once
    (``consulting``); and nothing closes the first two (``network/adapters``).
    """
    ids = list(order)
    if kind not in {"conversation", "discussion", "consulting"}:
        return Untold(what=f"the channel {kind}", function="its adapter")
    names = [name_of(agents[each]) if each in agents else each for each in ids]
    rules = tuple(
        Rule(speaker=name, target=names[(place + 1) % len(names)], certain=True) for place, name in enumerate(names)
    )
    asked = [ask(agents[each]) for each in (ids[1:] if kind == "consulting" else ids) if each in agents]
    if kind != "discussion":  # there each turn is given a tool to say something with
        asked = [one if one.member.hidden else replace(one, loops=(*one.loops, "say")) for one in asked]
    return Workflow(
        name=kind,
        members=tuple(asked),
        people=tuple(name for name, each in zip(names, ids, strict=True) if each not in agents),
        first=names[0],
        max_turns=2 if kind == "consulting" else None,
        rules=rules,
        default=None,
    )


def channel(name: str, graph: Mapping[str, Any], order: Iterable[str], agents: Mapping[str, Any], creator: str) -> Plan:
    """Plan a workflow: *graph* as a channel keeps it, the ids of who takes part in *order*, and *agents* by id."""
    from ag2.network import TransitionGraph

    ids = list(order)
    rules: list[Rule] = []
    made = TransitionGraph.loads(dict(graph))
    for transition in sorted(made.transitions, key=lambda each: each.priority):
        kind = type(transition.when).__name__
        speakers = [transition.when.agent_id] if kind == "FromSpeaker" else ids
        certain = kind in {"FromSpeaker", "Always"}
        for speaker in speakers:
            found, target = _target(transition.then, speaker, ids, creator)
            if not found:
                return Untold(what=f"the workflow {name}", function=type(transition.then).__qualname__)
            rules.append(Rule(speaker=speaker, target=target, certain=certain))
    for speaker in ids:
        found, target = _target(made.default_target, speaker, ids, creator)
        if not found:
            return Untold(what=f"the workflow {name}", function=type(made.default_target).__qualname__)
        rules.append(Rule(speaker=speaker, target=target, certain=True))
    names = {each: name_of(agents[each]) if each in agents else each for each in ids}
    return Workflow(
        name=name,
        members=tuple(ask(agents[each]) for each in ids if each in agents),
        people=tuple(names[each] for each in ids if each not in agents),
        first=names.get(made.initial_speaker, made.initial_speaker),
        max_turns=made.max_turns,
        rules=tuple(
            Rule(
                speaker=names.get(rule.speaker or "", rule.speaker),
                target=names.get(rule.target or "", rule.target),
                certain=rule.certain,
            )
            for rule in rules
        ),
        default=None,
    )


def _target(target: Any, speaker: str, order: list[str], creator: str) -> tuple[bool, str | None]:
    """Say whom a target of the framework's own means after *speaker*; the first is false for one of the program's."""
    kind = type(target).__name__
    if not type(target).__module__.startswith("ag2."):
        return False, None
    if kind == "RoundRobinTarget":
        return True, order[(order.index(speaker) + 1) % len(order)] if speaker in order else order[0]
    meant = {
        "AgentTarget": getattr(target, "agent_id", None),
        "StayTarget": speaker,
        "RevertToInitiatorTarget": creator,
    }
    return kind in meant or kind == "TerminateTarget", meant.get(kind)


def each_tool(agent: Any) -> Iterator[Any]:
    """Yield the tools of *agent*, those of toolkits one by one, and those that it has from its settings."""
    yield from _flat(getattr(agent, "tools", ()))
    yield from _flat(getattr(agent, "_additional_tools", ()))


def inside(agent: Any) -> Iterator[Any]:
    """Yield *agent*, and the agents that it may ask."""
    yield agent
    for tool in each_tool(agent):
        if hasattr(tool, "agent"):
            yield from inside(tool.agent)


def _flat(tools: Iterable[Any]) -> Iterator[Any]:
    for tool in tools:
        inner = getattr(tool, "tools", None)
        if isinstance(inner, (tuple, list)):
            yield from _flat(inner)
        else:
            yield tool


def _own(agent: Any) -> str | None:
    """Name what of the program's own may end a turn."""
    entries = (*getattr(agent, "_middleware", ()), *getattr(agent, "_observers", ()), *getattr(agent, "_policies", ()))
    for entry in entries:
        kind = getattr(entry, "cls", entry)
        kind = kind if isinstance(kind, type) else type(kind)
        if not str(kind.__module__).startswith("ag2."):
            return f"{kind.__module__}.{kind.__qualname__}"
    return None
