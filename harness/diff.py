"""Lay two runs side by side: what both said, where they first parted, and what made them part.

Pure functions over :class:`harness.model.Run`. Nothing depends on which run comes first but the sides of the answer.
Ids of tool calls differ from run to run and are not compared; neither are times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness import derive
from harness.canonical import canonical
from harness.causes import Cause, CauseKind, between, flow, plain
from harness.derive.forest import enclosing
from harness.model import CallRecord, Message, Operation, Run, RunStatus

_MOST_CELLS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Two messages that stand side by side, or one that stands alone. *equal* says whether the same was said."""

    left: Message | None
    right: Message | None
    equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One figure of both runs; None where it is unknown. Names are those of the view ``runs``, and ``time_ns``."""

    name: str
    left: float | None
    right: float | None

    @property
    def change(self) -> float | None:
        """What it takes to get from left to right; None if either is unknown."""
        return None if self.left is None or self.right is None else self.right - self.left


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Two runs side by side.

    *parting* is the place in *rows* of the first that is not equal; None if all was said alike. *cause* says what made
    them part there, or how requests differed although the same was said. *equal* runs said the same and ended alike.
    """

    rows: Sequence[Row]
    parting: int | None
    cause: Cause | None
    totals: Sequence[Total]
    equal: bool


def diff(left: Run, right: Run) -> Diff:
    """Align two runs and say where and why they part. ``diff(b, a)`` is ``mirrored(diff(a, b))``."""
    rows = align(left.messages, right.messages)
    parting = next((place for place, row in enumerate(rows) if not row.equal), None)
    same_end = left.summary.ending == right.summary.ending
    cause: Cause | None
    if parting is not None:
        cause = _parted(left, right, rows, parting)
    else:
        cause = between(left.calls, right.calls)
        if cause is None and not same_end:
            cause = flow("ending", left.summary.ending, right.summary.ending)
    unspoken = not rows and cause is not None
    return Diff(
        rows=rows,
        parting=parting,
        cause=cause,
        totals=_totals(left, right),
        equal=parting is None and same_end and not unspoken,
    )


def mirrored(found: Diff) -> Diff:
    """Swap the sides."""
    cause = found.cause
    return replace(
        found,
        rows=[Row(left=row.right, right=row.left, equal=row.equal) for row in found.rows],
        cause=cause and replace(cause, left=cause.right, right=cause.left),
        totals=[Total(name=total.name, left=total.right, right=total.left) for total in found.totals],
    )


def align(left: Sequence[Message], right: Sequence[Message]) -> list[Row]:
    """Put equal messages side by side, as many as can be in order; what lies between them is paired as it comes."""
    one, other = [_said(message) for message in left], [_said(message) for message in right]
    rows: list[Row] = []
    at, there = 0, 0
    for i, j in [*_common(one, other), (len(left), len(right))]:
        changed = min(i - at, j - there)
        rows += [Row(left=left[at + n], right=right[there + n], equal=False) for n in range(changed)]
        rows += [Row(left=message, right=None, equal=False) for message in left[at + changed : i]]
        rows += [Row(left=None, right=message, equal=False) for message in right[there + changed : j]]
        if i < len(left):
            rows.append(Row(left=left[i], right=right[j], equal=True))
        at, there = i + 1, j + 1
    return rows


def _said(message: Message) -> str:
    """Write what was said, and by whom, so that equal messages are equal text."""
    return canonical([message.sender, message.role, plain(message.body)])


def _common(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """List the places of a longest common subsequence: the same from either side, since ties are broken by content."""
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    found = [(place, place) for place in range(start)]
    found += _longest(left[start : len(left) - end], right[start : len(right) - end], start)
    return found + [(len(left) - back, len(right) - back) for back in range(end, 0, -1)]


def _longest(left: Sequence[str], right: Sequence[str], start: int) -> list[tuple[int, int]]:
    if len(left) * len(right) > _MOST_CELLS:
        return []
    lengths = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            equal = left[i] == right[j]
            lengths[i][j] = 1 + lengths[i + 1][j + 1] if equal else max(lengths[i + 1][j], lengths[i][j + 1])
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        without_left, without_right = lengths[i + 1][j], lengths[i][j + 1]
        if left[i] == right[j]:
            found.append((start + i, start + j))
            i, j = i + 1, j + 1
        elif without_left > without_right or (without_left == without_right and left[i] < right[j]):
            i += 1
        else:
            j += 1
    return found


def _parted(left: Run, right: Run, rows: Sequence[Row], parting: int) -> Cause:
    one, other = rows[parting].left, rows[parting].right
    if one is None or other is None:
        ends = (left.summary.ending if one is None else None, right.summary.ending if other is None else None)
        return flow("ending", *ends)
    if one.sender != other.sender:
        before = rows[parting - 1] if parting else Row(left=None, right=None, equal=True)
        cause = between(_choosing(left, before.left, one), _choosing(right, before.right, other))
        told = flow("speaker", one.sender, other.sender)
    else:
        cause = between(derive.made_by(left)[one.span_id], derive.made_by(right)[other.span_id])
        told = flow("message", one.text, other.text)
    if cause is None and parting == 0:
        return Cause(kind=CauseKind.TASK, field="task", left=one.text, right=other.text)
    return cause or told


def _choosing(run: Run, before: Message | None, message: Message) -> list[CallRecord]:
    """List the calls that chose the speaker of *message*: a model asked for it comes before the selection it is for."""
    within = enclosing(run.spans, Operation.SELECTION)
    since = before.at_ns if before else 0
    lately = [call for call in run.calls if since <= call.span.start_ns <= message.at_ns]
    asked = [call for call in lately if call.span.operation is Operation.CHAT and within.get(call.span.span_id)]
    return [*asked, *(call for call in lately if call.span.operation is Operation.SELECTION)]


def _totals(left: Run, right: Run) -> list[Total]:
    names = ("messages", "turns", "model_calls", "tool_calls", "errors", "input_tokens", "output_tokens", "cost_usd")
    found = [Total(name=name, left=getattr(left.summary, name), right=getattr(right.summary, name)) for name in names]
    return [*found, Total(name="time_ns", left=_time(left), right=_time(right))]


def _time(run: Run) -> int | None:
    """Give how long a run took; None while it goes on, and where that is unknown."""
    about = run.summary
    if about.status is RunStatus.RUNNING or about.ended_ns is None or not about.timed:
        return None
    return max(0, about.ended_ns - about.started_ns)
