"""Say whether two recordings are the same to a replay: then the one that is there stays as it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import cleaning
from .matching import Matcher
from .normalising import normaliser

if TYPE_CHECKING:
    from .exchanges import Exchange


def alike(one: Sequence[Exchange], other: Sequence[Exchange], *, way: str, normalise: Sequence[str]) -> bool:
    """Say whether both give every request the same replies, where *way* is how requests are matched.

    So order counts as far as it does there (``queues.WAYS``): all of it, that of an agent's calls in a conversation, or
    that of equal requests. Agents and tools that work side by side come in another order each time. Values that
    *normalise* names do not count.
    """
    return _answers(one, way, normalise) == _answers(other, way, normalise)


def _answers(exchanges: Sequence[Exchange], way: str, normalise: Sequence[str]) -> Mapping[Hashable, Sequence[Any]]:
    """List what is answered to what, in order, for each scope in which order counts."""
    clean = normaliser(normalise) or (lambda value: value)
    matcher = Matcher(normalise=clean)
    found: dict[Hashable, list[Any]] = {}
    for exchange in exchanges:
        asking = exchange.kind, exchange.agent, exchange.conversation
        key = matcher.key(*asking, exchange.request)
        scope = {"strict": "", "sequence": asking}.get(way, (*asking, key))
        # Ids of calls are numbered over a whole cassette; what counts is which result belongs to which call, and that
        # is in the key.
        (reply,) = cleaning.numbered([replace(exchange, request={})])
        failure = exchange.failure and (exchange.failure.type, exchange.failure.status, clean(exchange.failure.message))
        found.setdefault(scope, []).append((asking, key, clean(reply.reply), failure, exchange.accepted))
    return found
