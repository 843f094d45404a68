"""AG2 1.x agents that are replayed up to a message and go on for real, with another model or prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ag2_stage import ag2, agent, config, record, store
from tests.adapters.forks import forked
from tests.adapters.recorded import THEIR_WARNINGS
from tests.server import ScriptedServer

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


async def play(server: ScriptedServer) -> list[Any]:
    reply = await agent("helper", server).ask("One?")
    again = await reply.ask("Two?")
    return [reply.body, again.body]


async def recorded(store: Path) -> None:
    with ScriptedServer(["One.", "Two."]) as server:
        assert await record(store, server, play) == ["One.", "Two."]


@pytest.mark.parametrize(("message", "played"), [(0, 0), (1, 0), (2, 1), (3, 1)])
async def test_it_is_played_up_to_the_message_and_real_from_there(store: Path, message: int, played: int) -> None:
    await recorded(store)
    script = ["ONE.", "TWO."][played:]
    with ScriptedServer(script) as server, forked(store, server, message=message) as found:
        assert await play(server) == ["One."][:played] + script
    assert found.verdicts == ["hit"] * played + ["live"] * (2 - played)


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_model_and_the_prompt_change_after_the_fork_alone_and_the_run_says_so(
    store: Path, *, streaming: bool
) -> None:
    async def asks(server: ScriptedServer) -> list[Any]:
        helper = agent("helper", server, config=config(server, streaming=streaming))
        reply = await helper.ask("One?")
        return [reply.body, (await reply.ask("Two?")).body, helper.config.model]

    with ScriptedServer(["One.", "Two."]) as server:
        await record(store, server, asks)
    changes: dict[str, Any] = {"model": "gpt-4o", "prompts": {"helper": "You shout."}}
    with ScriptedServer(["TWO."]) as server, forked(store, server, message=3, **changes) as found:
        assert await asks(server) == ["One.", "TWO.", "gpt-4o-mini"]
    assert found.asked == [("gpt-4o", "You shout.", "Two?")]
    assert found.models == ["gpt-4o-mini", "gpt-4o"]
    assert found.run.calls[-1].request["messages"][0]["parts"][0]["content"] == "You shout."


async def test_an_agent_that_has_answered_goes_on_with_one_thing_more(store: Path) -> None:
    async def once(server: ScriptedServer) -> Any:
        return (await agent("helper", server).ask("One?")).body

    with ScriptedServer(["One."]) as server:
        await record(store, server, once)
    with ScriptedServer(["More."]) as server, forked(store, server, says=((1, "And?"),)) as found:
        assert await once(server) == "More."
    assert found.verdicts == ["hit", "live"]
    assert [one["content"] for one in server.log[0]["request"]["messages"]] == ["You help.", "One?", "One.", "And?"]
    assert "ask" in vars(ag2.Agent)
