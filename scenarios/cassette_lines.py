"""Write a cassette as JSON lines and read it back, strictly.

The first line is the header. Then follow, in the order in which they were asked, the exchanges; before each stand the
messages and tool definitions it is the first to use, once, under a short name made from their content. A history is
told by the one it continues::

    {"message": {"body": {…}, "id": "1f0c…"}}
    {"exchange": {"agent": "coder", "kind": "chat", "request": {"add": ["1f0c…"], "after": "93ab…", …}, "reply": {…}}}

*after* names the context of an earlier exchange, *keep* how many of its messages are kept (left out: all of them),
*add* the messages that follow, and *context* the result. Names are only names: a file may be edited by hand.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from harness.canonical import digest
from harness.errors import UsageError
from harness.model import CALLS, Json, Operation

from .cassette import FORMAT, Cassette, Exchange, Failure, Header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHORT = 12
# What a reviewer cannot see, and what some tools take for the end of a line, is escaped.
_UNSEEN = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_EXCHANGE_KEYS = frozenset({"agent", "conversation", "kind", "request", "reply", "error", "live"})
_VERSIONS = frozenset({"harness", "framework"})


def encode(value: Json) -> str:
    """Write one line: sorted keys, text as it reads, invisible characters escaped."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def identity(line: str) -> Json:
    """Read what of a header line matters when cassettes are compared: all but the versions."""
    try:
        header = json.loads(line)["cassette"]
        return {name: value for name, value in header.items() if name not in _VERSIONS}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def dump(cassette: Cassette) -> list[str]:
    """Write *cassette* as lines, without their ends."""
    header = cassette.header
    lines = _Lines()
    first: dict[str, Json] = {"format": FORMAT, "harness": header.harness, "redacted": header.redacted}
    first |= {"framework": header.framework} if header.framework else {}
    first |= {"models": list(header.models)} if header.models else {}
    first |= {"note": header.note} if header.note else {}
    lines.add({"cassette": first})
    for exchange in cassette.exchanges:
        lines.exchange(exchange)
    return lines.lines


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[str, str] = {}
        self._bodies: dict[int, tuple[Json, str]] = {}
        self._written: set[str] = set()
        self._beginnings: dict[str, tuple[str, int]] = {}
        self._contexts: set[str] = set()

    def add(self, value: Json) -> None:
        self.lines.append(encode(value))

    def exchange(self, exchange: Exchange) -> None:
        told: dict[str, Json] = {"kind": exchange.kind.value}
        if exchange.agent is not None:
            told["agent"] = exchange.agent
        if exchange.conversation:
            told["conversation"] = exchange.conversation
        told["request"] = dict(exchange.request)
        if exchange.kind is Operation.CHAT:
            told["request"] = self._chat(exchange.request)
        if exchange.failure is not None:
            failure = exchange.failure
            told["error"] = {"type": failure.type, "message": failure.message}
        elif exchange.reply is not None:
            told["reply"] = dict(exchange.reply)
            if exchange.kind is Operation.CHAT and "message" in exchange.reply:
                told["reply"]["message"] = self._name("message", exchange.reply["message"])
        else:
            told["live"] = True
        self.add({"exchange": told})

    def _chat(self, request: Mapping[str, Json]) -> dict[str, Json]:
        told: dict[str, Json] = {"model": request["model"]}
        if request["parameters"]:
            told["parameters"] = request["parameters"]
        if request["tools"]:
            told["tools"] = self._name("tools", request["tools"])
        names = [self._name("message", body) for body in request["messages"]]
        if names:
            told |= self._context(names)
        return told

    def _context(self, names: Sequence[str]) -> dict[str, Json]:
        chain: list[str] = []
        for name in names:
            chain.append(digest(f"{chain[-1] if chain else ''}\n{name}")[:_SHORT])
        context = chain[-1]
        told: dict[str, Json] = {"context": context}
        if context not in self._contexts:
            known = next((index for index in range(len(chain), 0, -1) if chain[index - 1] in self._beginnings), 0)
            if known:
                told["after"], length = self._beginnings[chain[known - 1]]
                if length != known:
                    told["keep"] = known
            told["add"] = list(names[known:])
            self._contexts.add(context)
            for link in chain[known:]:
                self._beginnings[link] = (context, len(chain))
            self._beginnings[context] = (context, len(chain))
        return told

    def _name(self, what: str, body: Json) -> str:
        seen = self._bodies.get(id(body))
        if seen is not None:
            return seen[1]
        text = encode({what: body})
        name = self._names.get(text)
        if name is None:
            full = digest(text)
            length = _SHORT
            while full[:length] in self._written:
                length += 1
            name = self._names[text] = full[:length]
            self._written.add(name)
            self.add({what: {"id": name, "body": body}})
        self._bodies[id(body)] = (body, name)
        return name


