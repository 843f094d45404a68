"""Put an imported run together: its spans, and its contents once each, named as the journal names them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness import semconv
from harness.canonical import canonical, context_hash, digest, encode
from harness.model import SYNTHETIC_NS, Json, Operation, Span, Status
from harness.privacy import Privacy

TAG = "imported"
"""What every imported run is tagged with."""
MODE = "import"
SYNTHETIC_RUN_NS = 1_000_000_000
SYNTHETIC_STEP_NS = 1_000_000
_POINTERS = (
    semconv.HARNESS_INPUT_CONTEXT,
    semconv.HARNESS_OUTPUT_PART,
    semconv.HARNESS_MESSAGE_PART,
    semconv.HARNESS_TOOLS_PART,
)
_RUN_DIGITS, _TRACE_DIGITS, _SPAN_DIGITS = 16, 32, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A line that could not be read. *line* counts from 1; it is the row or record where a file has no lines."""

    line: int
    why: str


class BadLineError(Exception):
    """A line is not what it should be; the message says why, and becomes a ``Bad``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One run as a file tells it. *parts* are canonical JSON by hash, *links* are ``(prev, part)`` by hash.

    Nothing is redacted yet: that is for ``lines``, which knows where the run is written to.

    Where *grows* is set the run is known by an id of its own, and other files may tell more of it; otherwise its id
    names its content, and a run with that id is the same run.
    """

    run_id: str
    spans: Sequence[Span]
    parts: Mapping[str, str]
    links: Mapping[str, tuple[str | None, str]]
    grows: bool = False


class Importer(Protocol):
    """What reads one kind of file."""

    title: str

    def sniff(self, head: bytes) -> bool:
        """Say whether a file that begins with *head*, already unzipped, is of this kind."""

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield what *path* tells, in its order. Raises UsageError if the file as a whole cannot be read."""


def run_name(kind: str, source_id: str, content: str = "") -> str:
    """Give the id of an imported run: the same file gives the same ids, wherever and whenever it is imported."""
    return digest(f"{kind}\n{source_id}\n{content}")[:_RUN_DIGITS]


def trace_name(run_id: str) -> str:
    """Give the trace id of a run whose file knows none."""
    return digest(f"trace\n{run_id}")[:_TRACE_DIGITS]


def span_name(run_id: str, place: object) -> str:
    """Give the id of the span at *place* of a run whose file knows none."""
    return digest(f"span\n{run_id}\n{place}")[:_SPAN_DIGITS]


class Contents:
    """Takes in the messages of one run, each once."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.links: dict[str, tuple[str | None, str]] = {}

    def part(self, body: Json) -> str:
        """Keep *body*, and give its hash."""
        text = canonical(body)
        name = digest(text)
        self.parts[name] = text
        return name

    def context(self, messages: Sequence[Mapping[str, Json]]) -> str | None:
        """Keep *messages* as a chain, and give its hash; None for no messages."""
        last: str | None = None
        for message in messages:
            part = self.part(message)
            link = context_hash(last, part)
            self.links[link] = (last, part)
            last = link
        return last


class Told:
    """Writes down a conversation of which only what was said is known: no calls, and mostly no times.

    What has no time is put a millisecond apart, from a moment in the year 2000 that says so, in the order told.
    """

    def __init__(self, run_id: str, name: str, *, number: int = 0, start_ns: int | None = None) -> None:
        """Begin at *start_ns*; *number* orders the runs of one file where that is unknown."""
        self.run_id = run_id
        self.contents = Contents()
        self.synthetic = start_ns is None
        self._start_ns = SYNTHETIC_NS + number * SYNTHETIC_RUN_NS if start_ns is None else start_ns
        self._now_ns = self._start_ns
        self._name = name
        self._spans: list[Span] = []
        self._messages = 0

    @property
    def messages(self) -> int:
        """How many messages were told."""
        return self._messages

    def say(
        self,
        sender: str,
        recipients: Sequence[str],
        body: Mapping[str, Json],
        *,
        at_ns: int | None = None,
        more: Mapping[str, Json] | None = None,
    ) -> None:
        """Add a message; *more* are attributes of its own."""
        self._now_ns = max(self._now_ns, at_ns) if at_ns is not None else self._now_ns + SYNTHETIC_STEP_NS
        attributes = {
            **(more or {}),
            semconv.HARNESS_OPERATION: Operation.MESSAGE.value,
            semconv.HARNESS_SENDER: sender,
            semconv.HARNESS_RECIPIENTS: list(recipients),
            semconv.HARNESS_ROLE: body.get("role", ""),
            semconv.HARNESS_MESSAGE_PART: self.contents.part(body),
        }
        self._messages += 1
        self.add(Operation.MESSAGE, f"message {sender}".rstrip(), (self._now_ns, self._now_ns), attributes)

    def add(
        self,
        operation: Operation,
        name: str,
        when_ns: tuple[int, int],
        attributes: Mapping[str, Json],
        *,
        failed: bool = False,
    ) -> None:
        """Add a span beneath the conversation; *when_ns* is its start and end."""
        start_ns, end_ns = when_ns
        seq = len(self._spans) + 2
        self._spans.append(
            Span(
                run_id=self.run_id,
                trace_id=trace_name(self.run_id),
                span_id=span_name(self.run_id, seq),
                parent_id=span_name(self.run_id, 1),
                name=name,
                kind="CLIENT" if operation is Operation.CHAT else "INTERNAL",
                operation=operation,
                status=Status.ERROR if failed else Status.OK,
                seq=seq,
                end_seq=seq,
                start_ns=start_ns,
                end_ns=end_ns,
                attributes=attributes,
            )
        )
        self._now_ns = max(self._now_ns, end_ns)

    def draft(self, kind: str, source_id: str, attributes: Mapping[str, Json]) -> Draft:
        """Close the conversation; *attributes* are those of its span, the ending among them."""
        last = len(self._spans) + 2
        root = Span(
            run_id=self.run_id,
            trace_id=trace_name(self.run_id),
            span_id=span_name(self.run_id, 1),
            parent_id=None,
            name=f"invoke_workflow {self._name}",
            kind="INTERNAL",
            operation=Operation.CONVERSATION,
            status=Status.OK,
            seq=1,
            end_seq=last,
            start_ns=self._start_ns,
            end_ns=self._now_ns + (SYNTHETIC_STEP_NS if self.synthetic else 0),
            attributes={
                semconv.HARNESS_OPERATION: Operation.CONVERSATION.value,
                semconv.GEN_AI_OPERATION: "invoke_workflow",
                semconv.GEN_AI_WORKFLOW: self._name,
                **about(kind, self.run_id, source_id, self._name),
                **({semconv.HARNESS_TIME_SYNTHETIC: True} if self.synthetic else {}),
                **attributes,
            },
        )
        return Draft(
            run_id=self.run_id,
            spans=(root, *self._spans),
            parts=self.contents.parts,
            links=self.contents.links,
        )


