"""How much CPU the command takes before it does anything, beside a bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.journal import Journal
from harness.model import Operation
from harness.trace import Trace

from .measure import Figure, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "from harness.cli import main; main()"
RUNS = 20
PAIRS = 9


def figures() -> Iterator[Figure]:
    """Measure ``harness --help``, and ``harness runs`` on a store of twenty runs."""
    yield against_bare("start-up: harness --help", ["--help"])
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / ".harness"
        fill(store)
        yield against_bare("start-up: harness runs", ["runs", "--store", str(store)])


def against_bare(name: str, arguments: list[str]) -> Figure:
    """Compare the command with *arguments* to Python doing nothing."""
    return compare(
        name,
        lambda: cpu_seconds(["-c", COMMAND, *arguments]),
        peer="python -c pass",
        floor=lambda: cpu_seconds(["-c", "pass"]),
        unit="s CPU",
        n=PAIRS,
    )


def cpu_seconds(arguments: list[str]) -> float:
    """Run this Python with *arguments* and give the CPU seconds that it used, its children's included."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments} exited with {process.returncode}: {told.decode(errors='replace')[-500:]}")
    return used.ru_utime + used.ru_stime


def fill(store: Path) -> None:
    """Make a store of a few runs, each of three messages."""
    journal = Journal(store, program="start-up benchmark")
    trace = Trace(journal)
    for number in range(RUNS):
        with trace.within(trace.new_run()), trace.operation(Operation.CONVERSATION, f"chat {number}"):
            for sender, recipient in (("user", "coder"), ("coder", "user"), ("user", "coder")):
                body = {"role": "user", "parts": [{"type": "text", "content": f"message from {sender}"}]}
                trace.spoken(sender, [recipient], body)
    journal.close()
