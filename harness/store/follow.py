"""Follow runs while they happen: tail the journals by offset, with no database and no lock.

A poll costs what was written since the last. What goes on can be asked for as a run, derived as everywhere else;
only what was taken in before the follower came is read from the database, once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import derive
from harness.model import Run, RunSummary
from harness.store.files import DATABASE, writer
from harness.store.followed import Followed, News
from harness.store.kept import kept, taken_since
from harness.store.records import Other, Record, read
from harness.store.tail import Tail

READ_BYTES = 16 << 20
KEPT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happened since the last poll.

    *runs* maps ids to news; *touched* are the ids of runs that stand differently now: those, and the ones whose
    process came or went. *living* processes still write. *sealed* segments are finished, *gone* ones were taken in.
    *bad* lines were torn, no JSON or no record. *stored* says that the database changed (or is there, at first): what
    was written and taken in between two polls is known to it alone. *more* says that another poll would give more.
    """

    runs: Mapping[str, News] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    living: frozenset[str] = frozenset()
    sealed: Sequence[str] = ()
    gone: Sequence[str] = ()
    bad: int = 0
    stored: bool = False
    more: bool = False


class Follower:
    """Follows one store, which need not exist yet. Made for one thread; holds segments open until closed.

    Runs under way are kept in memory, and of those that are over and taken in the newest, up to *kept_bytes* of
    journal; a run that was forgotten and comes back is news again. One poll reads up to *read_bytes*.
    ``contextlib.closing`` closes it.
    """

    def __init__(self, store: Path, *, read_bytes: int = READ_BYTES, kept_bytes: int = KEPT_BYTES) -> None:
        """Follow the store folder *store*; nothing is read before the first poll."""
        self._store, self._read_bytes, self._kept_bytes = store, read_bytes, kept_bytes
        self._tail = Tail(store)
        self._runs: dict[str, Followed] = {}
        self._holding: dict[str, set[str]] = {}
        self._living: frozenset[str] = frozenset()
        self._database: object = None
        self._began_ns: int | None = None
        self._batch: int | None = None

    def close(self) -> None:
        """Let go of all segments and forget all runs."""
        self._tail.close()
        self._runs.clear()
        self._holding.clear()

    @property
    def runs(self) -> Collection[str]:
        """The ids of the runs in memory."""
        return self._runs.keys()

    def poll(self) -> Changes:
        """Give what was recorded since the last poll. Raises StoreError if the folder cannot be listed.

        After such an error nothing is lost: the next poll gives it.
        """
        if self._began_ns is None:
            self._began_ns = time.time_ns()
        before, self._database = self._database, self._file()
        found = self._tail.read(self._read_bytes)
        records: dict[str, list[tuple[str, Record]]] = {}
        bad = sum(not self._sort(segment, line, records) for segment, line in found.lines)
        news: dict[str, News] = {}
        for run_id, mine in records.items():
            # The run that was heard of last is forgotten last.
            self._runs[run_id] = run = self._runs.pop(run_id)
            if (fresh := run.take(mine)) is not None:
                news[run_id] = fresh
        turned, self._living = found.living ^ self._living, found.living
        touched = set(news)
        if turned:
            touched.update(run_id for run_id, run in self._runs.items() if run.under_way(turned))
        for segment in found.gone:
            for run_id in self._holding.pop(segment, ()):
                if run_id in self._runs:
                    self._runs[run_id].segments.discard(segment)
        if found.gone or turned:
            self._forget()
        return Changes(
            runs=news,
            touched=frozenset(touched),
            living=found.living,
            sealed=found.sealed,
            gone=found.gone,
            bad=bad,
            stored=self._database != before,
            more=found.more,
        )

    def catch_up(self) -> Changes:
        """Read from the database what was taken in since the first poll and no poll has given.

        That is what was written and taken in between two polls. One read, for when a poll says *stored*; of a run that
        began before the first poll it may give what is older, too. Raises StoreError if the database cannot be read.
        """
        if self._began_ns is None or self._file() is None:
            return Changes(living=self._living)
        found, self._batch = taken_since(self._store, self._batch, self._began_ns)
        news: dict[str, News] = {}
        for run_id, stored in found.items():
            if (fresh := self._runs.setdefault(run_id, Followed()).take_stored(run_id, stored)) is not None:
                news[run_id] = fresh
        self._forget()
        return Changes(runs=news, touched=frozenset(news), living=self._living)

    def run(self, run_id: str) -> Run | None:
        """Derive the run as of the last poll; None if nothing is known of it here.

        The database is read if it changed since it was last asked for this run. Raises StoreError if it cannot be.
        """
        if run_id not in self._runs:
            return None
        self._ground([run_id])
        run = self._runs[run_id]
        parts, links = run.contents()
        return derive.run(run_id, run.spans(self._living), parts, links, run.findings())

    def summaries(self, run_ids: Iterable[str]) -> dict[str, RunSummary]:
        """Sum up those of the runs that are known here and have spans, as of the last poll; else as :meth:`run`."""
        known = [run_id for run_id in run_ids if run_id in self._runs]
        self._ground(known)
        found = {}
        for run_id in known:
            run = self._runs[run_id]
            if spans := run.spans(self._living):
                found[run_id] = derive.summary(run_id, spans, run.findings())
        return found

    def _sort(self, segment: str, line: bytes, records: dict[str, list[tuple[str, Record]]]) -> bool:
        """Put the record of *line* to those of its run. False if it is none."""
        record = read(line)
        if record is None or isinstance(record, Other):
            return record is not None
        run = self._runs.setdefault(record.run_id, Followed())
        run.size += len(line)
        run.segments.add(segment)
        self._holding.setdefault(segment, set()).add(record.run_id)
        records.setdefault(record.run_id, []).append((writer(segment), record))
        return True

    def _ground(self, run_ids: Iterable[str]) -> None:
        """Read what the database holds of these runs, of those for which it was not asked since it changed."""
        file = self._file()
        if file is None:
            return
        asked = {run_id: self._runs[run_id] for run_id in run_ids if self._runs[run_id].asked != file}
        if not asked:
            return
        found = kept(self._store, {run_id: run.stored.batch if run.stored else 0 for run_id, run in asked.items()})
        for run_id, run in asked.items():
            run.asked, run.stored = file, found.get(run_id, run.stored)

    def _file(self) -> object:
        """Give a token of the database that changes when it does; None while there is none."""
        seen = []
        for name in (DATABASE, f"{DATABASE}.wal"):
            with suppress(OSError):
                found = (self._store / name).stat()
                seen.append((name, found.st_ino, found.st_size, found.st_mtime_ns))
        return tuple(seen) or None

    def _forget(self) -> None:
        """Forget runs that are over and taken in, the oldest first, down to what may be kept of them."""
        over = [run_id for run_id, run in self._runs.items() if not run.segments and not run.under_way(self._living)]
        size = sum(self._runs[run_id].size for run_id in over)
        for run_id in over:
            if size <= self._kept_bytes:
                break
            size -= self._runs.pop(run_id).size
