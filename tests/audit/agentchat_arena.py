"""AgentChat's agents and teams, driven by adversaries: every message and model call is counted."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.audit.adversaries import Adversary, Calls, Seen, TooLongError

_people: list[Callable[[], str]] = []


def drive(build: Callable[[], Any], adversary: Adversary, human: str, cap: int) -> Seen:
    """Run what *build* makes until it ends, or has passed *cap*. *human* is what a person answers each time."""
    from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    seen = Seen()
    asked = 0

    def count() -> None:
        if seen.calls + asked > cap:
            seen.passed = True
            raise TooLongError

    async def create(_client: Any, messages: Sequence[Any], *, tools: Sequence[Any] = (), **_settings: Any) -> Any:
        seen.calls += 1
        count()
        told = [tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools]
        wanted = "is_request_satisfied" in str(getattr(messages[-1], "content", "")) if messages else False
        return result(adversary(seen.calls - 1, told, ["ledger", *names] if wanted else names))

    def person() -> str:
        nonlocal asked
        asked += 1
        seen.asked = True
        count()
        return human

    async def go() -> None:
        async for item in subject.run_stream(task="Hello."):
            seen.messages += isinstance(item, (BaseChatMessage, BaseAgentEvent))

    before = OpenAIChatCompletionClient.create
    OpenAIChatCompletionClient.create = create
    logging.disable(logging.CRITICAL)
    _people.append(person)
    try:
        subject = build()
        names = [each.name for each in getattr(subject, "_participants", [])]
        asyncio.run(asyncio.wait_for(go(), 120))
    except Exception as error:  # noqa: BLE001 - an error ends it, too
        seen.raised = f"{type(error).__name__}: {error}"[:300]
    finally:
        _people.pop()
        logging.disable(logging.NOTSET)
        OpenAIChatCompletionClient.create = before
    return seen


def ask_person(_prompt: str) -> str:
    """Answer as the person of the drive that is going on."""
    return _people[-1]() if _people else ""


def result(answer: Any) -> Any:
    """Make the answer of AgentChat's client: it took one token to read."""
    from autogen_core import FunctionCall
    from autogen_core.models import CreateResult, RequestUsage

    content: Any = answer or ""
    if isinstance(answer, Calls):
        content = [
            FunctionCall(id=f"call_{n}", name=name, arguments=_arguments(name)) for n, name in enumerate(answer.names)
        ]
    usage = RequestUsage(prompt_tokens=1, completion_tokens=0)
    return CreateResult(finish_reason="stop", content=content, usage=usage, cached=False)


def _arguments(name: str) -> str:
    return json.dumps({"task": "Look."}) if name.startswith("ask_") else "{}"


@functools.cache
def client(*, parallel: bool = True) -> Any:
    """Give one client to all: making one takes longer than a whole chat, and none ever reaches its provider."""
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    more = {} if parallel else {"parallel_tool_calls": False}
    return OpenAIChatCompletionClient(model="gpt-4o", api_key="not-a-key", **more)
