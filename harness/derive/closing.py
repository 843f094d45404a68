"""Say why conversations ended, and which ending is the run's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness import semconv
from harness.derive.attributes import Attributes, text
from harness.derive.forest import conversations, place
from harness.model import Ending, EndingKind, Operation, Span, Status

_KINDS = {kind.value: kind for kind in EndingKind}


def endings(spans: Iterable[Span]) -> dict[str, Ending]:
    """Map the id of each conversation that is over to its ending, in order of time.

    One whose process died was interrupted, whatever it said before; one that failed without a word ended in an error.
    """
    found: dict[str, Ending] = {}
    for span in sorted(spans, key=place):
        if span.operation is Operation.CONVERSATION:
            why = ending(span)
            if why is not None:
                found[span.span_id] = why
    return found


def last_ending(spans: Sequence[Span], within: Mapping[str, str | None] | None = None) -> Ending | None:
    """Give the ending of the last conversation that is not part of another; None while it goes on.

    *within* is what ``forest.conversations`` says of *spans*, where it is known already.
    """
    within = conversations(spans) if within is None else within
    top = [span for span in spans if span.operation is Operation.CONVERSATION and within[span.span_id] is None]
    return ending(max(top, key=place)) if top else None


def ending(span: Span) -> Ending | None:
    """Say why the conversation *span* ended; None while it goes on."""
    if span.status is Status.OPEN:
        return None
    if span.status is Status.INTERRUPTED:
        return Ending(kind=EndingKind.INTERRUPTED)
    said = _KINDS.get(text(span.attributes, semconv.HARNESS_ENDING) or "")
    if said is not None:
        return Ending(
            kind=said, agent=text(span.attributes, semconv.HARNESS_ENDING_AGENT), detail=_detail(span.attributes)
        )
    if span.status is Status.ERROR:
        return Ending(kind=EndingKind.ERROR, detail=text(span.attributes, semconv.ERROR_MESSAGE))
    return Ending(kind=EndingKind.UNKNOWN)


def _detail(attributes: Attributes) -> str | None:
    value = attributes.get(semconv.HARNESS_ENDING_DETAIL)
    return None if value is None else str(value)
