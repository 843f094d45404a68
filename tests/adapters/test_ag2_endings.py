"""How AG2 1.x conversations go on and end: answers, failures, retries, interruptions."""

from __future__ import annotations

import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from harness import semconv
from harness.model import Operation, RunStatus, Status
from tests.adapters.ag2_stage import ag2, agent, config, said, store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import Reply, ScriptedServer, error, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]


async def test_a_fatal_alert_stops_the_agent_and_the_ending_says_why(store: Path) -> None:
    from ag2.events.alert import ObserverAlert, Severity
    from ag2.policies import AlertPolicy

    async def alarm(context: ag2.Context) -> str:
        await context.send(ObserverAlert(source="guard", severity=Severity.FATAL, message="too hot"))
        return "alarmed"

    with ScriptedServer([tool_call("alarm"), "Never."]) as server, recording(store) as seen:
        helper = agent("helper", server, tools=[alarm], assembly=[AlertPolicy()])
        reply = await helper.ask("Go.")
    kind, who, detail = seen.ending
    assert reply.body is not None
    assert (kind, who) == ("stopped", "helper")
    assert reply.body == f"HALTED: {detail}"
    assert "too hot" in str(detail)
    assert seen.run.summary.model_calls == len(server.log)


async def test_an_answer_that_an_observer_replaces_is_the_one_that_was_given(store: Path) -> None:
    from ag2.events import ModelMessage, ModelResponse

    def guard(event: Any) -> Any:
        if isinstance(event, ModelResponse):
            event = ModelResponse(ModelMessage("I may not say."))
        return event

    with ScriptedServer(["The secret."]) as server, recording(store) as seen:
        async with agent("helper", server).run("Go.") as run:
            run.stream.subscribe(guard, interrupt=True)
            reply = await run.result()
    (chat,) = (call for call in seen.run.calls if call.span.operation is Operation.CHAT)
    assert chat.reply is not None
    assert chat.reply["message"]["parts"][0]["content"] == "The secret."
    assert seen.run.messages[-1].text == reply.body == "I may not say."


async def test_what_is_put_in_the_inbox_during_a_turn_is_said_in_its_place(store: Path) -> None:
    with ScriptedServer(["First.", "Second."]) as server, recording(store) as seen:
        async with agent("helper", server).run("Go.") as run:

            def more(event: Any) -> None:
                if type(event).__name__ == "ModelMessage" and event.content == "First.":
                    run.enqueue("And?")

            run.stream.subscribe(more, sync_to_thread=False)
            await run.result()
    assert said(seen.run) == [
        ("user", ("helper",), "Go."),
        ("helper", ("user",), "First."),
        ("user", ("helper",), "And?"),
        ("helper", ("user",), "Second."),
    ]


async def test_a_model_that_refuses_and_one_that_says_nothing_end_it_each_in_its_way(store: Path) -> None:
    import openai

    with ScriptedServer([error(400, "too long"), Reply(text="")]) as server, recording(store) as seen:
        helper = agent("helper", server)
        with pytest.raises(openai.BadRequestError):
            await helper.ask("Go.")
        reply = await helper.ask("Again.")
    failed, silent = seen.runs
    assert reply.body is None
    assert (failed.summary.ending, failed.summary.status) == ("error", RunStatus.FAILED)
    assert [ending.detail for ending in failed.endings.values()] == ["BadRequestError"]
    assert (silent.summary.ending, silent.summary.status) == ("no_reply", RunStatus.FINISHED)
    assert [message.text for message in silent.messages] == ["Again."]


async def test_a_turn_that_is_cancelled_was_interrupted(store: Path) -> None:
    hold = threading.Event()
    with ScriptedServer([Reply(text="Too late.", hold=hold)]) as server, recording(store) as seen:
        asking = asyncio.ensure_future(agent("helper", server).ask("Go."))
        await asyncio.to_thread(server.wait_for, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        hold.set()
    assert seen.run.summary.ending == "interrupted"
    assert seen.run.summary.status is RunStatus.FAILED
    assert [span.name for span in seen.run.spans if span.end_ns is None] == []


async def test_a_run_that_is_left_before_it_ends_was_interrupted_and_one_never_driven_is_none(store: Path) -> None:
    hold = threading.Event()
    with ScriptedServer([Reply(text="Too late.", hold=hold)]) as server, recording(store) as seen:
        async with agent("helper", server).run("Never."):
            pass
        async with agent("helper", server).run("Go.") as run:
            run.start()
            await asyncio.to_thread(server.wait_for, 1)
        hold.set()
    assert seen.run.summary.ending == "interrupted"
    assert [message.text for message in seen.run.messages] == ["Go."]


async def test_what_the_client_and_what_a_middleware_ask_again_is_counted(store: Path) -> None:
    from ag2.middleware import RetryMiddleware

    script = [error(500, "later", retry_after_ms="1"), "First.", error(500, "later"), "Second."]
    with ScriptedServer(script) as server, recording(store) as seen:
        await agent("helper", server, config=config(server, max_retries=1)).ask("Go.")
        await agent("other", server, middleware=[RetryMiddleware(max_retries=1)]).ask("Go.")
    by_client, by_middleware = ([s for s in run.spans if s.operation is Operation.CHAT] for run in seen.runs)
    assert [span.attributes.get(semconv.HARNESS_RETRIES) for span in by_client] == [1]
    assert [span.status for span in by_middleware] == [Status.ERROR, Status.OK]
    assert len(server.log) == 4


async def test_an_answer_that_does_not_fit_its_schema_is_asked_for_again_in_the_same_run(store: Path) -> None:
    with ScriptedServer(["Three.", '{"data": 3}']) as server, recording(store) as seen:
        reply = await agent("helper", server).ask("How many?", response_schema=int)
        assert await reply.content(retries=1) == 3
    assert seen.run.summary.turns == 2
    assert all(call.request["parameters"]["response_format"]["schema"] for call in seen.run.calls)


def test_what_ag2_has_not_is_not_there_to_be_recorded() -> None:
    from ag2 import network
    from ag2.network import TransitionGraph

    exported = {*dir(ag2), *dir(network)}
    assert not {"GroupChat", "GroupChatManager", "SelectorGroupChat", "UserProxyAgent"} & exported
    settings = set(inspect.signature(ag2.Agent.__init__).parameters)
    assert not {"is_termination_msg", "max_turns", "max_consecutive_auto_reply", "human_input_mode", "cache"} & settings
    assert not {"max_turns", "max_rounds", "cache"} & set(inspect.signature(ag2.Agent.ask).parameters)
    assert "max_turns" in inspect.signature(TransitionGraph).parameters
