"""``harness trace`` on an unmodified AgentChat program, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.model import Operation, RunStatus
from harness.store import open_store
from tests.cli.programs import environment, harness, write
from tests.server import ScriptedServer, rules, tool_call

pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")

PROGRAM = '''
import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient


def add(a: int, b: int) -> int:
    """Add."""
    print("ADDED")
    return a + b


async def main() -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o-mini-2024-07-18")
    team = RoundRobinGroupChat(
        [
            AssistantAgent("adder", client, system_message="You add.", tools=[add]),
            AssistantAgent("judge", client, system_message="You judge.", model_client_stream=True),
        ],
        termination_condition=TextMentionTermination("TERMINATE"),
    )
    result = await team.run(task="1 + 2?")
    for message in result.messages:
        print("SAID", message.source, repr(message.to_text()))
    print("STOP", result.stop_reason)
    await client.close()


asyncio.run(main())
'''


def test_a_program_is_recorded_shown_and_replayed_without_a_key_or_a_server(tmp_path: Path) -> None:
    app = write(tmp_path, PROGRAM)
    with ScriptedServer(rules({"You add": [tool_call("add", a=1, b=2)], "You judge": ["Right. TERMINATE"]})) as server:
        recorded = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
        assert recorded.returncode == 0, recorded.stderr
        run = open_store(tmp_path / "s").run(open_store(tmp_path / "s").find("@1"))
        assert run.summary.model_calls == len(server.log) == 2
    assert run.summary.status is RunStatus.FINISHED
    assert run.summary.messages == recorded.stdout.count("SAID")
    assert sum(span.operation is Operation.TOOL for span in run.spans) == 1
    assert "5 messages · 2 model calls · 1 tool call" in recorded.stderr
    assert "ended: termination message" in recorded.stderr
    shown = harness("show", "--store", "s", "@1", cwd=tmp_path).stdout
    for line in ("user → adder, judge", "→ add(a=1, b=2)", "← 3", "judge → adder", "Text 'TERMINATE' mentioned"):
        assert line in shown

    replayed = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path, OPENAI_API_KEY="")
    assert replayed.returncode == 0, replayed.stderr
    assert replayed.stdout.replace("ADDED\n", "") == recorded.stdout.replace("ADDED\n", "")
    assert "ADDED" not in replayed.stdout
    assert "replayed 3 exchanges" in replayed.stderr
    assert "0 unused" in replayed.stderr


def test_doctor_says_that_agentchat_is_recorded(tmp_path: Path) -> None:
    told = harness("doctor", "--store", "s", cwd=tmp_path).stdout
    assert any("agentchat" in line and "`harness trace` records it" in line for line in told.splitlines())


def test_the_framework_is_loaded_by_nobody_but_the_program(tmp_path: Path) -> None:
    code = """
import sys, harness
attached = harness.instrument("s")
from harness.adapters import agentchat
assert not [name for name in sys.modules if name.startswith("autogen_")], "loaded too early"
import autogen_agentchat
assert [type(adapter).__name__ for adapter in attached.adapters] == ["AgentChat"]
assert "autogen_ext" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
