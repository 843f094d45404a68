"""Rehearse a scenario: play its cassette to the real agents, keep the run, and judge it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import check, config, derive, semconv
from harness.errors import UsageError
from harness.model import CALLS, Finding, Run
from harness.redaction import Redaction
from harness.store import Store
from harness.store.recent import Recent

from . import cassette, forked, judge, rehearsal, scenario, stage, unmet, verdict
from .replaying import Replay
from .stubs import Stubs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.config import Config

    from .forking import Fork
    from .judge import Opinions
    from .rehearsal import Rehearsal
    from .scenario import Scenario
    from .stage import Performance
    from .verdict import Verdict

RECORD = ("none", "once", "all")
SUFFIXES = (scenario.SUFFIX, scenario.IN_PYTHON)
_MOST_WAITING = 4000
"""How many segments may wait in the store before a rehearsal has them taken in; each leaves two."""


def run_scenario(
    path: Path, *, store: Path | None = None, record: str = "none", matching: str | None = None, case: str | None = None
) -> Verdict:
    """Rehearse the scenario at *path* and give the verdict; its run is kept in *store* (default: the project's).

    *record* is ``none`` (replay only), ``once`` (record if there is no cassette yet) or ``all`` (record again).
    Recording asks the real models; the cassette is written only if the conversation came to its end, be it the error or
    the limit that the scenario expects. *matching* is one
    of ``queues.WAYS`` (default: the scenario's). Of several scenarios in the file *case* is the one.
    Raises UsageError if the scenario or its cassette cannot be read, and EnvironmentProblem if AutoGen is missing.
    """
    return rehearse(scenario.load(path, case), store=store, record=record, matching=matching)


def rehearse(  # noqa: PLR0913 - each is one thing that may be set
    what: Scenario,
    *,
    store: Path | None = None,
    record: str = "none",
    tags: Sequence[str] = (),
    note: str = "",
    matching: str | None = None,
    patience_s: float | None = None,
    fork: Fork | None = None,
    freeze: Sequence[str] = (),
) -> Verdict:
    """Rehearse a scenario that is loaded already; see :func:`run_scenario`.

    *tags* are added to the run's, and *note* goes into the header of a cassette that is written (default: what the
    one before said). After *patience_s* seconds it is given up, which is an error; a scenario's own limit of seconds
    stops it, which is a failure unless it is expected. A *fork* says where the replay goes on for real; nothing of that
    is recorded into the cassette. *freeze* names what stands still (default: what the scenario says).
    """
    if record not in RECORD:
        raise ValueError(f"record must be one of {RECORD}, not {record!r}")
    settings = config.load(store=store)
    what = replace(what, freeze=tuple(freeze) or what.freeze)
    recording = record == "all" or (record == "once" and not what.cassette.is_file())
    way = matching or what.matching
    replay = None if recording else _replay(what, way, settings)
    note = note or (_note(what.cassette) if recording else "")
    labels = tuple(dict.fromkeys(("scenario", *what.tags, *tags)))
    how: dict[str, Any] = {"store": settings.store, "replay": replay, "tags": labels}
    stage.ready(what)
    kept, recent, run_id = Store(settings.store), Recent(settings.store), os.urandom(8).hex()
    begun = time.perf_counter()
    if what.program:
        went = stage.in_a_process(what, run_id=run_id, matching=way, note=note, patience_s=patience_s, fork=fork, **how)
    else:
        went = stage.here(what, run_id=run_id, patience_s=patience_s, fork=fork, **how)
    seconds = time.perf_counter() - begun
    run = recent.run(run_id)
    went = _stopped(went, run)
    findings, idle = _judged(kept, run, what, settings) if run is not None else ([], [])
    ended = went.raised is None or _meant(went, run, what)
    asking = how if fork is None else {**how, "replay": None}  # a judge of what is new has no recorded opinion
    asked, opinions = _asked(kept, run, what, asking, going=ended) if run is not None else ([], None)
    judged = recent.run(opinions.run_id) if opinions is not None and opinions.run_id else None
    recorded = recording and run is not None and ended
    if recorded and run is not None:
        _record(what, run, judged, went, note)
    found = verdict.decide(
        what,
        run=run,
        findings=findings,
        # What a fork leaves of a recording is meant to be left.
        replayed=None if replay is None else _look(replay, run, judged, way if fork is None else "match"),
        went=went,
        recorded=recorded,
        seconds=seconds,
        asked=asked,
        opinions=opinions,
    )
    found = replace(found, remarks=(*found.remarks, *idle))
    if recent.waiting >= _MOST_WAITING:
        kept.ingest()
    return found if fork is None else forked.told(found, fork, run)


def _replay(what: Scenario, way: str, settings: Config) -> Replay:
    return Replay.load(
        what.cassette,
        kinds=CALLS - what.live,
        matching=way,
        normalise=what.normalise,
        stubbed=Stubs(what.stubs),
        redact=Redaction(patterns=settings.redact).text,
    )


def _record(what: Scenario, run: Run, judged: Run | None, went: Performance, note: str) -> None:
    """Write the cassette, unless a program has done so: it came to its own end, and no judge was asked since."""
    if what.program and judged is None and went.stopped is None and went.raised is None:
        return
    made = cassette.from_runs([run] if judged is None else [run, judged], note=note, normalise=what.normalise)
    made.write(what.cassette, way=what.matching)


def _asked(
    store: Store, run: Run, what: Scenario, how: Mapping[str, Any], *, going: bool
) -> tuple[list[str], Opinions | None]:
    """Ask SQL, Python and, if the conversation came to its end, the judges about *run*."""
    expect = what.expect
    asked = list(unmet.answers(expect.sql, lambda query: store.sql(query, run_id=run.run_id)))
    functions = {name: stage.named(what, name) for name in expect.python}
    asked += unmet.opinions(functions, run)
    if not expect.judge or not going:
        return asked, None
    if what.program and how["replay"] is not None:  # Its process had a replay of its own, and this one is at the start.
        how = {**how, "replay": Replay(how["replay"].cassette, matching="match", normalise=what.normalise)}
    opinions = judge.ask(expect.judge, run, **{**how, "run_id": os.urandom(8).hex()})
    return asked, opinions


def _stopped(went: Performance, run: Run | None) -> Performance:
    """Read off the run of a program which limit stopped it: that is known in its process alone."""
    if went.stopped is None and run is not None:
        notes = (span.attributes for span in run.spans if span.attributes.get(semconv.HARNESS_GUARD) == "stop")
        reason = next((str(attributes.get(semconv.HARNESS_GUARD_TEXT)) for attributes in notes), None)
        return replace(went, stopped=reason)
    return went


def _meant(went: Performance, run: Run | None, what: Scenario) -> bool:
    """Say whether what broke a conversation off is the end that is expected of it: then it is whole as it is."""
    if what.expect.ending == "stopped":
        return went.stopped is not None
    return what.expect.ending == "error" and not went.overdue and run is not None and run.summary.ending == "error"


def _look(replay: Replay, run: Run | None, judged: Run | None, way: str) -> Rehearsal:
    """Sum up what became of the cassette; the judges' calls come after the conversation's, as they do there."""
    if run is not None and judged is not None:
        run = replace(run, calls=(*run.calls, *judged.calls), spans=(*run.spans, *judged.spans))
    return rehearsal.look(replay.cassette, run, kinds=replay.kinds, way=way)


def find(paths: Sequence[Path]) -> list[Path]:
    """Find the scenario files under *paths*, sorted; a file that is named is taken as it is.

    Hidden folders are left out. Raises UsageError for a path that is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*.scenario.*") if file.name.endswith(SUFFIXES))
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


def _judged(store: Store, run: Run, what: Scenario, settings: Config) -> tuple[list[Finding], list[str]]:
    """Judge a run by the project's settings and what the scenario says, keep the findings, and say what was in vain."""
    asked = check.Settings.of(
        settings, limits=what.expect.limits, thresholds=what.checks, suppressions=what.suppressions
    )
    judging = check.Judge(asked, disabled=settings.disabled)
    findings = [finding for event in derive.events(run) for finding in judging.see(event)]
    findings += judging.finish()
    store.judge(run.run_id, findings)
    return findings, [each.in_vain() for each in judging.unused() if each in what.suppressions]
