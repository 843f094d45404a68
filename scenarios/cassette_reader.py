"""Read a cassette's lines, strictly: what is wrong is told with its line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from harness.errors import UsageError
from harness.model import CALLS, Json, Operation

from .cassette_lines import FORMAT
from .exchanges import Exchange, Failure, Header
from .normalising import RULES

_EXCHANGE_KEYS = frozenset({"agent", "conversation", "kind", "request", "reply", "error", "live", "accepted"})
_HEADER_KEYS = frozenset({"format", "harness", "framework", "models", "note", "normalise", "freeze", "redacted"})
_PART_KEYS = frozenset({"id", "body"})
_REQUEST_KEYS = frozenset({"model", "parameters", "tools", "context", "after", "keep", "add"})
_FAILURE_KEYS = frozenset({"type", "message", "status", "body"})
_KINDS = {kind.value: kind for kind in CALLS}
_TYPES = {"str": "text", "int": "number", "list": "list", "dict": "object", "bool": "true or false"}


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_JSON = json.JSONDecoder(parse_constant=_constant)


def load(text: str, source: str) -> tuple[Header, tuple[Exchange, ...]]:
    """Read a cassette from *text*. Raises UsageError with *source* and the line where it is not one.

    Messages that are equal by name are the same object, so a history is made of few.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise UsageError(f"{source} is empty: a cassette begins with its header", hint="Record it again.")
    reader = _Reader(source)
    for number, line in enumerate(lines, start=1):
        reader.number = number
        reader.line(line)
    return reader.header, tuple(reader.exchanges)


