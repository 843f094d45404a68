"""Hold what tools and code gave when they were called for real against what they gave when it was recorded.

A scenario has them called (``live``) to learn what became of them. What a model is told of it makes its next request
another one; what no model is told of is seen here alone.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.canonical import canonical
from harness.model import Json, Operation

from . import promoting
from .matching import Matcher
from .normalising import normaliser

if TYPE_CHECKING:
    from .cassette import Cassette
    from .exchanges import Exchange
    from .outcomes import Played

_WORKED = frozenset({Operation.TOOL, Operation.CODE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """A call whose result is another one than recorded: the call, the *place* of its exchange, and both as texts.

    *now* is the exchange as it would be recorded now.
    """

    played: Played
    place: int
    now: Exchange
    old: str
    new: str


def otherwise(cassette: Cassette, calls: Sequence[Played], kinds: frozenset[Operation]) -> Iterator[Otherwise]:
    """List the calls of tools and code, of kinds that are not among the replayed *kinds*, that went otherwise.

    Equal calls of an agent are compared in their order. Values that the cassette normalises do not count.
    """
    live = _WORKED - kinds
    if not live:
        return
    matcher = Matcher(normalise=normaliser(cassette.header.normalise))
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    for place, found in enumerate(cassette.exchanges):
        if found.kind in live and not found.live:
            waiting[matcher.key(found.kind, found.agent, "", found.request)].append(place)
    for played in calls:
        call, kind = played.call, played.call.span.operation
        if kind not in live:
            continue
        due = waiting.get(matcher.key(kind, call.agent, "", call.request))
        if not due:
            continue
        then = cassette.exchanges[due[0]]
        now = replace(then, **promoting.answer(call))
        place, old, new = due.popleft(), given(then), given(now)
        if matcher.clean(old) != matcher.clean(new):
            yield Otherwise(played=played, place=place, now=now, old=old, new=new)


def given(exchange: Exchange) -> str:
    """Write what a tool or code gave as text: its result or output, or its failure."""
    reply = exchange.reply
    if reply is None:
        failure = exchange.failure
        return "" if failure is None else f"{failure.type}: {failure.message}"
    if exchange.kind is Operation.CODE:
        return f"exit code {reply.get('exit_code')}\n{reply.get('output')}"
    result: Json = reply.get("result")
    return result if isinstance(result, str) else canonical(result)
