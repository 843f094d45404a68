"""The stage for tests of the classic adapter: the agents they need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.adapters.recorded import THEIR_WARNINGS, Recorded, recording
from tests.server import ScriptedServer

__all__ = ["THEIR_WARNINGS", "Recorded", "recording"]

autogen = pytest.importorskip("autogen", reason="the classic extra is not installed")


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
