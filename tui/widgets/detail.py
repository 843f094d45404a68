"""The detail: all that is known of the place at the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..facts import Line
from ..lines import Lines
from ..safe import wrap

if TYPE_CHECKING:
    from textual.content import Content


class Detail(Lines):
    """Lines of text without a cursor, of any number."""

    selects = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._facts: Sequence[Line] = ()

    def show(self, facts: Sequence[Line], *, from_top: bool) -> None:
        """Show *facts*, from the top if they are about another place."""
        if not from_top and facts == self._facts:
            return
        self._facts = facts
        self.reload(scroll_home=from_top)

    def count(self) -> int:
        """Count the lines, not yet wrapped."""
        return len(self._facts)

    def estimate(self, row: int, width: int) -> int:
        """Guess how many lines a long one wraps to."""
        return 1 + (len(self._facts[row].text) - 1) // max(1, width - 2)

    def draw(self, row: int, width: int) -> list[Content]:
        """Wrap a line."""
        line = self._facts[row]
        return [part.pad_left(1) for part in wrap(line.text, width - 2, line.style)]
