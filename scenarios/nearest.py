"""Tell how a request differs from the recorded one that is nearest to it, as a reader would."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.canonical import canonical
from harness.model import Json, Operation
from harness.text import one_line

from .matching import Matcher, request_fields

if TYPE_CHECKING:
    from .cassette import Exchange

_WIDTH = 72
_AROUND = 24
_TOKENS = re.compile(r"\w+|\W")
_WORDS = {
    Operation.CHAT: "model call",
    Operation.TOOL: "tool call",
    Operation.CODE: "code execution",
    Operation.HUMAN: "question to a human",
    Operation.SELECTION: "speaker selection",
}


def word(kind: Operation) -> str:
    """Name a kind of call as a reader would."""
    return _WORDS.get(kind, kind.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The recorded exchange that is nearest to a request, and what differs first."""

    exchange: Exchange | None
    difference: str


def nearest(
    matcher: Matcher,
    kind: Operation,
    agent: str | None,
    request: Mapping[str, Json],
    recorded: Iterable[tuple[Exchange, bool]],
) -> Near:
    """Find the nearest of *recorded* (exchange, and whether it was played already), and tell the first difference.

    Exchanges of the same agent come first, then those with most in common, then those not played yet.
    """
    same_kind = [(exchange, played) for exchange, played in recorded if exchange.kind is kind]
    if not same_kind:
        return Near(exchange=None, difference=f"the cassette has no {word(kind)} at all")
    candidates = [(exchange, played) for exchange, played in same_kind if exchange.agent == agent]
    if not candidates:
        agents = ", ".join(sorted({repr(one_line(exchange.agent or "", 40)) for exchange, _ in same_kind}))
        return Near(exchange=None, difference=f"the cassette has no {word(kind)} by this agent, only by {agents}")
    asked = _Request(matcher, kind, request)
    best, closest = None, (-1.0, False)
    for exchange, played in candidates:
        score = (asked.likeness(_Request(matcher, kind, exchange.request)), not played)
        if score > closest:
            best, closest = exchange, score
    if best is None:  # pragma: no cover - likeness is never negative
        raise AssertionError
    return Near(exchange=best, difference=asked.difference(_Request(matcher, kind, best.request)))


class _Request:
    """A request taken apart for comparing."""

    def __init__(self, matcher: Matcher, kind: Operation, request: Mapping[str, Json]) -> None:
        self.fields = {name: matcher.clean(value) for name, value in request_fields(kind, request).items()}
        bodies = request.get("messages") or () if kind is Operation.CHAT else ()
        self.messages = [matcher.message(body)[0] for body in bodies]
        self.texts = [canonical(body) for body in self.messages]

    def likeness(self, other: _Request) -> float:
        names = self.fields.keys() | other.fields.keys()
        equal = sum(canonical(self.fields.get(name)) == canonical(other.fields.get(name)) for name in names)
        score = equal / max(1, len(names))
        longest = max(len(self.texts), len(other.texts))
        if longest:
            score += 4 * _alike(self.texts, other.texts) / longest
        return score

    def difference(self, recorded: _Request) -> str:
        told = [
            _setting(name, recorded.fields.get(name), self.fields.get(name))
            for name in dict.fromkeys([*self.fields, *recorded.fields])
            if canonical(recorded.fields.get(name)) != canonical(self.fields.get(name))
        ]
        if self.texts != recorded.texts:
            told.append(_history(recorded, self))
        if not told:
            return "only the ids of tool calls are paired differently"
        more = len(told) - 1
        return told[0] + (f"; and {more} more difference{'s' if more > 1 else ''}" if more else "")


def _alike(left: Sequence[str], right: Sequence[str]) -> int:
    """Count what both have in common at the beginning and at the end, as one edit in a history leaves it."""
    start = _equal(left, right)
    end = _equal(left[start:][::-1], right[start:][::-1])
    return start + end


