"""AG2 1.x agents and channels, driven by adversaries: every message and model call is counted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.audit.adversaries import Adversary, Calls, Seen, TooLongError

_IDLE, _WORK_S = 3, 0.01
"""A channel stands still, which nobody says, once this process has so often found nothing to do."""
_asked: list[Callable[[list[str]], Any]] = []


@dataclass(frozen=True)
class Channel:
    """A channel: *make* gives its graph for the ids of the agents. *plugin*: they get the network's own tools."""

    agents: tuple[Any, ...]
    make: Callable[[list[str]], Any] | None = None
    plugin: bool = False
    kind: str = "workflow"


def drive(build: Callable[[], Any], adversary: Adversary, human: str, cap: int) -> Seen:
    """Ask what *build* makes, or let it speak on a hub, until it ends or has passed *cap*."""
    seen = Seen()

    def answer(tools: list[str]) -> Any:
        seen.calls += 1
        if seen.calls > cap:
            seen.passed = True
            raise TooLongError
        return adversary(seen.calls - 1, tools, [])

    async def go() -> None:
        subject = build()
        if isinstance(subject, Channel):
            seen.messages = await converse(subject, seen)
        else:
            await subject.ask("Hello.")
            seen.messages = 2

    logging.disable(logging.CRITICAL)
    _asked.append(answer)
    try:
        asyncio.run(asyncio.wait_for(go(), 400))
    except Exception as error:  # noqa: BLE001 - an error ends it, too
        seen.raised = f"{type(error).__name__}: {error}"[:300]
    finally:
        _asked.pop()
        logging.disable(logging.NOTSET)
    return seen


def config() -> Any:
    """Give a config whose client answers as the adversary of the drive that is going on."""
    from ag2.config import LLMClient, ModelConfig, ModelProvider
    from ag2.events import ModelMessage, ModelResponse, ToolCallEvent, ToolCallsEvent

    class Client(LLMClient):
        async def __call__(self, messages: Any, context: Any, *, tools: Any = (), **_settings: Any) -> Any:
            told = [schema.function.name for schema in tools if hasattr(schema, "function")]
            said = _asked[-1](told)
            if isinstance(said, Calls):
                calls = [ToolCallEvent(name=name, arguments=_arguments(name)) for name in said.names]
                return ModelResponse(tool_calls=ToolCallsEvent(calls))
            return ModelResponse(message=ModelMessage(said or ""))

    class Config(ModelConfig):
        @property
        def provider(self) -> Any:
            return next(iter(ModelProvider))

        @property
        def model(self) -> str:
            return "gpt-4o"

        def copy(self) -> Any:
            return self

        def create(self) -> Any:
            return Client()

        def create_files_client(self) -> Any:
            raise NotImplementedError

    return Config()


def _arguments(name: str) -> str:
    return '{"objective": "Look."}' if name.startswith("task_") else "{}"


async def converse(subject: Channel, seen: Seen) -> int:
    """Let the agents speak until the channel is closed or nobody speaks any more; count what is said."""
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import (
        BaseHubListener,
        ConsultingAdapter,
        ConversationAdapter,
        DiscussionAdapter,
        Hub,
        WorkflowAdapter,
    )

    ended = asyncio.Event()

    class Listening(BaseHubListener):
        async def on_turn_failed(self, *_args: Any) -> None:
            ended.set()

        async def on_channel_event(self, _channel: str, kind: str, _payload: Any) -> None:
            if kind in {"closed", "expired"}:
                ended.set()

    hub = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    for adapter in (WorkflowAdapter, ConversationAdapter, DiscussionAdapter, ConsultingAdapter):
        with contextlib.suppress(ValueError):  # some are there already
            hub.register_adapter(adapter())
    hub.register_listener(Listening())
    async with hub:
        clients = [await hub.register(agent, attach_plugin=subject.plugin) for agent in subject.agents]
        knobs = {}
        if subject.make is not None:
            knobs["graph"] = subject.make([client.agent_id for client in clients]).to_dict()
        names = [agent.name for agent in subject.agents[1:]]
        channel = await clients[0].open(type=subject.kind, target=names, knobs=knobs)
        await channel.send("Hello.")
        idle = 0
        while not ended.is_set() and idle < _IDLE and not seen.passed:
            busy = time.process_time()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.4)
            idle = 0 if time.process_time() - busy > _WORK_S else idle + 1
        written = await hub.read_wal(channel.channel_id)
    return sum(envelope.event_type in {"ag2.packet", "ag2.msg.text"} for envelope in written)


def registered(subject: Channel) -> tuple[Any, list[str], dict[str, Any]]:
    """Put the agents on a hub, and give the graph, their ids, and them by id: what a channel is made of."""
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub

    async def go() -> tuple[Any, list[str], dict[str, Any]]:
        hub = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
        async with hub:
            clients = [await hub.register(agent, attach_plugin=subject.plugin) for agent in subject.agents]
            ids = [client.agent_id for client in clients]
            graph = None if subject.make is None else subject.make(ids).to_dict()
            return graph, ids, dict(zip(ids, subject.agents, strict=True))

    return asyncio.run(go())
