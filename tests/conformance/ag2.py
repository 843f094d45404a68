"""The patterns on AG2 1.x."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.conformance.patterns import CODER, CRITIC, FRONT, REVIEWER, TECH, WRITER, Otherwise, Stage
from tests.conformance.picture import MODEL, Observed, Spoken
from tests.conformance.table import Absent
from tests.server import rules, tool_call

Playing = Callable[[Stage], Awaitable[Observed]]
TASK = "Go."
PATIENCE_S = 30


def name() -> str | None:
    """Name the version that is installed, as its column of the table is called."""
    try:
        version = importlib.metadata.version("ag2")
    except importlib.metadata.PackageNotFoundError:
        return None
    return None if version.startswith("0.") else f"ag2 {version}"


def agent(stage: Stage, name: str = "helper", prompt: str = "You help.", **more: Any) -> Any:
    import ag2

    return ag2.Agent(name, prompt, config=config(stage, **more.pop("config", {})), **more)


def config(stage: Stage, **more: Any) -> Any:
    from ag2.config import OpenAIConfig

    return OpenAIConfig(MODEL, api_key=stage.server.api_key, base_url=stage.server.base_url, **more)


def told(reply: Any, *worked: str, task: str = TASK) -> list[Spoken]:
    """Who said what: the task, results of tools as they *worked*, and what the framework's reply says."""
    between = [each for result in worked for each in (("helper", None, ""), ("helper", None, result))]
    return [("user", None, task), *between, ("helper", None, reply.body)]


def answered(reply: Any, *worked: str) -> Observed:
    return Observed(messages=[told(reply, *worked)], ending="answered")


# One agent -----------------------------------------------------------------------------------------------------------


async def tools(stage: Stage) -> Observed:
    def add(a: int, b: int) -> int:
        return a + b

    def explode(a: int) -> str:
        raise LookupError(f"no {a}")

    return answered(await agent(stage, tools=[add, explode]).ask(TASK), "3", "LookupError: no 1")


async def registration(stage: Stage) -> Observed:
    import ag2

    def one() -> str:
        return "1"

    @ag2.tool
    def two() -> str:
        return "2"

    kit = ag2.Toolkit()

    @kit.tool
    def three() -> str:
        return "3"

    return answered(await agent(stage, tools=[one, two, kit]).ask(TASK), "1", "2", "3")


async def asynchronous(stage: Stage) -> Observed:
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    return answered(await agent(stage, tools=[later]).ask(TASK), "8")


async def streaming(stage: Stage) -> Observed:
    return answered(await agent(stage, config={"streaming": True}).ask(TASK))


async def human(stage: Stage) -> Observed:
    import ag2  # noqa: TC002 - the framework reads the tool's annotation

    async def wonder(context: ag2.Context) -> str:
        return str(await context.input("Well?"))

    typed = iter(["more", "exit"])
    helper = agent(stage, tools=[wonder], hitl_hook=lambda _event: next(typed))
    return answered(await helper.ask(TASK), "more", "exit")


async def code(stage: Stage) -> Observed:
    from ag2.tools import LocalEnvironment, SandboxCodeTool

    reply = await agent(stage, "coder", CODER, tools=[SandboxCodeTool(LocalEnvironment())]).ask(TASK)
    said: list[Spoken] = [("user", None, TASK), ("coder", None, ""), ("coder", None, "42"), ("coder", None, reply.body)]
    return Observed(messages=[said], ending="answered")


async def model_error(stage: Stage) -> Observed:
    try:
        await agent(stage).ask(TASK)
    except Exception as error:  # noqa: BLE001 - that it is raised is what is asked for
        return Observed(messages=[[("user", None, TASK)]], raised=type(error).__name__)
    return Observed()


async def retry(stage: Stage) -> Observed:
    return answered(await agent(stage).ask(TASK))


