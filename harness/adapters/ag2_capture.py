"""See which AG2 1.x agents a program makes and asks, and which channels it opens. Nothing is asked of anybody."""

from __future__ import annotations

import sys
from typing import Any

from harness.adapters import ag2_audit as audit
from harness.adapters.ag2_setup import _approved, _models, name_of
from harness.adapters.capturing import Captured, plain_key
from harness.adapters.containers import unsafe
from harness.adapters.patching import Function, Patches
from harness.setups import Agent, Code, Plan

MODULE = "ag2"
_HERE = frozenset({"LocalEnvironment", "LocalSandbox", "LocalShellEnvironment"})
_APART = frozenset({"DockerEnvironment", "DockerSandbox"})


def attach(captured: Captured, patches: Patches) -> None:
    """Put the hooks in place. The framework is imported by now."""
    import wrapt
    from ag2 import Agent as Native

    def making(original: Function) -> Function:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
            captured.make(self)
            original(self, *args, **kwargs)

        return __init__

    def asking(original: Function) -> Function:
        async def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: audit.plan(self), self):
                return await original(self, *args, **kwargs)

        return ask

    patches.wrap(Native, "__init__", making)
    patches.wrap(Native, "ask", asking)
    if "ag2.network" in sys.modules:
        _network(captured, patches)
    else:
        wrapt.register_post_import_hook(lambda _module: _network(captured, patches), "ag2.network")


def _network(captured: Captured, patches: Patches) -> None:
    from ag2.network import AgentClient, Hub

    agents: dict[str, Any] = {}

    def making(original: Function) -> Function:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
            original(self, *args, **kwargs)
            agents[self.agent_id] = self.agent

        return __init__

    def telling(original: Function) -> Function:
        async def _fan_out(hub: Any, method: str, *args: Any) -> None:
            if method == "on_channel_event" and args[1] == "created":
                channel, metadata = args[0], args[2].get("metadata")
                captured.channels[channel] = lambda: _channel(metadata, agents)
            await original(hub, method, *args)

        return _fan_out

    patches.wrap(AgentClient, "__init__", making)
    patches.wrap(Hub, "_fan_out", telling)


def _channel(metadata: Any, agents: dict[str, Any]) -> Plan:
    graph = (metadata.knobs or {}).get("graph")
    order = [each.agent_id for each in metadata.participants]
    if graph is None:
        return audit.talk(str(metadata.manifest.type), order, agents)
    return audit.channel(str(metadata.manifest.type), graph, order, agents, str(metadata.creator_id))


def roots(captured: Captured) -> list[Any]:
    """List the agents that are no tool of another, and that were not asked yet."""
    every = members(captured)
    within = {id(inner) for each in every for inner in audit.inside(each) if inner is not each}
    within |= {id(inner) for begun in captured.begun if begun.who is not None for inner in audit.inside(begun.who)}
    return [each for each in every if id(each) not in within]


def members(captured: Captured) -> list[Any]:
    """List every agent that was made."""
    return list(
        {id(one): one for each in captured.made if hasattr(each, "_drive_scope") for one in audit.inside(each)}.values()
    )


def describe(found: Any, captured: Captured) -> Agent:
    """Describe an AG2 1.x agent."""
    prompts = [each for each in (getattr(found, "_system_prompt", None) or ()) if isinstance(each, str)]
    tools = list(audit.each_tool(found))
    names = tuple(sorted(str(getattr(tool, "name", type(tool).__name__)) for tool in tools))
    inside = next((one for one in map(_inside, tools) if one is not None), None)
    return Agent(
        name=name_of(found),
        kind=type(found).__name__,
        place=captured.places.get(id(found)),
        role="\n".join(prompts) or None,
        models=tuple(_models(getattr(found, "config", None))),
        offered=names,
        runs=names,
        code=None if inside is None else _code(inside),
        human="ALWAYS" if getattr(found, "_hitl_hook", None) else None,
        approval=any(_approved(tool) for tool in tools),
    )


def _inside(tool: Any) -> Any:
    """Give the environment in which a tool runs what a model writes, if it does."""
    inside = getattr(tool, "_env", None) or getattr(tool, "_adapter", None)
    factory: Any = getattr(inside, "_factory", inside)
    return factory.sandbox if type(factory).__name__ == "SingletonFactory" else factory


def _code(inside: Any) -> Code:
    kind = type(inside).__name__
    apart = True if kind in _APART else False if kind in _HERE else None
    return Code(executor=kind, sandboxed=apart, unsafe=tuple(unsafe(inside)) if apart else ())


def secrets(found: Any) -> list[str]:
    """Give the keys that the model config of *found* holds. For comparison alone: they are never shown."""
    key = getattr(getattr(found, "config", None), "api_key", None)
    key = plain_key(key)
    return [key] if isinstance(key, str) and key else []
