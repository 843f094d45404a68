"""What there is to play: every scenario in some files that is selected, each a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import HarnessError, UsageError
from harness.model import Json

from . import scenario, selecting

if TYPE_CHECKING:
    from pathlib import Path

    from .scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One scenario to play, or why a file could not be read."""

    path: Path
    name: str
    what: Scenario | None = None
    error: HarnessError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How jobs are played. *options* go to ``runner.rehearse``, *repeat* and *at_least* to ``repeating.repeat``."""

    options: Mapping[str, Json] = field(default_factory=dict)
    repeat: int | None = None
    at_least: float | None = None


def find(paths: Sequence[Path], select: str | None = None) -> list[Job]:
    """List the scenarios in the files *paths* that *select* means, in order.

    A file that cannot be read is a job, too, which tells so: nobody knows what it would have held.
    """
    chosen = selecting.parse(select) if select is not None else None
    found: list[Job] = []
    for path in paths:
        found += [job for job in _of_file(path) if chosen is None or job.what is None or chosen(job.what)]
    return found


def _of_file(path: Path) -> list[Job]:
    try:
        return [Job(path=path, name=one.name, what=one) for one in scenario.load_all(path)]
    except UsageError as error:
        return [Job(path=path, name=_stem(path), error=error)]


def _stem(path: Path) -> str:
    return path.name.removesuffix(scenario.SUFFIX).removesuffix(scenario.IN_PYTHON)
