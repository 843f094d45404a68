"""Write a cassette out as the conversation it holds, and two of them side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.canonical import canonical
from harness.model import Json, Operation
from harness.text import one_line, printable

from .differences import Request, change, read, sentence
from .matching import Matcher
from .nearest import word

if TYPE_CHECKING:
    from .cassette import Cassette
    from .exchanges import Exchange

_MOST_LINES = 12


def lines(found: Cassette, *, whole: bool = False) -> Iterator[str]:
    """Write *found* for a terminal: each exchange with what is new in its request; long texts cut unless *whole*."""
    header = found.header
    facts = [f"format {header.format or 'not written yet'}", header.framework, ", ".join(header.models)]
    count = len(found.exchanges)
    facts += [f"{count} exchange{'' if count == 1 else 's'}", "" if header.redacted else "not redacted"]
    facts.append(f"without {', '.join(header.normalise)}" if header.normalise else "")
    yield " · ".join(one_line(fact, 100) for fact in facts if fact)
    if header.note:
        yield one_line(header.note, 200)
    place = None
    heard: dict[tuple[str | None, str], Sequence[Json]] = {}
    said: dict[tuple[str | None, str], str] = {}
    for number, exchange in enumerate(found.exchanges, start=1):
        if exchange.conversation != place:
            place = exchange.conversation
            yield ""
            yield one_line(place or "(outside any conversation)", 100)
        yield f"{number:>4}  {_asked(exchange)}"
        scope = (exchange.agent, exchange.conversation)
        for body in _fresh(exchange, heard.get(scope, ())):
            if read(body) == said.get(scope):
                continue
            speaker = one_line(body.get("name") or body.get("role"), 40)
            yield from _block(f"      {speaker}: ", read(body), whole=whole)
        if exchange.kind is Operation.CHAT:
            heard[scope], said[scope] = exchange.request["messages"], read((exchange.reply or {}).get("message") or {})
        yield from _block("    → " if exchange.failure is None else "    ✖ ", _answered(exchange), whole=whole)
        if exchange.accepted:
            yield f"      answered before this was changed and accepted: {', '.join(exchange.accepted)}"


def _fresh(exchange: Exchange, before: Sequence[Json]) -> list[Mapping[str, Json]]:
    """List the messages that this agent has not been shown yet."""
    if exchange.kind is not Operation.CHAT:
        return []
    messages = exchange.request["messages"]
    if list(before) == messages[: len(before)]:
        return list(messages[len(before) :])
    seen = {canonical(body) for body in before}
    return [body for body in messages if canonical(body) not in seen]


def _asked(exchange: Exchange) -> str:
    who, request = one_line(exchange.agent or "(nobody)", 40), exchange.request
    if exchange.kind is Operation.CHAT:
        settings = [f"{name} {one_line(canonical(value), 40)}" for name, value in request["parameters"].items()]
        tools = [str((tool.get("function") or tool).get("name")) for tool in request["tools"]]
        settings += [f"tools {', '.join(tools)}"] if tools else []
        return " · ".join([f"{who} asks {one_line(request['model'], 60)}", *(one_line(text, 100) for text in settings)])
    if exchange.kind is Operation.TOOL:
        given = request.get("arguments")
        text = given if isinstance(given, str) else canonical(given)
        return one_line(f"{who} calls {request.get('name')}({text})", 200)
    if exchange.kind is Operation.CODE:
        blocks = [f"{block.get('language')}: {block.get('code')}" for block in request.get("blocks") or ()]
        return one_line(f"{who} runs {'; '.join(blocks)}", 200)
    if exchange.kind is Operation.HUMAN:
        return one_line(f"{who} asks a human: {request.get('prompt')}", 200)
    return one_line(f"{who} has a speaker picked ({request.get('method')})", 200)


def _answered(exchange: Exchange) -> str:
    if exchange.failure is not None:
        status = f" ({exchange.failure.status})" if exchange.failure.status else ""
        return f"{exchange.failure.type}{status}: {exchange.failure.message}"
    if exchange.reply is None:
        return "(made for real)"
    reply = exchange.reply
    if exchange.kind is Operation.CHAT:
        texts = [read(one.get("message") or {}) for one in (reply, *(reply.get("choices") or ()))]
        return "\n(or) ".join(texts)
    if exchange.kind is Operation.CODE:
        return f"exit code {reply.get('exit_code')}\n{reply.get('output') or ''}".rstrip()
    value = next((reply[name] for name in ("result", "input", "choice") if name in reply), None)
    return value if isinstance(value, str) else canonical(value)


def _block(head: str, text: str, *, whole: bool) -> Iterator[str]:
    rows = printable(text).splitlines() or [""]
    shown = rows if whole else rows[:_MOST_LINES]
    for index, row in enumerate(shown):
        cut = row if whole else one_line(row, 160) if row.strip() else ""
        yield (head if not index else " " * len(head)) + cut
    if len(rows) > len(shown):
        yield " " * len(head) + f"… {len(rows) - len(shown)} more lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One exchange that two cassettes do not share: its number in each (None where it lacks), and what differs."""

    call: str
    left: int | None
    right: int | None
    text: str