def _equal(left: Sequence[str], right: Sequence[str]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _history(recorded: _Request, now: _Request) -> str:
    start = _equal(recorded.texts, now.texts)
    end = _equal(recorded.texts[start:][::-1], now.texts[start:][::-1])
    gone = len(recorded.texts) - start - end
    come = len(now.texts) - start - end
    total = len(now.texts)
    if gone and come:
        place = f"message {start + 1} of {total}, {_speaker(now.messages[start])}"
        more = max(gone, come) - 1
        tail = f" ({_count(more)} more after it changed)" if more else ""
        return f"{place}: {_message_change(recorded.messages[start], now.messages[start])}{tail}"
    if come:
        body = now.messages[start]
        return (
            f"{_count(come)} more than recorded: number {start + 1} of {total}, {_speaker(body)}, {_quote(_read(body))}"
        )
    body = recorded.messages[start]
    place = f"number {start + 1} of the {len(recorded.texts)} recorded, {_speaker(body)}, {_quote(_read(body))}"
    return f"{_count(gone)} fewer than recorded: {place}, is missing"


def _count(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"


def _speaker(body: Mapping[str, Json]) -> str:
    name, role = body.get("name"), body.get("role")
    return f"from {one_line(name, 40)}" if name else f"the {one_line(role, 20)} message"


def _message_change(old: Mapping[str, Json], new: Mapping[str, Json]) -> str:
    before, after = _read(old), _read(new)
    if before != after:
        return change(before, after)
    for key in sorted(old.keys() | new.keys()):
        if canonical(old.get(key)) != canonical(new.get(key)):
            return f"its {one_line(key, 20)}: {change(canonical(old.get(key)), canonical(new.get(key)))}"
    return "it changed"


def _read(body: Mapping[str, Json]) -> str:
    return "\n".join(_read_part(part) for part in body.get("parts") or () if isinstance(part, Mapping))


def _read_part(part: Mapping[str, Json]) -> str:
    if part.get("type") == "text":
        return str(part.get("content"))
    if part.get("type") == "tool_call":
        given = part.get("arguments")
        return f"{part.get('name')}({given if isinstance(given, str) else canonical(given)})"
    if part.get("type") == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else canonical(response)
    return canonical(part)


def _setting(name: str, old: Json, new: Json) -> str:
    if name == "tools":
        return _tools(old or [], new or [])
    if old is None:
        return f"{name}: not recorded, now {_quote(new)}"
    if new is None:
        return f"{name}: recorded {_quote(old)}, now not set"
    return _inside(name, old, new)


def _inside(place: str, old: Json, new: Json) -> str:
    """Tell the first difference of two JSON values, and the place where it is."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            there = f"{place}.{one_line(key, 40)}"
            if key not in old:
                return f"{there} is new: {_quote(new[key])}"
            if key not in new:
                return f"{there} is gone: {_quote(old[key])}"
            if canonical(old[key]) != canonical(new[key]):
                return _inside(there, old[key], new[key])
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True), start=1):
            if canonical(one) != canonical(other):
                return _inside(f"{place}[{number}]", one, other)
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _WIDTH:
        return f"{place}: {change(old, new)}"
    return f"{place}: recorded {_quote(old)}, now {_quote(new)}"


def _tools(old: Sequence[Json], new: Sequence[Json]) -> str:
    before, after = _by_name(old), _by_name(new)
    for name in after:
        if name not in before:
            return f"the tool {name!r} is new"
    for name in before:
        if name not in after:
            return f"the tool {name!r} is gone"
    for name, definition in after.items():
        if canonical(before[name]) != canonical(definition):
            return f"the definition of the tool {_inside(name, before[name], definition)}"
    return "the tools come in another order"


def _by_name(tools: Sequence[Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for tool in tools:
        inner = tool.get("function", tool) if isinstance(tool, Mapping) else {}
        name = inner.get("name") if isinstance(inner, Mapping) else None
        found[one_line(name or "?", 40)] = inner
    return found


def change(old: str, new: str) -> str:
    """Tell how *old* became *new*, cut to what is around the first change."""
    before, after = " ".join(old.split()), " ".join(new.split())
    if before == after:
        return "only its white space changed"
    if not before:
        return f"was empty, became {_quote(new)}"
    if not after:
        return f"{_quote(old)} became empty"
    words, others = _TOKENS.findall(before), _TOKENS.findall(after)
    start = _equal(words, others)
    end = _equal(words[start:][::-1], others[start:][::-1])
    first, last = sum(map(len, words[:start])), sum(map(len, words[len(words) - end :]))
    return f"{_quote(_window(before, first, last))} became {_quote(_window(after, first, last))}"


def _window(text: str, start: int, end: int) -> str:
    """Keep what changed, *start* characters from the beginning and *end* from the end; short texts stay whole."""
    if len(text) <= _WIDTH:
        return text
    first, last = max(0, start - _AROUND), min(len(text), len(text) - end + _AROUND)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def _quote(value: Json) -> str:
    return f"'{one_line(value, _WIDTH)}'" if isinstance(value, str) else one_line(canonical(value), _WIDTH)
