"""Say which run each foreign span belongs to, and in which order the spans of a run stand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence

from harness import semconv
from harness.importers.foreign import Foreign

Place = tuple[str, str]
"""A span's trace and its id in there."""
Identity = tuple[str, str]
"""What names a run: ``run``, ``conversation`` or ``trace``, and the id."""
_GIVEN: Mapping[str, tuple[str, ...]] = {
    "run": (semconv.HARNESS_RUN_ID,),
    "conversation": (semconv.GEN_AI_CONVERSATION_ID, "ag2.network.channel_id", "session.id"),
}
_LONGEST = 256
_MAKING, _ASKING = "create_agent", "invoke_agent"


def once(spans: Iterable[Foreign]) -> list[Foreign]:
    """Keep each span once: its end rather than its start, and of copies the same one whatever their order."""
    found: dict[Place, Foreign] = {}
    for span in spans:
        place = (span.trace_id, span.span_id)
        before = found.get(place)
        if before is None or _weight(span) > _weight(before):
            found[place] = span
    return sorted(found.values(), key=lambda span: (span.start_ns, span.trace_id, span.span_id))


def _weight(span: Foreign) -> tuple[int, int, str]:
    return -1 if span.end_ns is None else span.end_ns, len(span.attributes), repr(span)


def grouped(spans: Sequence[Foreign]) -> dict[Identity, list[Foreign]]:
    """Part *spans*, each there once and in order of time, into runs.

    A run has the id that its topmost span with one gives: the harness's own, else that of the conversation. Spans
    above and beside it in the same trace go with the first; a trace without any goes with one it has a link with,
    whichever way it points, and stands for itself at last. A trace that only tells that agents were made goes with the
    run in which the first of them next speaks.
    """
    by_place = {(span.trace_id, span.span_id): span for span in spans}
    named: dict[Place, Identity] = {}
    first: dict[str, Identity] = {}
    for kind in _GIVEN:
        given = {place: name for place, span in by_place.items() if (name := _given(span, kind))}
        traces = {trace for trace, _ in given if trace not in first}
        topmost = _topmost(by_place, given)
        for place, span in by_place.items():
            if span.trace_id in traces and (top := topmost[place]):
                named[place] = (kind, top)
                first.setdefault(span.trace_id, (kind, top))
    of_trace = _linked(spans, first)
    _made(spans, of_trace)
    runs: dict[Identity, list[Foreign]] = {}
    for place, span in by_place.items():
        runs.setdefault(named.get(place) or of_trace[span.trace_id], []).append(span)
    return runs


def _given(span: Foreign, kind: str) -> str | None:
    for key in _GIVEN[kind]:
        name = span.attributes.get(key)
        if isinstance(name, str) and 0 < len(name) <= _LONGEST:
            return name
    # Chats one after another are one conversation at the top, though only those in it have ids.
    several = kind == "conversation" and span.attributes.get("ag2.span.type") == "multi_conversation"
    return span.trace_id if several else None


def _topmost(by_place: Mapping[Place, Foreign], given: Mapping[Place, str]) -> dict[Place, str | None]:
    """Give each span the name that the topmost of it and what is around it has."""
    found: dict[Place, str | None] = {}
    for place in by_place:
        if place in found:
            continue
        path = _path(place, by_place, found)
        top = found.get(_above(by_place[path[-1]]) or path[-1])
        for each in reversed(path):
            top = found[each] = top or given.get(each)
    return found


def _linked(spans: Sequence[Foreign], first: Mapping[str, Identity]) -> dict[str, Identity]:
    """Give every trace its run: its own, that of a trace it is linked with, or the earliest of those linked."""
    order = list(dict.fromkeys(span.trace_id for span in spans))
    beside: dict[str, list[str]] = {trace: [] for trace in order}
    for span in spans:
        for other, _ in span.links:
            if other in beside and other != span.trace_id:
                beside[span.trace_id].append(other)
                beside[other].append(span.trace_id)
    found: dict[str, Identity] = {}
    # Those with a name reach out first, then the rest in order of time.
    for start in (*(trace for trace in order if trace in first), *order):
        name = first.get(start) or found.get(start) or ("trace", start)
        waiting = [start]
        while waiting:
            trace = waiting.pop()
            if trace in found or (trace != start and trace in first):
                continue
            found[trace] = name
            waiting.extend(beside[trace])
    return found