def differing(left: Cassette, right: Cassette) -> list[Row]:
    """Compare two cassettes, agent by agent in the order of their calls; the ids of tool calls do not count."""
    rows: list[Row] = []
    scopes: dict[object, tuple[list[int], list[int]]] = {}
    for side, found in enumerate((left, right)):
        for place, exchange in enumerate(found.exchanges):
            scope = (exchange.kind, exchange.agent, exchange.conversation, exchange.request.get("name"))
            scopes.setdefault(scope, ([], []))[side].append(place)
    matcher = Matcher()
    for ones, others in scopes.values():
        before, after = (
            [_key(matcher, found.exchanges[place]) for place in places]
            for found, places in ((left, ones), (right, others))
        )
        matched = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for _, start, end, first, last in matched.get_opcodes():
            for step in range(max(end - start, last - first)):
                one = ones[start + step] if start + step < end else None
                other = others[first + step] if first + step < last else None
                text = _compared(matcher, left, right, one, other)
                if text:
                    exchange = left.exchanges[one] if one is not None else right.exchanges[other or 0]
                    who = f" of {one_line(exchange.agent, 40)!r}" if exchange.agent else ""
                    number = (start if one is not None else first) + step + 1
                    rows.append(
                        Row(
                            call=f"{word(exchange.kind)} {number}{who}",
                            left=_from_1(one),
                            right=_from_1(other),
                            text=text,
                        )
                    )
    return sorted(rows, key=lambda row: (row.left or row.right or 0, row.right or 0))


def _from_1(place: int | None) -> int | None:
    return None if place is None else place + 1


def _key(matcher: Matcher, exchange: Exchange) -> bytes:
    return matcher.key(exchange.kind, exchange.agent, exchange.conversation, exchange.request)


def _compared(matcher: Matcher, left: Cassette, right: Cassette, one: int | None, other: int | None) -> str:
    if one is None or other is None:
        exchange = left.exchanges[one] if one is not None else right.exchanges[other or 0]
        return f"only in {'B' if one is None else 'A'}: {_asked(exchange)}"
    old, new = left.exchanges[one], right.exchanges[other]
    if _key(matcher, old) != _key(matcher, new):
        kind = old.kind
        return sentence(Request(matcher, kind, new.request).differences(Request(matcher, kind, old.request)))
    before, after = _answered(old), _answered(new)
    if before != after:
        return f"the same request, another answer: {change(before, after)}"
    usage = [canonical({**(found.reply or {}), "message": None, "choices": None}) for found in (old, new)]
    return "" if usage[0] == usage[1] else f"the same request and answer, but {change(*usage)}"
