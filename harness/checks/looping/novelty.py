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
_ENOUGH_FACTS = 3
_LONG = 12
_DENSE = 1 / 10
_NEW_WORDS = 0.62
_FEWEST_NEW = 8
_QUOTES = ((60, 0.15), (16, 0.1))
"""Words of a message, and the share of its pairs that may be new for it to be put together from what was said."""


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
        few = 1 if self.of >= _LONG else 0
        return self.other_words or self.facts > min(max(self.of * _FACTS_PER_WORD, few), _ENOUGH_FACTS)

    @property
    def full_of_facts(self) -> bool:
        """Whether it is dense with facts that nobody said before, as a result or an answer is, and prose is not."""
        return self.facts > self.of * _DENSE

    @property
    def other_words(self) -> bool:
        """Whether most of its words are ones that nobody said before."""
        return self.words >= _FEWEST_NEW and self.share > _NEW_WORDS

    @property
    def quotes(self) -> bool:
        """Whether it is put together from what was said: how a program hands work from one agent to another."""
        return not self.facts and any(self.of >= words and self.pairs <= share for words, share in _QUOTES)


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
