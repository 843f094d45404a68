"""What an AG2 1.x conversation looks like once it is recorded, compared with what the framework and the server say."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import semconv
from harness.model import Operation, RunStatus
from tests.adapters.ag2_stage import add, agent, said, store, tokens
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import ScriptedServer, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


async def test_two_turns_with_a_tool_are_one_run_as_the_server_tells_it(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "It is 3.", "Still 3."]) as server, recording(store) as seen:
        reply = await agent("helper", server, tools=[add]).ask("What is 1 + 2?")
        again = await reply.ask("Sure?")
    run = seen.run
    assert again.body == "Still 3."
    assert said(run) == [
        ("user", ("helper",), "What is 1 + 2?"),
        ("helper", ("helper",), "add(…)"),
        ("helper", ("helper",), "3"),
        ("helper", ("user",), "It is 3."),
        ("user", ("helper",), "Sure?"),
        ("helper", ("user",), "Still 3."),
    ]
    assert run.summary.model_calls == len(server.log) == 3
    assert run.summary.tool_calls == server.tool_calls.total() == 1
    assert (run.summary.input_tokens, run.summary.output_tokens) == server.tokens
    assert run.summary.cost_usd == pytest.approx(
        0.15e-6 * tokens(server, "prompt") + 0.6e-6 * tokens(server, "completion")
    )
    assert run.summary.turns == 2
    assert run.summary.status is RunStatus.FINISHED
    assert seen.ending == ("answered", "helper", "stop")


async def test_every_call_stands_under_the_turn_and_every_message_under_the_conversation(store: Path) -> None:
    with ScriptedServer([tool_call("add", a=1, b=2), "3."]) as server, recording(store) as seen:
        await agent("helper", server, tools=[add]).ask("Go.")
    (talk,) = seen.spans(Operation.CONVERSATION)
    (turn,) = seen.spans(Operation.TURN)
    assert turn.attributes[semconv.GEN_AI_AGENT] == "helper"
    assert [span.parent_id for span in seen.spans(Operation.CHAT)] == [turn.span_id, turn.span_id]
    assert [span.parent_id for span in seen.spans(Operation.TOOL)] == [turn.span_id]
    assert {span.parent_id for span in (*seen.spans(Operation.MESSAGE), turn)} == {talk.span_id}
