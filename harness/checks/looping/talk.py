"""Listen to one conversation and tell of each message what is known of loops by then."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from harness.checks.looping.near import Marks, Miss
from harness.checks.looping.novelty import Memory, New
from harness.checks.looping.reading import MOST_READ, Said, canonical_text, name_words, read
from harness.checks.looping.repeats import MOST_LISTED, Repeats
from harness.model import Message

_FEW_WORDS = 20
_SOME_WORDS = 30
_RESTATED_WORDS = 40
_NEW_PAIRS = 0.88
_PAIR_SHARE = 0.1
_PAIR_MOVES_ON = 0.3
_LEAST_WORDS = 5
_SPOKEN = 3
_TALKERS = 12
_LONGEST_RESULT = 60
_SIGNATURE = 200
_MOST_CODE = 256
_ROUND = 64
_MOST_NAMES = 256
_HEADER = re.compile(r"exitcode: -?\d+ \(execution (?:succeeded|failed)\)\s*(?:code output:)?")
_PLACE = re.compile(r"[\w.~\-]*(?:/[\w.\-]+)+|\b\d+\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known after a message. Sequences hold message numbers, the newest last.

    *repeated* made this move since there was something new, *period* messages of the conversation from one to
    the next, in a *round* of these agents; *quiet* said nothing new in other words, and weigh
    *weight* together; *alone* followed the sender's own without saying anything new; *outcomes* brought the same
    error or the same result, whatever was tried. *new* says whether the message itself informs.
    """

    number: int
    said: Said
    new: bool
    repeated: tuple[int, ...]
    period: int
    round: tuple[str, ...]
    quiet: tuple[int, ...] = ()
    weight: float = 0.0
    pair: bool = False
    alone: tuple[int, ...] = ()
    outcomes: tuple[int, ...] = ()
    answered: int | None = None
    missed: Miss | None = None


