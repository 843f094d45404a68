"""Look after a cassette: whether it is whole and free of secrets, what nobody asks for, and older formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.redaction import project

from . import cassette, cassette_lines, cleaning

if TYPE_CHECKING:
    from harness.model import Json

    from .cassette import Cassette
    from .exchanges import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a cassette, and on which line. A *note* is no fault: it works all the same."""

    text: str
    line: int | None = None
    note: bool = False


def verify(path: Path, redact: Callable[[str], str] | None = None) -> list[Fault]:
    """List what is wrong with the file at *path*, gravest first; raises UsageError only if it cannot be opened.

    *redact* takes secrets out of a text (default: as in this project and environment).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the cassette {str(path)!r}: {error}") from error
    try:
        found = cassette.read(path)
    except UsageError as error:
        return [Fault(text=str(error))]
    faults = [*_secrets(found.exchanges, redact or project()), *_unreferenced(text)]
    if not found.exchanges:
        faults.append(Fault(text="it holds no exchange"))
    if (found.header.format or 0) < cassette_lines.FORMAT:
        told = f"format {found.header.format} is read, but not written any more: `harness cassette migrate`"
        faults.append(Fault(text=told, line=1, note=True))
    elif not faults and text.split("\n")[1:] != [*cassette_lines.dump(found.header, found.exchanges)[1:], ""]:
        faults.append(Fault(text="it was edited: `harness cassette migrate` writes it in order again", note=True))
    return faults


def _secrets(exchanges: Iterable[Exchange], redact: Callable[[str], str]) -> Iterator[Fault]:
    told: set[str] = set()
    for exchange in exchanges:
        failure = exchange.failure
        kept = [exchange.request, exchange.reply, failure and [failure.message, failure.body]]
        bad = [text for text in _texts(kept) if redact(text) != text]
        if any(text not in told for text in bad):
            yield Fault(text="it holds a secret: `harness cassette redact` takes it out", line=exchange.line)
        told.update(bad)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _unreferenced(text: str) -> Iterator[Fault]:
    """Find messages and tool definitions that no exchange names."""
    named: dict[tuple[str, str], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        ((what, body),) = json.loads(line).items()
        if what in {"message", "tools"}:
            named[what, body["id"]] = number
        elif what == "exchange" and body["kind"] == "chat":
            request, reply = body["request"], body.get("reply") or {}
            messages = [*request.get("add", ()), reply.get("message")]
            messages += [choice.get("message") for choice in reply.get("choices", ())]
            for name in messages:
                named.pop(("message", str(name)), None)
            named.pop(("tools", str(request.get("tools"))), None)
    for (what, name), number in named.items():
        yield Fault(text=f"no exchange uses the {what} {name!r}", line=number)


def redacted(found: Cassette, redact: Callable[[str], str] | None = None) -> Cassette:
    """Take out what is known to be secret now. Doing it twice changes nothing more."""
    exchanges = cleaning.redacted(found.exchanges, redact)
    return replace(found, header=replace(found.header, redacted=True), exchanges=exchanges)


def migrated(found: Cassette) -> Cassette:
    """Bring a cassette of an older format up to date, and one that was edited into order."""
    return replace(found, exchanges=cleaning.numbered(found.exchanges))


def without(found: Cassette, places: Iterable[int]) -> Cassette:
    """Take the exchanges at *places* out."""
    gone = set(places)
    kept = tuple(exchange for place, exchange in enumerate(found.exchanges) if place not in gone)
    return replace(found, header=replace(found.header, models=cassette.models_of(kept)), exchanges=kept)
