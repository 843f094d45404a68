"""Name contents and histories by their hashes, each worked on once, and write what a run has not written yet.

A message is stored once per run. A model call names one *context*: a chain of links, each of which adds a part to the
context before it. So a history that has grown costs what is new of it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from harness.canonical import context_hash, digest
from harness.model import Json
from harness.privacy import Privacy
from harness.scopes import RunState

Part = tuple[str, str]
"""A content's hash and its redacted canonical JSON."""
Link = tuple[str, str | None, Part]
"""A context's hash, the hash of the context before it, and the part it adds."""

_MOST_REMEMBERED = 8192
_MOST_HISTORIES = 64
_MOST_LINKS = 65_536


class Contents:
    """What a process remembers of contents: redacted text and names. It may forget: that only costs time."""

    def __init__(self, privacy: Privacy) -> None:
        """*privacy* says what of a content may be written."""
        self._privacy = privacy
        self._parts: dict[int, tuple[object, str, str]] = {}
        self._links: dict[tuple[str | None, str], str] = {}
        self._histories: dict[int, tuple[list[Mapping[str, Json]], list[Link]]] = {}

    def part(self, body: object) -> Part:
        """Redact *body*, and give its hash and canonical JSON. The same object is worked on once: never change it."""
        seen = self._parts.get(id(body))
        if seen is not None and seen[0] is body:
            return seen[1], seen[2]
        text = self._privacy.body(body)
        name = digest(text)
        if len(self._parts) >= _MOST_REMEMBERED:
            self._parts = {}
        self._parts[id(body)] = (body, name, text)
        return name, text

    def context(self, messages: Sequence[Mapping[str, Json]]) -> tuple[str | None, Sequence[Link]]:
        """Chain *messages* into a context: its hash (None for no messages), and the links that it is made of.

        A history that has grown costs what is new of it: the same objects in the same order are known at one look.
        """
        if not messages:
            return None, ()
        first, asked = messages[0], list(messages)
        before, links = self._histories.get(id(first), ((), ()))
        known = len(before) if before and before[0] is first and asked[: len(before)] == before else 0
        found = list(links[:known])
        last = found[-1][0] if found else None
        for message in asked[known:]:
            part = self.part(message)
            link = self._links.get((last, part[0])) or self._link(last, part[0])
            found.append((link, last, part))
            last = link
        if len(self._histories) >= _MOST_HISTORIES:
            self._histories = {}
        self._histories[id(first)] = asked, found
        return last, found

    def _link(self, last: str | None, part: str) -> str:
        if len(self._links) >= _MOST_LINKS:
            self._links = {}
        link = self._links[last, part] = context_hash(last, part)
        return link


def news(run: RunState, contents: Sequence[Part], links: Sequence[Link]) -> tuple[str, set[str]]:
    """Write, as lines, what of *contents* and *links* is not written in *run* yet, and give the names of that."""
    known, run_id = run.known, run.quoted
    new = _unwritten(links, known) if links else ()
    fresh: set[str] = set()
    lines: list[str] = []
    for name, text in (*[part for _, _, part in new], *contents) if new else contents:
        if name not in known and name not in fresh:
            fresh.add(name)
            lines.append(f'{{"k":"p","run_id":{run_id},"hash":"{name}","body":{text}}}\n')
    for link, prev, (part, _) in new:
        fresh.add(link)
        before = f'"{prev}"' if prev else "null"
        lines.append(f'{{"k":"l","run_id":{run_id},"hash":"{link}","prev":{before},"part":"{part}"}}\n')
    return "".join(lines), fresh


def _unwritten(links: Sequence[Link], known: Container[str]) -> list[Link]:
    """Give the links that are not written yet, in order. One that is has all before it written, and their parts."""
    new: list[Link] = []
    for link in reversed(links):
        if link[0] in known:
            break
        new.append(link)
    new.reverse()
    return new
