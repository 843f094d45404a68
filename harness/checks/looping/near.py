r"""Marks that were nearly made: the answer is given, and the predicate that waits for its mark does not see it.

A mark is what was shown before: ``\boxed{…}``, a word such as ``SOLUTION_FOUND``. It is nearly made without its
backslash, with the backslash and its letter eaten as an escape, or with a space for the underscore. What ends a
conversation is not known here, so a near miss alone is no finding; it explains a loop that follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_MARKS = 32
"""Marks that are remembered of one conversation."""

_COMMAND = re.compile(r"\\([a-z]{3,25})\{")
_JOINED = re.compile(r"(?<![A-Za-z_])[A-Z]{2,24}(?:_[A-Z]{2,24}){1,3}(?![A-Za-z_])")
_BARE_COMMAND = re.compile(r"(?<![\\a-z])([a-z]{2,25})\{")
_APART = re.compile(r"(?<![A-Za-z])[A-Z]{2,24}(?:[ -][A-Z]{2,24})+(?![A-Za-z])")
_MOST_APART = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """What was *said* in message *number*, and the mark that was *meant*."""

    number: int
    said: str
    meant: str


class Marks:
    """The marks of one conversation, and the last one that was nearly made."""

    def __init__(self) -> None:
        self._commands: dict[str, str] = {}
        self._joined: set[str] = set()
        self.missed: Miss | None = None

    def hear(self, text: str, number: int) -> None:
        """Look for near misses in *text*, and learn its marks."""
        if self._commands and "{" in text:
            for found in _BARE_COMMAND.finditer(text):
                self._miss(self._commands.get(found[1]), found[0], text, number)
        if self._joined:
            for found in _APART.finditer(text):
                for said in _within(found[0]):
                    mark = said.replace(" ", "_").replace("-", "_")
                    self._miss(mark if mark in self._joined else None, said, text, number)
        if "\\" in text:
            for word in _COMMAND.findall(text):
                if word not in self._commands and len(self._commands) < 2 * MOST_MARKS:
                    self._commands |= {word: f"\\{word}{{", word[1:]: f"\\{word}{{"}
        if "_" in text and len(self._joined) < MOST_MARKS:
            self._joined.update(_JOINED.findall(text)[:MOST_MARKS])

    def _miss(self, meant: str | None, said: str, text: str, number: int) -> None:
        if meant is not None and meant not in text:
            self.missed = Miss(number=number, said=said, meant=meant)


def _within(words: str) -> Iterator[str]:
    """Give the runs of two to four of *words*, which are joined by one character each."""
    starts = [0, *(place + 1 for place, letter in enumerate(words) if letter in " -")]
    ends = [*(start - 1 for start in starts[1:]), len(words)]
    for first, start in enumerate(starts):
        for end in ends[first + 1 : first + _MOST_APART]:
            yield words[start:end]
