"""A run's conversation as HTML: who said what to whom, what was called, and the findings where they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.canonical import canonical
from harness.model import part_text
from harness.reports.charts import esc
from harness.text import one_line

if TYPE_CHECKING:
    from harness.model import Finding, Json, Message, Run

_LONGEST = 20_000
_MOST = 2_000
_COLOURS = 6


def of(run: Run, findings: Sequence[Finding]) -> Iterator[str]:
    """Write the conversation of *run*, with the *findings* at the message they point at, and how it ended."""
    yield "<h3>Conversation</h3>"
    if not run.messages:
        yield "<p class='dim'>Nobody said anything.</p>"
    agents = {name: number for number, name in enumerate(dict.fromkeys(message.sender for message in run.messages))}
    at: dict[str, list[Finding]] = {}
    for finding in findings:
        at.setdefault(finding.span_id or "", []).append(finding)
    for number, message in enumerate(run.messages[:_MOST], start=1):
        yield from _said(number, message, agents[message.sender] % _COLOURS, at.get(message.span_id, ()))
    if len(run.messages) > _MOST:
        yield f"<p class='dim'>… {len(run.messages) - _MOST} more messages</p>"
    for ending in run.endings.values():
        detail = f" ({one_line(ending.detail, 300)})" if ending.detail else ""
        who = f" at {one_line(ending.agent, 60)}" if ending.agent else ""
        yield f"<p class='ending'>ended: {esc(ending.kind.value.replace('_', ' ') + who + detail)}</p>"


def _said(number: int, message: Message, colour: int, findings: Sequence[Finding]) -> Iterator[str]:
    to = ", ".join(one_line(name, 60) for name in message.recipients)
    heard = f" <span class='dim'>to {esc(to)}</span>" if to else ""
    role = f" <span class='dim'>· {esc(one_line(message.role, 20))}</span>" if message.role else ""
    yield f"<article class='said who{colour}'><h4><span class='dim'>{number}</span> "
    yield f"<bdi>{esc(one_line(message.sender, 60) or '(nobody)')}</bdi>{heard}{role}</h4>"
    for part in message.body.get("parts", ()):
        yield _part(part)
    for finding in findings:
        told = f"{finding.code} {finding.name}: {finding.text}"
        yield f"<p class='here {finding.severity.value}'>{esc(told)}</p>"
    yield "</article>\n"


def _part(part: Mapping[str, Json]) -> str:
    kind = part.get("type")
    if kind == "tool_call":
        given = part.get("arguments")
        shown = given if isinstance(given, str) else canonical(given)
        return f"<pre class='call'>→ {esc(part.get('name'))}({esc(_cut(shown))})</pre>"
    text = _cut(part_text(part))
    if kind == "tool_call_response":
        return f"<pre class='result' dir='auto'>{esc(text)}</pre>"
    if not text:
        return "" if kind == "text" else f"<p class='dim'>[{esc(one_line(kind, 40))}]</p>"
    return f"<div class='text{' thought' if kind == 'reasoning' else ''}' dir='auto'>{esc(text)}</div>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {len(text) - _LONGEST:,} more characters"
