"""Lay a run out as lines of text: its title, its conversation, its tree of spans."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import click

from harness import derive, semconv
from harness.cli import figures
from harness.model import (
    CallRecord,
    Ending,
    Event,
    Finding,
    Json,
    Message,
    Operation,
    Run,
    RunStatus,
    Span,
    Status,
    Usage,
    part_text,
)
from harness.text import one_line, printable

_INDENT = "  "
_MOST_RESULT_LINES = 20
_LONGEST_ARGUMENTS = 400
_FROM_CACHE = "from the framework's cache"
_STATUS_GLYPHS = {Status.OPEN: "●", Status.OK: "✔", Status.ERROR: "✖", Status.INTERRUPTED: "◌"}
_STATUS_COLOURS = {Status.OPEN: "cyan", Status.OK: "green", Status.ERROR: "red", Status.INTERRUPTED: "yellow"}


def title(run: Run, now_ns: int, width: int) -> list[str]:
    """Say what the run is and how it went."""
    about = run.summary
    mark = click.style(figures.GLYPHS[about.status], fg=figures.COLOURS[about.status])
    used = figures.tokens(about)
    facts = [
        figures.ending(about),
        figures.many(about.messages, "message"),
        figures.many(about.model_calls, "model call"),
        *([figures.many(about.tool_calls, "tool call")] if about.tool_calls else []),
        f"{figures.count(used)} tokens",
        figures.money(about.cost_usd),
        figures.elapsed(about, now_ns),
    ]
    origin = [
        f"run {about.run_id}",
        *([about.framework] if about.framework else []),
        *([about.mode] if about.mode != "live" else []),
        *([figures.began(about, now_ns)] if about.timed else ["at an unknown time"]),
        *_withheld(run),
        *([f"tagged {', '.join(about.tags)}"] if about.tags else []),
    ]
    return [
        f"{mark} {click.style(one_line(about.name, width), bold=True)}",
        *_folded(" · ".join(facts), width),
        *(click.style(line, dim=True) for line in _folded(" · ".join(origin), width)),
    ]


def _withheld(run: Run) -> list[str]:
    found = (span.attributes.get(semconv.HARNESS_CAPTURE) for span in run.spans)
    return [f"contents withheld (capture = {one_line(capture, 20)})" for capture in found if capture][:1]


def conversation(run: Run, width: int) -> list[str]:
    """Lay out what was said, in order, with findings at their message and every conversation's ending."""
    lines = list(_conversation(run, width))
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _conversation(run: Run, width: int) -> Iterator[str]:
    made = derive.made_by(run)
    places = _places(run, made)
    talks = {span.span_id: span for span in run.spans if span.operation is Operation.CONVERSATION}
    many = len({message.conversation_id for message in run.messages}) > 1
    before: str | None = ""
    for event in derive.events(run):
        if event.message is not None:
            talk = event.message.conversation_id
            if many and talk != before:
                yield from _heading(talks.get(talk or ""), width)
            before = talk
            yield from _message(event.message, made.get(event.message.span_id, ()), width)
            for finding in places.get(event.message.span_id, ()):
                yield from _finding(finding, width)
            yield ""
        elif event.call is not None and event.span.status is Status.ERROR:
            yield from _failure(event.call, width)
            yield ""
        elif event.ending is not None:
            yield _ending(event, event.ending, width, named=len(talks) > 1)
            yield ""
    for finding in places.get("", ()):
        yield from _finding(finding, width)
    yield from _last_line(run)


def forest(run: Run, width: int) -> Iterator[str]:
    """Lay out the tree of spans: status, name, what is worth knowing, and how long each took."""
    rows = [(depth, span) for depth, span in derive.tree(run.spans)]
    calls = {call.span.span_id: call for call in run.calls}
    messages = {message.span_id: message for message in run.messages}
    for depth, span in rows:
        took = "" if span.operation is Operation.MESSAGE or not run.summary.timed else _took(span)
        room = max(20, width - 13 - 2 * min(depth, 20))
        text = one_line(_label(span, calls.get(span.span_id), messages.get(span.span_id)), room)
        mark = click.style(_STATUS_GLYPHS[span.status], fg=_STATUS_COLOURS[span.status])
        yield f"{took:>10}  {_INDENT * min(depth, 20)}{mark} {text}"


def _took(span: Span) -> str:
    return figures.duration(None if span.end_ns is None else span.end_ns - span.start_ns)


def _label(span: Span, call: CallRecord | None, message: Message | None) -> str:
    if message is not None:
        words = message.text or ", ".join(f"→ {part.get('name')}" for part in message.tool_calls)
        heard = f" → {', '.join(message.recipients)}" if message.recipients else ""
        return f"{message.sender}{heard}: {words}"
    more = [span.name]
    if call is not None:
        more += [call.agent] if call.agent and call.agent not in span.name else []
        if span.attributes.get(semconv.HARNESS_CACHE_HIT) is True:
            more += [_FROM_CACHE]
        elif call.usage != Usage():
            more += [_used(call.usage)]
        more += [call.error] if call.error else []
    return " · ".join(more)


def _message(message: Message, calls: Sequence[CallRecord], width: int) -> Iterator[str]:
    heard = f" → {', '.join(message.recipients)}" if message.recipients else ""
    head = one_line(f"{message.sender or '(nobody)'}{heard}", width)
    cost = _cost(calls)
    gap = " " * max(2, width - len(head) - len(cost))
    speaker, _, rest = head.partition(" → ")
    styled = click.style(speaker, bold=True) + (f" → {rest}" if rest else "")
    yield styled + (gap + click.style(cost, dim=True) if cost else "")
    for part in message.body.get("parts", ()):
        yield from _part(part, width)


