"""What a pytest test marked ``harness`` does: its agents are recorded or replayed while it runs, and then judged."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from harness import check, config, derive, offline, recording
from harness.errors import UnknownRunError, UsageError
from harness.model import CALLS, Finding, Operation, Run, Severity
from harness.store import open_store
from harness.text import one_line

from . import cassette, rehearsal, telling
from .normalising import RULES
from .queues import WAYS
from .replaying import Replay

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Json

    from .rehearsal import Rehearsal

RECORD = ("none", "once", "all")
_RUN_ID = "HARNESS_RUN_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a marker asks for; see ``docs/ci.md``. *cassette* is relative to the test's file; None is all live."""

    cassette: str | None = None
    live: Sequence[str] = ()
    matching: str = WAYS[0]
    normalise: Sequence[str] | None = None
    checks: str = ""
    findings: Sequence[str] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


def marker(keywords: Mapping[str, Json]) -> Marker:
    """Read a marker's keywords, limits (``max_cost_usd`` …) among them. Raises UsageError for one that is none."""
    limits = {name: value for name, value in keywords.items() if name in check.LIMITS}
    others = {name: value for name, value in keywords.items() if name not in limits}
    known = [one.name for one in fields(Marker) if one.name != "limits"]
    for name in others:
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *check.LIMITS], n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"@pytest.mark.harness has no {name!r}{meant}", hint=f"Known: {', '.join([*known, *check.LIMITS])}."
            )
    found = Marker(**others, limits=limits)
    kinds = sorted(kind.value for kind in CALLS)
    for name, values, choices in (
        ("live", found.live, kinds),
        ("matching", [found.matching], WAYS),
        ("normalise", found.normalise or (), list(RULES)),
    ):
        wrong = [value for value in values if value not in choices]
        if wrong:
            raise UsageError(
                f"@pytest.mark.harness: {name} cannot be {wrong[0]!r}", hint=f"Known: {', '.join(choices)}."
            )
    return found


class Marked:
    """One marked test. Between ``begin`` and ``end`` everything agents do belongs to its run, whatever thread or task.

    What was attached before is taken off: it belongs to somebody else's run.
    """

    def __init__(self, asked: Marker, *, name: str, folder: Path, record: str = "none") -> None:
        """*name* is the test's, *folder* where its cassette is looked for; *record* is one of RECORD."""
        self.asked = asked
        self.name = name
        self.run_id = os.urandom(8).hex()
        self.cassette = folder / asked.cassette if asked.cassette is not None else None
        self._recording = self.cassette is not None and (
            record == "all" or (record == "once" and not self.cassette.is_file())
        )
        self._kinds = CALLS - {Operation(kind) for kind in asked.live}
        self._settings: config.Config | None = None
        self._replay: Replay | None = None
        self._before: str | None = None
        self._refused: Sequence[str] = ()

    def begin(self) -> None:
        """Attach the harness. Raises UsageError if the cassette cannot be read."""
        if self.cassette is not None and not self._recording:
            if not self.cassette.is_file():
                hint = "Record it: `pytest --harness-record once`."
                raise UsageError(f"no cassette at {str(self.cassette)!r}", hint=hint)
            self._replay = Replay.load(
                self.cassette, kinds=self._kinds, matching=self.asked.matching, normalise=self.asked.normalise
            )
        mode = "replay" if self._replay is not None else "record" if self._recording else "live"
        self._settings = config.load()
        recording.uninstrument()
        attached = recording.instrument(
            self._settings.store,
            interceptors=(self._replay,) if self._replay is not None else (),
            mode=mode,
            name=self.name,
            tags=("pytest",),
            capture="full" if self._replay is not None else None,
        )
        self._refused = attached.walls.refused
        self._before = os.environ.get(_RUN_ID)
        os.environ[_RUN_ID] = self.run_id

    def end(self) -> None:
        """Take the harness off."""
        if self._before is None:
            os.environ.pop(_RUN_ID, None)
        else:
            os.environ[_RUN_ID] = self._before
        recording.uninstrument()

    @property
    def run(self) -> Run:
        """The run as it is now, in the middle of it, too. Raises UnknownRunError if no agent has acted yet."""
        kept = open_store(self._settings.store if self._settings is not None else None)
        kept.ingest()
        return kept.run(self.run_id)

    def judge(self, *, passed: bool) -> list[str]:
        """Say what is wrong with the run, one reason a line; record the cassette if all is well and the test *passed*.

        The findings are kept in the store.
        """
        try:
            run = self.run
        except UnknownRunError:
            return ["no conversation took place: no agent of AutoGen's acted in this test"]
        found = self._findings(run)
        replayed = self._rehearsal(run)
        closed = [*self._refused, offline.HINT] if self._refused else []
        reasons = list(self._parted(replayed)) or [*closed, *self._unexpected(found)]
        if passed and not reasons and self._recording and self.cassette is not None:
            made = cassette.from_run(run, normalise=self.asked.normalise)
            made.write(self.cassette, way=self.asked.matching)
        return reasons

    def facts(self) -> dict[str, Json]:
        """Give what is worth knowing of the run beside a verdict; empty if there is none."""
        try:
            about = self.run.summary
        except UnknownRunError:
            return {}
        names = (
            "run_id",
            "messages",
            "model_calls",
            "tool_calls",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "ending",
        )
        return {name: value for name in names if (value := getattr(about, name)) is not None}

    def _findings(self, run: Run) -> list[Finding]:
        settings = self._settings or config.load()
        found = check.judge(
            derive.events(run),
            check.Settings.of(settings, limits=self.asked.limits),
            select=self.asked.checks.replace(",", " ").split(),
            disabled=settings.disabled,
        )
        open_store(settings.store).judge(run.run_id, found)
        return found

    def _rehearsal(self, run: Run) -> Rehearsal | None:
        if self._replay is None:
            return None
        return rehearsal.look(self._replay.cassette, run, kinds=self._kinds, way=self.asked.matching)

    def _parted(self, replayed: Rehearsal | None) -> Sequence[str]:
        if replayed is None or replayed.divergence is None or replayed.divergence.served or self.cassette is None:
            return ()
        return (
            *telling.told(replayed.divergence, self.cassette),
            "Meant: record it again with `pytest --harness-record all`. Not meant: undo it in the code.",
        )

    def _unexpected(self, findings: Sequence[Finding]) -> list[str]:
        wanted = set(self.asked.findings)
        codes = {name for finding in findings for name in (finding.code, finding.name)}
        reasons = [
            f"the finding {name} was expected and did not come" for name in self.asked.findings if name not in codes
        ]
        return reasons + [
            f"unexpected finding {finding.code} {finding.name}: {one_line(finding.text, 200)}"
            for finding in findings
            if finding.severity is not Severity.NOTE and not {finding.code, finding.name} & wanted
        ]
