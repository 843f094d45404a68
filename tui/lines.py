"""A list that draws only what is in view: a million rows cost what a screenful costs.

Rows may be of any height. Heights are estimated, and made exact when a row comes into view; what is
on screen stays where it is when a row above it turns out taller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from . import keys
from .heights import Heights, Uniform

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

_KEPT = 512
_TRIES = 8


class Lines(ScrollView, can_focus=True):
    """Rows with one cursor. Subclasses say how many there are, how tall, and what each looks like.

    Without *selects* there is no cursor and the same keys scroll.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--cursor"}
    DEFAULT_CSS = """
    Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    Lines > .lines--cursor { background: $foreground 8%; }
    Lines:focus > .lines--cursor { background: $primary 35%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("list")]

    selects = True
    uniform = False
    cursor: reactive[int] = reactive(0, repaint=False, init=False)

    class Moved(Message):
        """The cursor went to another row. *by_hand* says a person moved it there."""

        def __init__(self, lines: Lines, row: int, *, by_hand: bool) -> None:
            super().__init__()
            self.lines, self.row, self.by_hand = lines, row, by_hand

        @property
        def control(self) -> Lines:
            """The list whose cursor moved."""
            return self.lines

    class Opened(Message):
        """A row was double-clicked."""

        def __init__(self, lines: Lines, row: int) -> None:
            super().__init__()
            self.lines, self.row = lines, row

        @property
        def control(self) -> Lines:
            """The list the row is in."""
            return self.lines

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._heights: Heights | Uniform = Uniform(0)
        self._drawn: dict[int, list[Content]] = {}
        self._laid_out_for = 0
        self._settling = False

    def count(self) -> int:
        """Say how many rows there are."""
        raise NotImplementedError

    def estimate(self, row: int, width: int) -> int:  # noqa: ARG002 - for subclasses
        """Guess how many lines *row* takes, without drawing it."""
        return 1

    def draw(self, row: int, width: int) -> list[Content]:
        """Draw *row* as lines of at most *width* cells."""
        raise NotImplementedError

    # Data in

    def reload(self, *, cursor: int | None = None, scroll_home: bool = False) -> None:
        """Take over changed data: measure and draw again, with the cursor at *cursor* or near where it was.

        The cursor's row stays on the line of the screen it was on, if it was on the screen.
        """
        offset = self._offset(self.cursor)
        moved = cursor is not None and cursor != self.cursor
        self._laid_out_for = 0
        self._lay_out()
        if scroll_home:
            self._scroll(0)
            offset = None
        self._reload_cursor(self.cursor if cursor is None else cursor)
        self._show(self.cursor, offset=offset, reveal=moved)
        self._settle()
        self.refresh()

    def redraw(self) -> None:
        """Draw again what is in view; the rows are the same and as tall as before."""
        self._drawn.clear()
        self.refresh()

    def remeasure(self, row: int) -> None:
        """Draw *row* again: it has become taller or shorter."""
        self._drawn.pop(row, None)
        self._settle()
        self._show(row)
        self.refresh()

    def move_to(self, row: int, *, by_hand: bool = False) -> None:
        """Put the cursor on *row*, or on the nearest row there is, and bring it into view."""
        row = max(0, min(row, self.count() - 1))
        if row == self.cursor:
            self._show(row)
            return
        self.cursor = row
        self._show(row)
        self.refresh()
        self.post_message(self.Moved(self, row, by_hand=by_hand))

    def _reload_cursor(self, row: int) -> None:
        row = max(0, min(row, self.count() - 1))
        if row != self.cursor:
            self.cursor = row
            self.post_message(self.Moved(self, row, by_hand=False))

    # Where things are

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 0 or width == self._laid_out_for:
            return
        self._laid_out_for = width
        self._drawn.clear()
        rows = self.count()
        if self.uniform:
            self._heights = Uniform(rows)
        else:
            self._heights = Heights(self.estimate(row, width) for row in range(rows))
        self.virtual_size = Size(width, self._heights.total)

    def _lines(self, row: int) -> list[Content]:
        lines = self._drawn.get(row)
        if lines is None:
            if len(self._drawn) > _KEPT:
                self._drawn.clear()
            lines = self._drawn[row] = self.draw(row, self._laid_out_for) or [Content()]
        return lines

    def _settle(self) -> None:
        """Make the heights of all rows in view exact, and keep what is seen where it is."""
        if self.uniform or self._settling or not self._laid_out_for or not len(self._heights):
            return
        self._settling = True
        try:
            for _ in range(_TRIES):
                shift, changed = self._measure_view()
                if changed:
                    self.virtual_size = Size(self._laid_out_for, self._heights.total)
                view = self.scroll_offset.y
                self._scroll(view + shift)
                if not changed and self.scroll_offset.y == view:
                    break
        finally:
            self._settling = False

    def _scroll(self, line: int) -> None:
        # Forced, because rows may have arrived that the scroll bar does not know of yet.
        self.scroll_to(y=line, animate=False, immediate=True, force=True)

    def _measure_view(self) -> tuple[int, bool]:
        """Make heights exact; say by how much to scroll so that what was seen before stays, and if any changed.

        What was seen before begins at the first row that was drawn already; what came into view above it grows upwards.
        """
        first_line = self.scroll_offset.y
        last_line = first_line + self.size.height
        row, top = self._heights.at(first_line)
        shift, above, known, changed = 0, 0, False, False
        while row < len(self._heights) and top < last_line:
            if row in self._drawn and not known:
                known, shift = True, above
            height = len(self._lines(row))
            grown = height - self._heights[row]
            if grown:
                self._heights[row] = height
                changed = True
                above += grown
                if top < first_line and not known:
                    shift += grown
            top += height
            row += 1
        return shift, changed

    def _offset(self, row: int) -> int | None:
        """Say on which line of the view *row* begins; None if it is not in view."""
        if not self._laid_out_for or row >= len(self._heights):
            return None
        offset = self._heights.top(row) - self.scroll_offset.y
        return offset if -self._heights[row] < offset < self.size.height else None

    def _show(self, row: int, *, offset: int | None = None, reveal: bool = True) -> None:
        """Scroll as little as it takes to see *row*, or its beginning if it is taller than the view.

        It stays on the line *offset* of the view if that does. Without *reveal* it may stay out of view.
        """
        if not self.selects or not self._laid_out_for or row >= len(self._heights):
            return
        if offset is None:
            if not reveal:
                return
            offset = self._heights.top(row) - self.scroll_offset.y
        self._measure_around(row)
        height, tall = self._heights[row], max(1, self.size.height)
        if reveal:
            if height <= tall:
                offset = max(0, min(offset, tall - height))
            elif offset >= tall or offset <= -height:
                offset = 0
            elif offset > 0:
                offset = max(0, min(offset, tall - height))
        self._scroll(self._heights.top(row) - offset)

    def _measure_around(self, row: int) -> None:
        """Make the heights exact of all rows that can be in view together with *row*."""
        if self.uniform:
            return
        for direction in (-1, 1):
            room, other = self.size.height, row
            while room > 0 and 0 <= other < len(self._heights):
                self._heights[other] = len(self._lines(other))
                room -= self._heights[other] if other != row else 0
                other += direction
        self.virtual_size = Size(self._laid_out_for, self._heights.total)

    # What happens

    def on_resize(self) -> None:
        """Measure again for another width."""
        self._lay_out()
        self._settle()
        self._show(self.cursor)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Measure what came into view."""
        super().watch_scroll_y(old_value, new_value)
        self._settle()

    def on_click(self, event: events.Click) -> None:
        """Select the row that was clicked; open it on a double click."""
        row, _ = self._heights.at(event.y + self.scroll_offset.y)
        if not self.selects or row >= len(self._heights):
            return
        self.move_to(row, by_hand=True)
        if event.chain > 1:
            self.post_message(self.Opened(self, row))

    def render_line(self, y: int) -> Strip:
        """Draw one line of the view."""
        width = self.size.width
        base = self.visual_style
        row, top = self._heights.at(y + self.scroll_offset.y)
        if not self._laid_out_for or row >= len(self._heights):
            return Strip.blank(width, base.rich_style)
        lines = self._lines(row)
        within = y + self.scroll_offset.y - top
        line = lines[within] if within < len(lines) else Content()
        if self.selects and row == self.cursor:
            base += self.get_visual_style("lines--cursor")
        return Strip(line.render_segments(base)).adjust_cell_length(width, base.rich_style)

    def _step(self, by: int) -> None:
        """Go on by a row, or within a row that is taller than the view."""
        if not self.selects:
            self._scroll(self.scroll_offset.y + by)
            return
        if self.cursor < len(self._heights):
            top = self._heights.top(self.cursor)
            bottom, view = top + self._heights[self.cursor], self.scroll_offset.y
            hidden = bottom - (view + self.size.height) if by > 0 else view - top
            if hidden > 0 and bottom > view and top < view + self.size.height:
                self._scroll(view + (min(hidden, 3) if by > 0 else -min(hidden, 3)))
                return
        self.move_to(self.cursor + by, by_hand=True)

    def _page(self, by: int) -> None:
        tall = max(1, self.size.height - 1)
        if not self.selects:
            self._scroll(self.scroll_offset.y + by * tall)
            return
        row, _ = self._heights.at(max(0, self._heights.top(self.cursor) + by * tall))
        self.move_to(row if row != self.cursor else self.cursor + by, by_hand=True)

    def action_down(self) -> None:
        """Go down a row."""
        self._step(1)

    def action_up(self) -> None:
        """Go up a row."""
        self._step(-1)

    def action_page_down(self) -> None:
        """Go down a screenful."""
        self._page(1)

    def action_page_up(self) -> None:
        """Go up a screenful."""
        self._page(-1)

    def action_first(self) -> None:
        """Go to the first row."""
        self._scroll(0)
        self.move_to(0, by_hand=True)

    def action_last(self) -> None:
        """Go to the last row."""
        if not self.selects:
            self._scroll(self.virtual_size.height)
        self.move_to(self.count() - 1, by_hand=True)