async def cancelled(stage: Stage) -> Observed:
    task = asyncio.ensure_future(agent(stage).ask(TASK))
    await asyncio.to_thread(stage.server.wait_for, 1)
    task.cancel()
    try:
        await asyncio.wait_for(task, PATIENCE_S)
    except asyncio.CancelledError as error:
        return Observed(messages=[[("user", None, TASK)]], raised=type(error).__name__, tokens=(0, 0))
    finally:
        stage.hold.set()
    return Observed()


async def background(stage: Stage) -> Observed:
    async with agent(stage).run(TASK) as run:
        run.start()
        return answered(await run.result())


async def parallel(stage: Stage) -> Observed:
    replies = await asyncio.gather(*(agent(stage).ask(f"n{number}") for number in range(4)))
    messages = [told(reply, task=f"n{number}") for number, reply in enumerate(replies)]
    return Observed(messages=messages, ending="answered")


async def nested(stage: Stage) -> Observed:
    critic = agent(stage, "critic", CRITIC)
    reply = await agent(stage, "writer", WRITER, tools=[critic.as_tool(description="Criticises.")]).ask(TASK)
    assert reply.body == "Draft. TERMINATE"
    return Observed(ending="answered")


# Many, on a hub ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def hub() -> AsyncIterator[Any]:
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub, WorkflowAdapter

    opened = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    opened.register_adapter(WorkflowAdapter())
    async with opened:
        yield opened


async def until(client: Any, channel: Any, wanted: Callable[[Any], bool]) -> None:
    await client.wait_for_channel_event(channel_id=channel.channel_id, predicate=wanted, timeout=PATIENCE_S)


def is_closed(envelope: Any) -> bool:
    return bool(envelope.event_type == "ag2.channel.closed")


async def ignore(_envelope: Any) -> None:
    """Hear, and say nothing."""


async def two_agents(stage: Stage) -> Observed:
    from ag2.network import AgentTarget, FromSpeaker, StayTarget, Transition, TransitionGraph

    async with hub() as opened:
        writer = await opened.register(agent(stage, "writer", WRITER))
        critic = await opened.register(agent(stage, "critic", CRITIC))
        turns = ((critic, writer), (writer, critic))
        graph = TransitionGraph(
            initial_speaker=critic.agent_id,
            transitions=[Transition(when=FromSpeaker(a.agent_id), then=AgentTarget(b.agent_id)) for a, b in turns],
            default_target=StayTarget(),
            max_turns=4,
        )
        channel = await critic.open(type="workflow", target=["writer"], knobs={"graph": graph.to_dict()})
        critic.ensure_channel_inbox(channel.channel_id)
        await channel.send(TASK)
        await until(critic, channel, is_closed)
        kept = [e for e in await opened.read_wal(channel.channel_id) if e.event_type in {"ag2.msg.text", "ag2.packet"}]
        said: list[Spoken] = [
            (opened.name_for(e.sender_id), None, e.event_data.get("text") or e.event_data["body"]) for e in kept
        ]
    return Observed(messages=[said], ending="max_turns")


async def round_robin(stage: Stage) -> Observed:
    async with hub() as opened:
        boss = await opened.register(agent(stage, "boss", "You wait."))
        for each, prompt in (("coder", CODER), ("reviewer", REVIEWER)):
            await opened.register(agent(stage, each, prompt))
        channel = await boss.open(type="discussion", target=["coder", "reviewer"])
        boss.ensure_channel_inbox(channel.channel_id)
        boss.on_envelope(ignore)
        await channel.send(TASK)
        await until(boss, channel, lambda e: opened.name_for(e.sender_id) == "reviewer" and "text" in e.event_type)
        await channel.close("done")
        kept = [e for e in await opened.read_wal(channel.channel_id) if e.event_type == "ag2.msg.text"]
        said: list[Spoken] = [(opened.name_for(e.sender_id), None, e.event_data["text"]) for e in kept]
    return Observed(messages=[said], ending="stopped")


