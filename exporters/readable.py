"""Rebuild OpenTelemetry SDK spans from a stored run, contents included.

Ids, parents, times, kinds and attributes are those of the store. What the store keeps once for a whole run
is put back where OpenTelemetry readers look for it: the messages and tools of a model call as JSON strings
on its own span.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status as OTelStatus
from opentelemetry.trace.status import StatusCode

from harness import __version__, semconv
from harness.model import CallRecord, Json, Message, Operation, Run, Span, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from opentelemetry.util.types import AttributeValue

SCHEMA = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
SERVICE = "autogen-harness"
_SCOPE = InstrumentationScope("autogen-harness", __version__, SCHEMA)
_INT64 = range(-(2**63), 2**63)
_DOUBLES = frozenset({semconv.GEN_AI_COST, semconv.HARNESS_COST_FRAMEWORK})
_FINISH = {"tool_calls": "tool_call", "function_call": "tool_call"}


def resource() -> Resource:
    """Say who sends: what ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` ask for, else the harness."""
    described = Resource.create()
    if str(described.attributes.get("service.name", "")).startswith("unknown_service"):
        return described.merge(Resource({"service.name": SERVICE}))
    return described


def readable(run: Run, sender: Resource) -> Iterator[ReadableSpan | str]:
    """Give each span of *run* as an SDK span, in the run's order; one that cannot be sent as the reason why."""
    contents = {call.span.span_id: _call_contents(call) for call in run.calls}
    contents.update({message.span_id: _message_contents(message) for message in run.messages})
    ends = _last_known(run.spans)
    for span in run.spans:
        attributes = {**span.attributes, **contents.get(span.span_id, {})}
        if span.status in {Status.OPEN, Status.INTERRUPTED}:
            attributes[semconv.HARNESS_STATUS] = span.status.value
        try:
            yield _span(span, attributes, ends[span.span_id], sender)
        except ValueError as error:
            yield f"span {span.span_id!r} of run {run.run_id!r} cannot be sent: {error}"


def _span(span: Span, attributes: Mapping[str, Json], end_ns: int, sender: Resource) -> ReadableSpan:
    if span.start_ns < 0 or end_ns < 0:
        raise ValueError("its time lies before 1970")
    context = _context(span.trace_id, span.span_id)
    return ReadableSpan(
        name=sayable(span.name),
        context=context,
        parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
        resource=sender,
        attributes=dict(_attributes(attributes)),
        kind=SpanKind.__members__.get(span.kind.upper(), SpanKind.INTERNAL),
        status=_status(span),
        start_time=span.start_ns,
        end_time=end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))
    if not context.is_valid:
        raise ValueError("its ids are not OpenTelemetry's")
    return context


def _status(span: Span) -> OTelStatus:
    # OpenTelemetry leaves OK to the application's author; an instrumentation says nothing or ERROR.
    if span.status is Status.ERROR:
        told = span.attributes.get(semconv.ERROR_MESSAGE) or span.attributes.get(semconv.ERROR_TYPE)
        return OTelStatus(StatusCode.ERROR, sayable(str(told)) if told else None)
    if span.status is Status.INTERRUPTED:
        return OTelStatus(StatusCode.ERROR, "interrupted: the process died before it ended")
    return OTelStatus(StatusCode.UNSET)


def _last_known(spans: Iterable[Span]) -> dict[str, int]:
    """Find each span's end; for one that has none, the latest time known of it and of what it contains."""
    spans = list(spans)
    known = {span.span_id: span.end_ns if span.end_ns is not None else span.start_ns for span in spans}
    open_ones = {span.span_id: span for span in spans if span.end_ns is None}
    parents = {span.span_id: span.parent_id for span in spans}
    for span in spans:
        above, seen = parents[span.span_id], {span.span_id}
        while above is not None and above in parents and above not in seen:
            seen.add(above)
            if above in open_ones:
                known[above] = max(known[above], known[span.span_id])
            above = parents[above]
    return known


def _call_contents(call: CallRecord) -> dict[str, Json]:
    if call.span.operation is not Operation.CHAT:
        return {}
    found: dict[str, Json] = {semconv.GEN_AI_OPERATION: "chat"}
    if call.request.get("messages"):
        found[semconv.GEN_AI_INPUT_MESSAGES] = as_json(call.request["messages"])
    if call.request.get("tools"):
        found[semconv.GEN_AI_TOOL_DEFINITIONS] = as_json(call.request["tools"])
    if call.reply is not None and call.reply.get("message"):
        reason = call.reply.get("finish_reason") or "stop"
        message = {**call.reply["message"], "finish_reason": _FINISH.get(reason, reason)}
        found[semconv.GEN_AI_OUTPUT_MESSAGES] = as_json([message])
    return found


def _message_contents(message: Message) -> dict[str, Json]:
    return {semconv.HARNESS_MESSAGE_BODY: as_json(message.body)}


def _attributes(attributes: Mapping[str, Json]) -> Iterator[tuple[str, AttributeValue]]:
    for name, value in attributes.items():
        if value is None:
            continue
        if name in _DOUBLES and isinstance(value, int):
            yield name, float(value)
        elif _plain(value):
            yield sayable(name), sayable(value) if isinstance(value, str) else value
        elif isinstance(value, (list, tuple)) and len({type(item) for item in value}) <= 1 and all(map(_plain, value)):
            yield sayable(name), [sayable(item) if isinstance(item, str) else item for item in value]
        else:
            yield sayable(name), as_json(value)


def _plain(value: object) -> bool:
    return isinstance(value, (str, bool, float)) or (isinstance(value, int) and value in _INT64)


def as_json(value: Json) -> str:
    """Write *value* as a JSON string that any UTF-8 wire can carry."""
    return sayable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def sayable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry, by question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def weight(span: ReadableSpan) -> int:
    """Bound from above how many bytes *span* takes on the wire."""
    return (
        256
        + _size(span.name)
        + _size(span.status.description)
        + sum(32 + _size(name) + _size(value) for name, value in (span.attributes or {}).items())
    )


def _size(value: Any) -> int:  # noqa: ANN401 - any attribute value
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, tuple)):
        return sum(16 + _size(item) for item in value)
    return 0 if value is None else 16
