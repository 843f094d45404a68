"""Rehearse a scenario: play its cassette to the real agents, keep the run, and judge it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from harness import check, config, derive
from harness.errors import UnknownRunError, UsageError
from harness.model import CALLS, Finding, Run
from harness.store import open_store

from . import cassette, rehearsal, scenario, stage, verdict
from .replaying import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.config import Config
    from harness.store import Store

    from .scenario import Scenario
    from .verdict import Verdict

RECORD = ("none", "once", "all")


def run_scenario(
    path: Path, *, store: Path | None = None, record: str = "none", matching: str | None = None
) -> Verdict:
    """Rehearse the scenario at *path* and give the verdict; its run is kept in *store* (default: the project's).

    *record* is ``none`` (replay only), ``once`` (record if there is no cassette yet) or ``all`` (record again).
    Recording asks the real models; the cassette is written only if the conversation came to its end. *matching* is one
    of ``queues.WAYS`` (default: the scenario's).
    Raises UsageError if the scenario or its cassette cannot be read, and EnvironmentProblem if AutoGen is missing.
    """
    return rehearse(scenario.load(path), store=store, record=record, matching=matching)


def rehearse(  # noqa: PLR0913 - each is one thing that may be set
    what: Scenario,
    *,
    store: Path | None = None,
    record: str = "none",
    tags: Sequence[str] = (),
    note: str = "",
    matching: str | None = None,
) -> Verdict:
    """Rehearse a scenario that is loaded already; see :func:`run_scenario`.

    *tags* are added to the run's, and *note* goes into the header of a cassette that is written (default: what the
    one before said).
    """
    if record not in RECORD:
        raise ValueError(f"record must be one of {RECORD}, not {record!r}")
    settings = config.load(store=store)
    recording = record == "all" or (record == "once" and not what.cassette.is_file())
    way, kinds = matching or what.matching, CALLS - what.live
    replay = None
    if not recording:
        replay = Replay.load(what.cassette, kinds=kinds, matching=way, normalise=what.normalise)
    note = note or _note(what.cassette)
    run_id = os.urandom(8).hex()
    labels = tuple(dict.fromkeys(("scenario", *what.tags, *tags)))
    stage.ready(what)
    begun = time.perf_counter()
    if what.program:
        went = stage.in_a_process(
            what, run_id=run_id, store=settings.store, replay=replay, tags=labels, matching=way, note=note
        )
    else:
        went = stage.here(what, run_id=run_id, store=settings.store, replay=replay, tags=labels)
    seconds = time.perf_counter() - begun
    kept = open_store(settings.store)
    kept.ingest()
    run = _run(kept, run_id)
    findings = _judged(kept, run, what, settings) if run is not None else []
    recorded = recording and run is not None and went.raised is None
    if recorded and run is not None and not what.program:
        made = cassette.from_run(run, note=note, normalise=what.normalise)
        made.write(what.cassette, in_order=what.matching == "strict")
    return verdict.decide(
        what,
        run=run,
        findings=findings,
        replayed=None if replay is None else rehearsal.look(replay.cassette, run, kinds=kinds, way=way),
        raised=went.raised,
        recorded=recorded,
        seconds=seconds,
        output=went.output,
    )


def find(paths: Sequence[Path]) -> list[Path]:
    """Find the scenario files under *paths*, sorted; a file that is named is taken as it is.

    Hidden folders are left out. Raises UsageError for a path that is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(path.rglob(f"*{scenario.SUFFIX}"))
            found.update(dict.fromkeys(file for file in files if not _hidden(file.relative_to(path))))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"no file or folder at {str(path)!r}")
    return list(found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _note(path: Path) -> str:
    """Read the note of the cassette that is there, so that recording again keeps it."""
    if not path.is_file():
        return ""
    try:
        return cassette.read(path).header.note
    except UsageError:
        return ""


def _run(store: Store, run_id: str) -> Run | None:
    try:
        return store.run(run_id)
    except UnknownRunError:
        return None


def _judged(store: Store, run: Run, what: Scenario, settings: Config) -> list[Finding]:
    """Judge a run by the project's settings and the scenario's limits, and keep the findings."""
    limits = {**settings.limits, **what.expect.limits}
    findings = check.judge(derive.events(run), limits=limits, prices=settings.prices, disabled=settings.disabled)
    store.judge(run.run_id, findings)
    return findings
