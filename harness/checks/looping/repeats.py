"""Moves that come back: the same to the letter, or nearly so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.checks.looping.reading import Said

ALIKE = 0.72
"""Share of neighbouring words that two messages have in common, of those in either, to be one message reworded."""
ALIKE_WORDS = 0.7
"""The same for words in any order, of messages of so many words at least."""
FEWEST_WORDS = 8
MOST_OTHER_WORDS = 7
MOST_DIFFERENT = 16
"""Neighbouring words that two long messages may have for themselves and still be one."""
SENDERS_MOVES = 10
"""Different moves of a sender that are held against its next one."""
ALL_MOVES = 2048
"""Different moves of a conversation that are known again to the letter."""
MOST_LISTED = 20
"""Messages that are listed after the first one; a loop is told of long before."""
_QUOTED = 5
_SENDERS = 64


@dataclass(slots=True, kw_only=True)
class Move:
    """A move, and the numbers of the messages that made it since there was something new.

    *turn* counts the messages of its conversation, and *period* those from one time to the next; *news* counts what was
    new in it by then.
    """

    key: bytes
    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    result: bool
    places: list[int]
    turn: int
    news: int
    period: int = 0


class Repeats:
    """The moves of one conversation."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, bytes], None] = {}
        self._recent: dict[str, list[Move]] = {}
        self._news = 0

    def again(self, said: Said) -> bool:
        """Say whether its sender made this move before, to the letter; remember that it did now."""
        key = (said.sender, said.key)
        known = key in self._exact
        self._exact.pop(key, None)
        self._exact[key] = None
        if len(self._exact) > ALL_MOVES:
            del self._exact[next(iter(self._exact))]
        return known

    def like(self, said: Said, *, fresh: bool) -> Move | None:
        """Find the move that *said* makes again. What is *fresh* says something new, so only an equal one will do."""
        for move in reversed(self._recent.get(said.sender, ())):
            if move.key == said.key or (
                not fresh and not said.calls and said.result is move.result and _alike(move, said)
            ):
                return move
        return None

    def gathers(self, said: Said, new_pairs: float) -> bool:
        """Say whether *said*, of whose pairs the share *new_pairs* is new, puts together what several said.

        It does not where it is one message of another's in other words, nor where it is one of its sender's own and
        quotes nothing that its sender did not quote before.
        """
        if any(_alike(move, said) for sender, moves in self._recent.items() if sender != said.sender for move in moves):
            return False
        own = self._recent.get(said.sender, ())
        if not any(_alike(move, said) for move in own):
            return True
        quoted = said.pairs.difference(*(move.pairs for move in own))
        return len(quoted) - new_pairs * len(said.pairs) >= _QUOTED

    def count(self, said: Said, move: Move | None, number: int, turn: int) -> Move:
        """Note *said* as *move* made again, or as a new one."""
        recent = self._recent.pop(said.sender, [])
        self._recent[said.sender] = recent
        if len(self._recent) > _SENDERS:
            del self._recent[next(iter(self._recent))]
        if move is None:
            move = Move(
                key=said.key,
                words=said.words,
                pairs=said.pairs,
                result=said.result,
                places=[],
                turn=turn,
                news=self._news,
            )
        else:
            recent[:] = [each for each in recent if each is not move]
            move.key, move.words, move.pairs = said.key, said.words, said.pairs
            move.turn, move.period = turn, turn - move.turn
            del move.places[: self._news - move.news]
            move.news = self._news
        move.places.append(number)
        del move.places[1:-MOST_LISTED]
        recent.append(move)
        del recent[:-SENDERS_MOVES]
        return move

    def informed(self) -> None:
        """Something new was said: of each move one time less counts."""
        self._news += 1


def _alike(move: Move, said: Said) -> bool:
    return _share(move.pairs, said.pairs, ALIKE, MOST_DIFFERENT) or (
        len(said.words) >= FEWEST_WORDS and _share(move.words, said.words, ALIKE_WORDS, MOST_OTHER_WORDS)
    )


def _share(mine: frozenset[Any], its: frozenset[Any], least: float, most: int) -> bool:
    """Say whether two sets have so much in common, and not too much for themselves."""
    fewer, more = sorted((len(mine), len(its)))
    if not fewer or fewer < least * more:
        return False
    common = len(mine & its)
    either = len(mine) + len(its) - common
    return common >= least * either and either - common <= most
