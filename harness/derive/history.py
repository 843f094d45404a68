"""Resolve a context, the one hash that names the whole history of a model call, into its messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from harness.model import Json

Parts: TypeAlias = Mapping[str, Json]
"""Contents by hash: a message each, or a list of tool definitions."""
Links: TypeAlias = Mapping[str, tuple[str | None, str]]
"""Contexts by hash: the context before it (None for the first), and the part it adds."""
Message: TypeAlias = Mapping[str, Json]


def context(name: str | None, parts: Parts, links: Links) -> list[Message]:
    """List the messages of the context *name*, oldest first.

    What was lost is left out: a missing link ends the walk, a missing part is skipped.
    """
    return list(Histories(parts, links).of(name))


class Histories:
    """Resolves the contexts of one run; a history that goes on from another shares its work."""

    def __init__(self, parts: Parts, links: Links) -> None:
        """Read from *parts* and *links*."""
        self._parts = parts
        self._links = links
        self._known: dict[str, tuple[Message, ...]] = {}

    def of(self, name: str | None) -> tuple[Message, ...]:
        """Give the messages of the context *name*, oldest first; none for None."""
        added: list[Message] = []
        walked: set[str] = set()
        at = name
        while at is not None and at not in self._known and at not in walked and at in self._links:
            walked.add(at)
            at, part = self._links[at]
            body = message(self._parts.get(part))
            if body is not None:
                added.append(body)
        before = self._known.get(at, ()) if at is not None and at not in walked else ()
        found = before + tuple(reversed(added))
        if name is not None:
            self._known[name] = found
        return found


def _typed(part: Json) -> bool:
    """Say whether *part* is an object whose type is a text, as whoever reads parts takes it to be, or is not said."""
    return isinstance(part, (dict, Mapping)) and isinstance(part.get("type", ""), str)


def message(body: Json) -> Message | None:
    """Give *body* if it is a message, with its parts made a list of typed objects if they are not; else None."""
    if not isinstance(body, (dict, Mapping)):
        return None
    parts = body.get("parts")
    if isinstance(parts, list) and all(_typed(part) for part in parts):
        return body
    kept = [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
    kept = [part if _typed(part) else {**part, "type": ""} for part in kept]
    if isinstance(parts, str):
        kept = [{"type": "text", "content": parts}]
    return {**body, "parts": kept}
