"""What checks are fed live is what the stored run gives them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import derive, semconv
from harness.derive import exchanges
from harness.guarding.watching import Watching
from harness.model import Event, Operation, Span, Status
from harness.store import open_store
from tests.adapters.recorded import THEIR_WARNINGS
from tests.server import Reply, Request, ScriptedServer, ToolCall

pytestmark = THEIR_WARNINGS


class Live:
    """Everything that was written, as the events it brought."""

    def __init__(self, attached: Any) -> None:
        self.events: dict[str, list[Event]] = {}
        self._watching: dict[str, Watching] = {}
        attached.trace.watch = self._see

    def _see(self, scope: Any, _line: str, contents: Any, links: Any) -> None:
        watching = self._watching.setdefault(scope.run.run_id, Watching())
        self.events.setdefault(scope.run.run_id, []).extend(watching.see(scope, contents, links))


def seen(event: Event) -> Any:
    """What a check may rely on: at its start a span has the attributes it began with."""
    span = replace(event.span, status=Status.OPEN, end_ns=None, end_seq=None, attributes={})
    call = None if event.call is None else replace(event.call, span=span)
    return event.phase, event.number, span, event.message, call, event.ending


def equal(store: Path, live: Live) -> Iterator[str]:
    """Hold every run against what was seen of it; give their ids."""
    opened = open_store(store)
    for run_id, found in live.events.items():
        stored = list(derive.events(opened.run(run_id)))
        assert [seen(event) for event in found] == [seen(event) for event in stored]
        ends = [
            (one.span.attributes, other.span.attributes)
            for one, other in zip(found, stored, strict=True)
            if one.phase == "end"
        ]
        assert [one for one, _ in ends] == [other for _, other in ends]
        yield run_id


def answer(request: Request) -> str | Reply:
    """Use a tool, then talk, then be done; pick the other speaker where one is to be picked."""
    messages = request["messages"]
    last = str(messages[-1].get("content"))
    if "select the next role" in str(messages) or "Read the above" in last:
        return "bob" if "bob" not in str(messages[-1]) else "ann"
    if request.get("tools") and messages[-1]["role"] != "tool":
        return Reply(tool_calls=[ToolCall(name="add", arguments={"a": len(messages), "b": 2})])
    return (
        "That is all. TERMINATE"
        if len(messages) > 6
        else f"I have {len(messages)} with the key sk-abcdefghijklmnopqrstuvwx12345678."
    )


def test_two_classic_agents_with_a_tool_and_a_group(tmp_path: Path) -> None:
    autogen = pytest.importorskip("autogen")
    from tests.adapters.stage import assistant, group, proxy

    def add(a: int, b: int) -> int:
        return a + b

    with ScriptedServer(answer) as server:
        live = Live(harness.instrument(tmp_path))
        try:
            helper, user = assistant("helper", server), proxy()
            autogen.register_function(add, caller=helper, executor=user, name="add", description="Add.")
            user.initiate_chat(helper, message="Add.", max_turns=4, silent=True)
            ann, bob = assistant("ann", server), assistant("bob", server)
            _, manager = group(server, [ann, bob], max_round=6, speaker_selection_method="auto")
            bob.register_nested_chats(
                [{"recipient": assistant("inner", server), "message": "Help.", "max_turns": 1}], trigger=manager
            )
            ann.initiate_chat(manager, message="Go.", silent=True)
        finally:
            harness.uninstrument()
    assert len(list(equal(tmp_path, live))) == 2
    recipients = [event.message.recipients for events in live.events.values() for event in events if event.message]
    assert ("bob",) in recipients


async def test_teams_of_agentchat_and_a_team_inside_one(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.agentchat_stage")

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    with ScriptedServer(answer) as server:
        live = Live(harness.instrument(tmp_path))
        clients = [stage.client(server) for _ in range(4)]
        try:
            ann = stage.agents.AssistantAgent("ann", clients[0], tools=[add])
            bob = stage.agents.AssistantAgent("bob", clients[1])
            team = stage.teams.SelectorGroupChat([ann, bob], model_client=clients[2], max_turns=4)
            await team.run(task="Go.")
        finally:
            harness.uninstrument()
            for client in clients:
                await client.close()
    assert len(list(equal(tmp_path, live))) == 1


async def test_agents_of_ag2_with_a_tool(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.ag2_stage")
    with ScriptedServer(answer) as server:
        live = Live(harness.instrument(tmp_path))
        try:
            reply = await stage.agent("ann", server, tools=[stage.add]).ask("Add.")
            await reply.ask("And again?")
        finally:
            harness.uninstrument()
    assert len(list(equal(tmp_path, live))) == 1


def test_of_turns_and_calls_only_the_events_that_are_wanted_are_made(tmp_path: Path) -> None:
    every, some = Watching(), Watching(wanted=lambda moment: moment == ("end", Operation.TOOL))
    made: tuple[list[Event], list[Event]] = ([], [])

    def see(scope: Any, _line: str, contents: Any, links: Any) -> None:
        for watching, events in zip((every, some), made, strict=True):
            events.extend(watching.see(scope, contents, links))

    trace = harness.instrument(tmp_path).trace
    trace.watch = see
    try:
        with trace.operation(Operation.CONVERSATION, "talk"):
            for word in ("One.", "Two.", "Three."):
                with trace.operation(Operation.TURN, "ann"):
                    said = {"role": "user", "parts": [{"type": "text", "content": word}]}
                    spoken = trace.spoken("ann", [], said, heard=False)
                    with trace.operation(Operation.TOOL, "add"):
                        trace.note(spoken.run, "noted", {})
                    trace.delivered(spoken, ["bob"])
        with trace.operation(Operation.TURN, "ann"):
            pass
    finally:
        harness.uninstrument()
    wanted = [
        event
        for event in made[0]
        if event.span.operation in {Operation.CONVERSATION, Operation.MESSAGE}
        or event.span.parent_id is None
        or (event.phase, event.span.operation) == ("end", Operation.TOOL)
    ]
    assert made[1] == wanted
    assert [event.phase for event in wanted].count("point") == 3
    assert len(wanted) < len(made[0])


def test_what_a_model_was_asked_and_answered_is_read_where_somebody_looks_and_once() -> None:
    read: list[str] = []

    def parts() -> dict[str, Any]:
        read.append("parts")
        return {"out": {"role": "assistant", "parts": [{"type": "text", "content": "Two."}]}}

    def history(name: str) -> list[Any]:
        read.append(name)
        return [{"role": "user", "parts": [{"type": "text", "content": "One and one?"}]}]

    attributes = {
        semconv.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
        semconv.GEN_AI_AGENT: "ann",
        semconv.HARNESS_INPUT_CONTEXT: "context",
        semconv.HARNESS_OUTPUT_PART: "out",
        semconv.GEN_AI_OUTPUT_TOKENS: 3,
    }
    span = Span(
        run_id="run",
        trace_id="t",
        span_id="1",
        parent_id=None,
        name="chat",
        kind="CLIENT",
        operation=Operation.CHAT,
        status=Status.OK,
        seq=1,
        end_seq=2,
        start_ns=1,
        end_ns=2,
        attributes=attributes,
    )
    call = exchanges.put_off(span, parts, history)
    assert (call.agent, call.model, call.usage.output_tokens, call.error) == ("ann", "gpt-4o-mini", 3, None)
    assert read == []
    assert call.reply is not None
    assert call.reply["message"] == call.reply.get("message") == parts()["out"]
    assert read == ["parts", "parts"]
    assert call == exchanges.record(span, parts(), history)
