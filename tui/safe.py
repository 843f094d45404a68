"""The one door from recorded text to the screen.

Whatever a run holds (texts, names, errors, file names) becomes widget content only here: never as
markup, always through :func:`harness.text.printable`. Behind the door stands a guard that lets no
control or bidirectional character out to the terminal, whatever a widget did with its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.content import Content
from textual.filter import LineFilter

from harness.text import printable

if TYPE_CHECKING:
    from textual.color import Color

_TAB = " " * 4


def plain(text: object, style: str = "") -> Content:
    """Make *text* content as it is: nothing in it is markup, and what is hidden in it shows."""
    return Content.styled(printable(text).replace("\t", _TAB), style)


def cut(text: object, width: int, style: str = "") -> Content:
    """Make *text* content on one line of at most *width* cells, cut with an ellipsis."""
    if width <= 0:
        return Content()
    whole = str(text)
    head = whole[: 4 * width + 16]
    line = " ".join(printable(head).split())
    if len(head) < len(whole):
        line += "…"
    return Content.styled(line, style).truncate(width, ellipsis=True)


def fit(text: object, width: int, style: str = "", *, right: bool = False) -> Content:
    """Make *text* content of exactly *width* cells: cut or padded, on the left when *right*."""
    content = cut(text, width, style)
    missing = max(0, width - content.cell_length)
    return content.pad_left(missing) if right else content.pad_right(missing)


def wrap(text: object, width: int, style: str = "") -> list[Content]:
    """Make *text* lines of at most *width* cells."""
    return plain(text, style).wrap(max(2, width))


def copyable(text: str) -> str:
    """Give *text* as it was recorded, in a form every clipboard takes: lone surrogates become ``?``."""
    return text.encode(errors="replace").decode()


class Guard(LineFilter):
    """Take out of every line what :func:`printable` would have shown, just before it is written.

    Only text that did not come through the door can still hold such characters: a third-party widget's,
    or a slip of ours. They have no width, so taking them out moves nothing.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - the interface
        """Return *segments* without control characters; those that are Textual's own controls stay."""
        if all(segment.control or printable(segment.text) == segment.text for segment in segments):
            return segments
        return [
            segment if segment.control else Segment("".join(filter(_harmless, segment.text)), segment.style)
            for segment in segments
        ]


def _harmless(character: str) -> bool:
    return printable(character) == character
