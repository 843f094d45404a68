"""A process that takes segments in, as often as it can, beside others that do the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import duckdb

from harness.store import Store

from .board import Board
from .fates import Fate, Life, within

_PAUSE_S = 0.02
_PHASES = {"BEGIN": "begin", "COMMIT": "commit", "CHECKPOINT": "checkpoint"}
_CHANGES = tuple(f"{verb} STORED." for verb in ("INSERT INTO", "DELETE FROM", "UPDATE", "CREATE TABLE"))


class Connection:
    """A DuckDB connection that posts what it is at. Closing it writes what is in the log into the database."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, query: str, *args: Any) -> Any:
        with self._life.inside(phase(query)):
            return self._real.execute(query, *args)

    def close(self) -> None:
        with self._life.inside("checkpoint"):
            self._real.close()


def phase(query: str) -> str:
    """Say which phase of an ingest *query* is."""
    said = " ".join(query.split()).upper()
    first = said.partition(" ")[0]
    if first in _PHASES:
        return _PHASES[first]
    return "insert" if said.startswith(_CHANGES) else "read"


def watch(life: Life) -> None:
    """Post the phases of every ingest of this process."""
    real = duckdb.connect
    duckdb.connect = lambda *args, **kwargs: Connection(real(*args, **kwargs), life)
    within(life, Path, "rename", "rename")
    within(life, Path, "unlink", "unlink")


def take(board: Board, slot: int, path: Path, fate: Fate, seed: int) -> None:
    """Take in until asked to stop, killed, or fated to die."""
    life = Life(board, slot, fate, seed)
    watch(life)
    store = Store(path)
    while not board.stopping:
        store.ingest()
        time.sleep(_PAUSE_S)
    board.gone[slot] = 1
