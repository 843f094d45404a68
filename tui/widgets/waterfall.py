"""The waterfall: every operation of the run as a bar in time, under what caused it."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from harness.model import Operation, RunStatus, Span

from .. import marks, words
from ..lines import Lines
from ..safe import fit
from ..story import Story

_DEEPEST = 8
_TIME = 8


class Waterfall(Lines):
    """Operations as bars. Rows are the rows of a story."""

    uniform = True

    def __init__(self, *, now: Callable[[], int], id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._now = now
        self.story: Story | None = None

    def show(self, story: Story, *, cursor: int) -> None:
        """Show *story* with the cursor on row *cursor*."""
        self.story = story
        self.reload(cursor=cursor)

    def count(self) -> int:
        """Count the operations."""
        return len(self.story.rows) if self.story else 0

    def draw(self, row: int, width: int) -> list[Content]:
        """Draw an operation: its name, its bar, how long it took."""
        story = self.story
        assert story is not None  # noqa: S101 - rows are only asked for when there are some
        span, depth = story.rows[row].span, story.rows[row].depth
        mark = marks.SPAN[span.status]
        last_ns = max(self._now(), story.end_ns) if story.run.summary.status is RunStatus.RUNNING else story.end_ns
        end_ns = last_ns if span.end_ns is None else span.end_ns
        indent = 2 * min(depth, _DEEPEST)
        name_width = max(12, min(34, width * 9 // 20))
        bar = _bar(
            (span.start_ns - story.begin_ns, end_ns - story.begin_ns),
            last_ns - story.begin_ns,
            max(0, width - name_width - _TIME - 3),
            marks.BAR.get(span.operation, "─"),
        )
        return [
            Content.assemble(
                Content.styled(mark.glyph, mark.style),
                " " * indent,
                _label(story, span, name_width - indent, mark.style),
                " ",
                bar.stylize(mark.style or _style(story, row)),
                fit(words.duration(end_ns - span.start_ns), _TIME, "dim", right=True),
            )
        ]


def _label(story: Story, span: Span, width: int, style: str) -> Content:
    """Name an operation: a turn by its agent and the agent's glyph, the rest by what they ask or run."""
    name = span.name.removeprefix("invoke_workflow ").removeprefix("execute_tool ")
    if span.operation is Operation.TURN:
        name = name.removeprefix("invoke_agent ")
        mark = story.agents.get(name, marks.NOBODY)
        return Content.assemble(Content.styled(mark.glyph, mark.style), " ", fit(name, width - 2, style))
    return fit(name, width, style)


def _style(story: Story, row: int) -> str:
    """Colour a bar like the agent its item belongs to."""
    item = story.item_of[row]
    return story.agents[story.items[item].agent].style if item >= 0 and story.items[item].agent in story.agents else ""


def _bar(place_ns: tuple[int, int], whole_ns: int, width: int, drawn_with: str) -> Content:
    """Draw a bar at its place in a line of *width* cells that stands for the whole run; never less than a cell."""
    if not width:
        return Content()
    whole_ns = max(1, whole_ns)
    left = min(width - 1, max(0, place_ns[0] * width // whole_ns))
    right = min(width, max(left + 1, -(-place_ns[1] * width // whole_ns)))
    return Content(" " * left + drawn_with * (right - left) + " " * (width - right))