class _Reader:
    def __init__(self, source: str) -> None:
        self.number = 0
        self.header = Header()
        self.exchanges: list[Exchange] = []
        self._source = source
        self._named: dict[str, dict[str, Json]] = {"message": {}, "tools": {}}
        self._contexts: dict[str, list[Json]] = {}

    def line(self, line: str) -> None:
        try:
            value = _JSON.decode(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or error
            self._wrong(f"not JSON ({reason}, column {getattr(error, 'colno', 1)})")
        if not isinstance(value, dict) or len(value) != 1:
            self._wrong('every line is one object with one key, such as {"exchange": {…}}')
        ((what, body),) = value.items()
        if (what == "cassette") != (self.number == 1):
            self._wrong("the header, and nothing else, stands on the first line" if what == "cassette" else "no header")
        if not isinstance(body, dict):
            self._wrong(f"{what!r} must be an object, not {body!r}")
        if what == "cassette":
            self.header = self._header(body)
        elif what in self._named:
            self._part(what, body)
        elif what == "exchange":
            self.exchanges.append(self._exchange(body))
        else:
            self._wrong(f"unknown kind of line {what!r}; known: cassette, exchange, message, tools")

    def _wrong(self, what: str) -> NoReturn:
        hint = "Mend that line, or record the cassette again with `--record all`."
        raise UsageError(f"{self._source}:{self.number}: {what}", hint=hint)

    def _keys(self, body: Mapping[str, Json], known: frozenset[str], what: str) -> None:
        for key in body:
            if key not in known:
                self._wrong(f"unknown key {key!r} in {what}; known: {', '.join(sorted(known))}")

    def _get(self, body: Mapping[str, Json], key: str, kind: type, what: str, default: Json = None) -> Any:  # noqa: ANN401
        value = body.get(key, default)
        if type(value) is not kind:  # JSON has no types of their own
            self._wrong(f"{what} needs {key!r}, a {_TYPES[kind.__name__]}, not {value!r}")
        return value

    def _header(self, body: Mapping[str, Json]) -> Header:
        version = self._get(body, "format", int, "the header")
        if version > FORMAT:
            msg = f"{self._source}:1: cassette format {version} is newer than this harness knows ({FORMAT})"
            raise UsageError(msg, hint="Upgrade: pip install --upgrade autogen-harness.")
        self._keys(body, _HEADER_KEYS, "the header")
        normalise = self._names(body, "normalise")
        unknown = next((name for name in normalise if name not in RULES), None)
        if unknown is not None:
            self._wrong(f"unknown rule {unknown!r} in 'normalise'; known: {', '.join(RULES)}")
        return Header(
            harness=self._get(body, "harness", str, "the header", ""),
            framework=body.get("framework") and self._get(body, "framework", str, "the header"),
            models=self._names(body, "models"),
            normalise=normalise,
            freeze=self._names(body, "freeze"),
            format=version,
            note=self._get(body, "note", str, "the header", ""),
            redacted=self._get(body, "redacted", bool, "the header", default=False),
        )

    def _names(self, body: Mapping[str, Json], key: str) -> tuple[str, ...]:
        names = body.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._wrong(f"{key!r} must be a list of names, not {names!r}")
        return tuple(names)

    def _part(self, what: str, line: Mapping[str, Json]) -> None:
        where = f"a {what!r} line"
        self._keys(line, _PART_KEYS, where)
        name = self._get(line, "id", str, where)
        body = self._get(line, "body", dict if what == "message" else list, where)
        if what == "message":
            self._get(body, "role", str, "a message")
            parts = self._get(body, "parts", list, "a message")
            if not all(isinstance(part, dict) for part in parts):
                self._wrong("every part of a message must be an object")
        if name in self._named[what]:
            self._wrong(f"{what} {name!r} is given twice")
        self._named[what][name] = body

    def _exchange(self, body: Mapping[str, Json]) -> Exchange:
        self._keys(body, _EXCHANGE_KEYS, "an exchange")
        kind = _KINDS.get(self._get(body, "kind", str, "an exchange"))
        if kind is None:
            self._wrong(f"unknown kind of exchange {body['kind']!r}; known: {', '.join(sorted(_KINDS))}")
        if sum(key in body for key in ("reply", "error", "live")) != 1:
            self._wrong("an exchange has one of 'reply', 'error' and 'live'")
        agent = None if body.get("agent") is None else self._get(body, "agent", str, "an exchange")
        request = self._get(body, "request", dict, "an exchange")
        reply = self._get(body, "reply", dict, "an exchange") if "reply" in body else None
        failure = self._failure(self._get(body, "error", dict, "an exchange")) if "error" in body else None
        if kind is Operation.CHAT:
            request = self._request(request)
            reply = reply and self._reply(reply)
        return Exchange(
            kind=kind,
            agent=agent,
            conversation=self._get(body, "conversation", str, "an exchange", ""),
            request=request,
            reply=reply,
            failure=failure,
            accepted=self._names(body, "accepted"),
            line=self.number,
        )

    def _reply(self, body: Mapping[str, Json]) -> dict[str, Json]:
        reply = dict(body)
        if "message" in reply:
            reply["message"] = self._ref("message", self._get(reply, "message", str, "a chat reply"))
        if "choices" in reply:
            choices = self._get(reply, "choices", list, "a chat reply")
            if not all(isinstance(choice, dict) for choice in choices):
                self._wrong("every choice of a reply must be an object")
            reply["choices"] = [self._reply(choice) for choice in choices]
        if "chunks" in reply and not all(
            type(length) is int and length >= 0 for length in self._get(reply, "chunks", list, "a chat reply")
        ):
            self._wrong(f"'chunks' must be a list of lengths, not {reply['chunks']!r}")
        return reply

    def _failure(self, body: Mapping[str, Json]) -> Failure:
        self._keys(body, _FAILURE_KEYS, "an error")
        return Failure(
            type=self._get(body, "type", str, "an error"),
            message=self._get(body, "message", str, "an error"),
            status=None if body.get("status") is None else self._get(body, "status", int, "an error"),
            body=None if body.get("body") is None else self._get(body, "body", dict, "an error"),
        )

    def _request(self, body: Mapping[str, Json]) -> dict[str, Json]:
        self._keys(body, _REQUEST_KEYS, "a chat request")
        model = body.get("model")
        return {
            "model": None if model is None else self._get(body, "model", str, "a chat request"),
            "messages": self._messages(body),
            "tools": [] if "tools" not in body else self._ref("tools", self._get(body, "tools", str, "a chat request")),
            "parameters": self._get(body, "parameters", dict, "a chat request", {}),
        }

    def _messages(self, body: Mapping[str, Json]) -> list[Json]:
        if "context" not in body:
            return []
        context = self._get(body, "context", str, "a chat request")
        if "add" not in body:
            if context not in self._contexts:
                self._wrong(f"no context {context!r} above this line")
            return self._contexts[context]
        before: list[Json] = []
        if "after" in body:
            after = self._get(body, "after", str, "a chat request")
            if after not in self._contexts:
                self._wrong(f"no context {after!r} above this line")
            before = self._contexts[after]
            keep = self._get(body, "keep", int, "a chat request", len(before))
            if not 0 <= keep <= len(before):
                self._wrong(f"context {after!r} has {len(before)} messages: it cannot keep {keep}")
            before = before[:keep]
        names = self._get(body, "add", list, "a chat request")
        messages = before + [self._ref("message", name) for name in names]
        self._contexts[context] = messages
        return messages

    def _ref(self, what: str, name: Json) -> Json:
        if not isinstance(name, str) or name not in self._named[what]:
            self._wrong(f"no {what} {name!r} above this line")
        return self._named[what][name]