async def handoff(stage: Stage) -> Observed:
    from ag2.network import (
        AgentTarget,
        Finish,
        FromSpeaker,
        Handoff,
        StayTarget,
        Transition,
        TransitionGraph,
    )

    def pass_on() -> Handoff:
        return Handoff(target="tech", reason="broken")

    def close() -> Finish:
        return Finish(summary="All well.", reason="repaired")

    async with hub() as opened:
        front = await opened.register(agent(stage, "front", FRONT, tools=[pass_on]))
        await opened.register(agent(stage, "tech", TECH, tools=[close]))
        boss = await opened.register(agent(stage, "boss", "You wait."))
        graph = TransitionGraph(
            initial_speaker=boss.agent_id,
            transitions=[Transition(when=FromSpeaker(boss.agent_id), then=AgentTarget(front.agent_id))],
            default_target=StayTarget(),
            max_turns=8,
        )
        channel = await boss.open(type="workflow", target=["front", "tech"], knobs={"graph": graph.to_dict()})
        boss.ensure_channel_inbox(channel.channel_id)
        await channel.send(TASK)
        await until(boss, channel, is_closed)
    return Observed()


# What there is not, and what is otherwise ----------------------------------------------------------------------------


def _exports(*words: str) -> bool:
    import ag2
    from ag2 import network

    return any(word in each.lower() for each in (*dir(ag2), *dir(network)) for word in words)


def _takes(*words: str) -> bool:
    import ag2

    settings = {*inspect.signature(ag2.Agent.__init__).parameters, *inspect.signature(ag2.Agent.ask).parameters}
    return any(word in each for each in settings for word in words)


ABSENT = {
    "group": Absent(
        where="nothing in `ag2/network/` has a model pick who speaks next",
        holds=lambda: not _exports("groupchat", "selector"),
    ),
    "introductions": Absent(
        where="nothing in `ag2/` or `ag2/network/` has such a setting", holds=lambda: not _exports("introduc")
    ),
    "sequential": Absent(
        where="nothing in `ag2/` or `ag2/network/` holds conversations one after another",
        holds=lambda: not _exports("sequential", "initiate"),
    ),
    "cache": Absent(where="`Agent` in `ag2/agent.py` takes no cache", holds=lambda: not _takes("cache")),
}

OTHERWISE = {
    "round_robin": Otherwise(
        why="who opened the discussion takes part, and is next when it is closed",
        expected={"chosen": ("coder", "reviewer", "boss")},
    ),
    "handoff": Otherwise(
        why="who hands over goes on to say so; a tool finishes the channel",
        script=lambda _: rules(
            {FRONT: [tool_call("pass_on"), "Passing."], TECH: [tool_call("close"), "Repaired. TERMINATE"]}
        ),
        expected={"tools": (("pass_on", True), ("close", True)), "requests": 4},
    ),
    "nested": Otherwise(
        why="an agent asks another as a tool",
        script=lambda _: rules(
            {WRITER: [tool_call("task_critic", objective="What of it?"), "Draft. TERMINATE"], CRITIC: ["Too short."]}
        ),
        expected={"requests": 3, "tools": (("task_critic", True),)},
    ),
    "human": Otherwise(
        why="a tool asks the person",
        script=lambda _: [tool_call("wonder"), tool_call("wonder"), "Second."],
        expected={"said": (("helper", "Second."),), "requests": 3, "tools": (("wonder", True),) * 2},
    ),
    "code": Otherwise(
        why="a tool runs the code",
        script=lambda _: [tool_call("run_code", code="print(6 * 7)", language="python"), "Done. TERMINATE"],
        expected={"tools": (("run_code", True),)},
    ),
}


def _run(play: Playing) -> Callable[[Stage], Observed]:
    return lambda stage: asyncio.run(play(stage))  # type: ignore[arg-type]


PLAYS: Mapping[str, Callable[[Stage], Observed]] = {
    play.__name__: _run(play)
    for play in (
        two_agents, tools, registration, round_robin, handoff, nested, asynchronous, streaming, human, code,
        model_error, retry, cancelled, background, parallel,
    )
}  # fmt: skip