def about(kind: str, run_id: str, source_id: str, name: str) -> dict[str, Json]:
    """Give the attributes that a root span of an imported run has."""
    return {
        semconv.HARNESS_RUN_ID: run_id,
        semconv.HARNESS_RUN_NAME: name,
        semconv.HARNESS_RUN_SOURCE_ID: source_id,
        semconv.HARNESS_RUN_MODE: MODE,
        semconv.HARNESS_RUN_TAGS: [TAG],
        semconv.HARNESS_IMPORT_FORMAT: kind,
    }


def record(span: Span, privacy: Privacy) -> str:
    """Write *span* as a line of a journal: its end, or, where it never ended, its start."""
    line: dict[str, Json] = {
        "k": "s" if span.end_ns is None else "e",
        "run_id": span.run_id,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "operation": span.operation.value,
        "seq": span.seq,
        "start_ns": span.start_ns,
        "attributes": dict(span.attributes),
    }
    if span.end_ns is not None:
        status = "error" if span.status is Status.ERROR else "ok"
        line.update(end_ns=span.end_ns, end_seq=span.seq if span.end_seq is None else span.end_seq, status=status)
    return privacy.record(line) + "\n"


def lines(draft: Draft, spans: Sequence[Span], privacy: Privacy) -> bytes:
    """Write the contents of *draft* and these *spans* of it as lines of a journal, contents first, without secrets."""
    run_id = encode(draft.run_id)
    parts, links, renamed = _cleaned(draft, privacy)
    written = [f'{{"k":"p","run_id":{run_id},"hash":"{name}","body":{text}}}\n' for name, text in parts.items()]
    for name, (prev, part) in links.items():
        before = f'"{prev}"' if prev else "null"
        written.append(f'{{"k":"l","run_id":{run_id},"hash":"{name}","prev":{before},"part":"{part}"}}\n')
    written.extend(record(_pointing(span, renamed) if renamed else span, privacy) for span in spans)
    return "".join(written).encode(errors="replace")


def _cleaned(
    draft: Draft, privacy: Privacy
) -> tuple[Mapping[str, str], Mapping[str, tuple[str | None, str]], Mapping[str, str]]:
    """Give the parts and links of *draft* without secrets, and the names of those that therefore have another."""
    parts: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name, text in draft.parts.items():
        own = privacy.redaction.own
        cleaned = privacy.body(json.loads(text)) if own else privacy.redaction.json(text)
        found = name if cleaned == text else digest(cleaned)
        parts[found] = cleaned
        if found != name:
            renamed[name] = found
    if not renamed:
        return draft.parts, draft.links, renamed
    links: dict[str, tuple[str | None, str]] = {}
    for name, (prev, part) in draft.links.items():  # each stands behind the one before it
        before, said = renamed.get(prev, prev) if prev else None, renamed.get(part, part)
        found = context_hash(before, said)
        links[found] = (before, said)
        if found != name:
            renamed[name] = found
    return parts, links, renamed


def _pointing(span: Span, renamed: Mapping[str, str]) -> Span:
    """Give *span* with the names that its contents have now."""
    found = dict(span.attributes)
    for key in _POINTERS:
        name = found.get(key)
        if isinstance(name, str):
            found[key] = renamed.get(name, name)
    return replace(span, attributes=found)
