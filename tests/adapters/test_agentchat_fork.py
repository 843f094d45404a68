"""AgentChat teams that are replayed up to a message and go on for real, with another model or prompt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from tests.adapters.agentchat_stage import assistant, closed_clients, conditions, pair, record, said
from tests.adapters.forks import forked
from tests.adapters.recorded import THEIR_WARNINGS
from tests.server import ScriptedServer, rules

pytestmark = [*THEIR_WARNINGS, pytest.mark.usefixtures(closed_clients.__name__)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()


async def play(server: ScriptedServer) -> Any:
    return await pair(server, termination_condition=conditions.MaxMessageTermination(4)).run(task="Go.")


async def streamed(server: ScriptedServer) -> Any:
    helper = assistant("writer", server, "You write.", model_client_stream=True)
    items = [item async for item in helper.run_stream(task="Go.")]
    return items[-1]


SCRIPT = {"You write": ["W1", "W2"], "You criticise": ["C1", "C2"]}
LIVE = {"You shout": ["W8", "W9"], "You write": ["w8", "w9"], "You criticise": ["C8", "C9"]}


async def recorded(store: Path) -> None:
    with ScriptedServer(rules(SCRIPT)) as server:
        await record(store, server, play)


@pytest.mark.parametrize(("message", "played"), [(0, 0), (1, 0), (2, 1), (3, 2)])
async def test_it_is_played_up_to_the_message_and_real_from_there(store: Path, message: int, played: int) -> None:
    await recorded(store)
    with ScriptedServer(rules(LIVE)) as server, forked(store, server, message=message) as found:
        result = await play(server)
    expected = [*["W1", "C1"][:played], *["w8", "C8", "w8" if played else "w9"][played:]]
    assert [text for _, text in said(result)] == ["Go.", *expected]
    assert found.verdicts == ["hit"] * played + ["live"] * (3 - played)


async def test_the_model_and_the_prompt_change_after_the_fork_alone_and_the_run_says_so(store: Path) -> None:
    await recorded(store)
    changes: dict[str, Any] = {"model": "gpt-4o", "prompts": {"writer": "You shout."}}
    with ScriptedServer(rules(LIVE)) as server, forked(store, server, message=2, **changes) as found:
        result = await play(server)
    assert [text for _, text in said(result)] == ["Go.", "W1", "C8", "W8"]
    assert [one[:2] for one in found.asked] == [("gpt-4o", "You criticise."), ("gpt-4o", "You shout.")]
    assert found.models == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    assert "model" not in found.run.calls[-1].request["parameters"]
    assert found.run.calls[-1].request["messages"][0]["parts"][0]["content"] == "You shout."


async def test_a_stream_changes_too(store: Path) -> None:
    with ScriptedServer(["W1"]) as server:
        await record(store, server, streamed)
    changes: dict[str, Any] = {"model": "gpt-4o", "prompts": {"writer": "You shout."}}
    with ScriptedServer(["W8"]) as server, forked(store, server, message=1, **changes) as found:
        result = await streamed(server)
    assert [text for _, text in said(result)] == ["Go.", "W8"]
    assert found.asked == [("gpt-4o", "You shout.", "Go.")]


async def test_a_team_that_is_done_goes_on_with_one_thing_more(store: Path) -> None:
    await recorded(store)
    with ScriptedServer(rules(LIVE)) as server, forked(store, server, says=((1, "And?"),)) as found:
        result = await play(server)
    assert [text for _, text in said(result)] == ["And?", "C8", "w8", "C9"]
    assert found.verdicts == ["hit"] * 3 + ["live"] * 3
    told = [message["content"] for message in server.log[0]["request"]["messages"]]
    assert told[-5:] == ["Go.", "W1", "C1", "W2", "And?"]


@pytest.mark.parametrize("alone", ["run", "run_stream"])
async def test_an_agent_alone_goes_on_too(store: Path, alone: str) -> None:
    async def ask(server: ScriptedServer) -> Any:
        helper = assistant("helper", server)
        if alone == "run":
            return await helper.run(task="Go.")
        return [item async for item in helper.run_stream(task="Go.")][-1]

    with ScriptedServer(["One."]) as server:
        await record(store, server, ask)
    with ScriptedServer(["Two."]) as server, forked(store, server, says=((1, "And?"),)) as found:
        result = await ask(server)
    assert [text for _, text in said(result)] == ["And?", "Two."]
    assert found.verdicts == ["hit", "live"]
