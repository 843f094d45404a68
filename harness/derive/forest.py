"""Walk the spans of a run as the forest they are, or should be: parents may be missing, or go round in circles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from harness.model import Operation, Span

place: Callable[[Span], tuple[int, int, str]] = attrgetter("start_ns", "seq", "span_id")
"""Gives the place of a span among the spans of its run: by time, and by ``seq`` within one instant."""


def roots(spans: Iterable[Span]) -> list[Span]:
    """List the spans whose parent is not in the run, in order."""
    spans = list(spans)
    known = {span.span_id for span in spans}
    return sorted((span for span in spans if span.parent_id is None or span.parent_id not in known), key=place)


def tree(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """List every span once, depth first, with its depth; siblings in order of time.

    A span whose parent is missing is a root. Spans in a circle hang under the first of them.
    """
    ordered = sorted(spans, key=place)
    children: dict[str | None, list[Span]] = {}
    for span in ordered:
        children.setdefault(span.parent_id, []).append(span)
    found: list[tuple[int, Span]] = []
    seen: set[str] = set()
    for top in (*roots(ordered), *ordered):
        waiting = [(0, top)]
        while waiting:
            depth, span = waiting.pop()
            if span.span_id in seen:
                continue
            seen.add(span.span_id)
            found.append((depth, span))
            waiting.extend((depth + 1, child) for child in reversed(children.get(span.span_id, ())))
    return found


def conversations(spans: Sequence[Span]) -> Mapping[str, str | None]:
    """Map each span's id to the conversation it belongs to: its nearest ancestor of that kind, or None."""
    return enclosing(spans, Operation.CONVERSATION)


def enclosing(spans: Sequence[Span], operation: Operation) -> Mapping[str, str | None]:
    """Map each span's id to its nearest ancestor of *operation*, or None."""
    by_id = {span.span_id: span for span in spans}
    found: dict[str, str | None] = {}
    for span in spans:
        parent = None if span.parent_id is None else by_id.get(span.parent_id)
        if parent is None or parent.operation is operation:
            found[span.span_id] = parent.span_id if parent is not None else None
            continue
        if parent.span_id in found:  # as always where spans come in order
            found[span.span_id] = found[parent.span_id]
            continue
        path: list[str] = []
        answer: str | None = None
        for ancestor in _ancestors(span, by_id):
            if ancestor.operation is operation:
                answer = ancestor.span_id
                break
            if ancestor.span_id in found:
                answer = found[ancestor.span_id]
                break
            path.append(ancestor.span_id)
        found.update(dict.fromkeys((span.span_id, *path), answer))
    return found


def _ancestors(span: Span, by_id: Mapping[str, Span]) -> Iterator[Span]:
    """Walk from the parent of *span* upwards, each span once; in a circle *span* is its own last ancestor."""
    seen: set[str] = set()
    parent = span.parent_id
    while parent is not None and parent in by_id and parent not in seen:
        seen.add(parent)
        yield by_id[parent]
        parent = by_id[parent].parent_id
