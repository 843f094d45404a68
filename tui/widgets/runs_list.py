"""The list of runs: one line each, in columns that fit the width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from harness.model import RunStatus, RunSummary

from .. import marks, words
from ..lines import Lines
from ..safe import cut, fit

_WIDE = 100
_ID = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, its width in cells, and which side it keeps to. Width 0 takes what is left."""

    title: str
    width: int
    right: bool = True
    wide_only: bool = False


COLUMNS = (
    Column(title="run", width=_ID, right=False),
    Column(title="name", width=0, right=False),
    Column(title="ending", width=19, right=False, wide_only=True),
    Column(title="turns", width=5, wide_only=True),
    Column(title="msgs", width=5),
    Column(title="tokens", width=6),
    Column(title="cost", width=8),
    Column(title="time", width=7),
    Column(title="findings", width=8),
    Column(title="when", width=8),
)


class RunsList(Lines):
    """Runs, the newest or best-sorted first."""

    uniform = True

    def __init__(self, *, now: Callable[[], int], id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._now = now
        self.runs: Sequence[RunSummary] = ()

    def show(self, runs: Sequence[RunSummary], *, cursor: int) -> None:
        """Show *runs* with the cursor on row *cursor*."""
        self.runs = runs
        self.reload(cursor=cursor)

    @property
    def at_cursor(self) -> RunSummary | None:
        """The run at the cursor, if there is any."""
        return self.runs[self.cursor] if self.cursor < len(self.runs) else None

    def count(self) -> int:
        """Count the runs."""
        return len(self.runs)

    def draw(self, row: int, width: int) -> list[Content]:
        """Draw a run on its line."""
        run = self.runs[row]
        mark = marks.RUN[run.status]
        cells = {
            "run": fit(run.run_id[:_ID], _ID, "bold"),
            "ending": fit((run.ending or "").replace("_", " "), 19, "dim"),
            "turns": fit(str(run.turns), 5, right=True),
            "msgs": fit(words.count(run.messages), 5, right=True),
            "tokens": fit(words.count(words.total_tokens(run.input_tokens, run.output_tokens)), 6, right=True),
            "cost": fit(words.money(run.cost_usd), 8, right=True),
            "time": fit(self._time(run), 7, right=True),
            "findings": _findings(run),
            "when": fit(words.ago(run.started_ns, self._now()) if run.timed else words.UNKNOWN, 8, "dim", right=True),
        }
        line = [Content(" "), Content.styled(mark.glyph, mark.style)]
        for column, cell_width in layout(width):
            cell = _name(run, cell_width) if column.title == "name" else cells[column.title]
            line += [Content(" "), cell]
        return [Content.assemble(*line)]

    def _time(self, run: RunSummary) -> str:
        if not run.timed:
            return words.UNKNOWN
        if run.status is RunStatus.RUNNING:
            return words.duration(self._now() - run.started_ns)
        return words.duration(None if run.ended_ns is None else run.ended_ns - run.started_ns)


def layout(width: int) -> list[tuple[Column, int]]:
    """Choose the columns for a line of *width* cells, and how wide each is."""
    columns = [column for column in COLUMNS if not column.wide_only or width >= _WIDE]
    taken = 2 + sum(column.width + 1 for column in columns) + 1
    return [(column, column.width or max(8, width - taken)) for column in columns]


def header(width: int, sorted_by: str, *, downwards: bool) -> Content:
    """Draw the titles of the columns, with an arrow at the one the list is sorted by."""
    line = [Content("  ")]
    for column, cell_width in layout(width):
        mine = column.title == sorted_by
        title = f"{column.title[: cell_width - 1]}{'↓' if downwards else '↑'}" if mine else column.title
        line += [Content(" "), fit(title, cell_width, "bold" if mine else "dim", right=column.right)]
    return Content.assemble(*line)


def _name(run: RunSummary, width: int) -> Content:
    name = cut(run.name, width)
    rest = width - name.cell_length
    about = " ".join(filter(None, ("" if run.mode == "live" else run.mode, *(f"#{tag}" for tag in run.tags))))
    if about and rest > len("  #tag"):
        name = name + Content("  ") + cut(about, rest - 2, "dim")
    return name.pad_right(max(0, width - name.cell_length))


def _findings(run: RunSummary) -> Content:
    if not run.findings or run.worst is None:
        return fit("·", 8, "dim", right=True)
    mark = marks.SEVERITY[run.worst]
    return fit(f"{mark.glyph} {words.count(run.findings)}", 8, mark.style, right=True)
