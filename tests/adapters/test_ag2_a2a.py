"""An AG2 agent whose model is an agent elsewhere, over A2A: asking it is a model call; a server here is seen, too."""

from __future__ import annotations

import pytest

from harness.model import Operation
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import ScriptedServer

pytest.importorskip("a2a", reason="AG2's extra a2a is not installed")
ag2 = pytest.importorskip("ag2", reason="the ag2 extra is not installed")
testing = pytest.importorskip("ag2.a2a.testing", exc_type=ImportError)

pytestmark = [*THEIR_WARNINGS, pytest.mark.asyncio]
MODEL = "gpt-4o-mini"


async def test_an_agent_over_a2a_is_asked_as_a_model_is_and_its_own_model_stands_in_its_turn(tmp_path):
    from ag2.a2a import A2AConfig, A2AServer
    from ag2.config import OpenAIConfig

    with ScriptedServer(["pong"]) as server, recording(tmp_path / "store") as seen:
        settings = OpenAIConfig(model=MODEL, base_url=server.base_url, api_key=server.api_key)
        far = A2AServer(ag2.Agent("far", prompt="You answer.", config=settings))
        factory = testing.make_test_client_factory(far, url="http://test")
        near = ag2.Agent("near", config=A2AConfig(card_url="http://test", httpx_client_factory=factory))
        reply = await near.ask("ping")
    assert reply.body == "pong"
    asked = [(call.agent, call.model) for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert asked == [("near", "far"), ("far", MODEL)]
    assert [(message.sender, message.recipients, message.text) for message in seen.run.messages] == [
        ("user", ("near",), "ping"),
        ("near", ("far",), "ping"),
        ("far", ("near",), "pong"),
        ("near", ("user",), "pong"),
    ]
    assert seen.run.summary.input_tokens == server.tokens[0]
