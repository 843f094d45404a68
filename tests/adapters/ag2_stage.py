"""The stage for AG2 1.x tests: agents that ask the scripted server, and what their framework says of a conversation."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from harness.model import Run
from tests.adapters.recorded import recording
from tests.server import ScriptedServer

ag2 = pytest.importorskip("ag2", reason="the ag2 extra is not installed")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the test's own. Sockets that AG2's clients leave open are collected in the test that left them."""
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()
    gc.collect()


Play = Callable[[ScriptedServer], Awaitable[Any]]


def config(server: ScriptedServer, model: str = "gpt-4o-mini", **more: Any) -> Any:
    """A model config for *server*."""
    from ag2.config import OpenAIConfig

    return OpenAIConfig(model, api_key=server.api_key, base_url=server.base_url, **{"max_retries": 0, **more})


def agent(name: str, server: ScriptedServer, prompt: str = "You help.", **more: Any) -> Any:
    """An agent that asks *server*."""
    return ag2.Agent(name, prompt, config=more.pop("config", None) or config(server), **more)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def tokens(server: ScriptedServer, kind: str) -> int:
    """Sum what *server* reported as used: ``prompt`` or ``completion`` tokens."""
    return sum(entry["response"]["usage"][f"{kind}_tokens"] for entry in server.log if entry["status"] == 200)


def said(run: Run) -> list[tuple[str, tuple[str, ...], str]]:
    """Who said what to whom; a call of a tool as ``name(…)``."""
    return [
        (m.sender, m.recipients, m.text or " ".join(f"{call['name']}(…)" for call in m.tool_calls))
        for m in run.messages
    ]


async def record(store: Path, server: ScriptedServer, play: Play, name: str = "c.jsonl") -> Any:
    """Play and keep a cassette as *name* in *store*."""
    with recording(store, mode="record") as seen:
        result = await play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / name)
    return result


async def replay(store: Path, play: Play, name: str = "c.jsonl") -> tuple[Any, Any]:
    """Play answered by the cassette alone, and give the result and the replay. Nobody outside may be asked."""
    with ScriptedServer([]) as silent:
        with harness.replay(store / name) as replaying:
            result = await play(silent)
        assert silent.log == []
    return result, replaying
