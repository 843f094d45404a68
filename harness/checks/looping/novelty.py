"""What a conversation knows already, and how much of a message is new to it.

A loop is recurrence without new information, so everything rests on this: facts (numbers, identifiers, names) and words
that nobody has said before. Chatter after an answer has new words now and then, but no new fact for many messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.checks.looping.reading import Said

MOST_KNOWN = 8192
"""Words, facts or pairs of words that are remembered of one conversation; what came first goes first."""
LONGEST_KNOWN = 1000
"""Messages for which a word, a fact or a pair is remembered."""

_Item = TypeVar("_Item", bound=Hashable)
_FACTS_PER_WORD = 1 / 30
_NEW_WORDS = 0.62
_FEWEST_NEW = 8
_QUOTED = 0.85
_QUOTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """How much of a message is new: facts and words of all its words, and the shares of its words and of its pairs."""

    facts: int
    words: int
    of: int
    share: float
    pairs: float

    @property
    def informs(self) -> bool:
        """Whether it brings more than a stray fact, or says mostly what nobody said before."""
        return self.facts > self.of * _FACTS_PER_WORD or (self.words >= _FEWEST_NEW and self.share > _NEW_WORDS)

    @property
    def quotes(self) -> bool:
        """Whether it puts together at length what was said: how frameworks hand work from one agent to another."""
        return not self.facts and self.of >= _QUOTE and self.pairs <= 1 - _QUOTED


class Memory:
    """What one conversation knows."""

    def __init__(self) -> None:
        self._words: _Known[str] = _Known()
        self._facts: _Known[str] = _Known()
        self._pairs: _Known[tuple[str, str]] = _Known()

    def learn(self, said: Said) -> New:
        """Take in *said* and tell how much of it is new."""
        facts = self._facts.new(said.facts) - self._words.items
        words = self._words.add(said.words)
        self._facts.add(facts)
        pairs = self._pairs.add(said.pairs)
        of = len(said.words)
        return New(
            facts=len(facts),
            words=len(words),
            of=of,
            share=len(words) / of if of else 0.0,
            pairs=len(pairs) / len(said.pairs) if said.pairs else 1.0,
        )


class _Known(Generic[_Item]):
    """A bounded set, from which what came first goes first, a message at a time."""

    def __init__(self) -> None:
        self.items: set[_Item] = set()
        self._came: deque[frozenset[_Item]] = deque()

    def new(self, items: frozenset[_Item]) -> frozenset[_Item]:
        """Give those of *items* that are not known."""
        return items - self.items

    def add(self, items: frozenset[_Item]) -> frozenset[_Item]:
        """Take in *items* and give those that were not known."""
        fresh = items - self.items
        self.items |= fresh
        self._came.append(fresh)
        while len(self._came) > LONGEST_KNOWN or (len(self.items) > MOST_KNOWN and len(self._came) > 1):
            self.items -= self._came.popleft()
        return fresh
