"""How long after it was written a record is seen by who follows the store, beside the time between two looks.

Eight processes write as agents do; one follower polls every 50 ms. A record that waits for the next look waits half
that on average, and all of it at worst: what is beyond that is the follower's own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.journal import Journal
from harness.model import Operation
from harness.store.follow import Follower
from harness.trace import Trace

from .measure import Figure, digits, interquartile

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITERS = 8
SPANS = 400
PER_SECOND = 50
POLL_S = 0.05
PATIENCE_S = 60.0
WRITER = "import sys; from tests.benchmarks import follow; follow.write(sys.argv[1])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness(Figure):
    """The *value* is the 99th percentile. In its unit are *p50*, *worst*, and *poll*, the CPU of one poll."""

    p50: float
    worst: float
    poll: float


def figures() -> Iterator[Figure]:
    """Measure from before the write of a span's end to after the poll that gave it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / ".harness"
        command = [sys.executable, "-c", WRITER, str(store)]
        writers = [subprocess.Popen(command) for _ in range(WRITERS)]
        try:
            waits_ms, poll_ms = followed(store)
        finally:
            for process in writers:
                process.kill()
                process.wait()
    yield Staleness(
        name=f"follow: write to seen, 99th percentile, {WRITERS} writers",
        value=digits(percentile(waits_ms, 99)),
        unit="ms",
        against=POLL_S * 1000,
        peer="the time between two polls",
        ratio=digits(percentile(waits_ms, 99) / (POLL_S * 1000)),
        n=len(waits_ms),
        spread=digits(interquartile(waits_ms)),
        load=round(os.getloadavg()[0], 2),
        p50=digits(statistics.median(waits_ms)),
        worst=digits(max(waits_ms)),
        poll=digits(poll_ms),
    )


def followed(store: Path) -> tuple[list[float], float]:
    """Follow *store* until every span was seen; give how long each took, and the CPU of a poll, in milliseconds.

    Raises RuntimeError if they do not all come.
    """
    waits_ms: list[float] = []
    polls_ms: list[float] = []
    until = time.monotonic() + PATIENCE_S
    with closing(Follower(store)) as follower:
        while len(waits_ms) < WRITERS * SPANS:
            if time.monotonic() > until:
                raise RuntimeError(f"only {len(waits_ms)} of {WRITERS * SPANS} spans were seen")
            before = time.thread_time_ns()
            changes = follower.poll()
            polls_ms.append((time.thread_time_ns() - before) / 1e6)
            now_ns = time.time_ns()
            for news in changes.runs.values():
                waits_ms += [
                    (now_ns - span.end_ns) / 1e6
                    for span in news.ended
                    if span.end_ns is not None and span.operation is Operation.CHAT
                ]
            time.sleep(POLL_S)
    return waits_ms, statistics.median(polls_ms)


def percentile(values: list[float], number: int) -> float:
    """Give the value that *number* percent of *values* do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[number - 1]


def write(store: str) -> None:
    """Write the spans of one process, at an even pace; the journal rotates under way."""
    trace = Trace(Journal(Path(store), rotate_bytes=200_000, program="follow benchmark"))
    with trace.operation(Operation.CONVERSATION, "chat"):
        for number in range(SPANS):
            body = {"role": "assistant", "parts": [{"type": "text", "content": f"{number:08d} " + "lorem ipsum " * 83}]}
            scope = trace.open(Operation.CHAT, "coder", {"gen_ai.request.model": "gpt-4o-mini"})
            trace.close(scope, {"gen_ai.usage.input_tokens": 220}, contents=[trace.contents.part(body)])
            time.sleep(1 / PER_SECOND)
