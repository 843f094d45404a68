"""Tell how a request differs from a recorded one, place by place, as a reader would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.canonical import canonical
from harness.model import Json, Operation
from harness.text import one_line

from .matching import Matcher, request_fields

_WIDTH = 72
_AROUND = 24
_TOKENS = re.compile(r"\w+|\W")
_INSTRUCTIONS = frozenset({"system", "developer"})


class Where(str, Enum):
    """Which part of a request differs."""

    MODEL = "model"
    TOOLS = "tools"
    PARAMETERS = "parameters"
    PROMPT = "prompt"
    """A system or developer message."""
    TOOL_RESULT = "tool result"
    """What a message says that a tool gave."""
    MESSAGE = "message"
    """Any other message."""
    TURNS = "turns"
    """There are more messages, or fewer, or of somebody else."""
    REQUEST = "request"
    """What a tool, code, a human or a choice of speaker is asked."""
    PAIRING = "pairing"
    """No text differs: the ids of tool calls are paired differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: where, the *place* in words, a *text* that tells all, and both sides; None where it lacks."""

    where: Where
    place: str
    text: str
    old: str | None = None
    new: str | None = None


class Request:
    """A request taken apart for comparing."""

    def __init__(self, matcher: Matcher, kind: Operation, request: Mapping[str, Json]) -> None:
        self.kind = kind
        self.fields = {name: matcher.clean(value) for name, value in request_fields(kind, request).items()}
        bodies = request.get("messages") or () if kind is Operation.CHAT else ()
        self.messages = [matcher.message(body)[0] for body in bodies]
        self.texts = [canonical(body) for body in self.messages]

    def likeness(self, other: Request) -> float:
        """Say how much both have in common, from 0 to 5: messages count most."""
        names = self.fields.keys() | other.fields.keys()
        equal = sum(canonical(self.fields.get(name)) == canonical(other.fields.get(name)) for name in names)
        score = equal / max(1, len(names))
        longest = max(len(self.texts), len(other.texts))
        if longest:
            score += 4 * _alike(self.texts, other.texts) / longest
        return score

    def differences(self, recorded: Request) -> list[Difference]:
        """List what differs from *recorded*: settings first, then the history's first difference; never nothing."""
        told = [
            _setting(self.kind, name, recorded.fields.get(name), self.fields.get(name))
            for name in dict.fromkeys([*self.fields, *recorded.fields])
            if canonical(recorded.fields.get(name)) != canonical(self.fields.get(name))
        ]
        if self.texts != recorded.texts:
            told.append(_history(recorded, self))
        text = "only the ids of tool calls are paired differently"
        return told or [Difference(where=Where.PAIRING, place="its history", text=text)]


def sentence(told: Sequence[Difference]) -> str:
    """Tell the first difference, and how many more there are."""
    more = len(told) - 1
    return told[0].text + (f"; and {more} more difference{'s' if more > 1 else ''}" if more else "")


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


def _history(recorded: Request, now: Request) -> Difference:
    start = _equal(recorded.texts, now.texts)
    end = _equal(recorded.texts[start:][::-1], now.texts[start:][::-1])
    gone = recorded.messages[start : len(recorded.texts) - end]
    come = now.messages[start : len(now.texts) - end]
    total = len(now.texts)
    if gone and come:
        old, new = gone[0], come[0]
        place = f"message {start + 1} of {total}, {_speaker(new)}"
        more = max(len(gone), len(come)) - 1
        tail = f" ({_count(more)} more after it changed)" if more else ""
        text = f"{place}: {_message_change(old, new)}{tail}"
        return Difference(where=_part(old, new), place=place, text=text, old=read(old), new=read(new))
    if come:
        body, where = come[0], Where.PROMPT if come[0].get("role") in _INSTRUCTIONS else Where.TURNS
        place = f"number {start + 1} of {total}, {_speaker(body)}"
        text = f"{_count(len(come))} more than recorded: {place}, {_quote(read(body))}"
        return Difference(where=where, place=f"message {place}", text=text, new=read(body))
    body, where = gone[0], Where.PROMPT if gone[0].get("role") in _INSTRUCTIONS else Where.TURNS
    place = f"number {start + 1} of the {len(recorded.texts)} recorded, {_speaker(body)}"
    text = f"{_count(len(gone))} fewer than recorded: {place}, {_quote(read(body))}, is missing"
    return Difference(where=where, place=f"message {place}", text=text, old=read(body))


