"""Build AG2 1.x agents from plain data, and let them work: one alone, or several on a hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from harness.adapters.building import Agents, Resolve, Stage, missing, told
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.model import Json

_NOT_ITS_OWN = frozenset({"provider", "config_list", "cache_seed", "api_type", "price", "tags"})
_USUAL_TURNS = 10
_LONGEST_S = 86_400.0
"""The framework wants a bound for its waiting; a scenario's own limits come first."""


def present() -> None:
    """Make sure that AG2 1.x can be imported. Raises EnvironmentProblem with the way to do so."""
    try:
        import ag2.config
        import ag2.network  # noqa: F401
    except ImportError as error:
        raise missing("AG2 1.x", "ag2[openai]>=1", error) from error


def converse(agents: Agents, stages: Sequence[Stage], resolve: Resolve) -> list[str]:
    """Build *agents*, let them work on *stages* one after another, and give the result of each: the last text.

    Their keys are those of a scenario file, checked already. On a hub ten turns are taken where no number is given.
    """
    return asyncio.run(_converse(agents, stages, resolve))


async def _converse(agents: Agents, stages: Sequence[Stage], resolve: Resolve) -> list[str]:
    built = _Cast(agents, resolve).all()
    results: list[str] = []
    for stage in stages:
        task, team = told(stage, results), stage.team
        first = built[team["initiator"]]
        if team["pattern"] == "single":
            results.append(str((await first.ask(task)).body))
        elif team["pattern"] == "consulting":
            results.append(await _consult(first, built[team["recipient"]], task))
        else:
            order = [first, *(built[name] for name in stage.agents if name != team["initiator"])]
            results.append(await _workflow(order, task, team))
    return results


class _Cast:
    """Makes each agent once, those that another one asks before it."""

    def __init__(self, agents: Agents, resolve: Resolve) -> None:
        self._specs = {str(spec["name"]): spec for spec in agents}
        self._resolve = resolve
        self._built: dict[str, Any] = {}

    def all(self) -> Mapping[str, Any]:
        """Give every agent by its name."""
        for name in self._specs:
            self._make(name, ())
        return self._built

    def _make(self, name: str, asked_by: tuple[str, ...]) -> Any:
        import ag2

        if name in asked_by:
            ring = " → ".join((*asked_by[asked_by.index(name) :], name))
            raise UsageError(f"agents ask each other in a ring: {ring}", hint="Let one of them not ask the next.")
        if name not in self._built:
            spec = self._specs[name]
            tools: list[Any] = [self._resolve(tool) for tool in spec.get("tools", ())]
            for other in spec.get("asks", ()):
                about = self._specs[other].get("description") or f"Ask {other}."
                tools.append(self._make(other, (*asked_by, name)).as_tool(description=about))
            tools += [_handing_over(other, self._specs[other]) for other in spec.get("handoffs", ())]
            config = model_config(spec["llm_config"]) if spec.get("llm_config") else None
            self._built[name] = ag2.Agent(name, spec.get("system_message", ()), config=config, tools=tools)
        return self._built[name]


def _handing_over(name: str, spec: Mapping[str, Json]) -> Any:
    """Make the tool by which a model hands over to the agent *name*."""
    import ag2
    from ag2.network import Handoff

    def hand_over(reason: str = "") -> Handoff:
        return Handoff(target=name, reason=reason)

    about = spec.get("description") or f"Hand over to {name}."
    return ag2.tool(hand_over, name=f"transfer_to_{name}", description=about)


def model_config(spec: Mapping[str, Json]) -> Any:
    """Make the config of a model: the settings of AG2's config class for ``provider`` (default: ``openai``).

    Of a ``config_list`` the first entry counts. Raises UsageError for an unknown provider or setting.
    """
    from ag2 import config

    whole = {**spec, **(spec["config_list"][0] if spec.get("config_list") else {})}
    known = {name.removesuffix("Config").lower(): name for name in dir(config) if name.endswith("Config")}
    known.pop("model", None)
    provider = str(whole.get("provider", "openai")).lower()
    if provider not in known:
        raise UsageError(f"AG2 has no provider {provider!r}", hint=f"Known: {', '.join(sorted(known))}.")
    settings = {name: value for name, value in whole.items() if name not in _NOT_ITS_OWN}
    try:
        return getattr(config, known[provider])(**settings)
    except TypeError as error:
        raise UsageError(f"'llm_config' does not fit {known[provider]}: {error}") from error


