"""Runs made by hand, for tests that need one of a certain shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import semconv
from harness.model import (
    CallRecord,
    Json,
    Message,
    Operation,
    Run,
    RunStatus,
    RunSummary,
    Span,
    Status,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUN_ID = "0123456789abcdef"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
START_NS = 1_750_000_000_000_000_000


def span(number: int, operation: Operation = Operation.OTHER, *, parent: int | None = None, **changes: Json) -> Span:
    """Make the *number*-th span (from 1): it starts that many milliseconds into the run and lasts half of one."""
    start = START_NS + number * 1_000_000
    fields = {
        "run_id": RUN_ID,
        "trace_id": TRACE_ID,
        "span_id": f"{number:016x}",
        "parent_id": None if parent is None else f"{parent:016x}",
        "name": f"{operation.value} {number}",
        "kind": "CLIENT" if operation is Operation.CHAT else "INTERNAL",
        "operation": operation,
        "status": Status.OK,
        "seq": 2 * number,
        "end_seq": 2 * number + 1,
        "start_ns": start,
        "end_ns": start + 500_000,
    }
    return Span(**{**fields, "attributes": {}, **changes})


def run(spans: Sequence[Span], *, calls: Sequence[CallRecord] = (), messages: Sequence[Message] = ()) -> Run:
    """Put *spans* together as a run."""
    summary = RunSummary(
        run_id=RUN_ID,
        source_id=None,
        name="made by hand",
        started_ns=START_NS,
        ended_ns=None,
        status=RunStatus.FINISHED,
        ending=None,
        mode="live",
        framework=None,
        messages=len(messages),
        model_calls=len(calls),
        tool_calls=0,
        turns=0,
        errors=0,
        input_tokens=None,
        output_tokens=None,
        cost_usd=None,
        findings=0,
        worst=None,
        tags=(),
    )
    return Run(summary=summary, spans=spans, messages=messages, calls=calls, endings={})


def text(role: str, content: str) -> dict[str, Json]:
    """Make a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def chat(place: Span, request: Mapping[str, Json], reply: Mapping[str, Json] | None) -> CallRecord:
    """Make the record of a model call at *place*."""
    return CallRecord(
        span=place,
        agent="coder",
        name=None,
        model="gpt-4o",
        request=request,
        reply=reply,
        usage=Usage(input_tokens=10, output_tokens=2, cost_usd=0.00005),
        error=None,
    )


def small() -> Run:
    """Make a conversation with one turn, one model call and two messages."""
    root = span(1, Operation.CONVERSATION, attributes={semconv.HARNESS_RUN_ID: RUN_ID})
    turn = span(2, Operation.TURN, parent=1)
    asked = span(
        3,
        Operation.CHAT,
        parent=2,
        attributes={
            semconv.GEN_AI_INPUT_TOKENS: 10,
            semconv.GEN_AI_COST: 0.00005,
            semconv.GEN_AI_REQUEST_MODEL: "gpt-4o",
        },
    )
    tools = [{"type": "function", "name": "add", "parameters": {"type": "object"}}]
    answer = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}]}
    call = chat(
        asked,
        {
            "model": "gpt-4o",
            "messages": [text("system", "Add."), text("user", "1 + 1?")],
            "tools": tools,
            "parameters": {},
        },
        {"message": answer, "finish_reason": "tool_calls", "model": "gpt-4o", "usage": {}},
    )
    said = span(4, Operation.MESSAGE, parent=2)
    message = Message(
        run_id=RUN_ID,
        seq=said.seq,
        at_ns=said.start_ns,
        span_id=said.span_id,
        conversation_id=root.span_id,
        sender="coder",
        recipients=("user",),
        role="assistant",
        body=answer,
    )
    return run([root, turn, asked, said], calls=[call], messages=[message])
