"""Say which requests are the same.

Two requests are the same when everything that may change the answer is the same: who asks, the model, the settings,
the tools and every message. What only carries a request (keys, addresses, time limits, labels) does not count, nor
do the ids of tool calls, which are random and are numbered in order of appearance instead.

Cassettes hold redacted contents, so a live request is redacted before it is compared. Volatile values count, unless
a matcher is given what takes them out (``normalising``).
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.canonical import canonical
from harness.model import Json, Operation
from harness.redaction import project
from harness.settings import answering

_COUNTED: Mapping[Operation, tuple[str, ...]] = {
    Operation.TOOL: ("name", "arguments"),
    Operation.CODE: ("blocks",),
    Operation.HUMAN: ("prompt",),
    Operation.SELECTION: ("method", "candidates"),
}
_MOST_REMEMBERED = 8192
_MOST_CHAINS = 256
_SHORT = 40
_MARK = re.compile(r"\[secret:[^\]\s]{1,80}\]")
WITH_IDS = frozenset({"tool_call", "tool_call_response"})


def arguments(value: Json) -> Json:
    """Read a tool's arguments where they came as JSON text; other text stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def request_fields(kind: Operation, request: Mapping[str, Json]) -> dict[str, Json]:
    """Pick what counts of *request*, messages apart, in the order in which differences are told."""
    if kind is Operation.CHAT:
        fields = {"model": request.get("model"), **answering(request.get("parameters") or {})}
        if request.get("tools"):
            fields["tools"] = request["tools"]
        return fields
    fields = {name: request[name] for name in _COUNTED[kind] if request.get(name) is not None}
    if kind is Operation.TOOL:
        fields["arguments"] = arguments(request.get("arguments"))
    return fields


@dataclass(slots=True)
class _Chain:
    """A history of an agent in a conversation, with the hash of each of its beginnings."""

    messages: list[Json] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    ids_before: list[int] = field(default_factory=list)
    tools: Json = None
    tools_text: str = ""


class Matcher:
    """Gives equal requests equal keys, in time linear in what is new since the agent's last request.

    Not safe for threads: its user holds a lock. Messages it was shown must not be changed afterwards.
    """

    def __init__(
        self, redact: Callable[[str], str] | None = None, normalise: Callable[[Json], Json] | None = None
    ) -> None:
        """*redact* takes secrets out of a text; the default knows the project's patterns and the environment.

        *normalise* takes volatile values out of any JSON.
        """
        self._redact = redact = redact or project()
        # Names, roles and kinds come again and again.
        self._hidden = functools.lru_cache(maxsize=1024)(lambda text: _marked(redact(text)))
        self._normalise = normalise or (lambda value: value)
        self._chains: dict[tuple[str | None, str, int], _Chain] = {}
        self._texts: dict[str, tuple[bytes, list[str]]] = {}
        """What was cleaned already, by what it was: a replay asks what its cassette holds."""

    def key(self, kind: Operation, agent: str | None, conversation: str, request: Mapping[str, Json]) -> bytes:
        """Name what *agent* asks. *conversation* only says which history it probably continues."""
        hashed = hashlib.blake2b(_asker(kind, agent), digest_size=16)
        fields = request_fields(kind, request)
        if kind is Operation.CHAT:
            messages = request.get("messages") or []
            chain = self._chain(agent, conversation, messages)
            tools = fields.pop("tools", None)
            if tools is not None and tools != chain.tools:
                chain.tools, chain.tools_text = tools, canonical(self.clean(tools))
            hashed.update((chain.tools_text if tools is not None else "").encode(errors="replace"))
            hashed.update(self._history(chain, messages))
        hashed.update(self._cleaned(fields, lambda value: (self.clean(value), []))[0])
        return hashed.digest()

    def clean(self, value: Json) -> Json:
        """Copy *value* without secrets and volatile values.

        Every secret is the same mark, since its kind depends on the environment.
        """
        return self._normalise(self._without_secrets(value))

    def _without_secrets(self, value: Json) -> Json:
        if isinstance(value, str):
            return self._hidden(value) if len(value) <= _SHORT else _marked(self._redact(value))
        if isinstance(value, dict):
            return {name: self._without_secrets(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._without_secrets(item) for item in value]
        if isinstance(value, Mapping):
            return self._without_secrets(dict(value))
        return value

    def message(self, body: Mapping[str, Json]) -> tuple[dict[str, Json], list[str]]:
        """Copy a message as ``clean`` does, with the ids of its tool calls taken out."""
        copied = self._without_secrets(body)
        parts = [part for part in copied.get("parts") or () if isinstance(part, dict) and part.get("type") in WITH_IDS]
        ids = [str(part.pop("id")) for part in parts if part.get("id") is not None]
        return self._normalise(copied), ids

    def _cleaned(self, value: Json, clean: Callable[[Any], tuple[Json, list[str]]]) -> tuple[bytes, list[str]]:
        """Write what *clean* makes of *value* as canonical JSON, and the ids it took out; once for equal values."""
        told = canonical(value)
        found = self._texts.get(told)
        if found is None:
            copied, ids = clean(value)
            if len(self._texts) >= _MOST_REMEMBERED:
                self._texts = {}
            found = self._texts[told] = canonical(copied).encode(errors="replace"), ids
        return found

    def _chain(self, agent: str | None, conversation: str, messages: Sequence[Json]) -> _Chain:
        """Find the history that *messages* go on with, of the agent's several: it begins with the same object."""
        first = messages[0] if messages else None
        found = self._chains.get((agent, conversation, id(first)))
        if found is None or not found.messages or found.messages[0] is not first:
            if len(self._chains) >= _MOST_CHAINS:
                self._chains = {}
            found = self._chains[agent, conversation, id(first)] = _Chain()
        return found

    def _history(self, chain: _Chain, messages: Sequence[Mapping[str, Json]]) -> bytes:
        known = _common(chain.messages, messages)
        if known < len(chain.messages):
            del chain.messages[known:], chain.states[known:]
            count = chain.ids_before[known]
            del chain.ids_before[known:]
            chain.ids = {name: number for name, number in chain.ids.items() if number < count}
        state = chain.states[-1] if chain.states else b""
        for body in messages[known:]:
            chain.ids_before.append(len(chain.ids))
            text, ids = self._cleaned(body, self.message)
            if ids:
                text += repr([chain.ids.setdefault(name, len(chain.ids)) for name in ids]).encode()
            state = hashlib.blake2b(state + text, digest_size=16).digest()
            chain.messages.append(body)
            chain.states.append(state)
        return state


def _marked(text: str) -> str:
    return _MARK.sub("[secret]", text) if "[secret:" in text else text


@functools.lru_cache(maxsize=1024)
def _asker(kind: Operation, agent: str | None) -> bytes:
    return canonical([kind.value, agent]).encode()


def _common(known: list[Json], messages: Sequence[Json]) -> int:
    """Count the messages both begin with. Comparing whole lists first lets identical objects pass at C speed."""
    if len(known) <= len(messages) and known == messages[: len(known)]:
        return len(known)
    for index, (old, new) in enumerate(zip(known, messages, strict=False)):
        if old is not new and old != new:
            return index
    return min(len(known), len(messages))
