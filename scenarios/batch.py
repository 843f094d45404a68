"""Keep the verdicts of a batch in the store as they come, so that an interrupted one can be gone on with.

A batch is a file ``STORE/batches/ID.jsonl``: first what was asked for, then a line for each verdict, last a line that
it is complete. Every line is one write to the end of the file, so whoever is killed loses nothing that was finished.
Who runs the batch holds a lock on the file for as long as it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.canonical import encode
from harness.errors import StoreError
from harness.journal import make_store
from harness.model import Json
from harness.redaction import project

from . import identity, verdict_record

if TYPE_CHECKING:
    from .scenario import Scenario
    from .verdict import Verdict

FOLDER = "batches"
FORMAT = 1
_MOST_KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The file of one batch. *asked* is what was asked for: whoever goes on with it asks for the same."""

    path: Path
    asked: Mapping[str, Json]

    def keep(self, scenario: Scenario, verdict: Verdict) -> None:
        """Keep the *verdict* on *scenario*. What was printed is not kept. Raises StoreError if it cannot be written."""
        self.keep_written(scenario, verdict_record.dump(verdict))

    def keep_written(self, scenario: Scenario, said: Mapping[str, Json]) -> None:
        """Keep a verdict as ``keep`` does, which is written as JSON already."""
        kept = {**said, "output": ""}
        self._append({"scenario": key(scenario), "identity": _identity(scenario), "verdict": kept})

    def complete(self) -> None:
        """Say that nothing is missing."""
        self._append({"complete": True})

    def _append(self, record: Mapping[str, Json]) -> None:
        line = project()(encode(record)).encode(errors="replace")
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                # A line that was cut by the end of a process before us ends here.
                written = os.write(handle, data := b"\n" + line + b"\n")
            finally:
                os.close(handle)
        except OSError as error:
            msg = f"cannot keep a verdict in {str(self.path)!r}: {error.strerror or error}"
            raise StoreError(msg, hint="Is the disk full?") from error
        if written != len(data):
            raise StoreError(f"cannot keep a verdict in {str(self.path)!r}", hint="Is the disk full?")

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return any("complete" in record for record in _records(self.path))

    def verdicts(self) -> dict[str, Mapping[str, Json]]:
        """Give the newest record of each scenario, by its key: its ``identity`` and its ``verdict``."""
        return {str(record["scenario"]): record for record in _records(self.path) if "scenario" in record}

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the batch for the block, and say whether nobody else does."""
        import fcntl

        with self.path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True


def begin(store: Path, asked: Mapping[str, Json]) -> Batch:
    """Begin a batch in *store*. Of the older ones the newest fifty stay. Raises StoreError if it cannot be written."""
    make_store(store)
    folder = store / FOLDER
    name = f"{time.time_ns():020d}-{os.urandom(4).hex()}.jsonl"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        line = project()(encode({"batch": FORMAT, "asked": asked}))
        (folder / name).write_text(line + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        msg = f"cannot begin a batch in {str(folder)!r}: {error.strerror or error}"
        raise StoreError(msg, hint="Name another store with --store or HARNESS_STORE.") from error
    for old in sorted(folder.glob("*.jsonl"))[:-_MOST_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return Batch(path=folder / name, asked=asked)


def interrupted(store: Path) -> Batch | None:
    """Find the newest batch in *store* that did not come to its end and that nobody runs."""
    for path in sorted((store / FOLDER).glob("*.jsonl"), reverse=True):
        first = next(_records(path), {})
        if first.get("batch") != FORMAT:
            continue
        found = Batch(path=path, asked=first["asked"])
        with found.held() as free:
            if free and not found.finished:
                return found
    return None


def key(scenario: Scenario) -> str:
    """Name *scenario* among all of a batch: its file and its name."""
    return f"{scenario.path.absolute()}::{scenario.name}"


def still_holds(record: Mapping[str, Json], scenario: Scenario) -> bool:
    """Say whether the verdict in *record* is one on *scenario* as it is now; an error is none."""
    return bool(record["verdict"]["outcome"] != "error" and record["identity"] == _identity(scenario))


def _identity(scenario: Scenario) -> dict[str, Json]:
    return asdict(identity.of(scenario))


def _records(path: Path) -> Iterator[Mapping[str, Json]]:
    """Yield the records of a file; what is no record, such as a line that was cut off, is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record
