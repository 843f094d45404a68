"""The minimap: the whole run on two lines, who spoke when and where it went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from .. import marks
from ..story import Item, Kind, Story

if TYPE_CHECKING:
    from textual import events


class Minimap(Widget):
    """Above, the findings and the cursor; below, a glyph for each speaker in order of time."""

    DEFAULT_CSS = "Minimap { height: 2; padding: 0 1; }"

    class Picked(Message):
        """A place on the map was clicked."""

        def __init__(self, item: int) -> None:
            super().__init__()
            self.item = item

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.story: Story | None = None
        self.cursor = 0

    def show(self, story: Story, *, cursor: int) -> None:
        """Show *story* with the cursor on item *cursor*."""
        self.story, self.cursor = story, cursor
        self.refresh()

    def render(self) -> Content:
        """Draw both lines."""
        if self.story is None:
            return Content()
        return draw(self.story, self.cursor, self.content_size.width)

    def on_click(self, event: events.Click) -> None:
        """Go to the place that was clicked."""
        items = len(self.story.items) if self.story else 0
        offset = event.get_content_offset(self)
        if items and offset is not None:
            width = self.content_size.width
            self.post_message(self.Picked(min(items - 1, offset.x if items <= width else offset.x * items // width)))


def draw(story: Story, cursor: int, width: int) -> Content:
    """Draw *story* on two lines of *width* cells: one cell an item, or as many items a cell as it takes."""
    cells = min(width, len(story.items))
    above, below = [], []
    for cell in range(cells):
        first, last = cell * len(story.items) // cells, (cell + 1) * len(story.items) // cells
        items = story.items[first:last]
        here = first <= cursor < last
        above.append(_finding(items, here=here))
        below.append(_speaker(story, items, here=here))
    return Content.assemble(*above, "\n", *below)


def _finding(items: Sequence[Item], *, here: bool) -> tuple[str, str]:
    worst = max((item.worst for item in items if item.worst), key=marks.RANK.__getitem__, default=None)
    if worst is None:
        return ("▾", "bold") if here else (" ", "")
    mark = marks.SEVERITY[worst]
    return mark.glyph, f"{mark.style} reverse" if here else mark.style


def _speaker(story: Story, items: Sequence[Item], *, here: bool) -> tuple[str, str]:
    item = next((item for item in items if item.kind is Kind.MESSAGE), items[0])
    mark = story.agents.get(item.agent, marks.NOBODY) if item.agent else marks.Mark(glyph="─", style="dim")
    return mark.glyph, f"{mark.style} reverse" if here else mark.style
