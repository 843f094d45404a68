"""The conversation: everything said, in order, each agent with its glyph and colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.content import Content

from harness.model import Status

from .. import marks, parts, words
from ..lines import Lines
from ..safe import cut, fit, plain, wrap
from ..story import Item, Kind, Story

FOLDED = 12
"""Lines of a message shown before it is unfolded."""
_MUCH_MORE = 200


class Conversation(Lines):
    """Messages, calls that hang or failed, endings, with their findings. Rows are the items of a story."""

    def __init__(self, *, now: Callable[[], int], id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._now = now
        self.story: Story | None = None
        self.unfolded: set[str] = set()
        self._guessed: dict[str, int] = {}
        self._guessed_for = 0

    def show(self, story: Story, *, cursor: int) -> None:
        """Show *story* with the cursor on item *cursor*."""
        self.story = story
        self.reload(cursor=cursor)

    def toggle(self) -> None:
        """Unfold the item at the cursor, or fold it again."""
        if self.story and self.cursor < self.count():
            self.unfolded ^= {self.story.items[self.cursor].key}
            self.remeasure(self.cursor)

    def count(self) -> int:
        """Count the items."""
        return len(self.story.items) if self.story else 0

    def estimate(self, row: int, width: int) -> int:
        """Guess the lines of an item from the length of its text."""
        item = self._item(row)
        if self._guessed_for != width:
            # What was said does not change, so while a run grows only what is new is looked at.
            self._guessed, self._guessed_for = {}, width
        lines = self._guessed.get(item.key)
        if lines is None:
            lines = self._guessed[item.key] = _guess(item, width - 4)
        if item.key not in self.unfolded:
            lines = min(lines, FOLDED + 1)
        return 2 + lines + len(item.findings)

    def draw(self, row: int, width: int) -> list[Content]:
        """Draw an item: a line that says who, then what, then what was found."""
        item = self._item(row)
        return [*self._draw(item, width), *_findings(item, width), Content()]

    def _item(self, row: int) -> Item:
        assert self.story is not None  # noqa: S101 - rows are only asked for when there are some
        return self.story.items[row]

    def _draw(self, item: Item, width: int) -> Iterator[Content]:
        if item.kind is Kind.MESSAGE:
            yield from self._message(item, width)
        elif item.call is not None:
            yield self._head(item, parts.headline(item.call), width)
            mark = marks.SPAN[item.call.span.status]
            outcome = parts.outcome(item.call)
            if item.call.span.status is Status.OPEN:
                outcome += f", {words.duration(self._now() - item.call.span.start_ns)} so far"
            for line in wrap(f"{mark.glyph} {outcome}", width - 4)[:FOLDED]:
                yield Content("   ") + line.stylize(mark.style)
        elif item.ending is not None:
            name = f" {item.span.name}" if item.span is not None else ""
            yield cut(f"─── {parts.farewell(item.ending)} ───{name}", width - 1, "$text-secondary").pad_left(1)
        elif item.kind is Kind.HEADING and item.span is not None:
            yield cut(f"━━━ {item.span.name} ━━━", width - 1, "bold $text-secondary").pad_left(1)
        else:
            yield cut("─── of the run as a whole ───", width - 1, "$text-secondary").pad_left(1)

    def _head(self, item: Item, said: str, width: int) -> Content:
        """Draw who and to whom on the left, tokens and time on the right."""
        story = self.story
        assert story is not None  # noqa: S101 - as above
        mark = story.agents.get(item.agent, marks.NOBODY)
        used = f"{words.count(item.tokens)} tok" if item.tokens is not None else ""
        at = words.duration(item.at_ns - story.begin_ns) if story.run.summary.timed else ""
        right = f"{used:>10}  {at:>7} "
        who = Content.assemble(
            " ",
            Content.styled(mark.glyph, mark.style),
            " ",
            cut(item.agent or "somebody", max(4, width // 3), f"{mark.style} bold"),
            " ",
            cut(said, max(4, width - width // 3 - len(right) - 6), "dim"),
        )
        room = max(0, width - len(right))
        return Content.assemble(who.truncate(room, ellipsis=True, pad=True), Content.styled(right, "dim"))

    def _message(self, item: Item, width: int) -> Iterator[Content]:
        message = item.message
        assert message is not None and self.story is not None  # noqa: S101, PT018 - kind MESSAGE says so
        to = f"→ {', '.join(message.recipients)}" if message.recipients else ""
        yield self._head(item, f"{to} #{item.number}", width)
        mark = self.story.agents.get(item.agent, marks.NOBODY)
        edge = Content.assemble(" ", Content.styled("│", mark.style), " ")
        whole = item.key in self.unfolded
        shown = 0
        blocks = parts.blocks(message.body)
        for order, block in enumerate(blocks):
            room = FOLDED - shown
            text = block.text if whole else block.text[: (room + 1) * max(1, width - 4)]
            lines = wrap(text.rstrip("\n"), width - 4, block.style)
            if not whole and (len(lines) > room or len(text) < len(block.text)):
                for line in lines[:room]:
                    yield edge + line
                left = sum(len(other.text) for other in blocks[order:]) - sum(map(len, lines[:room]))
                more = f"… {left:,} more characters · ⏎ unfolds" if left > _MUCH_MORE else "… more · ⏎ unfolds"
                yield edge + cut(more, width - 4, "italic dim")
                return
            shown += len(lines)
            for line in lines:
                yield edge + line
        if not blocks:
            yield edge + plain("(nothing)", "dim")


def _guess(item: Item, width: int) -> int:
    texts = [block.text for block in parts.blocks(item.message.body)] if item.message is not None else []
    return sum(1 + text.count("\n") + len(text) // max(1, width) for text in texts)


def _findings(item: Item, width: int) -> Iterator[Content]:
    for finding in item.findings:
        mark = marks.SEVERITY[finding.severity]
        name = fit(
            f"{mark.glyph} {finding.code} {finding.name}", min(width - 2, 2 + len(finding.code) + 1 + len(finding.name))
        )
        text = Content.assemble(" ", name.stylize(f"{mark.style} bold"), "  ")
        yield text + cut(finding.text, width - text.cell_length - 1, mark.style)
