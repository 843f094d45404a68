"""What a program puts around its conversations: one run, a guard, a cassette that answers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import plugins, recording
from harness.freezing import Freeze
from harness.scopes import guarded

if TYPE_CHECKING:
    from harness.guarding.guards import Guard
    from harness.model import Json
    from harness.scopes import RunState


@contextlib.contextmanager
def run(
    name: str | None = None,
    *,
    id: str | None = None,  # noqa: A002 - the word of the house
    tags: Iterable[str] = (),
    attributes: Mapping[str, Json] | None = None,
) -> Iterator[RunState]:
    """Let every conversation inside the block belong to one run, and give its ``run_id``.

    *id* is the run's id (default: a random one), *name* and *tags* describe it, *attributes* go onto its root spans.
    Attaches the harness first if that has not been done.
    """
    trace = recording.instrument().trace
    state = trace.new_run(id, recording.described(name, tags, attributes))
    with trace.within(state):
        yield state


@contextlib.contextmanager
def guard(limits: Mapping[str, Json] | None = None, **settings: Any) -> Iterator[Guard]:  # noqa: ANN401 - those of Guard
    """Guard every run that begins, or goes on, inside the block; see Guard for *limits* and *settings*.

    Attaches the harness first if that has not been done. Raises UsageError for a limit or a setting that is none.
    """
    from harness.guarding.guards import Guard

    made = Guard(limits, **settings)
    made.keep()
    attached = recording.instrument()
    made.attach(attached.trace, attached.store, attached.settings)
    attached.stops.watch()
    try:
        with guarded(made):
            yield made
    finally:
        made.finish()


@contextlib.contextmanager
def replay(cassette: str | os.PathLike[str]) -> Iterator[Any]:
    """Answer every call inside the block from *cassette*, and give the replay with its account.

    What stood still when it was recorded does so again, and nothing beyond this machine is reached. Attaches the
    harness for the block if that has not been done. Raises UsageError if the cassette cannot be read. A call it does
    not hold raises CassetteMissError in the program. What programs make of that, and of a network that is closed, is
    theirs: ``account()`` counts both, and ``misses`` and ``refused`` say which.
    """
    attached_before = recording.attached()
    attached = recording.instrument()
    try:
        load = plugins.sibling("scenarios.replaying").Replay.load
        replaying = load(Path(cassette), redact=attached.privacy.redaction.text)
        still = Freeze(replaying.cassette.header.freeze).still()
        with attached.answered_by(replaying) as replaying.refused, still:
            yield replaying
    finally:
        if not attached_before:
            recording.uninstrument()
