"""The conversation of the mutation table with AG2 1.x: found beside a scenario as its factory."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import ag2
from ag2.config import OpenAIConfig
from ag2.knowledge import MemoryKnowledgeStore
from ag2.network import (
    AgentTarget,
    BaseHubListener,
    ContextEquals,
    FromSpeaker,
    Hub,
    StayTarget,
    TerminateTarget,
    Transition,
    TransitionGraph,
    WorkflowAdapter,
)
from ag2.network.workflow_helpers import set_context

PATIENCE_S = 30

SETTINGS = Path("settings.json").read_text(encoding="utf-8")
"""The module is loaded afresh each time, beside the scenario."""


async def chat():
    """Play it as ``settings.json`` beside the scenario says."""
    settings = json.loads(SETTINGS)
    config = OpenAIConfig(settings["model"], temperature=settings["temperature"])

    def price(what: str) -> str:
        return f"{settings['price']} euros"

    tools = [ag2.tool(price, name="price", description=settings["description"])]
    agents = {
        "planner": ag2.Agent("planner", settings["prompt"], config=config, tools=tools),
        "critic": ag2.Agent("critic", "You are the critic.", config=config),
        "user": ag2.Agent("user", "You wait."),
    }
    failed = asyncio.get_running_loop().create_future()

    class Failing(BaseHubListener):
        """The hub goes on after a turn that failed; this program does not."""

        async def on_turn_failed(self, _channel, _agent, _envelope, error):
            failed.set_exception(error)

    hub = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    hub.register_adapter(WorkflowAdapter())
    hub.register_listener(Failing())
    async with hub:
        user, first, second = [await hub.register(agents[name]) for name in ("user", *settings["order"])]
        graph = TransitionGraph(
            initial_speaker=user.agent_id,
            transitions=[
                Transition(when=FromSpeaker(first.agent_id), then=AgentTarget(second.agent_id)),
                Transition(when=FromSpeaker(second.agent_id), then=TerminateTarget(reason="done")),
                Transition(when=ContextEquals("asked", value=True), then=AgentTarget(first.agent_id)),
            ],
            default_target=StayTarget(),
        )
        channel = await user.open(type="workflow", target=list(settings["order"]), knobs={"graph": graph.to_dict()})
        user.ensure_channel_inbox(channel.channel_id)
        if settings["greeting"]:
            await channel.send(settings["greeting"], audience=[second.agent_id])
        await set_context(channel, "asked", value=True)
        await channel.send(settings["task"])
        closed = user.wait_for_channel_event(
            channel_id=channel.channel_id,
            predicate=lambda envelope: envelope.event_type == "ag2.channel.closed",
            timeout=PATIENCE_S,
        )
        await asyncio.wait({asyncio.ensure_future(closed), failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
