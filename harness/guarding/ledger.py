"""What all runs of a store have used in a day and in a month, over all processes: a file a month beside the journals.

Each line is a reservation or what became of it, appended under an exclusive lock and read by whoever appends next. A
process that dies between the two leaves its reservation as it is: the provider may have taken the money, so it counts
in full. A line that was cut off was a reservation whose call was never made, or a settlement that is then missing, and
both err on the safe side. Days and months are those of UTC.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from harness.guarding.budgets import Bound, Limit, Reached, room

FOLDER = "budgets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A reservation that is written down: its name, and the month and day it counts for."""

    name: str
    month: str
    day: str


@dataclass(slots=True)
class _Month:
    """What is read of a month's file, up to *offset*."""

    path: Path
    offset: int = 0
    used: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By day and kind; the day is empty for the whole month."""
    promised: dict[str, tuple[str, Mapping[str, float]]] = field(default_factory=dict)


class Ledger:
    """The limits of days and months of one store. Safe for threads, tasks and processes."""

    def __init__(
        self, store: Path, limits: Iterable[Limit], *, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        """*store* is the store's folder; nothing is opened before the first call."""
        self._folder = store / FOLDER
        self._limits = [limit for limit in limits if limit.span in {"day", "month"}]
        self._now = now
        self._lock = threading.Lock()
        self._months: dict[str, _Month] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    def reserve(self, bound: Bound) -> Promise | Reached:
        """Write down what a call may use, or say which limit has no room for it. Raises OSError."""
        at = self._now()
        promise = Promise(name=os.urandom(8).hex(), month=f"{at:%Y-%m}", day=f"{at:%Y-%m-%d}")
        with self._lock, self._opened(promise.month) as (file, month):
            for limit in self._limits:
                day = promise.day if limit.span == "day" else ""
                used = month.used[day, limit.kind]
                promised = sum(
                    amounts.get(limit.kind, 0) for when, amounts in month.promised.values() if day in {"", when}
                )
                if used >= limit.most:
                    return Reached(limit=limit, used=used)
                asked = room(limit, used, promised, bound)
                if asked:
                    return Reached(limit=limit, used=used, promised=promised, asked=asked)
            self._append(file, month, {"k": "r", "id": promise.name, "day": promise.day, **bound.most})
        return promise

    def settle(self, promise: Promise, used: Mapping[str, float]) -> None:
        """Write down what a call really used. Raises OSError."""
        with self._lock, self._opened(promise.month) as (file, month):
            self._append(file, month, {"k": "s", "id": promise.name, **used})

    def used(self, span: str, kind: str) -> float:
        """Say how much of *kind* is used, or promised, in this ``day`` or ``month``. Raises OSError."""
        at = self._now()
        day = f"{at:%Y-%m-%d}" if span == "day" else ""
        with self._lock, self._opened(f"{at:%Y-%m}") as (_, month):
            promised = sum(amounts.get(kind, 0) for when, amounts in month.promised.values() if day in {"", when})
            return month.used[day, kind] + promised

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, _Month]]:
        """Hold the file of the month *name* locked, with all that is in it read."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{name}.jsonl"
        month = self._months.setdefault(name, _Month(path))
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._read(file, month)
            yield file, month
        finally:
            os.close(file)

    @staticmethod
    def _read(file: int, month: _Month) -> None:
        size = os.fstat(file).st_size
        if size < month.offset:  # somebody put another file in its place
            month.offset = 0
            month.used.clear()
            month.promised.clear()
        found = os.pread(file, size - month.offset, month.offset)
        if found and not found.endswith(b"\n"):
            os.write(file, b"\n")
            found += b"\n"
        month.offset += len(found)
        for line in found.splitlines():
            _take(month, line)

    @staticmethod
    def _append(file: int, month: _Month, record: Mapping[str, Any]) -> None:
        line = orjson.dumps(record) + b"\n"
        if os.write(file, line) != len(line):
            raise OSError(f"{month.path} could not be written whole")  # the next to open it ends the line
        month.offset += len(line)
        _take(month, line)


def _take(month: _Month, line: bytes) -> None:
    """Take in one line; what is no record is none."""
    try:
        record = orjson.loads(line)
    except ValueError:
        return
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        return
    amounts = {kind: float(value) for kind, value in record.items() if isinstance(value, (int, float))}
    if record.get("k") == "r" and isinstance(record.get("day"), str):
        month.promised[record["id"]] = record["day"], amounts
    elif record.get("k") == "s" and record["id"] in month.promised:
        day, _ = month.promised.pop(record["id"])
        for kind, amount in amounts.items():
            month.used[day, kind] += amount
            month.used["", kind] += amount
