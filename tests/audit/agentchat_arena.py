"""AgentChat's agents and teams, driven by adversaries: every message and model call is counted."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.audit.adversaries import Adversary, Calls, Seen, TooLongError
from tests.audit.classic_arena import changed

_people: list[Callable[[], str]] = []


def drive(build: Callable[[], Any], adversary: Adversary, human: str, cap: int) -> Seen:  # noqa: C901 - hooks
    """Run what *build* makes until it ends, or has passed *cap*. *human* is what a person answers each time."""
    from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, SelectSpeakerEvent
    from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
    from autogen_ext.models.openai import BaseOpenAIChatCompletionClient

    seen = Seen()
    asked = 0

    def count() -> None:
        if max(seen.calls + asked, seen.messages) > cap:
            seen.passed = True
            raise TooLongError

    async def create(a_client: Any, messages: Sequence[Any], *, tools: Sequence[Any] = (), **settings: Any) -> Any:
        seen.calls += 1
        count()
        told = [tool["name"] if isinstance(tool, Mapping) else tool.name for tool in tools]
        if "RetryDecision" in str(settings.get("json_output")):
            return result('{"reason": "It may help.", "retry": true}')
        wanted = "is_request_satisfied" in str(getattr(messages[-1], "content", "")) if messages else False
        said = adversary(seen.calls - 1, told, ["ledger", *names] if wanted else names)
        return result(said, told="base_url" not in a_client._raw_config)

    async def create_stream(a_client: Any, messages: Sequence[Any], **settings: Any) -> Any:
        whole = await create(a_client, messages, **settings)
        streamed = bool((a_client._create_args.get("stream_options") or {}).get("include_usage"))
        yield whole if streamed else result(whole.content, told=False)

    def person() -> str:
        nonlocal asked
        asked += 1
        seen.asked = True
        count()
        return human

    async def go() -> None:
        async for item in subject.run_stream(task="Hello."):
            counts = isinstance(item, (BaseChatMessage, BaseAgentEvent)) and not isinstance(item, SelectSpeakerEvent)
            seen.messages += counts

    async def going_on(manager: Any, *given: Any) -> None:
        count()  # within the runtime: it waits for a team whose reader has left
        await before(manager, *given)

    before = BaseGroupChatManager._transition_to_next_speakers
    changes: list[tuple[Any, str, Any]] = [
        (BaseOpenAIChatCompletionClient, "create", create),
        (BaseOpenAIChatCompletionClient, "create_stream", create_stream),
        (BaseGroupChatManager, "_transition_to_next_speakers", going_on),
    ]
    logging.disable(logging.CRITICAL)
    _people.append(person)
    try:
        with changed(changes):
            subject = build()
            names = [each.name for each in getattr(subject, "_participants", [])]
            asyncio.run(asyncio.wait_for(go(), 120))
    except Exception as error:  # noqa: BLE001 - an error ends it, too
        seen.raised = f"{type(error).__name__}: {error}"[:300]
    finally:
        _people.pop()
        logging.disable(logging.NOTSET)
    return seen


def ask_person(_prompt: str) -> str:
    """Answer as the person of the drive that is going on."""
    return _people[-1]() if _people else ""


def result(answer: Any, *, told: bool = True) -> Any:
    """Make the answer of AgentChat's client: it took one token to read, if its server tells (*told*)."""
    from autogen_core import FunctionCall
    from autogen_core.models import CreateResult, RequestUsage

    content: Any = answer or ""
    if isinstance(answer, list):
        content = answer
    if isinstance(answer, Calls):
        content = [
            FunctionCall(id=f"call_{n}", name=name, arguments=_arguments(name)) for n, name in enumerate(answer.names)
        ]
    usage = RequestUsage(prompt_tokens=int(told), completion_tokens=0)
    return CreateResult(finish_reason="stop", content=content, usage=usage, cached=False)


def _arguments(name: str) -> str:
    return json.dumps({"task": "Look."}) if name.startswith("ask_") else "{}"


@functools.cache
def client(*, parallel: bool = True, base_url: str | None = None, usage: bool = False) -> Any:
    """Give one client to all: making one takes longer than a whole chat, and none ever reaches its provider.

    A server at a *base_url* tells no tokens here; with *usage* it is asked for them where it streams.
    """
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    more: dict[str, Any] = {} if parallel else {"parallel_tool_calls": False}
    more |= {} if base_url is None else {"base_url": base_url}
    more |= {"stream_options": {"include_usage": True}} if usage else {}
    return OpenAIChatCompletionClient(model="gpt-4o", api_key="not-a-key", **more)
