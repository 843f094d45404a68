"""The runs: what was recorded, newest first, and what to do when there is nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from harness.model import RunStatus, RunSummary

from .. import keys, marks, parts, query, words
from ..safe import copyable, cut, plain
from ..story import Kind, Story
from ..widgets import minimap
from ..widgets.runs_list import RunsList, header

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

_PREVIEW = 6


class RunsScreen(Screen[None]):
    """The list of runs, a filter above it, and a glance at the run under the cursor below."""

    DEFAULT_CSS = """
    RunsScreen #title { height: 1; background: $primary 20%; }
    RunsScreen #filter { height: 1; border: none; padding: 0 1; display: none; background: $surface; }
    RunsScreen.-filtering #filter { display: block; }
    RunsScreen #columns { height: 1; }
    RunsScreen #empty { height: 1fr; content-align: center middle; text-align: center; display: none; }
    RunsScreen.-empty #empty { display: block; }
    RunsScreen.-empty #runs, RunsScreen.-empty #columns, RunsScreen.-empty #preview { display: none; }
    RunsScreen #preview { height: 8; border: round $panel; padding: 0 1; display: none; }
    RunsScreen.-tall #preview { display: block; }
    RunsScreen.-tall.-empty #preview { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("runs")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012 - Textual declares it so

    class Chosen(Message):
        """A run shall be opened."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    class Glanced(Message):
        """The cursor came to a run."""

        def __init__(self, run_id: str | None) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self, *, store: str, now: Callable[[], int]) -> None:
        super().__init__()
        self._store, self._now = store, now
        self._head, self._columns = Static(id="title"), Static(id="columns")
        self._hint, self._glass = Static(id="empty"), Static(id="preview")
        self._list = RunsList(now=now, id="runs")
        self._box = Input(
            id="filter",
            placeholder="filter: words, status:failed, tag:demo, -word",
            compact=True,
            select_on_focus=False,
        )
        self._all: Sequence[RunSummary] = ()
        self._more = False
        self._read = False
        self._order, self._reverse = 0, False
        self._filter = query.Filter()
        self._following = False
        self._glance: Story | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield from (
            self._head,
            self._box,
            self._columns,
            self._list,
            self._hint,
            self._glass,
            Footer(show_command_palette=False),
        )

    def on_mount(self) -> None:
        """Show that nothing was read yet."""
        self._draw()
        self._list.focus()

    # Data in

    def show_runs(self, runs: Sequence[RunSummary], *, more: bool, exists: bool) -> None:
        """Show *runs*; *more* says older ones were left out, not *exists* that there is no store yet."""
        self._all, self._more, self._read = runs, more, True
        self._hint.update(_empty(self._store, exists=exists))
        self.set_class(not runs, "-empty")
        self._select()

    def show_glance(self, story: Story) -> None:
        """Show a glance at a run if the cursor is on it."""
        at = self._list.at_cursor
        if at is not None and at.run_id == story.run.run_id:
            self._glance = story
            self._draw_preview()

    def tick(self) -> None:
        """Let the clock go on where a run does."""
        if any(run.status is RunStatus.RUNNING for run in self._all):
            self._list.redraw()

    # Drawing

    def _select(self) -> None:
        """Filter and sort again, with the cursor on the run it was on."""
        runs = self._list
        at = runs.at_cursor
        chosen = query.select(self._all, self._filter, query.ORDERS[self._order], reverse=self._reverse)
        place = 0
        if at is not None and not self._following:
            place = next((index for index, run in enumerate(chosen) if run.run_id == at.run_id), runs.cursor)
        runs.show(chosen, cursor=place)
        self._draw()
        now_at = runs.at_cursor
        if (now_at and now_at.run_id) != (at and at.run_id):
            self._look_closer()

    def _draw(self) -> None:
        width = self.size.width
        running = sum(run.status is RunStatus.RUNNING for run in self._all)
        known = [run.cost_usd for run in self._all if run.cost_usd is not None]
        total = f"newest {len(self._all):,} runs" if self._more else words.plural(len(self._all), "run")
        facts = [
            f"{len(self._list.runs):,} of {total}" if self._filter.terms else total,
            f"● {running} running" if running else "",
            words.money(sum(known)) if known else "",
            "following" if self._following else "",
        ]
        right = " · ".join(filter(None, facts)) if self._read else "reading …"
        left = Content.assemble(
            Content.styled(" harness ▸ runs   ", "bold"), cut(self._store, max(8, width - len(right) - 20), "dim")
        )
        room = max(1, width - left.cell_length - len(right) - 1)
        self._head.update(left + Content(" " * room) + plain(right), layout=False)
        order = query.ORDERS[self._order]
        downwards = order.largest_first is not self._reverse
        self._columns.update(header(width, order.name, downwards=downwards), layout=False)
        self._draw_preview()

    def _draw_preview(self) -> None:
        at = self._list.at_cursor
        shown = self._glance if self._glance and at and self._glance.run.run_id == at.run_id else None
        content = (
            preview(shown, max(10, self.size.width - 4))
            if shown
            else plain("…" if at else "no run fits the filter", "dim")
        )
        self._glass.update(content, layout=False)

    # What happens

    def on_resize(self) -> None:
        """Draw for another width."""
        self._draw()

    def on_lines_moved(self, event: RunsList.Moved) -> None:
        """Take a closer look at the run the cursor came to."""
        if event.by_hand and event.row:
            self._following = False
        self._look_closer()
        self._draw()

    def _look_closer(self) -> None:
        at = self._list.at_cursor
        self.post_message(self.Glanced(at.run_id if at else None))

    def on_lines_opened(self) -> None:
        """Open what was double-clicked."""
        self.action_open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as the filter is typed."""
        self._filter = query.parse(event.value)
        self._select()

    def on_input_submitted(self) -> None:
        """Go from the filter to the list."""
        self._list.focus()

    def on_key(self, event: events.Key) -> None:
        """Go from the filter down into the list."""
        if event.key == "down" and self._box.has_focus:
            event.stop()
            self._list.focus()

    def action_open(self) -> None:
        """Open the run at the cursor."""
        at = self._list.at_cursor
        if at is not None:
            self.post_message(self.Chosen(at.run_id))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - the interface
        """Offer the way out of the filter only inside it."""
        return action != "leave_filter" or self.has_class("-filtering")

    def action_filter(self) -> None:
        """Show the filter and go there."""
        self.add_class("-filtering")
        self._box.focus()
        self.refresh_bindings()

    def action_leave_filter(self) -> None:
        """Show all runs again."""
        self._box.clear()
        self.remove_class("-filtering")
        self._list.focus()
        self.refresh_bindings()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._order, self._reverse = (self._order + 1) % len(query.ORDERS), False
        self._select()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._reverse = not self._reverse
        self._select()

    def action_follow(self) -> None:
        """Stay on the first row, or stop staying there."""
        self._following = not self._following
        if self._following:
            self._list.action_first()
        self._draw()

    def action_copy(self) -> None:
        """Copy the id of the run at the cursor."""
        at = self._list.at_cursor
        if at is not None:
            self.app.copy_to_clipboard(copyable(at.run_id))
            self.notify(f"copied {plain(at.run_id).plain}", markup=False)