@asynccontextmanager
async def _hub() -> AsyncIterator[tuple[Any, asyncio.Future[None]]]:
    """Open a hub without timers, and give it with a future that fails when a turn does: the hub itself goes on."""
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import BaseHubListener, Hub, WorkflowAdapter

    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Failing(BaseHubListener):  # type: ignore[misc]
        async def on_turn_failed(self, _channel: str, _agent: str, _envelope: str, error: BaseException) -> None:
            if not failed.done():
                failed.set_exception(error)

    hub = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    hub.register_adapter(WorkflowAdapter())
    hub.register_listener(Failing())
    try:
        async with hub:
            yield hub, failed
    finally:
        if failed.done():
            failed.exception()
        failed.cancel()


async def _consult(first: Any, second: Any, task: str) -> str:
    async with _hub() as (hub, failed):
        asking = await hub.register(first)
        await hub.register(second)
        channel = await asking.open(type="consulting", target=second.name)
        return await _until_closed(hub, asking, channel, task, failed)


async def _workflow(order: Sequence[Any], task: str, team: Mapping[str, Json]) -> str:
    """Let agents work on a hub: in turn, or as the edges of *team* say who speaks after whom."""
    async with _hub() as (hub, failed):
        clients = {agent.name: await hub.register(agent) for agent in order}
        names = list(clients)
        graph = _graph(team, {name: client.agent_id for name, client in clients.items()})
        first = clients[names[0]]
        channel = await first.open(type="workflow", target=names[1:], knobs={"graph": graph.to_dict()})
        return await _until_closed(hub, first, channel, task, failed)


def _graph(team: Mapping[str, Json], ids: Mapping[str, str]) -> Any:
    from ag2.network import (
        AgentTarget,
        FromSpeaker,
        StayTarget,
        TerminateTarget,
        ToolCalled,
        Transition,
        TransitionGraph,
    )

    names = list(ids)
    if "edges" not in team:
        following = zip(names, [*names[1:], names[0]], strict=True)
        edges: Sequence[Mapping[str, Json]] = [{"from": one, "to": other} for one, other in following]
        otherwise: Any = StayTarget()
    else:
        edges, otherwise = team["edges"], TerminateTarget(reason="the graph ends here")
    transitions = [
        Transition(
            when=ToolCalled(edge["tool"]) if "tool" in edge else FromSpeaker(ids[edge["from"]]),
            then=AgentTarget(ids[edge["to"]]) if "to" in edge else TerminateTarget(reason="the graph ends here"),
            priority=0 if "tool" in edge else 1,
        )
        for edge in edges
    ]
    return TransitionGraph(
        initial_speaker=ids[names[0]],
        transitions=transitions,
        default_target=otherwise,
        max_turns=team.get("max_turns") or _USUAL_TURNS,
    )


async def _until_closed(hub: Any, client: Any, channel: Any, task: str, failed: asyncio.Future[None]) -> str:
    """Give *task* to the channel, wait for its end, and read its last text. Raises what a turn of it raised."""
    client.ensure_channel_inbox(channel.channel_id)
    await channel.send(task)
    closed = asyncio.ensure_future(
        client.wait_for_channel_event(
            channel_id=channel.channel_id,
            predicate=lambda envelope: envelope.event_type == "ag2.channel.closed",
            timeout=_LONGEST_S,
        )
    )
    try:
        await asyncio.wait({closed, failed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        closed.cancel()
    if failed.done():
        failed.result()
    said = [envelope.event_data for envelope in await hub.read_wal(channel.channel_id)]
    texts = [one.get("text") or one.get("body") for one in said if one.get("text") or one.get("body")]
    return str(texts[-1]) if texts else ""
