"""What a row of the table is: one scenario, who answers when it is recorded, and what is special about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.server import Script

NOTHING = "–"
"""The mode of a plain conversation, and the error of one where nothing goes wrong."""
MODEL = "llm_config: {model: gpt-4o-mini, temperature: 0}"
"""What agents of the rows ask, unless a row is about that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario: who talks (*pattern*), how (*mode*) and what goes wrong (*error*); no two rows have the same.

    *text* is its file, where ``cast:NAME`` is a function of the family's module in ``casts``. *script* makes what the
    models answer, and *typed* is what the human types, while it is recorded. Where agents work *at_once*, which of them
    is first is nobody's to say. *absent* says what an installed framework lacks for it, or nothing.
    """

    family: str
    pattern: str
    mode: str = NOTHING
    error: str = NOTHING
    text: str
    script: Callable[[], Script]
    typed: Sequence[str] = ()
    at_once: bool = False
    absent: Callable[[], str | None] = lambda: None

    @property
    def name(self) -> str:
        """The name of its file, without ending."""
        words = " ".join(word for word in (self.family, self.pattern, self.mode, self.error) if word != NOTHING)
        return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
