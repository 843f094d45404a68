"""A process that records: spans, messages and contexts on the real journal, and children that it forks."""

from __future__ import annotations

import fcntl
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

from harness import journal as journals
from harness.canonical import canonical, context_hash, digest
from harness.journal import Journal
from harness.semconv import (
    HARNESS_INPUT_CONTEXT,
    HARNESS_MESSAGE_PART,
    HARNESS_RECIPIENTS,
    HARNESS_ROLE,
    HARNESS_SENDER,
)

from .board import FAMILY, Board
from .fates import Fate, Life, Stepping, within

EVERY_CHAT = 16
"""Of so many spans the last is a model call, which carries the whole history; the others are messages."""
ROTATE_BYTES = 16_000
_HUGE = 400_000
_PAUSE_S = 0.04


def text(slot: int, number: int, fill: int) -> str:
    """What message *number* of a slot says: enough to know it again, whole."""
    return f"{slot}:{number}:{fill}:{'x' * fill}"


def is_chat(number: int) -> bool:
    return number % EVERY_CHAT == EVERY_CHAT - 1


class Talk:
    """One run, written by one incarnation: two emissions a span, the first with what is new of the contents."""

    def __init__(self, journal: Journal, life: Life) -> None:
        self._journal, self._life = journal, life
        self._context: str | None = None
        self._open: dict[str, Any] = {}
        self._emitted = 0

    def emit(self, fill: int | None = None) -> None:
        """Write the next emission, and count it once the journal says that it is written."""
        number, ending = divmod(self._emitted, 2)
        lines = [self._ended()] if ending else self._begun(number, fill if fill is not None else number * 37 % 900)
        if self._journal.write(("\n".join(json.dumps(line) for line in lines) + "\n").encode()):
            self._life.board.acked[self._life.slot] += 1
            self._emitted += 1

    def _begun(self, number: int, fill: int) -> list[dict[str, Any]]:
        slot = self._life.slot
        run_id = f"w{slot}"
        body = {"role": "assistant", "parts": [{"type": "text", "content": text(slot, number, fill)}]}
        part = digest(canonical(body))
        before, self._context = self._context, context_hash(self._context, part)
        if is_chat(number):
            operation, attributes = "chat", {HARNESS_INPUT_CONTEXT: self._context}
        else:
            operation = "message"
            attributes = {
                HARNESS_SENDER: run_id,
                HARNESS_RECIPIENTS: ["all"],
                HARNESS_ROLE: "assistant",
                HARNESS_MESSAGE_PART: part,
            }
        self._open = {
            "k": "s",
            "run_id": run_id,
            "trace_id": run_id,
            "span_id": f"{run_id}-{number}",
            "parent_id": None,
            "name": operation,
            "kind": "INTERNAL",
            "operation": operation,
            "seq": number,
            "start_ns": time.time_ns(),
            "attributes": attributes,
        }
        return [
            {"k": "p", "run_id": run_id, "hash": part, "body": body},
            {"k": "l", "run_id": run_id, "hash": self._context, "prev": before, "part": part},
            self._open,
        ]

    def _ended(self) -> dict[str, Any]:
        return {
            **self._open,
            "k": "e",
            "end_ns": self._open["start_ns"],
            "end_seq": self._open["seq"],
            "status": "ok",
        }


def write(board: Board, slot: int, store: Path, fate: Fate, seed: int) -> None:
    """Record until asked to stop, killed, or fated to die."""
    life = Life(board, slot, fate, seed)
    steps = ("open", "close", "fstat", "ftruncate")
    journals.os = Stepping(os, life, steps, {"write": "write"})  # type: ignore[attr-defined, assignment]
    journals.fcntl = Stepping(fcntl, life, ("flock",), {})  # type: ignore[attr-defined, assignment]
    within(life, Path, "rename", "rename")
    journal = Journal(store, rotate_bytes=ROTATE_BYTES, program="the kill suite")
    within(life, Journal, "_open", "rotate")
    talk = Talk(journal, life)
    forks = 0
    emitted = 0
    while not board.stopping:
        emitted += 1
        talk.emit(_HUGE if emitted == fate.nth and fate.phase == "write" else None)
        if emitted % 25 == 0 and forks < FAMILY - 1:
            forks += 1
            life.child_slot = slot + forks
            _fork(journal, life)
        time.sleep(_PAUSE_S)
    board.gone[slot] = 1
    journal.close()


def _fork(journal: Journal, life: Life) -> None:
    with life.inside("fork"):
        child = os.fork()
        if child == 0:
            life.notice_fork()
            partial(_child, journal, life)()
        life.step()
    os.waitpid(child, 0)


def _child(journal: Journal, life: Life) -> None:
    """Go on as a forked child: with the first record, which needs a segment of its own, the forking is over."""
    try:
        talk = Talk(journal, life)
        talk.emit()
        life.board.post(life.slot, "idle")
        for _ in range(20):
            if life.board.stopping:
                break
            talk.emit()
            time.sleep(_PAUSE_S)
        life.board.gone[life.slot] = 1
    finally:
        os._exit(0)
