"""Charts of a run as inline SVG: when each call was made, what each model call was told, and who used how much."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness import figures
from harness.model import Operation
from harness.text import one_line, printable

if TYPE_CHECKING:
    from harness.model import CallRecord, Run

_MOST_CALLS = 60
_WIDTH = 720
_NAMES = 190
_LONGEST = 24
_ROW = 20
_HIGH = 120
_LEAST = 2


def esc(text: object) -> str:
    """Write *text* as HTML that shows it as it is, in an element or between quotes."""
    return html.escape(printable(text), quote=True)


def bar(value: int | None, most: int) -> str:
    """Draw *value* as a bar beside others, of which *most* is the largest."""
    if not value or not most:
        return ""
    width = max(_LEAST, round(100 * value / most))
    label = esc(figures.count(value))
    return (
        f"<svg width='100' height='8' role='img' aria-label='{label} tokens'>"
        f"<rect class='chat' width='{width}' height='8' rx='2'/></svg>"
    )


def of(run: Run) -> Iterator[str]:
    """Draw the charts of *run* that there is something for."""
    drawn = [*_when(run), *_growing(run), *_shares(run)]
    if drawn:
        yield "<h3>Charts</h3><div class='charts'>"
        yield from drawn
        yield "</div>"


def _figure(title: str, width: int, height: int, shapes: str, note: str = "") -> str:
    told = f"<figcaption>{esc(title)}{f' <span class=dim>{esc(note)}</span>' if note else ''}</figcaption>"
    return (
        f"<figure>{told}<svg viewBox='0 0 {width} {height}' width='{width}' height='{height}' role='img' "
        f"aria-label='{esc(title)}'>{shapes}</svg></figure>"
    )


def _when(run: Run) -> Iterator[str]:
    """Draw each call as a bar from when it was asked to when it was answered."""
    timed = [call for call in run.calls if call.span.end_ns is not None]
    if not timed or not run.summary.timed:
        return
    calls = timed[:_MOST_CALLS]
    start = min(call.span.start_ns for call in calls)
    whole = max(max(call.span.end_ns or 0 for call in calls) - start, 1)
    scale = (_WIDTH - _NAMES - 60) / whole
    rows = []
    for number, call in enumerate(calls):
        took = max(0, (call.span.end_ns or 0) - call.span.start_ns)
        left, width = _NAMES + (call.span.start_ns - start) * scale, max(_LEAST, took * scale)
        name = _named(call)
        top = number * _ROW
        rows.append(
            f"<text x='{_NAMES - 8}' y='{top + 14}' text-anchor='end'>{esc(name)}</text>"
            f"<rect class='{call.span.operation.value}{' bad' if call.error else ''}' x='{left:.1f}' y='{top + 4}' "
            f"width='{width:.1f}' height='12' rx='2'><title>{esc(name)}: {esc(figures.duration(took))}</title></rect>"
            f"<text class='dim' x='{left + width + 5:.1f}' y='{top + 14}'>{esc(figures.duration(took))}</text>"
        )
    more = len(timed) - len(calls)
    notes = ["times are those of the replay" if run.summary.mode == "replay" else "", f"{more} more" if more else ""]
    note = ", ".join(filter(None, notes))
    yield _figure("Calls, in order of time", _WIDTH, len(calls) * _ROW + 4, "".join(rows), note)


def _named(call: CallRecord) -> str:
    """Name a call beside its bar: of a long name of an agent the beginning, so that what it did can be read."""
    what = one_line(_word(call), _LONGEST // 2)
    return f"{one_line(call.agent, _LONGEST - len(what) - 3)} · {what}" if call.agent else what


def _word(call: CallRecord) -> str:
    return call.name or "" if call.span.operation is Operation.TOOL else call.span.operation.value


def _growing(run: Run) -> Iterator[str]:
    """Draw the tokens that went into and came out of each model call: how fast the context grows."""
    chats = [call for call in run.calls if call.span.operation is Operation.CHAT]
    known = [call for call in chats if call.usage.input_tokens is not None or call.usage.output_tokens is not None]
    most = max(((call.usage.input_tokens or 0) + (call.usage.output_tokens or 0) for call in known), default=0)
    if not most or len(known) < _LEAST:
        return
    width = (_WIDTH - _NAMES) / len(known)
    shapes = [
        f"<text class='dim' x='{_NAMES - 8}' y='12' text-anchor='end'>{figures.count(most)}</text>",
        f"<line class='rule' x1='{_NAMES}' x2='{_WIDTH}' y1='{_HIGH + 8}' y2='{_HIGH + 8}'/>",
    ]
    for number, call in enumerate(known):
        went, came = call.usage.input_tokens or 0, call.usage.output_tokens or 0
        low, high = _HIGH * went / most, _HIGH * came / most
        left, thick = _NAMES + number * width, max(1.0, width - 2)
        label = f"{number + 1}. {call.agent or ''}: {figures.count(went)} in, {figures.count(came)} out"
        shapes.append(
            f"<g><title>{esc(one_line(label, 120))}</title>"
            f"<rect class='chat' x='{left:.1f}' y='{_HIGH + 8 - low:.1f}' width='{thick:.1f}' height='{low:.1f}'/>"
            f"<rect class='out' x='{left:.1f}' y='{_HIGH + 8 - low - high:.1f}' width='{thick:.1f}' "
            f"height='{high:.1f}'/></g>"
        )
    note = "lower part in, upper part out"
    yield _figure("Tokens of each model call", _WIDTH, _HIGH + 12, "".join(shapes), note)


def _shares(run: Run) -> Iterator[str]:
    """Draw who used how many tokens."""
    used: dict[str, int] = {}
    cost: dict[str, float] = {}
    for call in run.calls:
        if call.span.operation is Operation.CHAT:
            who = call.agent or "(nobody)"
            used[who] = used.get(who, 0) + (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0)
            if call.usage.cost_usd is not None:
                cost[who] = cost.get(who, 0) + call.usage.cost_usd
    if not any(used.values()) or len(used) < _LEAST:
        return
    yield _figure("Tokens by agent", _WIDTH, len(used) * _ROW + 4, "".join(_rows(used, cost)))


def _rows(used: Mapping[str, int], cost: Mapping[str, float]) -> Iterator[str]:
    most = max(used.values())
    for number, (who, count) in enumerate(sorted(used.items(), key=lambda item: -item[1])):
        top, width = number * _ROW, max(_LEAST, (_WIDTH - _NAMES - 150) * count / most)
        told = f"{figures.count(count)} · {figures.money(cost.get(who))}"
        yield (
            f"<text x='{_NAMES - 8}' y='{top + 14}' text-anchor='end'>{esc(one_line(who, _LONGEST))}</text>"
            f"<rect class='chat' x='{_NAMES}' y='{top + 4}' width='{width:.1f}' height='12' rx='2'/>"
            f"<text class='dim' x='{_NAMES + width + 5:.1f}' y='{top + 14}'>{esc(told)}</text>"
        )
