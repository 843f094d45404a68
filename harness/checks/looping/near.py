r"""Marks that were nearly made: the answer is given, and the predicate that waits for its mark does not see it.

A mark is what was shown before: ``\boxed{…}``, a word such as ``SOLUTION_FOUND``. It is nearly made without its
backslash, with the backslash and its letter eaten as an escape, or with a space for the underscore. What ends a
conversation is not known here, so a near miss alone is no finding; it explains a loop that follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_MARKS = 32
"""Marks that are remembered of one conversation."""

_COMMAND = re.compile(r"\\([a-z])([a-z]{2,24})\{")
_JOINED = re.compile(r"(?<![A-Za-z_])[A-Z]{2,24}(?:_[A-Z]{2,24}){1,3}(?![A-Za-z_])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """What was *said* in message *number*, and the mark that was *meant*."""

    number: int
    said: str
    meant: str


class Marks:
    """The marks of one conversation, and the last one that was nearly made."""

    def __init__(self) -> None:
        self._commands: dict[str, re.Pattern[str]] = {}
        self._joined: dict[str, re.Pattern[str]] = {}
        self.missed: Miss | None = None

    def hear(self, text: str, number: int) -> None:
        """Look for near misses in *text*, and learn its marks."""
        for kind in (self._commands if "{" in text else {}, self._joined):
            for meant, pattern in kind.items():
                if meant not in text and (found := pattern.search(text)):
                    self.missed = Miss(number=number, said=found[0], meant=meant)
        if "\\" in text:
            for first, rest in _COMMAND.findall(text):
                _learn(self._commands, f"\\{first}{rest}{{", rf"(?<![\\a-z]){first}?{rest}\{{")
        if "_" in text:
            for word in _JOINED.findall(text):
                _learn(self._joined, word, rf"(?<![A-Za-z]){'[ -]'.join(word.split('_'))}(?![A-Za-z])")


def _learn(marks: dict[str, re.Pattern[str]], meant: str, pattern: str) -> None:
    if meant not in marks and len(marks) < MOST_MARKS:
        marks[meant] = re.compile(pattern)
