"""Keep what models, tools, code and people answered in a run, so that it can be rehearsed.

A cassette is derived from recorded runs: recording is promoting. It holds *exchanges*, each one call and its reply,
in the order in which they were asked, and nothing that changes from one recording to the next unless an answer did:
no times, no places, no ids of responses. Its file is JSON lines, made to be read in a review.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, semconv
from harness.errors import UsageError
from harness.model import CALLS, Json, Operation
from harness.redaction import project
from harness.settings import answering

from .matching import request_fields

if TYPE_CHECKING:
    from harness.model import CallRecord, Run, Span

FORMAT = 1
SUFFIX = ".cassette.jsonl"
CHOSEN_BY_OUTSIDE = frozenset({"random", "manual"})
"""Ways to select a speaker whose choice is recorded. The framework works the others out from what is replayed."""

_MARK = re.compile(r"(?P<kind>\[secret:[^\]\s:]{1,80}:)[0-9a-f]{4}\]")
_NEVER_ASKED = "ToolNotRunError"
"""How an adapter records a tool call that the framework refused by itself: there is nothing to replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception that answered a call: its type's name and its text."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded call and what answered it: a reply, a failure, or neither.

    Neither means that the call is made for real in a replay, because the calls that it makes itself are recorded.
    *request* and *reply* have the shapes of ``harness.call``; a chat request always has ``model``, ``messages``,
    ``tools`` and ``parameters``, the latter without what only carries a request. *line* is its line in the file.
    """

    kind: Operation
    agent: str | None
    conversation: str = ""
    request: Mapping[str, Json]
    reply: Mapping[str, Json] | None = None
    failure: Failure | None = None
    line: int | None = field(default=None, compare=False)

    @property
    def live(self) -> bool:
        """Whether a replay makes the call for real."""
        return self.reply is None and self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where a cassette comes from. *note* is the recorder's own remark, such as what stood in for the model."""

    harness: str = __version__
    framework: str | None = None
    models: tuple[str, ...] = ()
    note: str = ""
    redacted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """Recorded exchanges, in the order in which they were asked."""

    header: Header = field(default_factory=Header)
    exchanges: tuple[Exchange, ...] = ()

    def write(self, path: Path) -> bool:
        """Write the file at *path*, whole or not at all, and say whether it changed.

        A file that holds the same exchanges already is left untouched, even if an older version wrote it.
        Raises UsageError if it cannot be written.
        """
        from . import cassette_lines

        lines = cassette_lines.dump(self)
        try:
            if path.is_file() and _same(path.read_text(encoding="utf-8", errors="replace"), lines):
                return False
            _replace(path, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            msg = f"cannot write the cassette {str(path)!r}: {error.strerror or error}"
            raise UsageError(msg, hint="Name a file in a folder that exists and is yours.") from error
        return True


def read(path: Path) -> Cassette:
    """Read the cassette at *path*. Raises UsageError that names the line if it is not one."""
    from . import cassette_lines

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "Record it: `harness run --record once`, or `harness trace --record FILE your_app.py`."
        raise UsageError(f"no cassette at {str(path)!r}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the cassette {str(path)!r}: {error}") from error
    return cassette_lines.load(text, str(path))


def from_run(run: Run, *, note: str = "", redact: Callable[[str], str] | None = None) -> Cassette:
    """Derive the cassette of one run; see :func:`from_runs`."""
    return from_runs([run], note=note, redact=redact)


def from_runs(runs: Iterable[Run], *, note: str = "", redact: Callable[[str], str] | None = None) -> Cassette:
    """Derive a cassette from what *runs* recorded, oldest run first. Calls nobody answered are left out.

    *redact* takes secrets out of a text once more, though the store holds none it knew of (default: as in this project
    and environment). Their marks are numbered as they come, so that a cassette is the same whichever store it is from,
    and nobody can try guesses against it. Raises UsageError for a run whose contents were not kept.
    """
    clean = _Cleaner(redact or project())
    ordered = sorted(runs, key=lambda run: (run.summary.started_ns, run.run_id))
    for run in ordered:
        _whole(run)
    exchanges = tuple(clean.exchange(found) for run in ordered for found in _exchanges(run))
    models = {str(model) for found in exchanges if (model := found.request.get("model"))}
    frameworks = [run.summary.framework for run in ordered if run.summary.framework]
    header = Header(framework=frameworks[0] if frameworks else None, models=tuple(sorted(models)), note=note)
    return Cassette(header=header, exchanges=exchanges)


def _whole(run: Run) -> None:
    capture = next((found for span in run.spans if (found := span.attributes.get(semconv.HARNESS_CAPTURE))), None)
    if capture:
        msg = f"run {run.run_id!r} has no contents to keep: it was recorded with capture = {str(capture)!r}"
        raise UsageError(msg, hint="Record it again with capture = 'full' (--capture full, HARNESS_CAPTURE=full).")


def _exchanges(run: Run) -> list[Exchange]:
    spans = {span.span_id: span for span in run.spans}
    above = {call.span.span_id: _above(call.span, spans) for call in run.calls}
    asking = {span.span_id for call in run.calls for span in above[call.span.span_id] if span.operation in CALLS}
    found = []
    for call in run.calls:
        kind = call.span.operation
        if kind is Operation.SELECTION and call.request.get("method") not in CHOSEN_BY_OUTSIDE:
            continue
        if any(span.operation is Operation.CHAT for span in above[call.span.span_id]):
            continue  # A model client that asks another one: the outer answer is the one replayed.
        acts = bool(call.span.attributes.get(semconv.HARNESS_TOOL_ACTS))
        live = acts or (call.span.span_id in asking and kind is not Operation.CHAT)
        failure = None if call.reply is not None else _failure(call)
        if not live and call.reply is None and failure is None:
            continue
        found.append(
            Exchange(
                kind=kind,
                agent=call.agent,
                conversation=_conversation(above[call.span.span_id]),
                request=_request(kind, call.request),
                reply=None if live or call.reply is None else _reply(kind, call.reply),
                failure=None if live else failure,
            )
        )
    return found


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
    if (kind is None and call.error is None) or kind == _NEVER_ASKED:
        return None
    return Failure(type=str(kind or "Exception"), message=str(call.error or "" if text is None else text))


def _request(kind: Operation, request: Mapping[str, Json]) -> dict[str, Json]:
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
    return kept


class _Cleaner:
    """Redacts exchanges, each message once, so that a history stays made of the same few objects."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._clean_text = redact
        self._seen: dict[int, tuple[Json, Json]] = {}
        self._numbers: dict[str, int] = {}

    def _redact(self, text: str) -> str:
        cleaned = self._clean_text(text)
        return _MARK.sub(self._numbered, cleaned) if "[secret:" in cleaned else cleaned

    def _numbered(self, match: re.Match[str]) -> str:
        return f"{match['kind']}{self._numbers.setdefault(match[0], len(self._numbers) + 1):04d}]"

    def exchange(self, found: Exchange) -> Exchange:
        request = {name: self._part(name, value) for name, value in found.request.items()}
        reply = None if found.reply is None else {name: self._part(name, value) for name, value in found.reply.items()}
        failure = found.failure and Failure(type=found.failure.type, message=self._redact(found.failure.message))
        return Exchange(
            kind=found.kind,
            agent=found.agent,
            conversation=found.conversation,
            request=request,
            reply=reply,
            failure=failure,
        )

    def _part(self, name: str, value: Json) -> Json:
        if name == "messages":
            return [self._once(body) for body in value]
        return self._once(value) if name in {"message", "tools"} else self._clean(value)

    def _once(self, body: Json) -> Json:
        seen = self._seen.get(id(body))
        if seen is None:
            seen = self._seen[id(body)] = (body, self._clean(body))
        return seen[1]

    def _clean(self, value: Json) -> Json:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, Mapping):
            return {str(name): self._clean(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(item) for item in value]
        return value


def _same(text: str, lines: Sequence[str]) -> bool:
    """Compare files but for the versions in the header: an upgrade alone does not touch a cassette."""
    from . import cassette_lines

    there = text.split("\n")
    if there[1:] != [*lines[1:], ""]:
        return False
    return bool(cassette_lines.identity(there[0]) == cassette_lines.identity(lines[0]))


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
