"""Take secrets out of exchanges and number the ids of their tool calls: each message once, however often it is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model import Json, Operation
from harness.redaction import project

from .exchanges import Failure
from .matching import WITH_IDS

if TYPE_CHECKING:
    from .exchanges import Exchange

_MARK = re.compile(r"(?P<kind>\[secret:[^\]\s:]{1,80}:)[0-9a-f]{4}\]")
Change = Callable[[Json], Json]


def redacted(exchanges: Iterable[Exchange], redact: Callable[[str], str] | None = None) -> tuple[Exchange, ...]:
    """Take secrets out of every text; *redact* is by default what this project and environment make it.

    Their marks are numbered as they come, so that a cassette is the same whichever store it is from, and nobody can try
    guesses against it.
    """
    take_out = redact or project()
    numbers: dict[str, int] = {}

    def marked(match: re.Match[str]) -> str:
        return f"{match['kind']}{numbers.setdefault(match[0], len(numbers) + 1):04d}]"

    def cleaned(text: str) -> str:
        text = take_out(text)
        return _MARK.sub(marked, text) if "[secret:" in text else text

    clean = _Once(lambda value: _texts(value, cleaned))
    return tuple(
        replace(clean.exchange(found), failure=found.failure and _failure(found.failure, clean.change, cleaned))
        for found in exchanges
    )


def _failure(failure: Failure, clean: Change, redact: Callable[[str], str]) -> Failure:
    body = None if failure.body is None else clean(failure.body)
    return replace(failure, message=redact(failure.message), body=body)


def _texts(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {str(name): _texts(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(item, change) for item in value]
    return value


def numbered(exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
    """Rewrite the ids of tool calls to ``call_1``, ``call_2`` … in order of appearance; equal ids stay equal."""
    names: dict[str, str] = {}

    def rewritten(body: Json) -> Json:
        if not isinstance(body, Mapping) or not any(map(_has_id, body.get("parts") or ())):
            return body
        parts = [
            {**part, "id": names.setdefault(str(part["id"]), f"call_{len(names) + 1}")} if _has_id(part) else part
            for part in body["parts"]
        ]
        return {**body, "parts": parts}

    once = _Once(rewritten)
    return tuple(once.exchange(found) if found.kind is Operation.CHAT else found for found in exchanges)


def _has_id(part: Json) -> bool:
    return isinstance(part, Mapping) and part.get("type") in WITH_IDS and part.get("id") is not None


class _Once:
    """Changes each object once, so that a history stays made of the same few objects."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._seen: dict[int, tuple[Json, Json]] = {}

    def exchange(self, found: Exchange) -> Exchange:
        request = {name: self._part(name, value) for name, value in found.request.items()}
        reply = found.reply and {name: self._part(name, value) for name, value in found.reply.items()}
        return replace(found, request=request, reply=reply)

    def _part(self, name: str, value: Json) -> Json:
        if name == "messages":
            return [self._body(body) for body in value]
        if name == "choices" and isinstance(value, list):
            return [{key: self._part(key, item) for key, item in choice.items()} for choice in value]
        return self._body(value) if name in {"message", "tools"} else self.change(value)

    def _body(self, body: Json) -> Json:
        seen = self._seen.get(id(body))
        if seen is None:
            seen = self._seen[id(body)] = (body, self.change(body))
        return seen[1]