def load(text: str, source: str) -> Cassette:
    """Read a cassette from *text*. Raises UsageError with *source* and the line where it is not one."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise UsageError(f"{source} is empty: a cassette begins with its header", hint="Record it again.")
    reader = _Reader(source)
    for number, line in enumerate(lines, start=1):
        reader.number = number
        reader.line(line)
    return Cassette(header=reader.header, exchanges=tuple(reader.exchanges))


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
            value = json.loads(line, parse_constant=self._constant)
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

    def _constant(self, name: str) -> NoReturn:
        raise ValueError(f"{name} is not a JSON value")

    def _keys(self, body: Mapping[str, Json], known: frozenset[str], what: str) -> None:
        for key in body:
            if key not in known:
                self._wrong(f"unknown key {key!r} in {what}; known: {', '.join(sorted(known))}")

    def _get(self, body: Mapping[str, Json], key: str, kind: type | tuple[type, ...], what: str) -> Any:  # noqa: ANN401
        value = body.get(key)
        wrong = isinstance(value, bool) if kind is int else False
        if wrong or not isinstance(value, kind):
            name = kind.__name__ if isinstance(kind, type) else "value"
            self._wrong(f"{what} needs {key!r}, a {_TYPES.get(name, name)}, not {value!r}")
        return value

    def _header(self, body: Mapping[str, Json]) -> Header:
        version = self._get(body, "format", int, "the header")
        if version > FORMAT:
            msg = f"{self._source}:1: cassette format {version} is newer than this harness knows ({FORMAT})"
            raise UsageError(msg, hint="Upgrade: pip install --upgrade autogen-harness.")
        self._keys(body, frozenset({"format", "harness", "framework", "models", "note", "redacted"}), "the header")
        models = body.get("models", [])
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            self._wrong(f"'models' must be a list of names, not {models!r}")
        return Header(
            harness=self._get({"harness": "", **body}, "harness", str, "the header"),
            framework=body.get("framework") and self._get(body, "framework", str, "the header"),
            models=tuple(models),
            note=self._get({"note": "", **body}, "note", str, "the header"),
            redacted=self._get({"redacted": False, **body}, "redacted", bool, "the header"),
        )

    def _part(self, what: str, line: Mapping[str, Json]) -> None:
        self._keys(line, frozenset({"id", "body"}), f"a {what!r} line")
        name = self._get(line, "id", str, f"a {what!r} line")
        body = self._get(line, "body", dict if what == "message" else list, f"a {what!r} line")
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
        kinds = {kind.value: kind for kind in CALLS}
        kind = kinds.get(self._get(body, "kind", str, "an exchange"))
        if kind is None:
            self._wrong(f"unknown kind of exchange {body['kind']!r}; known: {', '.join(sorted(kinds))}")
        if sum(key in body for key in ("reply", "error", "live")) != 1:
            self._wrong("an exchange has one of 'reply', 'error' and 'live'")
        agent = None if body.get("agent") is None else self._get(body, "agent", str, "an exchange")
        request = self._get(body, "request", dict, "an exchange")
        reply = self._get(body, "reply", dict, "an exchange") if "reply" in body else None
        failure = self._failure(self._get(body, "error", dict, "an exchange")) if "error" in body else None
        if kind is Operation.CHAT:
            request = self._request(request)
            if reply is not None and "message" in reply:
                reply = {**reply, "message": self._ref("message", self._get(reply, "message", str, "a chat reply"))}
        return Exchange(
            kind=kind,
            agent=agent,
            conversation=self._get({"conversation": "", **body}, "conversation", str, "an exchange"),
            request=request,
            reply=reply,
            failure=failure,
            line=self.number,
        )

    def _failure(self, body: Mapping[str, Json]) -> Failure:
        self._keys(body, frozenset({"type", "message"}), "an error")
        return Failure(
            type=self._get(body, "type", str, "an error"),
            message=self._get(body, "message", str, "an error"),
        )

    def _request(self, body: Mapping[str, Json]) -> dict[str, Json]:
        known = frozenset({"model", "parameters", "tools", "context", "after", "keep", "add"})
        self._keys(body, known, "a chat request")
        model = body.get("model")
        return {
            "model": None if model is None else self._get(body, "model", str, "a chat request"),
            "messages": self._messages(body),
            "tools": [] if "tools" not in body else self._ref("tools", self._get(body, "tools", str, "a chat request")),
            "parameters": self._get({"parameters": {}, **body}, "parameters", dict, "a chat request"),
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
            keep = self._get({"keep": len(before), **body}, "keep", int, "a chat request")
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


_TYPES = {"str": "text", "int": "number", "list": "list", "dict": "object", "bool": "true or false"}
