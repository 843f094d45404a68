"""Read a store while it is written and after, and hold it against what was acknowledged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.store import Store

from .board import SLOTS, Board
from .writer import EVERY_CHAT, is_chat, text

_SPANS = """SELECT run_id, count(*), count(DISTINCT span_id), max(seq) + 1,
    count(*) FILTER (status = 'ok'), coalesce(max(seq) FILTER (status = 'ok'), -1) + 1,
    count(*) FILTER (status = 'interrupted') FROM spans GROUP BY run_id"""
_MESSAGES = """SELECT run_id, count(*), count(*) FILTER (coalesce(text, '') = ''),
    count(*) FILTER (rtrim(text, 'x') <> concat(substr(run_id, 2), ':', seq, ':', split_part(text, ':', 3), ':')
        OR length(text) - length(rtrim(text, 'x')) <> coalesce(TRY_CAST(split_part(text, ':', 3) AS BIGINT), -1))
    FROM messages GROUP BY run_id"""
_RUNS = "SELECT run_id, messages FROM runs"


@dataclass(slots=True, kw_only=True)
class Found:
    """What is wrong with a store, by kind; and how many emissions it holds."""

    seen: int = 0
    lost: int = 0
    doubled: int = 0
    corrupt: int = 0
    dangling: int = 0
    said: list[str] = field(default_factory=list)

    def wrong(self, kind: str, count: int, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + count)
        self.said.append(f"{kind}: {what}")


def check(path: Path, least: Sequence[int], board: Board) -> Found:
    """Hold the store at *path*, as one view of it shows it, against the *least* that was acknowledged before."""
    with Store(path).view() as con:
        spans = {row[0]: row[1:] for row in con.execute(_SPANS).fetchall()}
        messages = {row[0]: row[1:] for row in con.execute(_MESSAGES).fetchall()}
        runs = dict(con.execute(_RUNS).fetchall())
    most = list(board.acked)
    found = Found()
    for slot in range(SLOTS):
        if not least[slot] and f"w{slot}" not in spans:
            continue
        begun, distinct, length, ended, ended_length, interrupted = spans.get(f"w{slot}", (0,) * 6)
        seen = distinct + ended
        found.seen += seen
        if begun != distinct:
            found.wrong("doubled", begun - distinct, f"w{slot} holds {begun} spans, {distinct} of them different")
        if seen < least[slot]:
            found.wrong("lost", least[slot] - seen, f"w{slot} shows {seen} of {least[slot]} acknowledged")
        # One emission may be written and not acknowledged yet, or never, if it was the last.
        if seen > most[slot] + 1 or distinct != length or ended != ended_length or not 0 <= distinct - ended <= 1:
            found.wrong("corrupt", 1, f"w{slot} shows {spans.get(f'w{slot}')} and acknowledged {most[slot]}")
        if interrupted and not board.gone[slot]:
            found.wrong("corrupt", 1, f"w{slot} lives and looks dead")
        spoken, silent, garbled = messages.get(f"w{slot}", (0, 0, 0))
        if silent:
            found.wrong("dangling", silent, f"w{slot} has {silent} messages whose content is not there")
        if garbled:
            found.wrong("corrupt", garbled, f"w{slot} has {garbled} messages that are not what was said")
        expected = distinct - distinct // EVERY_CHAT
        if not spoken == expected == runs.get(f"w{slot}", 0):
            found.wrong("corrupt", 1, f"w{slot}: {spoken} messages, {runs.get(f'w{slot}')} summed, {expected} expected")
    return found


def check_contexts(path: Path, found: Found, board: Board) -> None:
    """Add to *found* what is wrong with the histories of model calls: each must lead back to the first message."""
    store = Store(path)
    for run in store.each(summary.run_id for summary in store.runs(limit=SLOTS)):
        run_id = run.summary.run_id
        slot = int(run_id[1:])
        calls = [call for call in run.calls if is_chat(call.span.seq)]
        for call in calls:
            said = [part["content"] for message in call.request["messages"] for part in message["parts"]]
            told = [tuple(map(int, line.split(":", 3)[:3])) for line in said]
            if [number for _, number, _ in told] != [*range(call.span.seq + 1)]:
                found.wrong("dangling", 1, f"{run_id}: call {call.span.seq} has {len(said)} messages")
            elif said != [text(*line) for line in told] or {line[0] for line in told} != {slot}:
                found.wrong("corrupt", 1, f"{run_id}: call {call.span.seq} was asked something else")
        least = (board.acked[slot] + 1) // 2 // EVERY_CHAT
        if len(calls) < least:
            found.wrong("lost", least - len(calls), f"{run_id} has {len(calls)} calls of {least}")


def watch(board: Board, reader: int, path: Path, notes: Path, pause_s: float) -> None:
    """Check *path* again and again until asked to stop. What is wrong goes into the file *notes*."""
    while not board.stopping:
        began = time.monotonic()
        found = check(path, list(board.acked), board)
        if found.said:
            with notes.open("a") as out:
                out.write("\n".join(f"live: {line}" for line in found.said) + "\n")
        else:
            board.checked(reader)
        time.sleep(max(pause_s, min(6 * (time.monotonic() - began), 5.0)))  # ingest needs its turn, too
