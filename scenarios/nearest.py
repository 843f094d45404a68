"""Find the recorded exchange that is nearest to a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model import Json, Operation
from harness.text import one_line

from .differences import Request, sentence

if TYPE_CHECKING:
    from .exchanges import Exchange
    from .matching import Matcher

_WORDS = {
    Operation.CHAT: "model call",
    Operation.TOOL: "tool call",
    Operation.CODE: "code execution",
    Operation.HUMAN: "question to a human",
    Operation.SELECTION: "speaker selection",
}


def word(kind: Operation) -> str:
    """Name a kind of call as a reader would."""
    return _WORDS.get(kind, kind.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The recorded exchange that is nearest to a request, and what differs first."""

    exchange: Exchange | None
    difference: str


def nearest(
    matcher: Matcher,
    kind: Operation,
    agent: str | None,
    request: Mapping[str, Json],
    recorded: Iterable[tuple[Exchange, bool]],
) -> Near:
    """Find the nearest of *recorded* (exchange, and whether it was played already), and tell the first difference.

    Exchanges of the same agent come first, then those with most in common, then those not played yet.
    """
    same_kind = [(exchange, played) for exchange, played in recorded if exchange.kind is kind]
    if not same_kind:
        return Near(exchange=None, difference=f"the cassette has no {word(kind)} at all")
    candidates = [(exchange, played) for exchange, played in same_kind if exchange.agent == agent]
    if not candidates:
        agents = ", ".join(sorted({repr(one_line(exchange.agent or "", 40)) for exchange, _ in same_kind}))
        return Near(exchange=None, difference=f"the cassette has no {word(kind)} by this agent, only by {agents}")
    asked = Request(matcher, kind, request)
    best, closest = None, (-1.0, False)
    for exchange, played in candidates:
        score = (asked.likeness(Request(matcher, kind, exchange.request)), not played)
        if score > closest:
            best, closest = exchange, score
    if best is None:  # pragma: no cover - likeness is never negative
        raise AssertionError
    return Near(exchange=best, difference=sentence(asked.differences(Request(matcher, kind, best.request))))
