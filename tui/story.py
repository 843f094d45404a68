"""A run as it is told: the items of the conversation, the rows of the waterfall, and the way between them.

Conversation, waterfall, minimap and detail show one position. So every item knows its row and every row
its item; items have keys that stay while the run grows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from harness.model import (
    CALLS,
    CallRecord,
    Ending,
    EndingKind,
    Finding,
    Message,
    Operation,
    Run,
    RunStatus,
    Severity,
    Span,
    Status,
)

from . import marks
from .words import total_tokens


class Kind(Enum):
    """What an item of the conversation is."""

    HEADING = 0
    MESSAGE = 1
    CALL = 2
    ENDING = 3
    FINDING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing in the conversation: a message, a call that hangs or failed, where a conversation begins or ends.

    *agent* is who spoke or asked, *tokens* what the model calls of the message's turn used. *number* is the message's
    among all that were spoken, from 1, as commands count them.
    """

    kind: Kind
    key: str
    at_ns: int
    span: Span | None
    agent: str = ""
    message: Message | None = None
    call: CallRecord | None = None
    ending: Ending | None = None
    findings: tuple[Finding, ...] = ()
    tokens: int | None = None
    number: int | None = None

    @property
    def worst(self) -> Severity | None:
        """The worst severity among its findings."""
        return max((finding.severity for finding in self.findings), key=marks.RANK.__getitem__, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation in the waterfall, *depth* levels deep."""

    span: Span
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A whole run, told. ``row_of[item]`` and ``item_of[row]`` are indices; -1 where there is none."""

    run: Run
    items: Sequence[Item]
    rows: Sequence[Row]
    row_of: Sequence[int]
    item_of: Sequence[int]
    agents: Mapping[str, marks.Mark]
    begin_ns: int
    end_ns: int

    def find_item(self, key: str) -> int | None:
        """Find the item with *key*."""
        return next((index for index, item in enumerate(self.items) if item.key == key), None)

    def find_row(self, span_id: str) -> int | None:
        """Find the row of the span *span_id*."""
        return next((index for index, row in enumerate(self.rows) if row.span.span_id == span_id), None)

    def next_finding(self, item: int, by: int) -> int | None:
        """Find the nearest item with a finding after (*by* 1) or before (-1) *item*."""
        return self._next(item, by, lambda other: bool(other.findings))

    def next_of_agent(self, item: int, by: int) -> int | None:
        """Find the nearest message of the same agent after (*by* 1) or before (-1) *item*."""
        if not self.items:
            return None
        agent = self.items[item].agent
        return self._next(item, by, lambda other: other.kind is Kind.MESSAGE and other.agent == agent)

    def _next(self, item: int, by: int, wanted: Callable[[Item], bool]) -> int | None:
        indices = range(item + by, len(self.items) if by > 0 else -1, by)
        return next((index for index in indices if wanted(self.items[index])), None)


def tell(run: Run) -> Story:
    """Tell *run*: order its items, lay out its spans, attach its findings."""
    by_id = {span.span_id: span for span in run.spans}
    rows = _rows(run.spans, by_id)
    items = _with_findings(_items(run, by_id), run.findings, by_id)
    row_at = {row.span.span_id: index for index, row in enumerate(rows)}
    times = [stamp for span in run.spans for stamp in (span.start_ns, span.end_ns) if stamp is not None]
    times += [message.at_ns for message in run.messages]
    return Story(
        run=run,
        items=items,
        rows=rows,
        row_of=[_row_of(item, rows, row_at, by_id) for item in items],
        item_of=_items_of(rows, items, by_id),
        agents=marks.agents(_names(run, items)),
        begin_ns=min(times, default=run.summary.started_ns),
        end_ns=max(times, default=run.summary.started_ns),
    )


def _names(run: Run, items: Sequence[Item]) -> Iterable[str]:
    """Everyone who spoke, in that order, then everyone who only listened."""
    yield from (item.agent for item in items if item.agent)
    for message in run.messages:
        yield from message.recipients


# Items


def _items(run: Run, by_id: Mapping[str, Span]) -> list[Item]:
    tokens = _tokens_by_turn(run, by_id)
    speakers = Counter(_turn(message.span_id, by_id) for message in run.messages)
    items = []
    for number, message in enumerate(run.messages, 1):
        turn = _turn(message.span_id, by_id)
        items.append(
            Item(
                kind=Kind.MESSAGE,
                key=f"message:{message.span_id}:{message.seq}",
                at_ns=message.at_ns,
                span=by_id.get(message.span_id),
                agent=message.sender,
                message=message,
                number=number,
                tokens=tokens.get(turn) if turn and speakers[turn] == 1 else None,
            )
        )
    items += [
        Item(
            kind=Kind.CALL,
            key=f"call:{call.span.span_id}",
            at_ns=call.span.start_ns,
            span=call.span,
            agent=call.agent or "",
            call=call,
        )
        for call in run.calls
        if call.error is not None or call.span.status is not Status.OK
    ]
    conversations = [span for span in run.spans if span.operation is Operation.CONVERSATION]
    if len(conversations) > 1:
        items += [
            Item(kind=Kind.HEADING, key=f"heading:{span.span_id}", at_ns=span.start_ns, span=span)
            for span in conversations
        ]
    items += _endings(run, by_id)
    order = {Kind.HEADING: 0, Kind.MESSAGE: 1, Kind.CALL: 1, Kind.ENDING: 2, Kind.FINDING: 3}
    return sorted(items, key=lambda item: (item.at_ns, order[item.kind], _seq(item)))


def _endings(run: Run, by_id: Mapping[str, Span]) -> list[Item]:
    last_ns = max((span.end_ns or span.start_ns for span in run.spans), default=run.summary.started_ns)
    endings = []
    for span_id, ending in run.endings.items():
        span = by_id.get(span_id)
        at_ns = span.end_ns if span is not None and span.end_ns is not None else last_ns
        endings.append(Item(kind=Kind.ENDING, key=f"ending:{span_id}", at_ns=at_ns, span=span, ending=ending))
    told = any(ending.kind is EndingKind.INTERRUPTED for ending in run.endings.values())
    if run.summary.status is RunStatus.INTERRUPTED and not told:
        lost = Ending(kind=EndingKind.INTERRUPTED)
        endings.append(Item(kind=Kind.ENDING, key="ending:interrupted", at_ns=last_ns, span=None, ending=lost))
    return endings


def _seq(item: Item) -> int:
    if item.message is not None:
        return item.message.seq
    return item.span.seq if item.span is not None else 0


def _turn(span_id: str, by_id: Mapping[str, Span]) -> str | None:
    return next((span.span_id for span in _up(span_id, by_id) if span.operation is Operation.TURN), None)


def _up(span_id: str | None, by_id: Mapping[str, Span]) -> Iterable[Span]:
    """Walk from a span up to its root; a circle of parents ends the walk."""
    seen = set()
    while span_id is not None and span_id not in seen and (span := by_id.get(span_id)) is not None:
        seen.add(span_id)
        yield span
        span_id = span.parent_id


def _tokens_by_turn(run: Run, by_id: Mapping[str, Span]) -> dict[str, int]:
    tokens: Counter[str] = Counter()
    for call in run.calls:
        used = total_tokens(call.usage.input_tokens, call.usage.output_tokens)
        turn = _turn(call.span.span_id, by_id)
        if used is not None and turn is not None:
            tokens[turn] += used
    return dict(tokens)


def _with_findings(items: list[Item], findings: Sequence[Finding], by_id: Mapping[str, Span]) -> list[Item]:
    """Attach each finding to the item it points at; those of the run as a whole come last, by themselves."""
    at_span = {item.span.span_id: index for index, item in enumerate(items) if item.span is not None}
    messages = [index for index, item in enumerate(items) if item.message is not None]
    own: dict[int, list[Finding]] = {}
    whole = []
    for finding in findings:
        place = at_span.get(finding.span_id or "")
        if place is None and (span := by_id.get(finding.span_id or "")) is not None:
            place = _nearest(items, span.start_ns)
        if place is None and finding.seq is not None and messages:
            place = messages[min(finding.seq, len(messages) - 1)]
        if place is None:
            whole.append(finding)
        else:
            own.setdefault(place, []).append(finding)
    told = [replace(item, findings=tuple(own[index])) if index in own else item for index, item in enumerate(items)]
    last_ns = told[-1].at_ns if told else 0
    told += [
        Item(kind=Kind.FINDING, key=f"finding:{finding.code}:{order}", at_ns=last_ns, span=None, findings=(finding,))
        for order, finding in enumerate(whole)
    ]
    return told


def _nearest(items: Sequence[Item], at_ns: int) -> int | None:
    """Find the last item that is not later than *at_ns*, else the first."""
    if not items:
        return None
    return max(0, bisect_right(items, at_ns, key=lambda item: item.at_ns) - 1)


# Rows


def _rows(spans: Sequence[Span], by_id: Mapping[str, Span]) -> list[Row]:
    shown = [span for span in spans if span.operation is not Operation.MESSAGE] or list(spans)
    ids = {span.span_id for span in shown}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(shown, key=lambda span: (span.start_ns, span.seq)):
        parent = next((up.span_id for up in _up(span.parent_id, by_id) if up.span_id in ids), None)
        children.setdefault(parent if parent != span.span_id else None, []).append(span)
    rows: list[Row] = []
    seen: set[str] = set()
    _walk([*children.get(None, ())], children, rows, seen)
    # A circle of parents hangs from no root: begin it at its earliest span.
    _walk([span for span in shown if span.span_id not in seen], children, rows, seen)
    return rows


def _walk(roots: Sequence[Span], children: Mapping[str | None, list[Span]], rows: list[Row], seen: set[str]) -> None:
    stack = [(span, 0) for span in reversed(roots)]
    while stack:
        span, depth = stack.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        rows.append(Row(span=span, depth=depth))
        stack += [(child, depth + 1) for child in reversed(children.get(span.span_id, ()))]


def _row_of(item: Item, rows: Sequence[Row], row_at: Mapping[str, int], by_id: Mapping[str, Span]) -> int:
    if item.span is None:
        return 0 if rows else -1
    return next((row_at[up.span_id] for up in _up(item.span.span_id, by_id) if up.span_id in row_at), 0 if rows else -1)


def _items_of(rows: Sequence[Row], items: Sequence[Item], by_id: Mapping[str, Span]) -> list[int]:
    """For each row the item to show: its own, else the first said in it or in its turn, else the nearest before."""
    own: dict[str, int] = {}
    within: dict[str, int] = {}
    for order, item in enumerate(items):
        if item.span is not None:
            if item.kind is not Kind.ENDING:
                own.setdefault(item.span.span_id, order)
            for up in _up(item.span.span_id, by_id):
                if up.span_id in within:
                    break  # and so are all above it
                within[up.span_id] = order
    found = []
    for row in rows:
        span = row.span
        index = own.get(span.span_id, within.get(span.span_id))
        if index is None and span.operation in CALLS:
            index = within.get(_turn(span.span_id, by_id) or "")
        if index is None:
            index = _nearest(items, span.start_ns)
        found.append(-1 if index is None else index)
    return found
