"""List what was spoken: each message once, however many agents heard it and however its span ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import semconv
from harness.derive.attributes import text, texts
from harness.derive.forest import conversations, place
from harness.derive.history import Parts, message
from harness.model import Message, Operation, Span


def messages(spans: Sequence[Span], parts: Parts, within: Mapping[str, str | None] | None = None) -> list[Message]:
    """List the messages of a run by time, then ``seq``. One whose content was lost has no parts.

    *within* is what ``forest.conversations`` says of *spans*, where it is known already.
    """
    within = conversations(spans) if within is None else within
    said = sorted((span for span in spans if span.operation is Operation.MESSAGE), key=place)
    return [spoken(span, within.get(span.span_id), parts) for span in said]


def spoken(span: Span, conversation_id: str | None, parts: Parts) -> Message:
    """Read the one message that *span* stands for."""
    attributes = span.attributes
    body = message(parts.get(text(attributes, semconv.HARNESS_MESSAGE_PART) or "")) or {"parts": []}
    named = body.get("role")
    role = text(attributes, semconv.HARNESS_ROLE) or (named if isinstance(named, str) else "")
    return Message(
        run_id=span.run_id,
        seq=span.seq,
        at_ns=span.start_ns,
        span_id=span.span_id,
        conversation_id=conversation_id,
        sender=text(attributes, semconv.HARNESS_SENDER) or "",
        recipients=texts(attributes, semconv.HARNESS_RECIPIENTS),
        role=role,
        body=body,
    )
