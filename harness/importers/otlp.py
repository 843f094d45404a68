"""Read OTLP traces from files: JSON lines, as a collector's file exporter writes them, and binary protobuf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from harness.errors import EnvironmentProblem
from harness.importers import files, foreign, grouping, translating
from harness.importers.draft import Bad, BadLineError, Draft
from harness.importers.foreign import Foreign
from harness.model import Json

_HAS_SPANS = re.compile(rb'"(?:resourceSpans|resource_spans)"\s*:')
_JSON = re.compile(rb"\s*[\[{]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_FIELD = 0x0A
_PREFIX = 4


class OtlpJson:
    """Reads OTLP JSON: one TracesData object a line, or one document."""

    title = "OTLP JSON lines"
    kind = "otlp-json"

    def sniff(self, head: bytes) -> bool:
        """Say whether the file begins like JSON and speaks of spans."""
        return _JSON.match(head) is not None and _HAS_SPANS.search(head) is not None

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield every bad line, then a run for each that the spans tell of."""
        found: list[Foreign] = []
        bad: list[Bad] = []
        for number, document in self._documents(path, bad):
            yield from _collect(number, document, found)
        yield from bad
        yield from _drafts(self.kind, found)

    def _documents(self, path: Path, bad: list[Bad]) -> Iterator[tuple[int, Json]]:
        first = True
        for line in files.lines(path):
            if isinstance(line, Bad):
                bad.append(line)
                continue
            number, text = line
            document = _parsed(text)
            whole = _parsed(files.whole(path)) if document is None and first else None
            if document is None and whole is None:
                bad.append(Bad(line=number, why="no JSON"))
            yield from ((number, each) for each in _documents(document if whole is None else whole))
            if whole is not None:
                return
            first = False


class OtlpProtobuf:
    """Reads OTLP in binary protobuf: one message, or a collector's many with their lengths before them."""

    title = "OTLP protobuf"
    kind = "otlp-protobuf"

    def sniff(self, head: bytes) -> bool:
        """Say whether the file begins like a message with spans in it."""
        start = _PREFIX if head[:1] == b"\x00" else 0
        return head[start : start + 1] == bytes([_FIELD]) and _BINARY.search(head[:512]) is not None

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield every bad message, then a run for each that the spans tell of.

        Raises EnvironmentProblem if opentelemetry-proto is missing.
        """
        traces, to_dict, broken = _protobuf()
        found: list[Foreign] = []
        for number, raw in enumerate(_messages(files.whole(path)), start=1):
            document = _decoded(raw, traces, to_dict, broken)
            if isinstance(document, Bad):
                yield Bad(line=number, why=document.why)
            else:
                yield from _collect(number, document, found)
        yield from _drafts(self.kind, found)


def _protobuf() -> tuple[Any, Any, type[Exception]]:
    try:
        from google.protobuf.json_format import MessageToDict
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
    except ImportError as error:
        raise EnvironmentProblem(
            "reading OTLP protobuf needs opentelemetry-proto", hint="Install it: pip install 'autogen-harness[otlp]'."
        ) from error
    return TracesData, MessageToDict, DecodeError


def _decoded(raw: bytes, traces: Any, to_dict: Any, broken: type[Exception]) -> Json:  # noqa: ANN401 - no types
    try:
        return to_dict(traces.FromString(raw))
    except broken as error:
        return Bad(line=0, why=f"no OTLP traces: {error}")


def _messages(raw: bytes) -> Iterator[bytes]:
    """Part a file into messages: all of it, or what stands behind each length of four bytes."""
    if raw[:1] != b"\x00":
        yield raw
        return
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + _PREFIX], "big")
        yield raw[at + _PREFIX : at + _PREFIX + size]
        at += _PREFIX + size


def _parsed(raw: bytes) -> Json:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _documents(parsed: Json) -> list[Json]:
    return parsed if isinstance(parsed, list) else [] if parsed is None else [parsed]


def _collect(number: int, document: Json, found: list[Foreign]) -> Iterator[Bad]:
    try:
        for span in foreign.spans(document):
            if isinstance(span, str):
                yield Bad(line=number, why=span)
            else:
                found.append(span)
    except BadLineError as error:
        yield Bad(line=number, why=str(error))


def _drafts(kind: str, found: list[Foreign]) -> Iterator[Draft]:
    for identity, spans in grouping.grouped(grouping.once(found)).items():
        yield translating.draft(kind, identity, spans)
