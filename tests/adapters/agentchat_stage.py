"""The stage for AgentChat: the agents, teams and programs that its tests record."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from tests.adapters.recorded import Recorded, recording
from tests.server import ScriptedServer

pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")

from autogen_agentchat import agents, conditions, teams
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_ext.models.openai import OpenAIChatCompletionClient

MODEL = "gpt-4o-mini"
INFO: Any = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "structured_output": True,
    "family": "gpt-4o",
}
Play = Callable[[ScriptedServer], Awaitable[Any]]


_open: list[Any] = []


def client(server: ScriptedServer, **more: Any) -> Any:
    """A real OpenAI client that asks *server*, until the test is over."""
    settings = {"model": MODEL, "base_url": server.base_url, "api_key": server.api_key, "model_info": INFO, **more}
    made = OpenAIChatCompletionClient(**settings)
    _open.append(made)
    return made


@pytest.fixture
async def closed_clients() -> AsyncIterator[None]:
    """Close every client that the test makes: the framework never does."""
    yield
    while _open:
        with contextlib.suppress(RuntimeError):  # its loop is over already
            await _open.pop().close()


def assistant(name: str, server: ScriptedServer, prompt: str = "You help.", **more: Any) -> Any:
    """An assistant that asks *server*."""
    return agents.AssistantAgent(name, client(server), system_message=prompt, **more)


class LocalRunner(CodeExecutor):
    """Runs Python on this machine; the framework's own executor wants more packages than a test has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = 0

    async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> CodeResult:
        """Run the blocks as one program."""
        self.ran += 1
        code = "\n".join(block.code for block in code_blocks)
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=self.folder, stdout=PIPE, stderr=STDOUT
        )
        output, _ = await done.communicate()
        return CodeResult(exit_code=done.returncode or 0, output=output.decode())

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def restart(self) -> None:
        """Nothing to restart."""


def says(word: str = "TERMINATE") -> Any:
    """The condition that somebody says *word*."""
    return conditions.TextMentionTermination(word)


def pair(server: ScriptedServer, **more: Any) -> Any:
    """A writer and a critic who take turns until somebody says TERMINATE."""
    members = [assistant("writer", server, "You write."), assistant("critic", server, "You criticise.")]
    return teams.RoundRobinGroupChat(members, **{"termination_condition": says(), **more})


def said(result: Any) -> list[tuple[str, str]]:
    """Who said or did what, as a TaskResult has it; a call of a tool is no text, and its result is one."""
    return [(message.source, _text(message)) for message in result.messages]


def _text(message: Any) -> str:
    if isinstance(message.content, list):
        return "\n".join(getattr(item, "content", "") for item in message.content)
    return str(message.to_text())


async def record(store: Path, server: ScriptedServer, play: Play, cassette: str = "c.jsonl") -> tuple[Any, Recorded]:
    """Record what *play* does into *store*, and promote it to a cassette there."""
    with recording(store, mode="record") as seen:
        result = await play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / cassette)
    return result, seen


async def again(store: Path, play: Play, cassette: str = "c.jsonl") -> tuple[Any, Any]:
    """Play the cassette, with a server that has nothing to say; gives the result and the replay."""
    with ScriptedServer([]) as silent, harness.replay(store / cassette) as replay:
        result = await play(silent)
        assert silent.log == []
    return result, replay
