"""The one thread that reads the store, so that nothing on screen ever waits for it.

Screens say what they want to see; frozen records come back as messages. The store is polled a few times a second,
which costs what was recorded since: runs that go on are told anew from that. The list is read again when the database
changed, which happens when something was taken in. A costly read is followed by a pause that is longer than the read
took. What was read last stays on screen when a read fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from harness.errors import HarnessError
from harness.model import Run, RunStatus, RunSummary

from .story import Story, tell

if TYPE_CHECKING:
    from harness.store.follow import Changes

FIRST_PAGE = 200
PAGE = 5_000
MOST_RUNS = 100_000
_LOOKS = 10
_KEPT_RUNS = 16
_PATIENCE_S = 30.0


class Source(Protocol):
    """What the app needs of a store."""

    def poll(self) -> Changes:
        """Give what was recorded since the last poll."""

    def ingest(self) -> object:
        """Take in what is finished."""

    def runs(self, limit: int = 50, offset: int = 0) -> Sequence[RunSummary]:
        """List runs, newest first."""

    def summaries(self, run_ids: Iterable[str]) -> Mapping[str, RunSummary]:
        """Sum up those of the runs of which something was polled."""

    def find(self, ref: str) -> str:
        """Find the run id for *ref*; raises UnknownRunError."""

    def run(self, run_id: str) -> Run:
        """Give one run."""

    def close(self) -> None:
        """Let go of all files."""


class RunsRead(Message):
    """The runs, newest first; *more* says that older ones were left out."""

    def __init__(self, runs: Sequence[RunSummary], *, more: bool, exists: bool = True) -> None:
        super().__init__()
        self.runs, self.more, self.exists = runs, more, exists


class RunRead(Message):
    """One run, as it stands now, told already: that takes time too."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self.story = story


