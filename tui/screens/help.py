"""The help: every action there is, made from the table of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from .. import keys

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class HelpScreen(ModalScreen[None]):
    """All keys, the ones for the place it was opened from first."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 76; max-width: 96%; height: auto; max-height: 92%;
        padding: 0 1; border: round $primary; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q,enter", "dismiss", "Close")]

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        """Put the text into a box that scrolls."""
        with VerticalScroll():
            yield Static(text(self._place))


def text(place: str) -> Content:
    """Write the help as seen from *place*."""
    order = sorted(keys.PLACES, key=lambda other: (other != place, list(keys.PLACES).index(other)))
    lines = []
    for name in order:
        lines.append(Content.styled(keys.PLACES[name], "bold $text-primary"))
        lines += [
            Content.assemble("  ", (f"{action.shown:<9}", "bold $text-accent"), action.help) for action in keys.at(name)
        ]
        lines.append(Content())
    return Content("\n").join([*lines, Content.styled("esc closes this", "dim")])
