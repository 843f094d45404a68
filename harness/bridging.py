"""Meet the program's own OpenTelemetry tracing: its span around a conversation, and its provider. Neither is ever set.

A run that begins inside a span of the program takes over its trace, and has that span as its parent. Where it was asked
for, each of our spans is made in the program's provider, too: the same span, by its ids, and its own spans inside ours,
of an HTTP client for example, find their place under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from harness import semconv
from harness.model import Json

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

SCOPE = "autogen-harness"


def around() -> Span:
    """Give the program's current span; an invalid one if there is none."""
    return trace.get_current_span()


def inside(span: Span, context: Context) -> Context:
    """Give *context* with *span* as the current one."""
    return trace.set_span_in_context(span, context)


def ids(span: Span) -> tuple[str, str] | None:
    """Give the ids of *span*, of its trace first, in hex; None for an invalid one."""
    context = span.get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def begin(record: Mapping[str, Any], provider: TracerProvider | None) -> Span | None:
    """Begin the span that *record* tells of in the program's *provider* (default: the global one).

    None if there is none, or it does not want the span.
    """
    span = trace.get_tracer(SCOPE, tracer_provider=provider).start_span(
        record["name"],
        kind=SpanKind[record["kind"]],
        attributes=_attributes(record["attributes"]),
        start_time=record["start_ns"],
    )
    return span if span.is_recording() else None


def end(span: Span, record: Mapping[str, Any]) -> None:
    """End *span* as *record* tells."""
    attributes = record["attributes"]
    span.set_attributes(_attributes(attributes))
    if record["status"] == "error":
        span.set_status(Status(StatusCode.ERROR, attributes.get(semconv.ERROR_MESSAGE)))
    span.end(record["end_ns"])


def _attributes(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """Keep what OpenTelemetry can hold: texts, numbers, and lists of texts."""
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, (str, bool, int, float))
        or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    }
