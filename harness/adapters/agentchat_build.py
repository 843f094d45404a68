"""Build AgentChat agents and teams from plain data, and let them work."""

from __future__ import annotations

import asyncio
import functools
import operator
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from harness.adapters.building import Agents, Resolve, Stage, ends, missing, told

if TYPE_CHECKING:
    from harness.model import Json

_OPENAI = "autogen_ext.models.openai.OpenAIChatCompletionClient"
_NOT_ITS_OWN = frozenset({"provider", "config_list", "cache_seed", "api_type", "price", "tags"})
_USUAL_TURNS = 10


def present() -> None:
    """Make sure that AgentChat and a model client can be imported. Raises EnvironmentProblem with the way to do so."""
    try:
        import autogen_agentchat.teams  # noqa: F401
        import autogen_ext.models.openai  # noqa: F401
    except ImportError as error:
        raise missing("AgentChat", "autogen-agentchat' 'autogen-ext[openai]", error) from error


def converse(agents: Agents, stages: Sequence[Stage], resolve: Resolve) -> list[str]:
    """Build *agents*, let them work on *stages* one after another, and give the result of each: the last message.

    Their keys are those of a scenario file, checked already. Code runs on this machine, in a temporary folder where
    none is named. A team that no limit and no message ends takes ten turns.
    """
    return asyncio.run(_converse(agents, stages, resolve))


async def _converse(agents: Agents, stages: Sequence[Stage], resolve: Resolve) -> list[str]:
    results: list[str] = []
    async with AsyncExitStack() as stack:
        built = {str(spec["name"]): await _agent(spec, resolve, stack) for spec in agents}
        for stage in stages:
            team = await _team(agents, stage, built, stack)
            ended = await team.run(task=told(stage, results))
            results.append(str(ended.messages[-1].to_text()) if ended.messages else "")
    return results


async def _agent(spec: Mapping[str, Json], resolve: Resolve, stack: AsyncExitStack) -> Any:
    from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent, UserProxyAgent

    about = {"description": spec["description"]} if "description" in spec else {}
    kind = spec.get("type") or spec.get("role") or ("assistant" if spec.get("llm_config") else "user_proxy")
    if kind == "user_proxy":
        return UserProxyAgent(spec["name"], **about)
    options: dict[str, Any] = dict(about)
    if "system_message" in spec:
        options["system_message"] = spec["system_message"]
    if spec.get("stream"):
        options["model_client_stream"] = True
    client = await model_client(spec["llm_config"], stack) if spec.get("llm_config") else None
    if kind == "code_executor":
        executor = await _executor(spec.get("code_execution") or {}, stack)
        return CodeExecutorAgent(spec["name"], executor, model_client=client, **options)
    for key in ("handoffs", "reflect_on_tool_use", "max_tool_iterations"):
        if key in spec:
            options[key] = spec[key]
    tools = [resolve(name) for name in spec.get("tools", ())]
    return AssistantAgent(spec["name"], client, tools=tools or None, **options)


async def model_client(spec: Mapping[str, Json], stack: AsyncExitStack) -> Any:
    """Make the client of a model, closed with *stack*.

    *spec* is what the framework's own component takes, with the client's class as ``provider`` (default: OpenAI's); of
    a ``config_list`` the first entry.
    """
    from autogen_core.models import ChatCompletionClient

    whole = {**spec, **(spec["config_list"][0] if spec.get("config_list") else {})}
    config = {name: value for name, value in whole.items() if name not in _NOT_ITS_OWN}
    client: Any = ChatCompletionClient.load_component({"provider": whole.get("provider", _OPENAI), "config": config})
    stack.push_async_callback(client.close)
    return client


async def _executor(spec: Mapping[str, Json], stack: AsyncExitStack) -> Any:
    try:
        from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor
    except (ImportError, RuntimeError) as error:  # it wants Docker's client, whether or not it is used
        raise missing("AgentChat's code executor", "autogen-ext[docker]", error) from error

    folder = spec.get("work_dir") or stack.enter_context(tempfile.TemporaryDirectory())
    executor = LocalCommandLineCodeExecutor(timeout=spec.get("timeout") or 60, work_dir=folder)
    await executor.start()
    stack.push_async_callback(executor.stop)
    return executor


async def _team(agents: Agents, stage: Stage, built: Mapping[str, Any], stack: AsyncExitStack) -> Any:
    from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm

    team = stage.team
    first = team["initiator"]
    if team["pattern"] == "single":
        return built[first]
    members = [built[name] for name in (first, *(name for name in stage.agents if name != first))]
    options: dict[str, Any] = {"termination_condition": _termination(team)}
    if "max_turns" in team:
        options["max_turns"] = team["max_turns"]
    elif options["termination_condition"] is None:
        options["max_turns"] = _USUAL_TURNS
    if team["pattern"] == "round_robin":
        return RoundRobinGroupChat(members, **options)
    if team["pattern"] == "swarm":
        return Swarm(members, **options)
    if team["pattern"] == "graph":
        return _graph(team, built, members, options)
    for key in ("selector_prompt", "allow_repeated_speaker"):
        if key in team:
            options[key] = team[key]
    chosen = team.get("llm_config") or next(spec["llm_config"] for spec in agents if spec.get("llm_config"))
    client = await model_client(chosen, stack)
    if team["pattern"] == "magentic_one":
        stalls = {"max_stalls": team["max_stalls"]} if "max_stalls" in team else {}
        return MagenticOneGroupChat(members, client, **stalls, **options)
    return SelectorGroupChat(members, client, **options)


def _graph(
    team: Mapping[str, Json], built: Mapping[str, Any], members: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """Make the team in which each edge says who speaks after whom."""
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    plan = DiGraphBuilder()
    for member in members:
        plan.add_node(member)
    for edge in team["edges"]:
        when = edge.get("when")
        condition = functools.partial(_says, when) if when else None
        plan.add_edge(built[edge["from"]], built[edge["to"]], condition)
    plan.set_entry_point(built[team["initiator"]])
    return GraphFlow(plan.get_participants(), plan.build(), **options)


def _says(when: Mapping[str, str], message: Any) -> bool:
    return ends(when, message.to_text())


def _termination(team: Mapping[str, Json]) -> Any:
    """Put together what ends a team: a message, a number of messages, or either."""
    from autogen_agentchat.conditions import FunctionalTermination, MaxMessageTermination, TextMentionTermination

    found: list[Any] = []
    said = team.get("is_termination_msg")
    if said and "contains" in said:
        found.append(TextMentionTermination(said["contains"]))
    elif said:
        found.append(FunctionalTermination(lambda messages: any(ends(said, each.to_text()) for each in messages)))
    if "max_messages" in team:
        found.append(MaxMessageTermination(team["max_messages"]))
    return functools.reduce(operator.or_, found) if found else None
