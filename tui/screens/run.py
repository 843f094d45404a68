"""A run: its conversation, its waterfall and the detail of one place, on one cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static

from harness.model import Ending, RunStatus
from harness.text import printable

from .. import facts, keys, marks, parts, words
from ..lines import Lines
from ..safe import copyable, cut
from ..story import Item, Story
from ..widgets.conversation import Conversation
from ..widgets.detail import Detail
from ..widgets.minimap import Minimap
from ..widgets.waterfall import Waterfall

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

PANES = ("conversation", "waterfall", "detail")


class RunScreen(Screen[None]):
    """One run. Wide terminals show all panes, narrow ones the pane that has the focus."""

    DEFAULT_CSS = """
    RunScreen #title { height: 1; background: $primary 20%; }
    RunScreen #tabs { height: 1; display: none; }
    RunScreen #conversation { width: 3fr; }
    RunScreen #side { width: 2fr; border-left: vkey $panel; }
    RunScreen #waterfall { height: 2fr; }
    RunScreen #detail { height: 3fr; border-top: hkey $panel; }
    RunScreen #detail:focus { border-top: hkey $primary; }
    RunScreen.-narrow #tabs { display: block; }
    RunScreen.-narrow #conversation, RunScreen.-narrow #side { width: 1fr; border: none; }
    RunScreen.-narrow #waterfall, RunScreen.-narrow #detail { height: 1fr; border: none; }
    RunScreen.-narrow.-in-conversation #side { display: none; }
    RunScreen.-narrow.-in-waterfall #conversation, RunScreen.-narrow.-in-waterfall #detail { display: none; }
    RunScreen.-narrow.-in-detail #conversation, RunScreen.-narrow.-in-detail #waterfall { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("run")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual declares it so

    class Left(Message):
        """The run was left."""

    def __init__(self, run_id: str, *, now: Callable[[], int]) -> None:
        super().__init__(classes="-in-conversation")
        self.run_id = run_id
        self._now = now
        self._head, self._tabs = Static(id="title"), Static(id="tabs")
        self._minimap = Minimap(id="map")
        self._conversation = Conversation(now=now, id="conversation")
        self._waterfall = Waterfall(now=now, id="waterfall")
        self._detail = Detail(id="detail")
        self._story: Story | None = None
        self._following = False
        self._on_row = False

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield from (self._head, self._minimap, self._tabs)
        yield Horizontal(self._conversation, Vertical(self._waterfall, self._detail, id="side"))
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin in the conversation."""
        self._draw()
        self._conversation.focus()

    # Data in

    def show_run(self, story: Story) -> None:
        """Show the run as it stands now, at the position the person is at."""
        before, self._story = self._story, story
        if before is None:
            self._following = story.run.summary.status is RunStatus.RUNNING
            item, row = 0, 0
        else:
            item = _stay(before.items[self._item].key if before.items else "", story.find_item, self._item)
            row = _stay(before.rows[self._row].span.span_id if before.rows else "", story.find_row, self._row)
        if self._following:
            item, row = max(0, len(story.items) - 1), max(0, len(story.rows) - 1)
            self._on_row = False
        elif before is None and story.items:
            row = max(0, story.row_of[item])
        self._conversation.show(story, cursor=item)
        self._waterfall.show(story, cursor=row)
        self._draw()
        self._draw_detail(from_top=before is None or self._following)

    def tick(self) -> None:
        """Let the clock go on if the run does."""
        if self._story is not None and self._story.run.summary.status is RunStatus.RUNNING:
            self._conversation.redraw()
            self._waterfall.redraw()
            self._draw()

    # The one position

    @property
    def _item(self) -> int:
        return self._conversation.cursor

    @property
    def _row(self) -> int:
        return self._waterfall.cursor

    @property
    def _at(self) -> Item | None:
        """The item at the cursor, if a person moved there last and not in the waterfall."""
        story = self._story
        return story.items[self._item] if story and not self._on_row and self._item < len(story.items) else None

    def _go_to(self, item: int, *, by_hand: bool = True) -> None:
        """Go to an item, in every pane."""
        if self._story is None:
            return
        if by_hand:
            self._following = self._following and item == len(self._story.items) - 1
        self._on_row = False
        self._conversation.move_to(item)
        if (row := self._story.row_of[item]) >= 0:
            self._waterfall.move_to(row)
        self._draw()
        self._draw_detail(from_top=True)

    def on_lines_moved(self, event: Lines.Moved) -> None:
        """Bring the other panes along when a person moves in one."""
        story = self._story
        if story is None or not event.by_hand:
            return
        if isinstance(event.lines, Conversation):
            self._go_to(min(event.row, len(story.items) - 1))
        elif isinstance(event.lines, Waterfall) and event.row < len(story.rows):
            self._following = False
            self._on_row = True
            if (item := story.item_of[event.row]) >= 0:
                self._conversation.move_to(item)
            self._draw()
            self._draw_detail(from_top=True)

    def on_minimap_picked(self, event: Minimap.Picked) -> None:
        """Go where the map was clicked."""
        self._go_to(event.item)

    # Drawing

    def on_resize(self) -> None:
        """Draw for another width."""
        self._draw()

    def _draw(self) -> None:
        story, width = self._story, self.size.width
        if story is None:
            self._head.update(cut(f" harness ▸ runs ▸ {self.run_id}  reading …", width, "bold"), layout=False)
            return
        self._head.update(title(story, width, now_ns=self._now(), following=self._following), layout=False)
        self._minimap.show(story, cursor=self._item)
        tabs = [
            Content.styled(f" {pane.capitalize()} ", "reverse bold" if self.has_class(f"-in-{pane}") else "dim")
            for pane in PANES
        ]
        self._tabs.update(Content(" ").join([Content(), *tabs]), layout=False)

    def _draw_detail(self, *, from_top: bool) -> None:
        story, item = self._story, self._at
        if story is None:
            return
        if item is not None:
            known = facts.of_item(story, item)
        elif story.rows:
            known = facts.of_span(story, story.rows[min(self._row, len(story.rows) - 1)].span)
        else:
            known = []
        self._detail.show(known, from_top=from_top)

    # What happens

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show the pane that has the focus, where there is room for one."""
        for pane in PANES:
            self.set_class(event.widget.id == pane, f"-in-{pane}")
        self._draw()

    def on_lines_opened(self, event: Lines.Opened) -> None:
        """Unfold the message that was double-clicked."""
        if isinstance(event.lines, Conversation):
            self.action_unfold()

    def action_back(self) -> None:
        """Go back to the runs."""
        self.post_message(self.Left())

    def action_next_pane(self) -> None:
        """Go to the next pane."""
        self._turn_pane(1)

    def action_previous_pane(self) -> None:
        """Go to the pane before."""
        self._turn_pane(-1)

    def _turn_pane(self, by: int) -> None:
        here = next((order for order, pane in enumerate(PANES) if self.has_class(f"-in-{pane}")), 0)
        target = PANES[(here + by) % len(PANES)]
        for pane in PANES:
            # A pane that is not displayed cannot take the focus, so it is shown first.
            self.set_class(pane == target, f"-in-{pane}")
        self.query_one(f"#{target}").focus()

    def action_next_finding(self) -> None:
        """Go to the next finding."""
        self._jump("next_finding", 1, "no finding after this")

    def action_previous_finding(self) -> None:
        """Go to the finding before."""
        self._jump("next_finding", -1, "no finding before this")

    def action_next_turn(self) -> None:
        """Go to this agent's next message."""
        self._jump("next_of_agent", 1, "this agent says nothing after this")

    def action_previous_turn(self) -> None:
        """Go to this agent's message before."""
        self._jump("next_of_agent", -1, "this agent says nothing before this")

    def _jump(self, how: str, by: int, otherwise: str) -> None:
        if self._story is None:
            return
        target = getattr(self._story, how)(self._item, by)
        if target is None:
            self.notify(otherwise, markup=False, timeout=2)
        else:
            self._go_to(target)

    def action_unfold(self) -> None:
        """Unfold the message at the cursor, or fold it again."""
        self._conversation.toggle()

    def action_follow(self) -> None:
        """Stay at the end, or stop staying there."""
        self._following = not self._following
        if self._following and self._story and self._story.items:
            self._go_to(len(self._story.items) - 1, by_hand=False)
        self._draw()

    def action_copy(self) -> None:
        """Copy what is at the cursor, as it was recorded."""
        story = self._story
        if story is None:
            return
        span = story.rows[self._row].span if self._row < len(story.rows) else None
        text = facts.original(story, self._at, span)
        self.app.copy_to_clipboard(copyable(text))
        if printable(text) == text:
            self.notify(f"copied {words.plural(len(text), 'character')}", markup=False, timeout=2)
        else:
            self.notify("copied as recorded: it holds hidden or control characters", severity="warning", markup=False)


