"""Classic chats between real agents, driven by adversaries: every message and model call is counted."""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib.util
import io
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.audit.adversaries import Adversary, Calls, Seen

CONFIG = {"config_list": [{"model": "gpt-4o", "api_key": "not-a-key", "price": [0, 0]}], "cache_seed": None}
_INTERNAL = {"checking_agent", "speaker_selection_agent"}


class Past(BaseException):
    """Not an Exception: nothing in the framework may make an answer of it."""


@dataclass(frozen=True)
class Chat:
    """What is begun: ``sender.initiate_chat(recipient, **settings)``, several of them, or what *way* begins itself.

    *spoken* are the messages of it that nobody sends.
    """

    sender: Any
    recipient: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    queue: tuple[Mapping[str, Any], ...] = ()
    asynchronous: bool = False
    way: Callable[[], object] | None = None
    spoken: int = 0

    def begin(self) -> None:
        if self.way is not None:
            self.way()
        elif self.queue:
            self.sender.initiate_chats([dict(chat) for chat in self.queue])
        elif self.asynchronous:
            import asyncio

            asyncio.run(self.sender.a_initiate_chat(self.recipient, message="Hello.", **self.settings))
        else:
            self.sender.initiate_chat(self.recipient, message="Hello.", **self.settings)


def drive(build: Callable[[], Chat], adversary: Adversary, human: str, cap: int) -> Seen:  # noqa: C901 - one hook a thing that is counted
    """Let it go on until it ends, or has passed *cap*. *human* is what a person answers each time."""
    import autogen
    from autogen.oai import client as clients

    seen = Seen()

    def count(name: str) -> None:
        setattr(seen, name, getattr(seen, name) + 1)
        if getattr(seen, name) > cap:
            seen.passed = True
            raise Past

    def create(_client: Any, params: Mapping[str, Any]) -> Any:
        count("calls")
        tools = [tool["function"]["name"] for tool in params.get("tools") or ()]
        names = sorted({m["name"] for m in params["messages"] if m.get("name")} - _INTERNAL)
        return completion(adversary(seen.calls - 1, tools, names))

    def sending(original: Callable[..., Any]) -> Callable[..., Any]:
        def send(agent: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(agent, autogen.GroupChatManager) and agent.name not in _INTERNAL:
                count("messages")
            return original(agent, *args, **kwargs)

        return send

    def ask(*_args: Any, **_kwargs: Any) -> str:
        seen.asked = True
        return human

    async def a_ask(*_args: Any, **_kwargs: Any) -> str:
        return ask()

    agents = autogen.ConversableAgent
    changes = [
        (clients, "OpenAI", _shared_client),
        (clients.OpenAIClient, "create", create),
        (clients.OpenAIClient, "cost", lambda *_: 0.0),
        (agents, "send", sending(agents.send)),
        (agents, "a_send", sending(agents.a_send)),
        (builtins, "input", ask),
        (agents, "get_human_input", ask),
        (agents, "a_get_human_input", a_ask),
    ]
    with (
        changed(changes),
        _deep(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        try:
            chat = build()
            seen.messages += chat.spoken
            chat.begin()
        except Past:
            pass
        except Exception as error:  # noqa: BLE001 - an error ends it, too
            seen.raised = f"{type(error).__name__}: {error}"
    return seen


def completion(answer: Any) -> Any:
    """Make the answer of OpenAI's client."""
    from openai.types.chat import ChatCompletion

    number = next(_numbers)
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if isinstance(answer, Calls):
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": f"call_{number}_{place}", "type": "function", "function": {"name": name, "arguments": "{}"}}
                for place, name in enumerate(answer.names)
            ],
        }
    return ChatCompletion.model_validate(
        {
            "id": f"chat-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1},
        }
    )


_numbers = itertools.count()


def has_module(module: str) -> bool:
    """Say whether this version has *module*, without importing anything: the collector has no need of a framework."""
    package, _, rest = module.partition(".")
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    path = rest.replace(".", "/")
    return any((Path(folder) / f"{path}.py").is_file() or (Path(folder) / path).is_dir() for folder in folders or ())


def captured(chat: Chat) -> Any:
    """Give the plan of the conversation that *chat* begins, as an audit finds it at its first model call."""
    from autogen.oai import client as clients

    from harness.adapters import classic_capture
    from harness.adapters.capturing import Captured
    from harness.adapters.patching import Patches

    found, patches = Captured(), Patches()
    plans: list[Any] = []

    def create(_client: Any, _params: Any) -> Any:
        plans.append(found.begun[0].plan()[0])
        raise Past

    classic_capture.attach(found, patches)
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    try:
        with (
            cheap(),
            changed([(clients.OpenAIClient, "create", create)]),
            quiet[0],
            quiet[1],
            contextlib.suppress(Past),
        ):
            chat.begin()
    finally:
        patches.undo()
    return plans[0] if plans else found.begun[0].plan()[0]


@contextlib.contextmanager
def cheap() -> Iterator[None]:
    """Let agents be made with one client for all."""
    from autogen.oai import client as clients

    with changed([(clients, "OpenAI", _shared_client)]):
        yield


@functools.cache
def _one_client() -> Any:
    from openai import OpenAI

    return OpenAI(api_key="not-a-key")


def _shared_client(**_settings: Any) -> Any:
    """Give one client to all: making one takes longer than a whole chat, and none is ever used."""
    return _one_client()


@contextlib.contextmanager
def changed(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Put other values into classes and modules for a while."""
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


@contextlib.contextmanager
def _deep() -> Iterator[None]:
    """A chat without ``max_turns`` calls itself for its whole length: let it be longer than Python would."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(60_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
