"""Record what a block of code does, of whichever framework, and read it back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import harness
from harness.call import Interceptor
from harness.model import Operation, Run, Span
from harness.store import open_store

# What the frameworks and their clients deprecate or leave open is theirs.
THEIR_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "ResourceWarning", "UserWarning", "pytest.PytestUnraisableExceptionWarning")
]


def said(history: object) -> str:
    """Write what was said with the ids of tool calls numbered: a cassette gives its own in the place of the model's."""
    text = json.dumps(history, default=str)
    numbers = {name: f"call {number}" for number, name in enumerate(dict.fromkeys(re.findall(r"\bcall_\w+", text)))}
    return re.sub(r"\bcall_\w+", lambda found: numbers[found[0]], text)


class Recorded:
    """What a block recorded: its runs, oldest first, once it has ended."""

    runs: list[Run]

    @property
    def run(self) -> Run:
        """The only run."""
        (run,) = self.runs
        return run

    def spans(self, operation: Operation) -> list[Span]:
        """The only run's spans of *operation*, in order of their start."""
        return sorted((span for span in self.run.spans if span.operation is operation), key=lambda span: span.seq)

    def parent(self, span: Span) -> Span | None:
        """The span that *span* stands under."""
        return next((other for other in self.run.spans if other.span_id == span.parent_id), None)

    @property
    def ending(self) -> tuple[str | None, str | None, str | None]:
        """Kind, agent and detail of the root conversation's ending."""
        root = next(s for s in self.run.spans if s.operation is Operation.CONVERSATION and s.parent_id is None)
        ending = self.run.endings[root.span_id]
        return ending.kind.value, ending.agent, ending.detail


@contextmanager
def recording(store: Path, *, mode: str = "live", interceptors: tuple[Interceptor, ...] = ()) -> Iterator[Recorded]:
    """Record everything in the block into *store*, and read it back."""
    found = Recorded()
    harness.uninstrument()
    attached = harness.instrument(store, mode=mode, interceptors=interceptors)
    try:
        yield found
    finally:
        harness.uninstrument()
    opened = open_store(store)
    found.runs = [opened.run(run_id) for run_id in attached.trace.recent]
