"""Derive exchanges from what runs recorded: recording is promoting.

Nothing is kept that changes from one recording to the next unless an answer did: no times, no places, no ids of
responses; ids of tool calls are ``call_1``, ``call_2`` … in order of appearance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.model import CALLS, Json, Operation
from harness.settings import answering

from .exchanges import CHOSEN_BY_OUTSIDE, NEVER_ASKED, Exchange, Failure, Outcome
from .matching import request_fields

if TYPE_CHECKING:
    from harness.model import CallRecord, Run, Span


def of_run(run: Run) -> list[Exchange]:
    """List what *run* asked and was answered, in the order in which it asked. Calls nobody answered are left out."""
    spans = {span.span_id: span for span in run.spans}
    above = {call.span.span_id: _above(call.span, spans) for call in run.calls}
    asking = {span.span_id for call in run.calls for span in above[call.span.span_id] if span.operation in CALLS}
    found = []
    for call in run.calls:
        kind = call.span.operation
        if kind is Operation.SELECTION and call.request.get("method") not in CHOSEN_BY_OUTSIDE:
            continue
        if call.span.attributes.get(semconv.HARNESS_REPLAY_VERDICT) == Outcome.STUB.value:
            continue
        if any(span.operation is Operation.CHAT for span in above[call.span.span_id]):
            continue  # A model client that asks another one: the outer answer is the one replayed.
        acts = bool(call.span.attributes.get(semconv.HARNESS_TOOL_ACTS))
        live = acts or (call.span.span_id in asking and kind is not Operation.CHAT)
        if not live and all(value is None for value in answer(call).values()):
            continue
        found.append(
            Exchange(
                kind=kind,
                agent=call.agent,
                conversation=_conversation(above[call.span.span_id]),
                request=request_of(kind, call.request),
                **({} if live else answer(call)),
            )
        )
    return found


def answer(call: CallRecord) -> dict[str, Any]:
    """Give the *reply* or the *failure* of an exchange that holds what *call* was answered; the other one is None."""
    if call.reply is None:
        return {"reply": None, "failure": _failure(call)}
    return {"reply": _reply(call.span.operation, call.reply), "failure": None}


def _above(span: Span, spans: Mapping[str, Span]) -> list[Span]:
    found: list[Span] = []
    seen = {span.span_id}
    parent = spans.get(span.parent_id or "")
    while parent is not None and parent.span_id not in seen:
        seen.add(parent.span_id)
        found.append(parent)
        parent = spans.get(parent.parent_id or "")
    return found


def _conversation(above: Sequence[Span]) -> str:
    """Name the innermost conversation a call belongs to, as adapters do in ``Call.conversation``."""
    inner = next((span for span in above if span.operation is Operation.CONVERSATION), None)
    return str(inner.attributes.get(semconv.GEN_AI_WORKFLOW) or "") if inner is not None else ""


def _failure(call: CallRecord) -> Failure | None:
    attributes = call.span.attributes
    kind, text = attributes.get(semconv.ERROR_TYPE), attributes.get(semconv.ERROR_MESSAGE)
    if (kind is None and call.error is None) or kind in NEVER_ASKED:
        return None
    status, body = attributes.get(semconv.HTTP_STATUS), attributes.get(semconv.HARNESS_ERROR_BODY)
    return Failure(
        type=str(kind or "Exception"),
        message=str(call.error or "" if text is None else text),
        status=status if type(status) is int else None,
        body=_object(body),
    )


def _object(text: object) -> dict[str, Json] | None:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def request_of(kind: Operation, request: Mapping[str, Json]) -> dict[str, Json]:
    """Keep of a request what a cassette holds: what may change the answer."""
    if kind is Operation.CHAT:
        return {
            "model": request.get("model"),
            "messages": list(request.get("messages") or ()),
            "tools": list(request.get("tools") or ()),
            "parameters": answering(request.get("parameters") or {}),
        }
    return request_fields(kind, request)


def _reply(kind: Operation, reply: Mapping[str, Json]) -> dict[str, Json]:
    kept = {name: value for name, value in reply.items() if value is not None}
    if kind is Operation.CHAT:
        kept.pop("id", None)
        if "choices" in kept:
            choices = kept["choices"]
            kept["choices"] = [{name: value for name, value in one.items() if value is not None} for one in choices]
    return kept
