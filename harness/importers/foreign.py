"""Hold a span as another program sent it, and read OTLP's JSON, in which any OTLP can be written."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.importers.draft import BadLineError
from harness.model import Json

_KINDS = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_ERROR = frozenset({2, "2", "STATUS_CODE_ERROR"})
_MOST_NS = 2**63 - 1
_DEEPEST = 50
PENDING = "pending_span"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A span of another program. ``end_ns`` is None if the file does not say that it ended.

    *links* are pairs of trace and span id. *events* have ``name``, ``time_ns`` and ``attributes``.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int
    end_ns: int | None
    failed: bool
    told: str
    attributes: Mapping[str, Json]
    events: tuple[Mapping[str, Json], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    scope: str = ""
    resource: Mapping[str, Json] = field(default_factory=dict)


def spans(document: Json) -> Iterator[Foreign | str]:
    """Read the spans of one TracesData or ExportTraceServiceRequest; one that cannot be read as the reason why.

    Takes camelCase and snake_case, ids in hex and in base64, numbers as strings. Raises BadLineError if it is none.
    """
    groups = _get(document, "resourceSpans") if isinstance(document, dict) else None
    if not isinstance(groups, list):
        raise BadLineError("no OTLP traces: there are no resourceSpans")
    for group in groups:
        resource = attributes(_get(_get(group, "resource"), "attributes"))
        scopes = _get(group, "scopeSpans") or _get(group, "instrumentationLibrarySpans")
        for scoped in scopes if isinstance(scopes, list) else ():
            scope = _get(_get(scoped, "scope"), "name")
            found = _get(scoped, "spans")
            for span in found if isinstance(found, list) else ():
                yield _span(span, scope if isinstance(scope, str) else "", resource)


def _span(given: Json, scope: str, resource: Mapping[str, Json]) -> Foreign | str:
    trace_id, span_id = _identity(_get(given, "traceId"), 16), _identity(_get(given, "spanId"), 8)
    if trace_id is None or span_id is None:
        return "a span has no trace id or span id"
    start_ns, end_ns = _time(_get(given, "startTimeUnixNano")), _time(_get(given, "endTimeUnixNano"))
    status, name, kind = _get(given, "status"), _get(given, "name"), _get(given, "kind")
    said = attributes(_get(given, "attributes"))
    parent_id = _identity(_get(given, "parentSpanId"), 8)
    if said.get("logfire.span_type") == PENDING and parent_id is not None:
        # Logfire says that a span began by a span of no length beneath it.
        real_parent = _identity(said.get("logfire.pending_parent_id"), 8)
        span_id, parent_id, end_ns = parent_id, real_parent, None
    told = _get(status, "message")
    return Foreign(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name if isinstance(name, str) else "",
        kind=_kind(kind),
        start_ns=start_ns if start_ns is not None else end_ns or 0,
        end_ns=end_ns,
        failed=_scalar(_get(status, "code")) in _ERROR,
        told=told if isinstance(told, str) else "",
        attributes=said,
        events=tuple(_events(_get(given, "events"))),
        links=tuple(_links(_get(given, "links"))),
        scope=scope,
        resource=resource,
    )


def _get(given: Json, key: str) -> Json:
    if not isinstance(given, dict):
        return None
    if key in given:
        return given[key]
    return given.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key))


def _identity(value: Json, size: int) -> str | None:
    """Read an id of *size* bytes as lower-case hex; None for none, zeros and anything else."""
    if not isinstance(value, str):
        return None
    try:
        raw = bytes.fromhex(value) if len(value) == 2 * size else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw.hex() if len(raw) == size and any(raw) else None


def _time(value: Json) -> int | None:
    """Read a time; 0 is how OTLP says that there is none."""
    found = _integer(value)
    return found if found is not None and 0 < found <= _MOST_NS else None


def _integer(value: Json) -> int | None:
    if isinstance(value, str) and len(value) <= 20:  # noqa: PLR2004 - the digits of 64 bits
        try:
            return int(value)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _kind(value: Json) -> str:
    if isinstance(value, str) and value.startswith("SPAN_KIND_"):
        name = value.removeprefix("SPAN_KIND_")
        return name if name in _KINDS else "INTERNAL"
    number = _integer(value)
    return _KINDS[number] if number is not None and 0 <= number < len(_KINDS) else "INTERNAL"


def _scalar(value: Json) -> Json:
    return value if isinstance(value, (str, int)) else None


def attributes(given: Json) -> dict[str, Json]:
    """Read OTLP's list of attributes; what is none is left out."""
    found: dict[str, Json] = {}
    for entry in given if isinstance(given, list) else ():
        key = _get(entry, "key")
        if isinstance(key, str):
            found[key] = value(_get(entry, "value"))
    return found


def value(given: Json, depth: int = 0) -> Json:  # noqa: PLR0911 - one return a type
    """Read OTLP's AnyValue."""
    if not isinstance(given, dict) or depth > _DEEPEST:
        return None
    if isinstance(found := _get(given, "stringValue"), str):
        return found
    if isinstance(found := _get(given, "boolValue"), bool):
        return found
    if (whole := _integer(_get(given, "intValue"))) is not None:
        return whole
    if (found := _get(given, "doubleValue")) is not None:
        return _double(found)
    if (found := _get(given, "arrayValue")) is not None:
        items = _get(found, "values")
        return [value(item, depth + 1) for item in items] if isinstance(items, list) else []
    if (found := _get(given, "kvlistValue")) is not None:
        items = _get(found, "values")
        pairs = [(_get(item, "key"), _get(item, "value")) for item in items] if isinstance(items, list) else []
        return {key: value(item, depth + 1) for key, item in pairs if isinstance(key, str)}
    return _get(given, "bytesValue")


def _double(given: Json) -> float | None:
    if isinstance(given, (int, float, str)) and not isinstance(given, bool):
        try:
            return float(given)
        except (ValueError, OverflowError):
            return None
    return None


def _events(given: Json) -> Iterator[Mapping[str, Json]]:
    for event in given if isinstance(given, list) else ():
        name = _get(event, "name")
        yield {
            "name": name if isinstance(name, str) else "",
            "time_ns": _time(_get(event, "timeUnixNano")),
            "attributes": attributes(_get(event, "attributes")),
        }


def _links(given: Json) -> Iterator[tuple[str, str]]:
    for link in given if isinstance(given, list) else ():
        trace_id, span_id = _identity(_get(link, "traceId"), 16), _identity(_get(link, "spanId"), 8)
        if trace_id is not None and span_id is not None:
            yield trace_id, span_id