def _made(spans: Sequence[Foreign], of_trace: dict[str, Identity]) -> None:
    """Give each trace of nothing but agents that are made the run of the first of them that speaks next."""
    made: dict[str, Foreign] = {}
    others: set[str] = set()
    speaking: dict[str, list[tuple[int, str]]] = {}
    for span in spans:
        operation, name = span.attributes.get(semconv.GEN_AI_OPERATION), span.attributes.get(semconv.GEN_AI_AGENT)
        if operation == _MAKING:
            made.setdefault(span.trace_id, span)
        else:
            others.add(span.trace_id)
            if operation == _ASKING and isinstance(name, str):
                speaking.setdefault(name, []).append((span.start_ns, span.trace_id))
    for trace, span in made.items():
        turns = speaking.get(str(span.attributes.get(semconv.GEN_AI_AGENT)), [])
        after = bisect_left(turns, (span.start_ns, ""))
        if trace not in others and of_trace[trace] == ("trace", trace) and after < len(turns):
            of_trace[trace] = of_trace[turns[after][1]]


def ranks(spans: Sequence[Foreign]) -> dict[Place, tuple[int, int]]:
    """Give each span of one run its ``(seq, end_seq)``: the starts and ends are counted in order of time.

    In one instant a span begins after what is around it and ends before it; what began earlier and contains nothing
    that begins now ends before anything begins.
    """
    by_place = {(span.trace_id, span.span_id): span for span in spans}
    depth, latest = _shape(by_place)
    marks: list[tuple[int, int, int, Place]] = []
    for place, span in by_place.items():
        marks.append((span.start_ns, 1, depth[place], place))
        end_ns = span.start_ns if span.end_ns is None else max(span.start_ns, span.end_ns)
        early = latest[place] < end_ns
        marks.append((end_ns, 0 if early else 2, -depth[place], place))
    found: dict[Place, list[int]] = {place: [] for place in by_place}
    for number, (_, phase, _, place) in enumerate(sorted(marks), start=1):
        if phase == 1:
            found[place].insert(0, number)
        else:
            found[place].append(number)
    return {place: (seq, end_seq) for place, (seq, end_seq) in found.items()}


def _shape(by_place: Mapping[Place, Foreign]) -> tuple[dict[Place, int], dict[Place, int]]:
    """Give each span's depth, and when the last of what it contains began, itself included."""
    depth: dict[Place, int] = {}
    for place in by_place:
        if place in depth:
            continue
        path = _path(place, by_place, depth)
        below = depth.get(_above(by_place[path[-1]]) or path[-1], 0)
        depth.update((each, below + number) for number, each in enumerate(reversed(path), start=1))
    latest = {place: span.start_ns for place, span in by_place.items()}
    for place in sorted(by_place, key=lambda each: -depth[each]):
        above = _above(by_place[place])
        if above is not None and above in latest:
            latest[above] = max(latest[above], latest[place])
    return depth, latest


def _path(place: Place, by_place: Mapping[Place, Foreign], known: Container[Place]) -> list[Place]:
    """List *place* and what is above it, up to the first that is missing, *known* or in the list already."""
    path = [place]
    seen = {place}
    above = _above(by_place[place])
    while above is not None and above in by_place and above not in known and above not in seen:
        seen.add(above)
        path.append(above)
        above = _above(by_place[above])
    return path


def _above(span: Foreign) -> Place | None:
    return (span.trace_id, span.parent_id) if span.parent_id else None
