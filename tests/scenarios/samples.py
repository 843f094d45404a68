"""Requests, replies and recorded runs for the tests of this folder."""

from __future__ import annotations

import itertools
from typing import Any

from harness.call import Call
from harness.model import CallRecord, Operation, Run, RunStatus, RunSummary, Span, Status, Usage
from scenarios.cassette import Exchange


def said(role: str, text: str, name: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": text}]}
    return body | ({"name": name} if name else {})


def asks_tool(call_id: str, tool: str, **arguments: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": call_id, "name": tool, "arguments": arguments}],
    }


def tool_said(call_id: str, response: str) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": response}]}


def chat_request(*messages: dict[str, Any], model: str = "gpt-4o", tools: list[Any] | None = None, **parameters: Any):
    return {"model": model, "messages": list(messages), "tools": tools or [], "parameters": parameters}


def chat_reply(text: str, tokens: int = 7) -> dict[str, Any]:
    return {
        "message": said("assistant", text),
        "finish_reason": "stop",
        "model": "gpt-4o-2024-08-06",
        "usage": {"input_tokens": tokens, "output_tokens": 2},
    }


def asked(*messages: dict[str, Any], agent: str = "coder", conversation: str = "", **more: Any) -> Call:
    request = chat_request(*messages, **more)
    return Call(operation=Operation.CHAT, agent=agent, conversation=conversation, request=request)


def exchange(call: Call, text: str) -> Exchange:
    return Exchange(
        kind=call.operation,
        agent=call.agent,
        conversation=call.conversation,
        request=call.request,
        reply=chat_reply(text),
    )


_numbers = itertools.count(1)


def span(operation: Operation, parent: Span | None = None, *, error: str | None = None, **attributes: Any) -> Span:
    number = next(_numbers)
    return Span(
        run_id="run1",
        trace_id="t",
        span_id=f"{number:016x}",
        parent_id=parent.span_id if parent else None,
        name=operation.value,
        kind="INTERNAL",
        operation=operation,
        status=Status.ERROR if error else Status.OK,
        seq=number,
        end_seq=number,
        start_ns=number,
        end_ns=number,
        attributes=attributes,
    )


def record(
    made: Span,
    request: dict[str, Any],
    reply: dict[str, Any] | None,
    *,
    agent: str | None = "coder",
    error: str | None = None,
) -> CallRecord:
    return CallRecord(
        span=made,
        agent=agent,
        name=None,
        model=request.get("model"),
        request=request,
        reply=reply,
        usage=Usage(),
        error=error,
    )


def run_of(*calls: CallRecord, spans: tuple[Span, ...] = (), started_ns: int = 1, run_id: str = "run1") -> Run:
    summary = RunSummary(
        run_id=run_id,
        source_id=None,
        name="n",
        started_ns=started_ns,
        ended_ns=None,
        status=RunStatus.FINISHED,
        ending=None,
        mode="record",
        framework="pyautogen 0.9",
        messages=0,
        model_calls=0,
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
    return Run(summary=summary, spans=[*spans, *(call.span for call in calls)], messages=[], calls=calls, endings={})
