"""A classic agent that is elsewhere, over A2A: its turn is recorded, and its server tells what its model is asked."""

from __future__ import annotations

import pytest

from harness.model import Operation
from tests.adapters.stage import THEIR_WARNINGS, proxy, recording

pytest.importorskip("a2a", reason="AG2's extra a2a is not installed")
a2a = pytest.importorskip("autogen.a2a", exc_type=ImportError)
pytestmark = [*THEIR_WARNINGS, pytest.mark.filterwarnings("ignore::ImportWarning"), pytest.mark.asyncio]


async def test_the_turn_of_an_agent_over_a2a_is_recorded_without_a_model_call(tmp_path):
    far = a2a.A2aRemoteAgent("http://far.invalid", "far", client=a2a.MockClient("pong"))
    with recording(tmp_path / "store") as seen:
        result = await proxy().a_initiate_chat(far, message="ping", max_turns=1)
    assert [message["content"] for message in result.chat_history] == ["ping", "pong"]
    assert [(said.sender, said.recipients, said.text) for said in seen.run.messages] == [
        ("user", ("far",), "ping"),
        ("far", ("user",), "pong"),
    ]
    assert [span.name for span in seen.spans(Operation.TURN)] == ["invoke_agent far"]
    assert list(seen.run.calls) == []
