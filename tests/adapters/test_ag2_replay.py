"""AG2 1.x agents answered by a cassette: the same conversation, and no word to anybody outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.adapters.ag2_stage import add, agent, record, replay, store
from tests.adapters.recorded import THEIR_WARNINGS
from tests.server import ScriptedServer, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


async def two_turns(server: ScriptedServer) -> list[Any]:
    reply = await agent("helper", server, tools=[add]).ask("What is 1 + 2?")
    again = await reply.ask("Sure?")
    return [event for event in await again.history.get_events() if type(event).__name__ != "UsageEvent"]


async def test_a_conversation_with_a_tool_is_replayed_event_for_event(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "It is 3.", "Still 3."]) as server:
        first = await record(store, server, two_turns)
    for _ in range(2):
        again, replaying = await replay(store, two_turns)
        assert again == first
        assert (replaying.hits, replaying.misses, replaying.unused()) == (4, (), ())
