"""Play a run back as the events it was: what checks are fed, and what a view follows."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model import Event, Operation, Run, Span, Status

_BEGINS, _ENDS = 0, 1


def events(run: Run) -> Iterator[Event]:
    """Yield the events of *run* in order: starts, messages as points, and ends with their call or ending.

    Time orders them, and ``seq`` what happened in one instant; a span never ends before it begins. What is open or
    interrupted has no end.
    """
    messages = {message.span_id: message for message in run.messages}
    calls = {call.span.span_id: call for call in run.calls}
    marks: list[tuple[int, int, int, int, Span]] = []
    for index, span in enumerate(run.spans):
        marks.append((span.start_ns, span.seq, _BEGINS, index, span))
        if span.operation is not Operation.MESSAGE and span.status in {Status.OK, Status.ERROR}:
            at_ns = max(span.start_ns, span.start_ns if span.end_ns is None else span.end_ns)
            seq = max(span.seq, span.seq if span.end_seq is None else span.end_seq)
            marks.append((at_ns, seq, _ENDS, index, span))
    number = 0
    for at_ns, seq, phase, _, span in sorted(marks, key=lambda mark: mark[:4]):
        if span.operation is Operation.MESSAGE:
            said = messages.get(span.span_id)
            yield Event(seq=seq, number=number, at_ns=at_ns, phase="point", span=span, message=said)
            number += said is not None
        elif phase == _BEGINS:
            yield Event(seq=seq, number=number, at_ns=at_ns, phase="start", span=span)
        else:
            call, ending = calls.get(span.span_id), run.endings.get(span.span_id)
            yield Event(seq=seq, number=number, at_ns=at_ns, phase="end", span=span, call=call, ending=ending)
