"""``python -m tests.benchmarks.talker FAMILY WATCHER``: hold conversations with a model that answers at once.

One process for each watcher, for none can be taken off without a trace. For each line that it is given, ``TURNS
DELAY_S``, it holds one conversation of so many turns whose model needs so many seconds, and answers with a line of
JSON: the seconds of the clock and of the CPU, all threads together. What others export is encoded and goes nowhere, and
that is over before the clock stops.
A turn is two messages and one model call. Everything said differs, so that nobody gains by having heard it before.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

FEW, MANY = 10, 200
"""Turns of a short and of a long conversation."""
SLOW_S = 0.02
_numbers = itertools.count()

Talk = Callable[[int, float], Callable[[], object]]
"""Set a conversation of so many turns up, whose model takes so many seconds, and give what holds it."""


def text() -> str:
    """Say something that nobody has said."""
    return f"{next(_numbers):08d} " + "lorem ipsum " * 8


USAGE = {"prompt_tokens": 90, "completion_tokens": 30, "total_tokens": 120}


class Stub:
    """A model client of classic AutoGen's kind that answers by itself, after *delay_s* seconds."""

    delay_s = 0.0

    def __init__(self, config: Any, **_: Any) -> None:
        """Take the settings that the framework gives every client."""

    def create(self, params: Any) -> Any:
        from openai.types.chat import ChatCompletion

        if Stub.delay_s:
            time.sleep(Stub.delay_s)
        message = {"role": "assistant", "content": text()}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        head = {"id": "1", "object": "chat.completion", "created": 0, "model": "gpt-4o-mini"}
        return ChatCompletion.model_validate({**head, "choices": [choice], "usage": USAGE})

    def message_retrieval(self, response: Any) -> list[str]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        return 0

    @staticmethod
    def get_usage(response: Any) -> dict[str, Any]:
        return {**USAGE, "cost": 0, "model": "gpt-4o-mini"}


def classic(watcher: str) -> Talk:
    """Two agents; the one asks a model, the other goes on by itself."""
    import autogen

    watch = _classic_watcher(watcher)

    def talk(turns: int, delay_s: float) -> Callable[[], object]:
        Stub.delay_s = delay_s
        settings = {"config_list": [{"model": "gpt-4o-mini", "model_client_cls": "Stub"}], "cache_seed": None}
        more = {"human_input_mode": "NEVER", "max_consecutive_auto_reply": 10**6}
        helper = autogen.ConversableAgent("helper", llm_config=settings, **more)
        helper.register_model_client(model_client_cls=Stub)
        user = autogen.ConversableAgent("user", llm_config=False, **more)
        user.register_reply([autogen.Agent, None], lambda *_, **__: (True, text()))
        watch(helper, user)
        return lambda: user.initiate_chat(helper, message=text(), max_turns=turns, silent=True)

    return talk


def _classic_watcher(watcher: str) -> Callable[..., None]:
    """Give what has *watcher* watch agents, one by one where it wants that."""

    def nothing(*_agents: Any) -> None:
        """Nobody watches them, or somebody who watches all."""

    if watcher == "openinference":
        from openinference.instrumentation.ag2 import AG2Instrumentor

        AG2Instrumentor().instrument(tracer_provider=_provider(), skip_dep_check=True)
    elif watcher == "framework":
        from autogen.opentelemetry import instrument_agent, instrument_llm_wrapper

        provider = _provider()
        instrument_llm_wrapper(tracer_provider=provider)

        def each(*agents: Any) -> None:
            for agent in agents:
                instrument_agent(agent, tracer_provider=provider)

        return each
    return nothing


