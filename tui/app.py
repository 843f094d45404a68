"""The app: it owns the feed and the screens, and lets nothing unsafe out to the terminal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.command import DiscoveryHit, Hit, Provider
from textual.theme import Theme

from harness.errors import HarnessError
from harness.text import one_line

from . import keys
from .feed import Feed, Resolved, RunRead, RunsRead, Source, Trouble
from .safe import Guard
from .screens.help import HelpScreen
from .screens.run import RunScreen
from .screens.runs import RunsScreen

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.filter import LineFilter
    from textual.screen import Screen

THEME = Theme(
    name="harness",
    primary="#4f8fc0",
    secondary="#8a7fc7",
    accent="#e0a458",
    warning="#e8c15a",
    error="#e06c75",
    success="#7fb685",
    foreground="#d8dde3",
    background="#14181d",
    surface="#1a2027",
    panel="#2a323c",
    dark=True,
)
_LONGEST_TOAST = 300


class Actions(Provider):
    """The actions of the screen in front, for the palette."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """List all of them."""
        for action in self._here():
            yield DiscoveryHit(action.label, self._doing(action), help=f"{action.help} ({action.shown})")

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """List those that fit what was typed."""
        matcher = self.matcher(query)
        for action in self._here():
            score = matcher.match(f"{action.label} {action.help}")
            if score > 0:
                yield Hit(
                    score, matcher.highlight(action.label), self._doing(action), help=f"{action.help} ({action.shown})"
                )

    def _here(self) -> Sequence[keys.Action]:
        return [action for action in keys.at(place_of(self.screen)) if action.label]

    def _doing(self, action: keys.Action) -> Callable[[], object]:
        return lambda: self.screen.call_later(self.screen.run_action, action.method)


def place_of(screen: Screen[object]) -> str:
    """Say which place of the table of keys *screen* is."""
    return "run" if isinstance(screen, RunScreen) else "runs"


class HarnessApp(App[HarnessError | None]):
    """Runs in a terminal.

    *open_source* gives the store or None while there is none; it is called in the reading thread. *store* is
    what to call it on screen, *ref* a run to open at once, *now* the clock in nanoseconds. What :meth:`run`
    returns is the error that ended the app, or None.
    """

    TITLE = "harness"
    COMMANDS = App.COMMANDS | {Actions}
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("everywhere")]

    def __init__(
        self,
        open_source: Callable[[], Source | None],
        *,
        store: str,
        ref: str | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self._guard = Guard()
        self._now, self._ref, self._store = now, ref, store
        self.feed = Feed(open_source, self.post_message)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Put the guard last, after what colours need."""
        return [*super().get_line_filters(), self._guard]

    def get_default_screen(self) -> RunsScreen:
        """Begin with the runs."""
        return RunsScreen(store=self._store, now=self._now)

    def on_mount(self) -> None:
        """Begin to read once the first frame is out: reading loads the database."""
        self.register_theme(THEME)
        self.theme = THEME.name
        if self._ref is not None:
            self.feed.resolve(self._ref)
        self.call_after_refresh(self._begin)
        self.set_interval(1.0, self._tick)

    def _begin(self) -> None:
        self.run_worker(self.feed.serve, thread=True, group="feed", exit_on_error=True)

    def on_unmount(self) -> None:
        """Let the reading thread end."""
        self.feed.close()

    def _tick(self) -> None:
        if isinstance(self.screen, (RunsScreen, RunScreen)):
            self.screen.tick()

    # What the feed read

    def on_runs_read(self, event: RunsRead) -> None:
        """Hand the runs to their screen."""
        for screen in self.screen_stack:
            if isinstance(screen, RunsScreen):
                screen.show_runs(event.runs, more=event.more, exists=event.exists)

    def on_run_read(self, event: RunRead) -> None:
        """Hand the run to the screens that show it."""
        for screen in self.screen_stack:
            if isinstance(screen, RunsScreen):
                screen.show_glance(event.story)
            elif isinstance(screen, RunScreen) and screen.run_id == event.story.run.run_id:
                screen.show_run(event.story)

    def on_resolved(self, event: Resolved) -> None:
        """Open the run that was asked for on the command line."""
        self._open(event.run_id)

    def on_trouble(self, event: Trouble) -> None:
        """Say what went wrong, and leave if that is why the app was started."""
        if event.fatal and isinstance(event.error, HarnessError):
            self.exit(event.error)
            return
        hint = event.error.hint if isinstance(event.error, HarnessError) else type(event.error).__name__
        self.notify(
            one_line(f"{event.error} {hint}", _LONGEST_TOAST), title="Could not read", severity="error", markup=False
        )

    # What screens ask for

    def on_runs_screen_glanced(self, event: RunsScreen.Glanced) -> None:
        """Read the run under the cursor."""
        self.feed.preview(event.run_id)

    def on_runs_screen_chosen(self, event: RunsScreen.Chosen) -> None:
        """Open a run."""
        self._open(event.run_id)

    def on_run_screen_left(self) -> None:
        """Go back to the runs."""
        self.feed.watch(None)
        self.pop_screen()

    def _open(self, run_id: str) -> None:
        self.push_screen(RunScreen(run_id, now=self._now))
        self.feed.watch(run_id)

    def action_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(place_of(self.screen)))

    def action_refresh(self) -> None:
        """Read the store again now."""
        self.feed.look()


def make(path: Path, ref: str | None = None, *, now: Callable[[], int] = time.time_ns) -> HarnessApp:
    """Make the app for the store at *path*, which may not be there yet."""

    def open_source() -> Source | None:
        if not path.is_dir():
            return None
        from .live import LiveStore

        source: Source = LiveStore(path)
        return source

    return HarnessApp(open_source, store=_short(path), ref=ref, now=now)


def browse(path: Path, ref: str | None = None) -> None:
    """Run the app on the store at *path* until the person leaves. Raises what ended it early."""
    error = make(path, ref).run()
    if error is not None:
        raise error


def screenshot(
    store_path: Path, run_ref: str | None, size: tuple[int, int] = (118, 30), press: Sequence[str] = ()
) -> str:
    """Draw the app on the store at *store_path* as an SVG of *size* cells, which loads nothing from elsewhere.

    The run *run_ref* is opened if given, and the keys in *press* are pressed before the picture is taken.
    """
    return asyncio.run(_screenshot(store_path, run_ref, size, press))


async def _screenshot(store_path: Path, run_ref: str | None, size: tuple[int, int], press: Sequence[str]) -> str:
    app = make(store_path, run_ref)
    async with app.run_test(size=size) as pilot:
        for keys in ((), press):
            await pilot.press(*keys)
            asked = 0
            while asked != app.feed.asked:
                asked = app.feed.asked
                await asyncio.to_thread(app.feed.settle)
                await pilot.pause()
        if app.return_value is not None:
            raise app.return_value
        return _REMOTE_FONT.sub("", app.export_screenshot(title="harness tui"))


# Textual names web addresses after the local font.
_REMOTE_FONT = re.compile(r",\s*url\([^)]*\) format\([^)]*\)")


def _short(path: Path) -> str:
    """Name a folder the short way: from here if it is below here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