class Talk:
    """One conversation."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._known_names: set[str] = set()
        self._memory = Memory()
        self._repeats = Repeats()
        self._marks = Marks()
        self._code: dict[str, None] = {}
        self._asked_by: str | None = None
        self._turn = 0
        self._senders: deque[str] = deque(maxlen=_ROUND)
        self._talkers: deque[str] = deque(maxlen=_TALKERS)
        self._quiet: list[int] = []
        self._weight = 0.0
        self._alone: list[int] = []
        self._spoke: str | None = None
        self._outcome: tuple[bool, object] | None = None
        self._outcomes: list[int] = []
        self._between: set[str] = set()
        self._answered: int | None = None

    def hear(self, message: Message, number: int) -> Heard:
        """Take in the next message, the *number*-th of the run."""
        self._meet(message.sender)
        said = read(message, self._names)
        new = self._memory.learn(said)
        self._marks.hear(said.text[:MOST_READ], number)
        known = self._repeats.again(said)
        result = said.result or (
            self._asked_by not in {None, said.sender}
            and not said.calls
            and not said.code
            and len(said.words) < _LONGEST_RESULT
        )
        self._asked_by = said.sender if said.code or said.calls else None
        fresh_code = any(block not in self._code for block in said.code)
        self._code.update(dict.fromkeys(said.code))
        while len(self._code) > _MOST_CODE:
            del self._code[next(iter(self._code))]
        pair = len({*self._talkers, said.sender}) <= 2  # noqa: PLR2004
        move = self._repeats.like(said, fresh=bool(new.facts))
        informs = not known and self._informs(said, new, result=result, pair=pair)
        if informs:
            self.informed()
        elif not known and not result and not said.calls:
            self._nothing_new(said, new, number, pair=pair, fresh_code=fresh_code)
        if not result and not said.calls and self._turn:  # who set the task takes part only if it speaks again
            self._talkers.append(said.sender)
        self._goes_on(said, new, number, spoke=not result and not said.calls and not said.code)
        outcomes = self._came_out(said, number) if result and said.text.strip() else ()
        self._between.add(said.sender)
        if informs and said.result and not said.failed:
            self._answered = number
        self._turn += 1
        self._senders.append(said.sender)
        move = self._repeats.count(said, move, number, self._turn)
        return Heard(
            number=number,
            said=said,
            new=informs,
            repeated=tuple(move.places),
            period=move.period,
            round=tuple(dict.fromkeys(list(self._senders)[-move.period :])) if move.period else (said.sender,),
            quiet=tuple(self._quiet),
            weight=self._weight,
            pair=pair,
            alone=tuple(self._alone),
            outcomes=outcomes,
            answered=self._answered,
            missed=self._marks.missed,
        )

    def informed(self) -> None:
        """Note that something new was said."""
        self._quiet, self._weight = [], 0.0
        self._repeats.informed()

    def typed(self) -> None:
        """Note that a human typed something: whatever went on so far, it is steered now."""
        self.informed()
        self._outcome, self._outcomes, self._alone = None, [], []

    def _meet(self, sender: str) -> None:
        """Learn the name of who speaks. Names are never information."""
        if sender not in self._known_names:
            if len(self._known_names) > _MOST_NAMES:
                self._known_names, self._names = set(), frozenset()
            self._known_names.add(sender)
            self._names |= name_words(sender)

    def _informs(self, said: Said, new: New, *, result: bool, pair: bool) -> bool:
        """Say whether *said* moves the work on. A call does, and a result, if they are not known; an error does not."""
        if said.calls:
            return True
        if result:
            return not said.failed and (said.result or new.facts > 0 or new.informs)
        return new.informs or (new.quotes and not pair and self._repeats.gathers(said, new.pairs))

    def _nothing_new(self, said: Said, new: New, number: int, *, pair: bool, fresh_code: bool) -> None:
        """Weigh a message that says nothing new in words of its own. Code is judged by what comes out of it."""
        if pair and new.share > _PAIR_MOVES_ON:
            self._weight, self._quiet = 0.0, []
        weight = 0.0 if fresh_code or new.of < _LEAST_WORDS else _weight(said, new, pair=pair)
        if weight:
            self._weight += weight
            _note(self._quiet, number)

    def _goes_on(self, said: Said, new: New, number: int, *, spoke: bool) -> None:
        """Note who speaks to itself: after its own words, with no call, code or result in between."""
        if not spoke or said.sender != self._spoke or new.full_of_facts:
            self._alone = []
        elif new.of >= _SPOKEN and not new.other_words:
            _note(self._alone, number)
        self._spoke = said.sender if spoke and self._turn else None

    def _came_out(self, said: Said, number: int) -> tuple[int, ...]:
        """Follow what comes out of the calls and the code: the same error or the same figures, time and again."""
        outcome = _outcome(said, alone=len(self._between | {said.sender}) <= 2)  # noqa: PLR2004
        self._between = set()
        if outcome is None:
            return ()
        if outcome != self._outcome:
            self._outcomes = []
        self._outcome = outcome
        _note(self._outcomes, number)
        return tuple(self._outcomes) if outcome[1] is not None else ()


def _note(numbers: list[int], number: int) -> None:
    numbers.append(number)
    del numbers[1:-MOST_LISTED]


def _weight(said: Said, new: New, *, pair: bool) -> float:
    """Say how clearly a message says nothing new: 1, a half, or not at all.

    Two who talk with each other restate what they heard, and still get on: of them only what is nearly all known
    counts. Who restates figures that are known may take more words for it.
    """
    if pair and new.share > _PAIR_SHARE:
        return 0.0
    if new.words <= _FEW_WORDS or (said.facts and new.words <= _RESTATED_WORDS):
        weight = 1.0
    elif new.words <= _SOME_WORDS:
        weight = 0.5
    else:
        return 0.0
    return weight if not new.facts and new.pairs <= _NEW_PAIRS else weight / 2


def _outcome(said: Said, *, alone: bool) -> tuple[bool, object] | None:
    """Reduce a result to what came out: the last line of an error without its places, or the figures of a success.

    None for a result without anything in it. That a tool or an executor succeeds as it did before is how much work goes
    on; figures count where an agent answers code with them, between two: a third may have asked for other work.
    """
    if said.failed:
        last = said.text.strip().splitlines()[-1][-_SIGNATURE:]
        return True, " ".join(_PLACE.sub("#", canonical_text(last)).split())
    if not _HEADER.sub("", canonical_text(said.text[:_SIGNATURE])).strip():
        return None
    return False, said.facts if said.facts and alone and not said.result else None
