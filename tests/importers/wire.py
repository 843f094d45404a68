"""OTLP written by hand, as file exporters write it."""

from __future__ import annotations

from typing import Any

T0 = 1_750_000_000_000_000_000
MS = 1_000_000


def value(given: Any) -> dict[str, Any]:
    """Write an AnyValue, whole numbers as strings as OTLP's JSON wants them."""
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, float):
        return {"doubleValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(each) for each in given]}}
    if isinstance(given, dict):
        return {"kvlistValue": {"values": pairs(given)}}
    return {"stringValue": given}


def pairs(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(each)} for key, each in given.items()]


def span(
    number: int, parent: int | None = None, *, trace: int = 1, at: tuple[int, int | None] | None = None, **more: Any
):
    """Make the *number*-th span; *at* are milliseconds.

    *more* are ``name``, ``kind``, ``status``, ``events``, ``links`` as OTLP has them, and ``said``: the attributes.
    """
    start, end = at or (number, number + 100)
    found = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": more.pop("name", f"span {number}"),
        "kind": more.pop("kind", 1),
        "startTimeUnixNano": str(T0 + start * MS),
        "attributes": pairs(more.pop("said", {})),
        **more,
    }
    return found if end is None else {**found, "endTimeUnixNano": str(T0 + end * MS)}


def link(span_id: int, trace: int) -> dict[str, str]:
    return {"traceId": f"{trace:032x}", "spanId": f"{span_id:016x}"}


def traces(*spans: dict[str, Any], scope: str = "some.library", **resource: Any) -> dict[str, Any]:
    """Make one TracesData object."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs({"service.name": "shop", **resource})},
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}],
            }
        ]
    }
