"""Find the recorded exchange that is due for a request: the three ways to match.

* ``match``: equal requests get their replies first in, first out; different ones do not wait for one another.
* ``strict``: the next request must be the next one that was recorded.
* ``sequence``: the n-th call of an agent gets the n-th reply it was given, whatever the request says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError

from .exchanges import Outcome
from .matching import Matcher
from .normalising import normaliser

if TYPE_CHECKING:
    from harness.model import Json, Operation

    from .exchanges import Exchange

WAYS = ("match", "strict", "sequence")
Asking = tuple["Operation", "str | None", str, "Mapping[str, Json]"]
"""A request as it is compared: kind, agent, conversation, request."""


class Queues:
    """The exchanges that wait to be asked for. Not safe for threads: its user holds a lock."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        *,
        way: str,
        kinds: frozenset[Operation],
        normalise: Sequence[str] = (),
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """*way* is one of WAYS; *kinds* are those that are asked for; *normalise* names rules of ``normalising``.

        *redact* takes secrets out of what is compared.
        """
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r} to match", hint=f"Known: {', '.join(WAYS)}.")
        self.exchanges = exchanges
        self.matcher = Matcher(redact)
        self._way = way
        self._kinds = kinds
        volatile = normaliser(normalise)
        self._loose = Matcher(redact, volatile) if volatile else None
        self._waiting: dict[object, deque[int]] = {}
        self._keys: list[tuple[object, ...]] = []
        self._next = 0
        self.played = [False] * len(exchanges)
        """Which exchanges have been asked for, by their place."""
        for index, found in enumerate(exchanges):
            keys = self._names((found.kind, found.agent, found.conversation, found.request))
            self._keys.append(keys)
            for key in keys:
                self._waiting.setdefault(key, deque()).append(index)

    def take(self, asking: Asking) -> tuple[int | None, Outcome]:
        """Give the place of the exchange that is due, once, and how it was found; None and a miss if there is none."""
        keys = self._names(asking)
        index = self._due(keys, asking[2])
        if index is None:
            return None, Outcome.MISS
        self.played[index] = True
        return index, self._outcome(keys, self._keys[index])

    def holds(self, asking: Asking) -> bool:
        """Say whether an exchange is due for a request, or waits for another one of its kind and agent."""
        kind, agent, conversation, _ = asking
        if self._due(self._names(asking), conversation) is not None:
            return True
        left = (self.exchanges[index] for index in self.left())
        return any(found.kind is kind and found.agent == agent for found in left)

    def left(self) -> list[int]:
        """List the places of the exchanges that nobody has asked for, in recorded order."""
        return [
            index for index, found in enumerate(self.exchanges) if not self.played[index] and found.kind in self._kinds
        ]

    def elsewhere(self, asking: Asking) -> int | None:
        """Give the place of an exchange that waits for this very request in another conversation."""
        return next(self._in_line(self._names(asking)[0]), None)

    def equal(self, asking: Asking) -> list[int]:
        """List the places of all exchanges with this very request, asked for or not."""
        key = self._names(asking)[0]
        return [index for index, keys in enumerate(self._keys) if keys[0] == key]

    def _names(self, asking: Asking) -> tuple[object, ...]:
        """Name a request: by its key, by its key without volatile values, and by who asks for what."""
        kind, agent, conversation, request = asking
        key = self.matcher.key(kind, agent, conversation, request)
        loose = self._loose.key(kind, agent, conversation, request) if self._loose else key
        return key, ("normalised", loose), ("turn", kind, agent, request.get("name"))

    def _due(self, keys: tuple[object, ...], conversation: str) -> int | None:
        if self._way == "strict":
            upcoming = self._upcoming()
            if upcoming is None or self._outcome(keys, self._keys[upcoming]) is Outcome.CHANGED:
                return None
            return upcoming if self._fits(upcoming, conversation) else None
        for key in keys[2:] if self._way == "sequence" else keys[:2]:
            if key in self._waiting:
                for index in self._in_line(key):
                    if self._fits(index, conversation):
                        return index
        return None

    def _in_line(self, key: object) -> Iterator[int]:
        line = self._waiting.get(key)
        while line and self.played[line[0]]:
            line.popleft()
        return (index for index in line or () if not self.played[index])

    def _upcoming(self) -> int | None:
        while self._next < len(self.exchanges):
            if not self.played[self._next] and self.exchanges[self._next].kind in self._kinds:
                return self._next
            self._next += 1
        return None

    def _fits(self, index: int, conversation: str) -> bool:
        there = self.exchanges[index].conversation
        return there == conversation or not there or not conversation

    def _outcome(self, asked: tuple[object, ...], recorded: tuple[object, ...]) -> Outcome:
        if asked[0] == recorded[0]:
            return Outcome.HIT
        return Outcome.NORMALISED if asked[1] == recorded[1] else Outcome.CHANGED