def agentchat(watcher: str) -> Talk:
    """Two agents in turns, each with a model."""
    if watcher in {"framework", "openinference"}:
        from opentelemetry import trace

        trace.set_tracer_provider(_provider())
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.replay import ReplayChatCompletionClient

    if watcher == "openinference":
        from openinference.instrumentation.autogen_agentchat import AutogenAgentChatInstrumentor

        AutogenAgentChatInstrumentor().instrument(skip_dep_check=True)

    class Client(ReplayChatCompletionClient):
        delay_s = 0.0

        async def create(self, *args: Any, **kwargs: Any) -> Any:
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            return await super().create(*args, **kwargs)

    def talk(turns: int, delay_s: float) -> Callable[[], object]:
        agents = []
        for name in ("one", "two"):
            client = Client([text() for _ in range(turns)])
            client.delay_s = delay_s
            agents.append(AssistantAgent(name, client))
        return lambda: asyncio.run(RoundRobinGroupChat(agents, max_turns=2 * turns).run(task=text()))

    return talk


def ag2(watcher: str) -> Talk:
    """One agent that is asked again and again."""
    if watcher == "openinference":
        raise ImportError("there is no OpenInference instrumentor for AG2 1.x")
    import ag2 as framework
    from ag2.events import ModelMessage, ModelResponse, Usage
    from ag2.middleware.builtin.telemetry import TelemetryMiddleware
    from ag2.testing import TestClient, TestConfig

    class Client(TestClient):
        async def __call__(self, messages: Any, context: Any, **_: Any) -> Any:
            if delay[0]:
                await asyncio.sleep(delay[0])
            message = ModelMessage(text())
            await context.send(message)
            return ModelResponse(message, usage=Usage(prompt_tokens=90, completion_tokens=30), model="gpt-4o-mini")

    class Config(TestConfig):
        def create(self) -> Any:
            return Client()

    delay = [0.0]
    provider = _provider() if watcher == "framework" else None

    def talk(turns: int, delay_s: float) -> Callable[[], object]:
        delay[0] = delay_s
        middleware = [TelemetryMiddleware(tracer_provider=provider, agent_name="helper")] if provider else []
        agent = framework.Agent("helper", "You help.", config=Config(), middleware=middleware)

        async def go() -> object:
            reply = await agent.ask(text())
            for _ in range(turns - 1):
                reply = await reply.ask(text())
            return reply

        return lambda: asyncio.run(go())

    return talk


def _provider() -> Any:
    """Make the cheapest provider of any use: spans leave in batches, encoded, and the network is left out."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Encoding(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            encode_spans(spans).SerializeToString()
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Encoding(), max_queue_size=10**6))
    _flushes.append(provider.force_flush)
    return provider


_flushes: list[Callable[[], object]] = []


FAMILIES: dict[str, Callable[[str], Talk]] = {"classic": classic, "agentchat": agentchat, "ag2": ag2}


def took(hold: Callable[[], object]) -> dict[str, float]:
    """Hold one conversation, and give the seconds it took by the clock, and of the CPU."""
    gc.collect()  # so none happens to walk through all that was imported; what is young is collected as in any program
    began, worked = time.perf_counter_ns(), time.process_time_ns()
    hold()
    for flush in _flushes:
        flush()
    return {"clock_s": (time.perf_counter_ns() - began) / 1e9, "cpu_s": (time.process_time_ns() - worked) / 1e9}


def main(family: str, watcher: str) -> int:
    """Let *family* talk under *watcher*: none, harness, framework or openinference; 3 where it is not installed."""
    warnings.simplefilter("ignore")
    logging.disable()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # agents print what they say
    with tempfile.TemporaryDirectory() as folder:
        try:
            if watcher == "harness":
                import harness

                harness.instrument(f"{folder}/store")
            talk = FAMILIES[family](watcher)
        except ImportError as error:
            sys.stderr.write(f"{error}\n")
            return 3
        took(talk(FEW, 0))
        for line in sys.stdin:
            turns, delay_s = line.split()
            answers.write(json.dumps(took(talk(int(turns), float(delay_s)))) + "\n")
            answers.flush()
        if watcher == "harness":
            harness.uninstrument()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