def _stay(key: str, find: Callable[[str], int | None], otherwise: int) -> int:
    found = find(key)
    return otherwise if found is None else found


def title(story: Story, width: int, *, now_ns: int, following: bool) -> Content:
    """Draw the first line: which run, how it stands, what it took, what was found."""
    summary = story.run.summary
    mark = marks.RUN[summary.status]
    running = summary.status is RunStatus.RUNNING
    end_ns = None if not summary.timed else now_ns if running else summary.ended_ns
    ending = next((item.ending for item in reversed(story.items) if item.ending is not None), None)
    numbers = (
        words.plural(summary.turns, "turn"),
        f"{words.count(words.total_tokens(summary.input_tokens, summary.output_tokens))} tok",
        words.money(summary.cost_usd),
        words.duration(None if end_ns is None else end_ns - summary.started_ns),
        ("following" if following else "running")
        if running
        else parts.farewell(Ending(kind=ending.kind))
        if ending
        else summary.status.value,
    )
    worst = max((finding.severity for finding in story.run.findings), key=marks.RANK.__getitem__, default=None)
    found = Content()
    if worst is not None:
        bad = marks.SEVERITY[worst]
        found = Content.styled(f" {bad.glyph} {words.plural(len(story.run.findings), 'finding')} ", f"{bad.style} bold")
    left = Content.assemble(
        " harness ▸ runs ▸ ",
        Content.styled(f"{mark.glyph} ", mark.style),
        cut(summary.name, max(8, width // 3), "bold"),
        "  ",
        cut(" · ".join(numbers), width, "dim" if not running else ""),
    )
    return left.truncate(max(0, width - found.cell_length), ellipsis=True, pad=True) + found
