"""Write a cassette as JSON lines.

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
from typing import TYPE_CHECKING

from harness.canonical import digest
from harness.model import Json, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .exchanges import Exchange, Header

FORMAT = 2
"""What is written. Format 1 had the ids of tool calls as the model gave them, and of errors no more than a text."""

_SHORT = 12
# What a reviewer cannot see, and what some tools take for the end of a line, is escaped.
_UNSEEN = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
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


def dump(header: Header, exchanges: Iterable[Exchange]) -> list[str]:
    """Write a cassette as lines, without their ends."""
    lines = _Lines()
    first: dict[str, Json] = {"format": FORMAT, "harness": header.harness, "redacted": header.redacted}
    first |= {"framework": header.framework} if header.framework else {}
    first |= {"models": list(header.models)} if header.models else {}
    first |= {"note": header.note} if header.note else {}
    first |= {"normalise": list(header.normalise)} if header.normalise else {}
    first |= {"freeze": list(header.freeze)} if header.freeze else {}
    lines.add({"cassette": first})
    for exchange in exchanges:
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
            told["error"] |= {"status": failure.status} if failure.status is not None else {}
            told["error"] |= {"body": failure.body} if failure.body is not None else {}
        elif exchange.reply is not None:
            chat = exchange.kind is Operation.CHAT
            told["reply"] = self._reply(exchange.reply) if chat else dict(exchange.reply)
        else:
            told["live"] = True
        if exchange.accepted:
            told["accepted"] = list(exchange.accepted)
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

    def _reply(self, reply: Mapping[str, Json]) -> dict[str, Json]:
        told = dict(reply)
        if "message" in told:
            told["message"] = self._name("message", told["message"])
        if "choices" in told:
            told["choices"] = [self._reply(choice) for choice in told["choices"]]
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