def _empty(store: str, *, exists: bool) -> Content:
    """Say what to do while there are no runs."""
    return Content.assemble(
        Content.styled("No runs yet", "bold"),
        "\n\n",
        plain(
            f"{'The store' if exists else 'There is no store yet at'} {store}{' is empty.' if exists else '.'}", "dim"
        ),
        "\n\nTry  ",
        Content.styled("harness demo", "bold $text-accent"),
        "  or  ",
        Content.styled("harness trace your_app.py", "bold $text-accent"),
        "\nin another terminal: runs show here while they happen.",
    )


def preview(story: Story, width: int) -> Content:
    """Draw a glance at a run: its map, how it ended, what was found, and the last that was said."""
    summary = story.run.summary
    mark = marks.RUN[summary.status]
    ending = next((item.ending for item in reversed(story.items) if item.ending is not None), None)
    how = parts.farewell(ending) if ending is not None else summary.status.value
    lines = [
        Content.styled(f"{mark.glyph} ", mark.style) + cut(f"{summary.run_id}  {how}", width - 2),
        *minimap.draw(story, -1, width).split("\n"),
    ]
    for finding in sorted(story.run.findings, key=lambda finding: -marks.RANK[finding.severity])[:2]:
        found = marks.SEVERITY[finding.severity]
        lines.append(cut(f"{found.glyph} {finding.code} {finding.name}  {finding.text}", width, found.style))
    said = [item for item in story.items if item.kind is Kind.MESSAGE][-(max(1, _PREVIEW - len(lines))) :]
    for item in said:
        who = story.agents.get(item.agent, marks.NOBODY)
        name = cut(item.agent, 16, f"{who.style} bold")
        text = cut(parts.text_of(item.message) if item.message else "", width - name.cell_length - 4)
        lines.append(Content.assemble(Content.styled(who.glyph, who.style), " ", name, "  ", text))
    return Content("\n").join(lines[:_PREVIEW])
