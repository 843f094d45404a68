"""Hold one message as the spans of another program tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.importers.grouping import Place
from harness.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and where it was said: with the start (*first*) or the end of the span at *place*.

    *at_ns* is when, where the program says so itself. *key* is the message's own id in its run, where it has one: it is
    the same message wherever it is told of.
    """

    place: Place
    sender: str
    to: tuple[str, ...]
    body: Mapping[str, Json]
    first: bool
    at_ns: int | None = None
    key: str = ""
