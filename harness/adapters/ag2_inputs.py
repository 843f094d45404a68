"""Translate the inputs that AG2 1.x's messages and tool results are made of, and tool results back.

Only types that are named here are rebuilt. A tool's failure reads ``Type: text``: the traceback that AG2 puts before it
names folders and lines, which differ from one machine to the next while the failure is the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping

from ag2 import exceptions
from ag2.events import BinaryInput, DataInput, FileIdInput, Input, TextInput, ToolResult, UrlInput
from ag2.events.input_events import BinaryType
from pydantic_core import to_jsonable_python

from harness.adapters.seam import native_error
from harness.call import RecordedError
from harness.model import Json

_RESULT = "ag2.tool_result"
"""Marks a tool result that is more than one text or one value."""


def said(parts: Iterable[Input], role: str) -> dict[str, Json]:
    """Make a message of inputs."""
    return {"role": role, "parts": [_input(part) for part in parts]}


def words(content: str) -> dict[str, Json]:
    """Make a text part."""
    return {"type": "text", "content": content}


def _input(part: Input) -> dict[str, Json]:
    if isinstance(part, TextInput):
        return words(part.content)
    if isinstance(part, DataInput):
        return words(json.dumps(plain(part.data), ensure_ascii=False))
    return _media(part)


def _media(part: Input) -> dict[str, Json]:
    if isinstance(part, BinaryInput):
        content = base64.b64encode(part.data).decode()
        return {"type": "blob", "modality": _kind(part.kind), "mime_type": str(part.media_type), "content": content}
    if isinstance(part, UrlInput):
        return {"type": "uri", "modality": _kind(part.kind), "uri": part.url}
    if isinstance(part, FileIdInput):
        return {"type": "file", "file_id": part.file_id, "filename": part.filename}
    return {"type": type(part).__name__}


def _kind(kind: object) -> str:
    return str(getattr(kind, "value", kind))


def plain(value: object) -> Json:
    """Reduce *value* to JSON as AG2's own serializer does; what has no such form becomes text."""
    return to_jsonable_python(value, fallback=str, bytes_mode="base64")


def result(found: ToolResult) -> Json:
    """Read what a tool gave: its one text or value, or a record of its parts."""
    if len(found.parts) == 1 and not found.final and not found.metadata:
        (only,) = found.parts
        if isinstance(only, TextInput):
            return only.content
        if isinstance(only, DataInput):
            value = plain(only.data)
            if not isinstance(value, str) and not (isinstance(value, dict) and _RESULT in value):
                return value
    parts = [{"type": "data", "data": plain(p.data)} if isinstance(p, DataInput) else _input(p) for p in found.parts]
    return {_RESULT: parts, "final": found.final, "metadata": plain(found.metadata)}


def acts(found: ToolResult) -> bool:
    """Say whether a tool's result is more than its value: AG2 acts on types of its own, such as a handoff."""
    data = (part.data for part in found.parts if isinstance(part, DataInput))
    return any(type(value).__module__.partition(".")[0] == "ag2" for value in data)


def tool_result(value: Json) -> ToolResult:
    """Rebuild what a tool gave."""
    if not isinstance(value, dict) or _RESULT not in value:
        return ToolResult(value)
    parts = [_native_input(part) for part in value[_RESULT]]
    return ToolResult(parts=parts, final=bool(value.get("final")), metadata=value.get("metadata") or {})


def _native_input(part: Mapping[str, Json]) -> Input:
    kind = part.get("type")
    if kind == "data":
        return DataInput(part.get("data"))
    if kind == "blob":
        data = base64.b64decode(part.get("content") or "")
        modality = BinaryType(part.get("modality") or "binary")
        return BinaryInput(data, media_type=part.get("mime_type") or "", kind=modality)
    if kind == "uri":
        return UrlInput(part.get("uri") or "", kind=BinaryType(part.get("modality") or "binary"))
    if kind == "file":
        return FileIdInput(part.get("file_id") or "", filename=part.get("filename"))
    return TextInput(part.get("content") or "")


def error_again(error: RecordedError) -> BaseException:
    """Rebuild the exception of AG2, of the client or of Python that a cassette plays back; else give *error*."""
    known = getattr(exceptions, error.kind, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        return native_error(error)
    rebuilt = known.__new__(known, str(error))
    rebuilt.args = (str(error),)
    return rebuilt if str(rebuilt) == str(error) else error


def failure(error: object) -> str:
    """Say what went wrong in a tool, the same live and in a replay."""
    kind = error.kind if isinstance(error, RecordedError) else type(error).__name__
    return f"{kind}: {error}"
