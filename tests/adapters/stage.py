"""The stage for adapter tests: record what a block of AutoGen does, and build the agents it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.call import Interceptor
from harness.model import Operation, Run, Span
from harness.store import open_store
from tests.server import ScriptedServer

# What the frameworks and their clients deprecate or leave open is theirs.
THEIR_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "ResourceWarning", "UserWarning", "pytest.PytestUnraisableExceptionWarning")
]

autogen = pytest.importorskip("autogen", reason="the classic extra is not installed")


class Recorded:
    """What a block recorded: its runs, oldest first, once it has ended."""

    runs: list[Run]

    @property
    def run(self) -> Run:
        """The only run."""
        (run,) = self.runs
        return run

    def spans(self, operation: Operation) -> list[Span]:
        """The only run's spans of *operation*, in order of their start."""
        return sorted((span for span in self.run.spans if span.operation is operation), key=lambda span: span.seq)

    def parent(self, span: Span) -> Span | None:
        """The span that *span* stands under."""
        return next((other for other in self.run.spans if other.span_id == span.parent_id), None)

    @property
    def ending(self) -> tuple[str | None, str | None, str | None]:
        """Kind, agent and detail of the root conversation's ending."""
        root = next(s for s in self.run.spans if s.operation is Operation.CONVERSATION and s.parent_id is None)
        ending = self.run.endings[root.span_id]
        return ending.kind.value, ending.agent, ending.detail


@contextmanager
def recording(store: Path, *, mode: str = "live", interceptors: tuple[Interceptor, ...] = ()) -> Iterator[Recorded]:
    """Record everything in the block into *store*, and read it back."""
    found = Recorded()
    harness.uninstrument()
    attached = harness.instrument(store, mode=mode, interceptors=interceptors)
    try:
        yield found
    finally:
        harness.uninstrument()
    opened = open_store(store)
    found.runs = [opened.run(run_id) for run_id in attached.trace.recent]


def config(server: ScriptedServer, **more: Any) -> dict[str, Any]:
    """An ``llm_config`` for *server*; *more* goes into its only entry."""
    entry = {"model": "gpt-4o-mini", "api_key": server.api_key, "base_url": server.base_url, **more}
    return {"config_list": [entry], "cache_seed": None}


def assistant(name: str, server: ScriptedServer, prompt: str = "You help.", **more: Any) -> Any:
    """An assistant that asks *server*."""
    return autogen.AssistantAgent(name, llm_config=config(server), system_message=prompt, **more)


def proxy(name: str = "user", **more: Any) -> Any:
    """A user proxy that never asks a person and stops at TERMINATE."""
    settings: dict[str, Any] = {
        "human_input_mode": "NEVER",
        "code_execution_config": False,
        "is_termination_msg": says_terminate,
        **more,
    }
    return autogen.UserProxyAgent(name, **settings)


def says_terminate(message: dict[str, Any]) -> bool:
    """The predicate of AutoGen's guides."""
    return "TERMINATE" in str(message.get("content") or "")


def group(server: ScriptedServer, agents: list[Any], **more: Any) -> tuple[Any, Any]:
    """A group chat of *agents* and its manager, who stops at TERMINATE."""
    chat = autogen.GroupChat(agents, messages=[], **more)
    return chat, autogen.GroupChatManager(chat, llm_config=config(server), is_termination_msg=says_terminate)


def tokens(server: ScriptedServer, kind: str) -> int:
    """Sum what *server* reported as used: ``prompt`` or ``completion`` tokens."""
    return sum(entry["response"]["usage"][f"{kind}_tokens"] for entry in server.log if entry["status"] == 200)


Program = Callable[[ScriptedServer], Any]
