"""Conversations whose models answer at once: what is said is there already, and only the object is made.

A model client has to make one for each answer, for frameworks write what it cost, and whose it is, onto it. How much
less it would be to give the same objects again is told, too, since a stub could be as careless.

The framework's own model client is asked where it has one (classic: ``OpenAIClient``, whose ``create`` is replaced), so
that with and without the harness everything above the model is the same. A turn is one answer of a model. What is said
is the same in every conversation, as in a replay, and never twice within one.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

FEW, MANY = 10, 200
"""Turns of a short and of a long conversation."""
MODEL = "gpt-4o-mini"
GIVEN, TAKEN = 90, 30
"""The tokens of each answer."""


def answer(turn: int) -> str:
    """Give what the model says in its *turn*, counted from 0."""
    return f"answer {turn:06d} " + "lorem ipsum " * 8


def question(turn: int) -> str:
    """Give what it is asked in its *turn*."""
    return f"question {turn:06d} " + "dolor sit amet " * 6


class Talk:
    """One family's conversation. ``hold`` has it; its model answers only while ``answering``."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.asked = 0
        """How often the model itself was asked."""
        self._made: list[Any] = []
        self._open = False

    @contextmanager
    def answering(self, *, again: bool = False) -> Iterator[None]:
        """Let the model itself answer, *again* with the same objects; else it must not be asked."""
        self._open = True
        self._made = [self.make(turn) for turn in range(self.turns)] if again else []
        try:
            yield
        finally:
            self._open = False

    def next(self) -> Any:
        """Give the model's next answer."""
        if not self._open:
            raise AssertionError("the model itself was asked")
        self.asked += 1
        turn = (self.asked - 1) % self.turns
        return self._made[turn] if self._made else self.make(turn)

    def make(self, turn: int) -> Any:
        """Make the model's answer in its *turn*."""
        raise NotImplementedError

    def hold(self) -> object:
        """Have the whole conversation."""
        raise NotImplementedError


class Classic(Talk):
    """Two agents: the one has a model, the other goes on by itself. They are made once, as their clients take long."""

    def __init__(self, turns: int, *, cache_seed: int | None = None, base_url: str | None = None) -> None:
        """*cache_seed* is the framework's own: its disk cache answers what it has answered before.

        With *base_url* the model is a server there, which is asked unless somebody is ``answering``.
        """
        super().__init__(turns)
        import autogen
        from autogen.oai.client import OpenAIClient
        from openai.types.chat import ChatCompletion

        self._bodies = [completion(turn) for turn in range(turns)]
        self._completion = ChatCompletion
        model = {"model": MODEL, "api_key": "sk-" + "0" * 48, **({"base_url": base_url} if base_url else {})}
        settings = {"config_list": [model], "cache_seed": cache_seed}
        more = {"human_input_mode": "NEVER", "max_consecutive_auto_reply": 10**6}
        self._helper = autogen.ConversableAgent("helper", llm_config=settings, **more)
        self._user = autogen.ConversableAgent("user", llm_config=False, **more)
        self._user.register_reply([autogen.Agent, None], self._go_on)
        self._client = OpenAIClient
        self._said = 0

    def make(self, turn: int) -> Any:
        return self._completion.model_validate(self._bodies[turn])

    def _go_on(self, *_: Any, **__: Any) -> tuple[bool, str]:
        self._said += 1
        return True, question(self._said)

    @contextmanager
    def answering(self, *, again: bool = False) -> Iterator[None]:
        original, talk = self._client.create, self
        self._client.create = lambda client, params: talk.next()
        try:
            with super().answering(again=again):
                yield
        finally:
            self._client.create = original

    def hold(self) -> object:
        self._said = 0
        return self._user.initiate_chat(self._helper, message=question(0), max_turns=self.turns, silent=True)


def completion(turn: int) -> dict[str, Any]:
    """Write an OpenAI chat completion as JSON."""
    message = {"role": "assistant", "content": answer(turn)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": GIVEN, "completion_tokens": TAKEN, "total_tokens": GIVEN + TAKEN}
    head = {"id": f"chatcmpl-{turn}", "object": "chat.completion", "created": 0, "model": MODEL}
    return {**head, "choices": [choice], "usage": usage}


class AgentChat(Talk):
    """Two agents in turns, each with a model."""

    def __init__(self, turns: int) -> None:
        super().__init__(turns)
        from autogen_core.models import CreateResult, RequestUsage

        self._texts = [answer(turn) for turn in range(turns)]
        self._result, self._usage = CreateResult, RequestUsage

    def make(self, turn: int) -> Any:
        usage = self._usage(GIVEN, TAKEN)
        return self._result(finish_reason="stop", content=self._texts[turn], usage=usage, cached=False)

    def hold(self) -> object:
        from autogen_agentchat.agents import AssistantAgent
        from autogen_agentchat.teams import RoundRobinGroupChat

        agents = [AssistantAgent(name, _agentchat_client()(self)) for name in ("one", "two")]
        return asyncio.run(RoundRobinGroupChat(agents, max_turns=self.turns).run(task=question(0)))


@functools.cache
def _agentchat_client() -> Callable[[Talk], Any]:
    from autogen_core.models import ChatCompletionClient, ModelInfo, RequestUsage

    class Ready(ChatCompletionClient):
        """A model client that gives what is there."""

        model_info = ModelInfo(
            vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True
        )
        capabilities = model_info

        def __init__(self, talk: Talk) -> None:
            self._talk = talk

        async def create(self, messages: Any, **_: Any) -> Any:
            return self._talk.next()

        def create_stream(self, messages: Any, **_: Any) -> Any:
            raise NotImplementedError

        async def close(self) -> None:
            """Nothing is open."""

        def actual_usage(self) -> RequestUsage:
            return RequestUsage(0, 0)

        total_usage = actual_usage

        def count_tokens(self, messages: Any, **_: Any) -> int:
            return 0

        remaining_tokens = count_tokens

    return Ready


class Ag2(Talk):
    """One agent that is asked again and again."""

    def __init__(self, turns: int) -> None:
        super().__init__(turns)
        from ag2.events import ModelMessage, ModelResponse, Usage
        from ag2.testing import TestClient, TestConfig

        talk = self

        class Client(TestClient):
            async def __call__(self, messages: Any, context: Any, **_: Any) -> Any:
                response = talk.next()
                await context.send(response.message)
                return response

        class Config(TestConfig):
            def create(self) -> Any:
                return Client()

        self._texts = [answer(turn) for turn in range(turns)]
        self._message, self._response, self._usage = ModelMessage, ModelResponse, Usage
        self.config = Config()

    def make(self, turn: int) -> Any:
        usage = self._usage(prompt_tokens=GIVEN, completion_tokens=TAKEN)
        return self._response(self._message(self._texts[turn]), usage=usage, model=MODEL)

    def hold(self) -> object:
        from ag2 import Agent

        agent = Agent("helper", "You help.", config=self.config)

        async def go() -> object:
            reply = await agent.ask(question(0))
            for turn in range(1, self.turns):
                reply = await reply.ask(question(turn))
            return reply

        return asyncio.run(go())


FAMILIES: dict[str, Callable[[int], Talk]] = {"classic": Classic, "agentchat": AgentChat, "ag2": Ag2}


@functools.cache
def talk(family: str, turns: int) -> Talk:
    """Give the one conversation of *family* and so many *turns*."""
    return FAMILIES[family](turns)
