"""Rebuild a run from its spans alone: pure functions, no I/O.

Everything here is total: spans with missing parents, cycles, negative durations or attributes of the wrong type
give a run all the same. The store's SQL says the same things once more for lists of runs; a test holds them equal.
"""

from __future__ import annotations

from harness.derive.build import run
from harness.derive.closing import endings
from harness.derive.exchanges import calls
from harness.derive.forest import tree
from harness.derive.history import Links, Parts, context
from harness.derive.makers import made_by
from harness.derive.spoken import messages
from harness.derive.stream import events
from harness.derive.totals import summary, usage

__all__ = [
    "Links",
    "Parts",
    "calls",
    "context",
    "endings",
    "events",
    "made_by",
    "messages",
    "run",
    "summary",
    "tree",
    "usage",
]
