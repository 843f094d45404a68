"""What a scenario's file cannot say of AG2 1.x: programs as people write them, found beside the scenario."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import ag2
from ag2.config import OpenAIConfig
from ag2.knowledge import MemoryKnowledgeStore
from ag2.network import (
    AgentTarget,
    Finish,
    FromSpeaker,
    Handoff,
    Hub,
    StayTarget,
    Transition,
    TransitionGraph,
    WorkflowAdapter,
)
from ag2.tools import LocalEnvironment, SandboxCodeTool

PATIENCE_S = 30


def agent(name: str, prompt: str, model: str = "gpt-4o-mini", streaming: bool = False, **more: Any) -> Any:  # noqa: FBT001, FBT002
    """An agent that is told *prompt*."""
    return ag2.Agent(name, prompt, config=OpenAIConfig(model, temperature=0, streaming=streaming), **more)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def explode(a: int) -> str:
    """Fail."""
    raise LookupError(f"no {a}")


async def double(a: int) -> int:
    """Double, later."""
    await asyncio.sleep(0)
    return 2 * a


async def wonder(context: ag2.Context) -> str:
    """Ask the person."""
    return str(await context.input("Well?"))


def human() -> Any:
    """An agent with a tool that asks a person."""
    return agent("helper", "You help.", tools=[wonder], hitl_hook=lambda _event: input()), "Go."


def coding() -> Any:
    """An agent with a tool that runs code."""
    return agent("coder", "You code.", tools=[SandboxCodeTool(LocalEnvironment())]), "Go."


async def streamed() -> Any:
    """An agent whose events the program reads while they come."""
    async with agent("helper", "You help.", streaming=True).run("Tell me.") as run:
        run.start()
        await run.result()


async def again() -> Any:
    """An agent that is asked twice in one conversation."""
    reply = await agent("helper", "You help.").ask("Go.")
    await reply.ask("Sure?")


def dividing() -> Any:
    """An agent that divides its work among others of its kind."""
    return agent("boss", "You lead.", tasks=ag2.TaskConfig(prompt="You work.")), "Go."


async def together() -> Any:
    """Four conversations of one agent at once."""
    helper = agent("helper", "You help.")
    await asyncio.gather(*(helper.ask(f"Question {number}") for number in range(4)))


async def forgiving() -> Any:
    """Catch what the provider says, and ask another model."""
    try:
        await agent("helper", "You help.", "gpt-4o").ask("Go.")
    except Exception:  # noqa: BLE001 - whatever the provider says
        await agent("helper", "You help.").ask("Go.")


@asynccontextmanager
async def hub() -> AsyncIterator[Any]:
    """A hub without timers."""
    opened = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    opened.register_adapter(WorkflowAdapter())
    async with opened:
        yield opened


async def until(client: Any, channel: Any, wanted: Callable[[Any], bool]) -> None:
    """Wait for an event of a channel."""
    await client.wait_for_channel_event(channel_id=channel.channel_id, predicate=wanted, timeout=PATIENCE_S)


async def discussing() -> None:
    """A discussion on a hub, which who opened it closes."""

    async def hear(_envelope: Any) -> None:
        """Say nothing."""

    async with hub() as opened:
        boss = await opened.register(agent("boss", "You wait."))
        for name, prompt in (("coder", "You code."), ("reviewer", "You review.")):
            await opened.register(agent(name, prompt))
        channel = await boss.open(type="discussion", target=["coder", "reviewer"])
        boss.ensure_channel_inbox(channel.channel_id)
        boss.on_envelope(hear)
        await channel.send("Go.")
        await until(boss, channel, lambda e: opened.name_for(e.sender_id) == "reviewer" and "text" in e.event_type)
        await channel.close("done")


async def handing_over() -> None:
    """A workflow on a hub, in which a tool hands over and another one ends it."""

    def pass_on() -> Handoff:
        return Handoff(target="tech", reason="broken")

    def close() -> Finish:
        return Finish(summary="All well.", reason="repaired")

    async with hub() as opened:
        front = await opened.register(agent("front", "You greet.", tools=[pass_on]))
        await opened.register(agent("tech", "You repair.", tools=[close]))
        boss = await opened.register(agent("boss", "You wait."))
        graph = TransitionGraph(
            initial_speaker=boss.agent_id,
            transitions=[Transition(when=FromSpeaker(boss.agent_id), then=AgentTarget(front.agent_id))],
            default_target=StayTarget(),
            max_turns=8,
        )
        channel = await boss.open(type="workflow", target=["front", "tech"], knobs={"graph": graph.to_dict()})
        boss.ensure_channel_inbox(channel.channel_id)
        await channel.send("It is broken.")
        await until(boss, channel, lambda e: e.event_type == "ag2.channel.closed")
