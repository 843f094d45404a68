"""Spans for tests, as few words as they need."""

from __future__ import annotations

from typing import Any

from harness.model import Operation, Span, Status


def span(
    span_id: str, operation: Operation = Operation.OTHER, *, at: int = 0, until: int | None = None, **fields: Any
) -> Span:
    """A span that began at *at* and ended at *until*: open without one."""
    values: dict[str, Any] = {
        "run_id": "r",
        "trace_id": "t",
        "span_id": span_id,
        "parent_id": None,
        "name": span_id,
        "kind": "INTERNAL",
        "operation": operation,
        "status": Status.OPEN if until is None else Status.OK,
        "seq": at,
        "end_seq": until,
        "start_ns": at,
        "end_ns": until,
        "attributes": {},
    }
    return Span(**{**values, **fields})


def text(content: str, role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}
