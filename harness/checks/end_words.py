"""The words that a set-up ends with, and how a message may miss one: SOLUTION FOUND is not SOLUTION_FOUND."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.could_end import mentioned
from harness.model import Json
from harness.text import one_line

_MOST_WORDS = 8
_LONGEST = 40
_PARTS = re.compile(r"[A-Z0-9]+")
_BETWEEN = r"(?:[^A-Za-z0-9]{1,4})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWord:
    """A word of several parts, and what looks like it."""

    word: str
    first: str
    alike: re.Pattern[str]

    def missed(self, text: str) -> str | None:
        """Give what *text* says in its place; None if it says the word itself, or nothing like it."""
        if self.first not in text or self.word in text:
            return None
        found = self.alike.search(text)
        return one_line(found[0], _LONGEST) if found else None


def end_words(agents: Iterable[Mapping[str, Json]]) -> Sequence[EndWord]:
    """Find the words of several parts that the prompts of *agents* ask for, or that their team waits for."""
    told: dict[str, None] = {}
    for agent in agents:
        asked = agent.get("end_words")
        told |= dict.fromkeys(word for word in asked if isinstance(word, str)) if isinstance(asked, list) else {}
        told |= dict.fromkeys(mentioned(agent.get("termination")))
    made = (_made(word) for word in list(told)[:_MOST_WORDS])
    return [word for word in made if word is not None]


def _made(word: str) -> EndWord | None:
    parts = _PARTS.findall(word)
    if len(parts) < len(("SOLUTION", "FOUND")) or len(word) > _LONGEST or any(map(str.islower, word)):
        return None
    alike = re.compile(rf"(?<![A-Za-z0-9]){_BETWEEN.join(map(re.escape, parts))}(?![A-Za-z0-9])")
    return EndWord(word=word, first=parts[0], alike=alike)
