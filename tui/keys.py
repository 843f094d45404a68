"""Every action of the app, once: the footer, the help, the palette and the key bindings are made from this table."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something a person can do, and the keys for it.

    *place* is where it works: ``everywhere``, in any ``list``, on the ``runs`` screen, in a ``run``. *keys* are
    Textual's names of keys, *shown* what is printed on them. A screen does it in ``action_`` and *id*
    with underscores.
    """

    id: str
    place: str
    keys: tuple[str, ...]
    shown: str
    label: str
    help: str
    footer: bool = False

    @property
    def method(self) -> str:
        """The name Textual looks for, after ``action_``."""
        return self.id.replace("-", "_")


PLACES = {
    "everywhere": "Everywhere",
    "list": "In a list",
    "runs": "Runs",
    "run": "In a run",
}
"""The places actions belong to, with their titles, in the order the help shows them."""


def _action(place: str, name: str, keys: str, shown: str, label: str, help_: str, *, footer: bool = False) -> Action:  # noqa: PLR0913, PLR0917 - one line an action
    return Action(
        id=name, place=place, keys=tuple(keys.split(",")), shown=shown, label=label, help=help_, footer=footer
    )


ACTIONS: tuple[Action, ...] = (
    _action("runs", "open", "enter", "⏎", "Open", "Open the run at the cursor.", footer=True),
    _action(
        "runs",
        "filter",
        "slash",
        "/",
        "Filter",
        "Filter as you type: words, status:failed, tag:demo, -word.",
        footer=True,
    ),
    _action("runs", "sort", "s", "s", "Sort", "Sort by the next column.", footer=True),
    _action("runs", "reverse", "S", "S", "Reverse", "Turn the order round."),
    _action("runs", "follow", "f", "f", "Follow", "Stay on the newest run as runs come in.", footer=True),
    _action("runs", "copy", "y", "y", "Copy id", "Copy the id of the run at the cursor.", footer=True),
    _action("runs", "leave-filter", "escape", "esc", "All runs", "Leave the filter and show all runs.", footer=True),
    _action("run", "back", "escape", "esc", "Runs", "Go back to the runs.", footer=True),
    _action("run", "next-pane", "tab", "tab", "Pane", "Go to the next pane, at the same position.", footer=True),
    _action("run", "previous-pane", "shift+tab", "⇧tab", "Pane back", "Go to the pane before."),
    _action("run", "next-finding", "right_square_bracket", "]", "Finding", "Go to the next finding.", footer=True),
    _action("run", "previous-finding", "left_square_bracket", "[", "Finding back", "Go to the finding before."),
    _action("run", "next-turn", "right_curly_bracket", "}", "Agent", "Go to this agent's next message.", footer=True),
    _action("run", "previous-turn", "left_curly_bracket", "{", "Agent back", "Go to this agent's message before."),
    _action("run", "unfold", "enter", "⏎", "Unfold", "Show the whole message, or fold it again.", footer=True),
    _action("run", "follow", "f", "f", "Follow", "Stay at the end while the run goes on.", footer=True),
    _action("run", "copy", "y", "y", "Copy", "Copy what is at the cursor, as it was recorded.", footer=True),
    _action("list", "down", "down,j", "↓ j", "Down", "Go down."),
    _action("list", "up", "up,k", "↑ k", "Up", "Go up."),
    _action("list", "page-down", "pagedown,ctrl+d", "PgDn ^d", "Page down", "Go down a screenful."),
    _action("list", "page-up", "pageup,ctrl+u", "PgUp ^u", "Page up", "Go up a screenful."),
    _action("list", "first", "home,g", "Home g", "First", "Go to the beginning."),
    _action("list", "last", "end,G", "End G", "Last", "Go to the end."),
    _action("everywhere", "help", "question_mark", "?", "Keys", "Show these keys.", footer=True),
    _action("everywhere", "refresh", "r", "r", "Look again", "Read the store again now."),
    _action(
        "everywhere", "command-palette", "ctrl+p,colon", "^p :", "Palette", "Find an action by its name; themes too."
    ),
    _action("everywhere", "quit", "q", "q", "Quit", "Leave."),
)
"""All actions. Within a place, in the order the footer and the help show them."""


def at(place: str) -> tuple[Action, ...]:
    """List the actions of *place*."""
    return tuple(action for action in ACTIONS if action.place == place)


def bindings(place: str) -> list[Binding]:
    """Make Textual's bindings for the actions of *place*; their ids let a keymap change the keys."""
    return [
        Binding(
            key,
            action.method,
            action.label,
            show=action.footer and not order,
            key_display=action.shown,
            tooltip=action.help,
            id=f"{place}.{action.id}" if not order else None,
        )
        for action in at(place)
        for order, key in enumerate(action.keys)
    ]
