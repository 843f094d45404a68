"""The stage for rehearsals: a folder of its own, and recording against the scripted server."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios import runner
from tests.server import Script, ScriptedServer

TOOLS = '''\
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def polite(run):
    return len(run.messages) == 2


def rude(run):
    return "it is rude"


def broken(run):
    raise LookupError("nothing there")
'''


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of its own and some tools, no key, and no server unless a test brings one."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    return tmp_path


Record = Callable[..., tuple[Path, Any, ScriptedServer]]


@pytest.fixture
def record(stage: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Record]:
    """Record a scenario against a script; afterwards there is neither server nor key."""

    def recording(text: str, script: Script, name: str = "one") -> tuple[Path, Any, ScriptedServer]:
        path = stage / f"{name}.scenario.yaml"
        path.write_text(text, encoding="utf-8")
        with ScriptedServer(script) as server, monkeypatch.context() as here:
            here.setenv("OPENAI_BASE_URL", server.base_url)
            here.setenv("OPENAI_API_KEY", server.api_key)
            verdict = runner.run_scenario(path, record="all")
        return path, verdict, server

    yield recording
    gc.collect()  # What frameworks leave open is collected in the test that left it.
