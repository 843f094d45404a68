"""What a follower knows of one run: what it saw itself, and beneath it what the database held already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.derive import Links, Parts
from harness.model import Finding, Json, Span, Status
from harness.store.kept import Kept
from harness.store.records import Judgement, Link, Part, Record

_WEIGHT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What was recorded of one run: spans that *began* and that *ended*, contents, links, and judgements.

    A span that began and ended since the last poll is in both, and each record is given once. What one process
    recorded is in its order.
    """

    began: Sequence[Span] = ()
    ended: Sequence[Span] = ()
    parts: Mapping[str, Json] = field(default_factory=dict)
    links: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    judgements: Sequence[Judgement] = ()


class Followed:
    """One run. *segments* are those that hold records of it and lie there still; *size* is its weight in bytes."""

    def __init__(self) -> None:
        """Know nothing of it yet."""
        self.segments: set[str] = set()
        self.size = 0
        self.stored: Kept | None = None
        self.asked: object = None
        self._began: dict[str, tuple[str, Span]] = {}
        self._ended: dict[str, Span] = {}
        self._parts: dict[str, Json] = {}
        self._links: dict[str, tuple[str | None, str]] = {}
        self._judgements: dict[int, Judgement] = {}

    def take(self, records: Iterable[tuple[str, Record]]) -> News | None:
        """Take in *records*, each with the process that wrote it, and give those that were not known, if any."""
        began: list[Span] = []
        ended: list[Span] = []
        judgements: list[Judgement] = []
        parts: dict[str, Json] = {}
        links: dict[str, tuple[str | None, str]] = {}
        for process, record in records:
            if isinstance(record, Span):
                over = record.status in {Status.OK, Status.ERROR}
                if self._end(record) if over else self._begin(process, record):
                    (ended if over else began).append(record)
            elif isinstance(record, Part) and record.hash not in self._parts:
                self._parts[record.hash] = parts[record.hash] = record.body
            elif isinstance(record, Link) and record.hash not in self._links:
                self._links[record.hash] = links[record.hash] = (record.prev, record.part)
            elif isinstance(record, Judgement) and record.at_ns not in self._judgements:
                self._judgements[record.at_ns] = record
                judgements.append(record)
        if began or ended or parts or links or judgements:
            return News(began=began, ended=ended, parts=parts, links=links, judgements=judgements)
        return None

    def take_stored(self, run_id: str, stored: Kept) -> News | None:
        """Take in what the database holds of it, and give what was not known, if any."""
        self.size += _WEIGHT * (len(stored.ended) + len(stored.began) + len(stored.parts))
        return self.take(_records(run_id, stored))

    def _begin(self, process: str, span: Span) -> bool:
        if span.span_id in self._began or span.span_id in self._ended:
            return False
        self._began[span.span_id] = (process, span)
        return True

    def _end(self, span: Span) -> bool:
        if span.span_id in self._ended:
            return False
        self._ended[span.span_id] = span
        self._began.pop(span.span_id, None)
        return True

    def under_way(self, processes: Collection[str]) -> bool:
        """Say whether one of *processes* has a span of it under way."""
        return any(process in processes for process, _ in self._open())

    def _open(self) -> Iterator[tuple[str, Span]]:
        """List the spans without an end, with the process that would write it."""
        yield from self._began.values()
        if self.stored is not None:
            for process, span in self.stored.began:
                if span.span_id not in self._ended and span.span_id not in self._began:
                    yield process, span

    def spans(self, living: Collection[str]) -> list[Span]:
        """List its spans, each once. One without an end is open while its process is among the *living*."""
        ended = {**self._ended, **{span.span_id: span for span in (self.stored.ended if self.stored else ())}}
        found = {span.span_id: span for span in ended.values()}
        for process, span in self._open():
            if span.span_id not in ended:
                status = Status.OPEN if process in living else Status.INTERRUPTED
                found[span.span_id] = span if span.status is status else replace(span, status=status)
        return list(found.values())

    def contents(self) -> tuple[Parts, Links]:
        """Give its contents and the links of its contexts."""
        if self.stored is None:
            return self._parts, self._links
        return {**self.stored.parts, **self._parts}, {**self.stored.links, **self._links}

    def findings(self) -> tuple[Finding, ...]:
        """Give the findings of its newest judgement."""
        said = [*self._judgements.values(), *(self.stored.judgements if self.stored else ())]
        return max(said, key=lambda judgement: judgement.at_ns).findings if said else ()


def _records(run_id: str, stored: Kept) -> Iterator[tuple[str, Record]]:
    for span in stored.ended:
        yield "", span
    yield from stored.began
    for name, body in stored.parts.items():
        yield "", Part(run_id=run_id, hash=name, body=body)
    for name, (prev, part) in stored.links.items():
        yield "", Link(run_id=run_id, hash=name, prev=prev, part=part)
    for judgement in stored.judgements:
        yield "", judgement
