"""All that is known of one place in a run, as lines: what the detail pane shows and what ``y`` copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from harness.model import CallRecord, Finding, Json, Message, Span

from . import marks, parts, words
from .story import Item, Story

LONGEST = 20_000
"""Characters of one text the detail pane shows; the rest is there for ``y``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, not yet wrapped, and its style."""

    text: str
    style: str = ""


def of_item(story: Story, item: Item) -> list[Line]:
    """Tell all about an item of the conversation."""
    return list(_of_item(story, item))


def of_span(story: Story, span: Span) -> list[Line]:
    """Tell all about an operation: the call it is, if it is one, and its attributes."""
    call = next((call for call in story.run.calls if call.span.span_id == span.span_id), None)
    found = [finding for finding in story.run.findings if finding.span_id == span.span_id]
    return [*_findings(found), *(_of_call(call) if call else ()), *_of_span(story, span)]


def original(story: Story, item: Item | None, span: Span | None) -> str:
    """Give what stands at a place as it was recorded, for the clipboard."""
    if item is not None and item.message is not None:
        return parts.text_of(item.message)
    if item is not None and item.call is None and item.findings:
        return "\n".join(f"{finding.code} {finding.name}: {finding.text}" for finding in item.findings)
    if item is not None and item.ending is not None:
        return parts.farewell(item.ending)
    span = item.span if item is not None else span
    if span is None:
        return ""
    call = next((call for call in story.run.calls if call.span.span_id == span.span_id), None)
    if call is None:
        return parts.as_json(dict(span.attributes), indent=2)
    return parts.as_json({"request": call.request, "reply": call.reply, "error": call.error}, indent=2)


def _of_item(story: Story, item: Item) -> Iterator[Line]:
    yield from _findings(item.findings)
    if item.message is not None:
        yield from _of_message(story, item, item.message)
    elif item.call is not None:
        yield from _of_call(item.call)
    elif item.ending is not None:
        yield Line(text=parts.farewell(item.ending), style="bold")
    if item.span is not None:
        yield from _of_span(story, item.span)


def _findings(findings: Iterable[Finding]) -> Iterator[Line]:
    for finding in findings:
        mark = marks.SEVERITY[finding.severity]
        yield Line(text=f"{mark.glyph} {finding.code} {finding.name}", style=f"{mark.style} bold")
        yield Line(text=finding.text)
        if finding.evidence:
            yield from _lines(parts.as_json(dict(finding.evidence), indent=2), "dim")
        yield Line(text="")


def _of_message(story: Story, item: Item, message: Message) -> Iterator[Line]:
    to = f" → {', '.join(message.recipients)}" if message.recipients else ""
    yield Line(text=f"{message.sender}{to}", style="bold")
    at = [_clock(message.at_ns)] if story.run.summary.timed else []
    yield Line(text=" · ".join([message.role, f"#{item.number}", *at]), style="dim")
    for block in parts.blocks(message.body):
        yield Line(text="")
        yield from _lines(block.text, block.style)


def _of_call(call: CallRecord) -> Iterator[Line]:
    yield Line(text=f"{call.agent or 'somebody'} {parts.headline(call)}", style="bold")
    if used := parts.usage(call):
        yield Line(text=used)
    if call.error is not None:
        yield Line(text="")
        yield from _lines(f"✖ {call.error}", "$text-error")
    if call.reply is not None:
        yield from _section("reply")
        yield from _values(call.reply)
    yield from _section("request")
    yield from _values(call.request)


def _values(values: Mapping[str, Json]) -> Iterator[Line]:
    """Write a request or reply: messages and texts as they read, the rest as JSON."""
    for name, value in values.items():
        if name == "messages" and isinstance(value, list):
            yield Line(text=f"{name}: {len(value)}", style="bold")
            for message in value:
                yield from _spoken(message)
        elif name == "message" and isinstance(value, Mapping):
            yield from _spoken(value)
        elif isinstance(value, str):
            yield Line(text=f"{name}:", style="bold") if "\n" in value else Line(text=f"{name}: {value}")
            if "\n" in value:
                yield from _lines(value)
        elif value not in (None, [], {}):
            yield from _lines(f"{name}: {parts.as_json(value, indent=2)}")


def _spoken(message: Json) -> Iterator[Line]:
    if not isinstance(message, Mapping):
        yield from _lines(parts.as_json(message), "dim")
        return
    who = message.get("name") or message.get("role")
    for block in parts.blocks(message) or [parts.Block(kind="text", text="(nothing)", style="dim")]:
        yield from _lines(f"{who}: {block.text}", block.style)


def _of_span(story: Story, span: Span) -> Iterator[Line]:
    mark = marks.SPAN[span.status]
    yield from _section("span")
    yield Line(text=f"{span.name}  {mark.glyph.strip()} {span.status.value}".replace("   ", "  "), style="bold")
    length = None if span.end_ns is None else span.end_ns - span.start_ns
    at = words.duration(span.start_ns - story.begin_ns)
    if story.run.summary.timed:
        yield Line(text=f"began at {at} ({_clock(span.start_ns)}), took {words.duration(length)}")
    yield Line(text=f"span {span.span_id} · trace {span.trace_id}", style="dim")
    for name, value in sorted(span.attributes.items()):
        yield from _lines(f"{name} = {value if isinstance(value, str) else parts.as_json(value)}", "dim")


def _section(title: str) -> Iterator[Line]:
    yield Line(text="")
    yield Line(text=f"── {title}", style="$text-secondary")


def _lines(text: str, style: str = "") -> Iterator[Line]:
    shown = text[:LONGEST]
    for line in shown.splitlines() or [""]:
        yield Line(text=line, style=style)
    if len(text) > LONGEST:
        yield Line(text=f"… {len(text) - LONGEST:,} more characters; y copies all", style="italic dim")


def _clock(at_ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(at_ns / words.SECOND, tz=timezone.utc).astimezone()
    except (OverflowError, OSError, ValueError):
        return f"{at_ns} ns"
    return moment.strftime("%H:%M:%S.%f")[:-3]