def _part(old: Mapping[str, Json], new: Mapping[str, Json]) -> Where:
    roles = {old.get("role"), new.get("role")}
    if roles & _INSTRUCTIONS:
        return Where.PROMPT
    if old.get("name") and new.get("name") and old["name"] != new["name"] and read(old) != read(new):
        return Where.TURNS
    return Where.TOOL_RESULT if "tool" in roles else Where.MESSAGE


def _count(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"


def _speaker(body: Mapping[str, Json]) -> str:
    name, role = body.get("name"), body.get("role")
    return f"from {one_line(name, 40)}" if name else f"the {one_line(role, 20)} message"


def _message_change(old: Mapping[str, Json], new: Mapping[str, Json]) -> str:
    before, after = read(old), read(new)
    if before != after:
        return change(before, after)
    for key in sorted(old.keys() | new.keys()):
        if canonical(old.get(key)) != canonical(new.get(key)):
            return f"its {one_line(key, 20)}: {change(canonical(old.get(key)), canonical(new.get(key)))}"
    return "it changed"


def read(body: Mapping[str, Json]) -> str:
    """Write a message as text: what it says, the tools it calls, what tools gave."""
    return "\n".join(_partread(part) for part in body.get("parts") or () if isinstance(part, Mapping))


def _partread(part: Mapping[str, Json]) -> str:
    if part.get("type") == "text":
        return str(part.get("content"))
    if part.get("type") == "tool_call":
        given = part.get("arguments")
        return f"{part.get('name')}({given if isinstance(given, str) else canonical(given)})"
    if part.get("type") == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else canonical(response)
    return canonical(part)


_NOTHING = object()


def _setting(kind: Operation, name: str, old: Json, new: Json) -> Difference:
    if kind is not Operation.CHAT:
        where = Where.REQUEST
    elif name in {"model", "tools"}:
        where = Where(name)
    else:
        where = Where.PARAMETERS
    if name == "tools":
        place, before, after, text = _tools(old or [], new or [])
    elif old is None or new is None:
        place, before, after = name, old, new
        text = (
            f"{name}: not recorded, now {_quote(new)}"
            if old is None
            else f"{name}: recorded {_quote(old)}, now not set"
        )
    else:
        place, before, after = _innermost(name, old, new)
        text = _told(place, before, after)
    return Difference(where=where, place=place, text=text, old=_text(before), new=_text(after))


def _text(value: Json) -> str | None:
    if value is None or value is _NOTHING:
        return None
    return value if isinstance(value, str) else canonical(value)


def _innermost(place: str, old: Json, new: Json) -> tuple[str, Json, Json]:
    """Find the first difference inside two JSON values: its place, and both sides."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            there = f"{place}.{one_line(key, 40)}"
            if key not in old or key not in new:
                return there, old.get(key, _NOTHING), new.get(key, _NOTHING)
            if canonical(old[key]) != canonical(new[key]):
                return _innermost(there, old[key], new[key])
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True), start=1):
            if canonical(one) != canonical(other):
                return _innermost(f"{place}[{number}]", one, other)
    return place, old, new


def _told(place: str, old: Json, new: Json) -> str:
    if old is _NOTHING:
        return f"{place} is new: {_quote(new)}"
    if new is _NOTHING:
        return f"{place} is gone: {_quote(old)}"
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _WIDTH:
        return f"{place}: {change(old, new)}"
    return f"{place}: recorded {_quote(old)}, now {_quote(new)}"


def _tools(old: Sequence[Json], new: Sequence[Json]) -> tuple[str, Json, Json, str]:
    """Tell what differs between two lists of tool definitions: place, both sides, and all in words."""
    before, after = _by_name(old), _by_name(new)
    for name, definition in after.items():
        if name not in before:
            return f"the tool {name!r}", None, definition, f"the tool {name!r} is new"
    for name, definition in before.items():
        if name not in after:
            return f"the tool {name!r}", definition, None, f"the tool {name!r} is gone"
    for name, definition in after.items():
        if canonical(before[name]) != canonical(definition):
            place, one, other = _innermost(name, before[name], definition)
            place = f"the definition of the tool {place}"
            return place, one, other, _told(place, one, other)
    return "the order of the tools", list(before), list(after), "the tools come in another order"


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
