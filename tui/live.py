"""A store that is followed: what goes on comes from its journals, what is over from its database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Run, RunSummary
from harness.store import open_store
from harness.store.follow import Follower

if TYPE_CHECKING:
    from harness.store.follow import Changes


class LiveStore:
    """What the app needs of the store at *path*. Made for one thread; holds journals open until closed."""

    def __init__(self, path: Path) -> None:
        self._store = open_store(path)
        self._follower = Follower(self._store.path)

    def poll(self) -> Changes:
        """Give what was recorded since the last poll."""
        return self._follower.poll()

    def ingest(self) -> object:
        """Take in what is finished."""
        return self._store.ingest()

    def runs(self, limit: int = 50, offset: int = 0) -> Sequence[RunSummary]:
        """List runs, newest first."""
        return self._store.runs(limit=limit, offset=offset)

    def summaries(self, run_ids: Iterable[str]) -> Mapping[str, RunSummary]:
        """Sum up those of the runs that are followed."""
        return self._follower.summaries(run_ids)

    def find(self, ref: str) -> str:
        """Find the run id for *ref*; raises UnknownRunError."""
        return self._store.find(ref)

    def run(self, run_id: str) -> Run:
        """Give one run; raises UnknownRunError."""
        run = self._follower.run(run_id)
        return run if run is not None and run.spans else self._store.run(run_id)

    def close(self) -> None:
        """Stop following."""
        self._follower.close()
