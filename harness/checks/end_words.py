"""The words that a set-up ends with, and how a message may miss one: SOLUTION FOUND is not SOLUTION_FOUND.

Nor is approve APPROVE, where it stands alone in the last sentence: elsewhere it is the ordinary word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.could_end import mentioned
from harness.model import Json
from harness.text import one_line

WORD = "TERMINATE"
"""The word that AutoGen's own prompts ask an agent to end with."""
_MOST_WORDS = 8
_SHORTEST = 4
_LONGEST = 40
_PARTS = re.compile(r"[A-Z0-9]+")
_BETWEEN = r"(?:[^A-Za-z0-9]{1,4})"
_SENTENCE_ENDS = re.compile(r"[.!?:;]\s+")
_LONGEST_SENTENCE = 100
DRESS = " \t\r\n.,;:!?*_`'\"()[]#-"
"""What stands around a word and says nothing."""


def last_sentence(text: str) -> str:
    """Give the last sentence of the last line of *text*, as far as it is short."""
    line = text.rstrip()[-_LONGEST_SENTENCE:].rpartition("\n")[2]
    return _SENTENCE_ENDS.split(line)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWord:
    """A word, and what looks like it if it has several parts (*first* is the first of them)."""

    word: str
    first: str = ""
    alike: re.Pattern[str] | None = None

    def missed(self, text: str) -> str | None:
        """Give what *text* says in its place; None if it says the word itself, or nothing like it."""
        if self.alike is None:
            said = last_sentence(text).strip(DRESS)
            return said if said.upper() == self.word and self.word not in text else None
        if self.first not in text or self.word in text:
            return None
        found = self.alike.search(text)
        return one_line(found[0], _LONGEST) if found else None


def end_words(agents: Iterable[Mapping[str, Json]]) -> Sequence[EndWord]:
    """Find the words in capitals that the prompts of *agents* ask for, or that their team waits for."""
    told: dict[str, None] = {}
    for agent in agents:
        asked = agent.get("end_words")
        told |= dict.fromkeys(word for word in asked if isinstance(word, str)) if isinstance(asked, list) else {}
        told |= dict.fromkeys(mentioned(agent.get("termination")))
    made = (_made(word) for word in list(told)[:_MOST_WORDS])
    return [word for word in made if word is not None]


def _made(word: str) -> EndWord | None:
    parts = _PARTS.findall(word)
    if not parts or len(word) > _LONGEST or any(map(str.islower, word)):
        return None
    if len(parts) == 1:
        plain = word == parts[0] and word.isalpha() and len(word) >= _SHORTEST and word != WORD
        return EndWord(word=word) if plain else None
    alike = re.compile(rf"(?<![A-Za-z0-9]){_BETWEEN.join(map(re.escape, parts))}(?![A-Za-z0-9])")
    return EndWord(word=word, first=parts[0], alike=alike)