class Resolved(Message):
    """The reference asked for stands for *run_id*."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class Trouble(Message):
    """A read failed. *fatal* says that what was asked for at the start cannot be shown."""

    def __init__(self, error: Exception, *, fatal: bool = False) -> None:
        super().__init__()
        self.error, self.fatal = error, fatal


class Feed:
    """Reads a store in :meth:`serve`, run in a thread of its own; every other method is for other threads.

    *open_source* gives the store, or None while there is none; it is called in the reading thread. *post*
    takes the messages and must be safe to call from there. *every_s* is the time between looks.
    """

    def __init__(
        self, open_source: Callable[[], Source | None], post: Callable[[Message], object], *, every_s: float = 0.1
    ) -> None:
        self._open, self._post, self._every_s = open_source, post, every_s
        self._source: Source | None = None
        self._changed = threading.Condition()
        self._asked, self._answered = 1, 0
        self._closed = False
        self._watched: str | None = None
        self._previewed: str | None = None
        self._show_again = False
        self._ref: str | None = None
        self._stale, self._more = True, False
        self._touched: frozenset[str] = frozenset()
        self._seen: dict[str, RunSummary] = {}
        self._listed: list[RunSummary] = []
        self._told_missing = False
        self._kept: dict[str, tuple[RunSummary | None, Story]] = {}
        self._failure = ""

    # Called by screens

    def resolve(self, ref: str) -> None:
        """Ask for the run id *ref* stands for; answered by Resolved or a fatal Trouble."""
        with self._changed:
            self._ref = ref
            self._ask()

    def watch(self, run_id: str | None) -> None:
        """Ask for the run *run_id* now and whenever it changes, until another or None is asked for."""
        with self._changed:
            self._watched, self._show_again = run_id, True
            self._ask()

    def preview(self, run_id: str | None) -> None:
        """Ask for the run *run_id*, as :meth:`watch` does, for the place beside it."""
        with self._changed:
            self._previewed, self._show_again = run_id, True
            self._ask()

    def look(self) -> None:
        """Look at the store now."""
        with self._changed:
            self._ask()

    @property
    def asked(self) -> int:
        """How often anything was asked for: the same number after :meth:`settle` means that nothing else was."""
        return self._asked

    def close(self) -> None:
        """End :meth:`serve`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def settle(self) -> None:
        """Wait until everything asked so far was answered. Raises TimeoutError after half a minute."""
        with self._changed:
            asked = self._asked
            if not self._changed.wait_for(lambda: self._closed or self._answered >= asked, timeout=_PATIENCE_S):
                raise TimeoutError("the store was not read in time")

    def _ask(self) -> None:
        self._asked += 1
        self._changed.notify_all()

    # The reading thread

    def serve(self) -> None:
        """Read until closed."""
        try:
            self._serve()
        finally:
            if self._source is not None:
                self._source.close()

    def _serve(self) -> None:
        pause_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._asked > self._answered, timeout=pause_s)
                if self._closed:
                    return
                asked, afresh, self._show_again = self._asked, self._show_again, False
                wanted, ref = (self._watched, self._previewed), self._ref
                self._ref = None
            began = time.monotonic()
            try:
                self._look(wanted, ref, afresh=afresh)
                self._failure = ""
            except Exception as error:  # noqa: BLE001 - whatever happened, what is on screen stays and the reason shows
                self._fail(error, fatal=ref is not None)
            pause_s = max(self._every_s, 2 * (time.monotonic() - began))
            with self._changed:
                self._answered = asked
                self._changed.notify_all()

    def _fail(self, error: Exception, *, fatal: bool) -> None:
        self._stale = True
        text = f"{type(error).__name__}: {error}"
        if fatal or text != self._failure:
            self._post(Trouble(error, fatal=fatal and isinstance(error, HarnessError)))
        self._failure = text

    def _look(self, wanted: tuple[str | None, str | None], ref: str | None, *, afresh: bool) -> None:
        if self._source is None:
            self._source = self._open()
        source = self._source
        if source is None:
            if not self._told_missing:
                self._told_missing = True
                self._post(RunsRead((), more=False, exists=False))
            return
        if ref is not None:
            self._post(Resolved(source.find(ref)))
        if self._stale:
            self._read_runs(source, first=not self._listed)
            # Then there is little left to follow.
            source.ingest()
        self._follow(source)
        self._stale = False
        for run_id in dict.fromkeys(filter(None, wanted)):
            self._read_run(source, run_id, afresh=afresh)

    def _follow(self, source: Source) -> None:
        """See what was recorded since, and bring the list up to date."""
        changes = source.poll()
        # Until all of it was shown: a read may fail.
        self._touched |= changes.touched
        for run_id in self._touched:
            self._kept.pop(run_id, None)
        if changes.stored:
            # What was written and taken in between two polls is known to the database alone.
            over = {run_id for run_id, run in self._seen.items() if run.status is not RunStatus.RUNNING}
            self._kept = {run_id: told for run_id, told in self._kept.items() if run_id in over}
            self._read_runs(source, first=not self._listed)
        if self._touched:
            self._take([*source.summaries(self._touched).values()])
            self._tell(more=self._more)
            self._touched = frozenset()
        if changes.sealed:
            source.ingest()

    def _read_runs(self, source: Source, *, first: bool) -> None:
        """Read the newest page and show it; then, the first time, the rest; later, as far as anything changes."""
        page = source.runs(limit=FIRST_PAGE, offset=0)
        changed = self._take(page)
        full = len(page) == FIRST_PAGE
        if first:
            self._tell(more=full)
            offset = len(page)
            while full and offset < MOST_RUNS and not self._closed:
                page = source.runs(limit=PAGE, offset=offset)
                self._take(page)
                offset += len(page)
                full = len(page) == PAGE
                self._tell(more=full)
            return
        running = {run.run_id for run in self._listed if run.status is RunStatus.RUNNING}
        looks, offset = 1, len(page)
        running -= {run.run_id for run in page}
        while full and looks < _LOOKS and (running or changed == len(page)):
            page = source.runs(limit=FIRST_PAGE, offset=offset)
            changed = self._take(page)
            running -= {run.run_id for run in page}
            full, looks, offset = len(page) == FIRST_PAGE, looks + 1, offset + len(page)
        self._tell(more=len(self._seen) >= MOST_RUNS)

    def _take(self, page: Sequence[RunSummary]) -> int:
        """Keep what is on *page*; say how much of it was not known as it is."""
        fresh = [run for run in page if self._seen.get(run.run_id) != run]
        self._seen.update((run.run_id, run) for run in fresh)
        return len(fresh)

    def _tell(self, *, more: bool) -> None:
        self._more = more
        self._listed = sorted(self._seen.values(), key=lambda run: run.started_ns, reverse=True)
        self._post(RunsRead(tuple(self._listed), more=more))

    def _read_run(self, source: Source, run_id: str, *, afresh: bool) -> None:
        """Give the run if it was just asked for or has changed since."""
        summary = self._seen.get(run_id)
        known = self._kept.get(run_id)
        if known is not None and known[0] == summary:
            if afresh:
                self._post(RunRead(known[1]))
            return
        story = tell(source.run(run_id))
        self._kept.pop(run_id, None)
        while len(self._kept) >= _KEPT_RUNS:
            del self._kept[next(iter(self._kept))]
        self._kept[run_id] = (summary, story)
        self._post(RunRead(story))
