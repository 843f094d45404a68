"""Read one line of a journal in Python: what :mod:`harness.store.gather` reads in SQL, for those who follow live.

A line that is no record is None, and nothing a line holds can raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import orjson

from harness.model import Finding, Json, Operation, Severity, Span, Status

_OPERATIONS = {operation.value: operation for operation in Operation}
_SEVERITIES = {severity.value: severity for severity in Severity}
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The content of a message, or a list of tool definitions, by its hash."""

    run_id: str
    hash: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The context *hash* is the context *prev* (None for none) and then *part*."""

    run_id: str
    hash: str
    prev: str | None
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All findings of one run; the newest of a run counts."""

    run_id: str
    at_ns: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A header, or a kind of record that this version does not know."""


Record: TypeAlias = "Span | Part | Link | Judgement | Other"
"""A span is as it began, and then OPEN, or as it ended."""


def read(line: bytes) -> Record | None:  # noqa: PLR0911 - one return a kind
    """Read *line*; None if it is torn, no JSON object, or lacks what its kind needs."""
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    kind = found.get("k") if isinstance(found, dict) else None
    if kind is None:
        return None
    if kind in ("s", "e"):
        return _span(found)
    if kind in ("p", "l"):
        return _content(found)
    if kind == "j":
        run_id, at_ns = found.get("run_id"), _whole(found.get("at_ns"))
        if not isinstance(run_id, str) or at_ns is None or found.get("body") is None:
            return None
        return Judgement(run_id=run_id, at_ns=at_ns, findings=findings(found["body"]))
    return Other()


def _content(found: dict[str, Json]) -> Part | Link | None:
    run_id, name = found.get("run_id"), found.get("hash")
    if not isinstance(run_id, str) or not isinstance(name, str):
        return None
    if found["k"] == "p":
        body = found.get("body")
        return None if body is None else Part(run_id=run_id, hash=name, body=body)
    part = found.get("part")
    return Link(run_id=run_id, hash=name, prev=_text(found.get("prev")), part=part) if isinstance(part, str) else None


def findings(body: Json) -> tuple[Finding, ...]:
    """Read the findings in the *body* of a judgement, in order. One without code, name, severity or text is none."""
    said = [_finding(one) for one in body if isinstance(one, dict)] if isinstance(body, list) else []
    return tuple(one for one in said if one is not None)


def _finding(one: dict[str, Json]) -> Finding | None:
    code, name, text = (_text(one.get(key)) for key in ("code", "name", "text"))
    severity = _SEVERITIES.get(_text(one.get("severity")) or "")
    if code is None or name is None or text is None or severity is None:
        return None
    evidence = one.get("evidence")
    return Finding(
        code=code,
        name=name,
        severity=severity,
        text=text,
        seq=_whole(one.get("seq")),
        span_id=_text(one.get("span_id")),
        evidence=evidence if isinstance(evidence, dict) else {},
    )


def _span(found: dict[str, Json]) -> Span | None:
    run_id, span_id = found.get("run_id"), found.get("span_id")
    seq, start_ns = _whole(found.get("seq")), _whole(found.get("start_ns"))
    if not isinstance(run_id, str) or not isinstance(span_id, str) or seq is None or start_ns is None:
        return None
    over = found["k"] == "e"
    ended = Status.ERROR if found.get("status") == "error" else Status.OK
    attributes, kind = found.get("attributes"), found.get("kind")
    return Span(
        run_id=run_id,
        trace_id=_text(found.get("trace_id")) or "",
        span_id=span_id,
        parent_id=_text(found.get("parent_id")),
        name=_text(found.get("name")) or "",
        kind=kind if isinstance(kind, str) else "INTERNAL",
        operation=_OPERATIONS.get(_text(found.get("operation")) or "", Operation.OTHER),
        status=ended if over else Status.OPEN,
        seq=seq,
        end_seq=_whole(found.get("end_seq")) if over else None,
        start_ns=start_ns,
        end_ns=_whole(found.get("end_ns")) if over else None,
        attributes=attributes if isinstance(attributes, dict) else {},
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Json) -> int | None:
    return value if type(value) is int and -_INT64 <= value < _INT64 else None