def _part(part: Mapping[str, Json], width: int) -> Iterator[str]:
    if part.get("type") == "tool_call":
        yield from _wrapped(f"→ {part.get('name')}({_arguments(part.get('arguments'))})", width)
    elif part.get("type") == "tool_call_response":
        lines = list(_wrapped(f"← {part_text(part)}", width))
        yield from lines[:_MOST_RESULT_LINES]
        if len(lines) > _MOST_RESULT_LINES:
            yield f"{_INDENT}… {len(lines) - _MOST_RESULT_LINES} more lines; `harness show RUN --json` has them"
    elif text := part_text(part):
        yield from _wrapped(text, width)
    elif part.get("type") not in {"text", "reasoning"}:
        yield f"{_INDENT}({one_line(part.get('type'), width)})"


def _arguments(value: Json) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return one_line(value, _LONGEST_ARGUMENTS)
    if not isinstance(value, Mapping):
        return "" if value is None else one_line(json.dumps(value, ensure_ascii=False), _LONGEST_ARGUMENTS)
    shown = ", ".join(f"{name}={json.dumps(item, ensure_ascii=False)}" for name, item in value.items())
    return one_line(shown, _LONGEST_ARGUMENTS)


def _cost(calls: Sequence[CallRecord]) -> str:
    """Say which model made a message, with its tokens and price; nothing where no model was asked."""
    chats = [call for call in calls if call.span.operation is Operation.CHAT]
    if not chats:
        return ""
    models = list(dict.fromkeys(call.model for call in chats if call.model))
    if all(call.span.attributes.get(semconv.HARNESS_CACHE_HIT) is True for call in chats):
        return one_line(" · ".join([*models, _FROM_CACHE]), 60)
    given, taken, spent = (
        [value for call in chats if (value := getattr(call.usage, name)) is not None]
        for name in ("input_tokens", "output_tokens", "cost_usd")
    )
    total = Usage(
        input_tokens=sum(given) if given else None,
        output_tokens=sum(taken) if taken else None,
        cost_usd=sum(spent) if spent else None,
    )
    return one_line(" · ".join([*models, _used(total)]), 60)


def _used(usage: Usage) -> str:
    tokens = f"{figures.count(usage.input_tokens)} + {figures.count(usage.output_tokens)} tokens"
    return f"{tokens} · {figures.money(usage.cost_usd)}"


def _places(run: Run, made: Mapping[str, Sequence[CallRecord]]) -> dict[str, list[Finding]]:
    """Put each finding at its message; "" is the end of the run.

    That is the message it names, or the one that came of the call it names, or else the last one before it.
    """
    names = {call.span.span_id: message for message, calls in made.items() for call in calls}
    names.update({message.span_id: message.span_id for message in run.messages})
    found: dict[str, list[Finding]] = {}
    for finding in run.findings:
        earlier = [] if finding.seq is None else run.messages[: finding.seq + 1]
        place = names.get(finding.span_id or "") or (earlier[-1].span_id if earlier else "")
        found.setdefault(place, []).append(finding)
    return found


def _finding(finding: Finding, width: int) -> Iterator[str]:
    glyph = figures.SEVERITY_GLYPHS[finding.severity]
    text = f"{glyph} {finding.severity.value} {finding.code} {finding.name}: {finding.text}"
    for line in _wrapped(text, width):
        yield click.style(line, fg=figures.SEVERITY_COLOURS[finding.severity])


def _failure(call: CallRecord, width: int) -> Iterator[str]:
    who = f"{call.agent}: " if call.agent else ""
    what = f"✖ {who}{call.span.name} failed" + (f": {call.error}" if call.error else "")
    for line in _wrapped(what, width, _INDENT):
        yield click.style(line, fg="red")


def _heading(talk: Span | None, width: int) -> Iterator[str]:
    name = (talk.attributes.get(semconv.GEN_AI_WORKFLOW) or talk.name) if talk else "outside any conversation"
    yield click.style(f"── {one_line(name, width - 6)} ──", dim=True)
    yield ""


def _ending(event: Event, ending: Ending, width: int, *, named: bool) -> str:
    words = [f"ended: {ending.kind.value.replace('_', ' ')}"]
    words += [f"by {ending.agent}"] if ending.agent else []
    words += [f"({ending.detail})"] if ending.detail else []
    words += [f"· {event.span.attributes.get(semconv.GEN_AI_WORKFLOW) or event.span.name}"] if named else []
    return one_line("■ " + " ".join(words), width)


def _last_line(run: Run) -> Iterator[str]:
    """Say what the endings do not: that there is more to come, or will never be."""
    about = run.summary
    if about.status is RunStatus.RUNNING:
        yield "● still running"
    elif about.status is RunStatus.INTERRUPTED:
        yield f"◌ interrupted: its process died; {figures.many(about.messages, 'message')} had been said"
    elif not about.messages:
        yield "Nothing was said in this run."


def _folded(text: str, width: int) -> list[str]:
    return textwrap.wrap(one_line(text, 10 * width), width, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _wrapped(text: str, width: int, indent: str = _INDENT) -> Iterator[str]:
    """Make *text* printable, keep its own lines but empty ones around it, and wrap those that are too long."""
    for line in printable(text).expandtabs(4).strip("\n").split("\n"):
        if not line.strip():
            yield ""
            continue
        own = indent + " " * min(len(line) - len(line.lstrip()), width // 2)
        yield from textwrap.wrap(line.strip(), width, initial_indent=own, subsequent_indent=own, break_on_hyphens=False)
