"""What leaves over OTLP and comes back from the file that a receiver kept is the run it was."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from harness import semconv
from harness.call import Call, Reply
from harness.journal import Journal
from harness.model import Operation
from harness.store import Store
from harness.trace import Trace
from tests.importers.bringing import import_into

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.model import Run

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")


def body(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "content": said}


def calls() -> Iterator[tuple[Call, Reply]]:
    """Every kind of call, answered and failed."""
    asked = [body("system", text("Add.")), body("user", text("1 + 1?"))]
    request = {
        "model": "gpt-4o-mini",
        "messages": asked,
        "tools": [{"type": "function", "name": "add"}],
        "parameters": {"temperature": 0, "stop": ["x"]},
    }
    answer = body("assistant", {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}})
    value = {
        "message": answer,
        "finish_reason": "tool_calls",
        "model": "gpt-4o-mini-1",
        "id": "r1",
        "usage": {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 2, "reasoning_tokens": 0},
    }
    yield Call(operation=Operation.CHAT, agent="bot", request=request), Reply(value=value)
    longer = {**request, "messages": [*asked, answer]}
    yield Call(operation=Operation.CHAT, agent="bot", request=longer), Reply(error=ValueError("no luck"))
    yield Call(operation=Operation.CHAT, agent="bot", request=longer), Reply(value=value, cache_hit=True)
    tool = {"name": "add", "arguments": {"a": 1, "deep": [{"b": None}]}, "call_id": "c1"}
    yield Call(operation=Operation.TOOL, agent="bot", request=tool), Reply(value={"result": {"sum": 2}})
    code = {"blocks": [{"language": "python", "code": "print(1)"}]}
    yield Call(operation=Operation.CODE, agent="bot", request=code), Reply(value={"exit_code": 0, "output": "1"})
    yield Call(operation=Operation.HUMAN, agent="me", request={"prompt": "Go on?"}), Reply(value={"input": ""})
    choice = {"method": "auto", "candidates": ["bot", "me"]}
    yield Call(operation=Operation.SELECTION, agent="boss", request=choice), Reply(value={"choice": "me"})
    yield (
        Call(operation=Operation.SELECTION, agent="boss", request=choice),
        Reply(value={"choice": ""}, error=OSError()),
    )


def record(folder: Path) -> Run:
    """Record a run with everything in it; its last conversation is cut off as by a kill."""
    journal = Journal(folder)
    run_attributes = {
        semconv.HARNESS_RUN_NAME: "all",
        semconv.HARNESS_RUN_TAGS: ["a", "b"],
        semconv.HARNESS_RUN_MODE: "live",
    }
    trace = Trace(journal, attributes=run_attributes)
    with trace.within(trace.new_run("mine")):
        with trace.operation(Operation.CONVERSATION, "talk") as talk:
            trace.spoken("me", ["bot"], body("user", text("1 + 1?")))
            with trace.operation(Operation.TURN, "bot"):
                for call, reply in calls():
                    trace.observed(call, reply)
            heard = trace.spoken("bot", [], body("assistant", text("\u2028 two ✓")), heard=False)
            trace.delivered(heard, ["me", "you"])
            talk.notes["end"] = {semconv.HARNESS_ENDING: "max_turns", semconv.HARNESS_ENDING_DETAIL: 3}
        trace.open(Operation.CONVERSATION, "cut off", {})
    journal.close()
    store = Store(folder)
    store.ingest()
    return store.run("mine")


def test_our_own_runs_come_back_as_they_were(tmp_path):
    from exporters.otlp import Otlp
    from tests.exporters.receiver import Receiver

    run = record(tmp_path / "ours")
    with Receiver() as receiver:
        assert Otlp().export([run], endpoint=receiver.endpoint).complete
    # Protobuf messages that follow each other are one.
    (tmp_path / "kept").write_bytes(b"".join(request.SerializeToString() for request in receiver.requests))
    store, (account,) = import_into(tmp_path / "theirs", tmp_path / "kept")
    assert (account.new, account.spans, account.bad) == (1, len(run.spans), [])
    back = store.run("mine")
    assert asdict(back.summary) == asdict(run.summary)
    assert back.endings == run.endings
    assert [(m.span_id, m.at_ns, m.sender, m.recipients, m.role, m.body, m.conversation_id) for m in back.messages] == [
        (m.span_id, m.at_ns, m.sender, m.recipients, m.role, m.body, m.conversation_id) for m in run.messages
    ]
    assert [_facts(call) for call in back.calls] == [_facts(call) for call in run.calls]
    assert [
        (s.span_id, s.parent_id, s.trace_id, s.name, s.kind, s.status, s.start_ns, s.end_ns) for s in back.spans
    ] == [(s.span_id, s.parent_id, s.trace_id, s.name, s.kind, s.status, s.start_ns, s.end_ns) for s in run.spans]
    own, (again,) = import_into(tmp_path / "ours", tmp_path / "kept")
    assert (again.new, again.grown, again.known, again.spans) == (0, 0, 1, 0)
    assert asdict(own.run("mine").summary) == asdict(run.summary)


def _facts(call):
    return call.span.span_id, call.agent, call.name, call.model, call.request, call.reply, call.usage, call.error
