"""The options by which many scenarios are played, and going on with a batch that was interrupted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import plugins
from harness.cli.gates import Gates
from harness.errors import NothingRanError, UsageError
from harness.model import Json

Function = TypeVar("Function", bound=Callable[..., Any])

PATIENCE_S = 600.0
"""How long a scenario may take if nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """How many are played at a time, which, and for how many seconds each at most. *resume* is the last batch again."""

    workers: int = 1
    select: str | None = None
    patience_s: float = PATIENCE_S
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done: *jobs*, how they are played, in which *batch*, and the verdicts that it has already."""

    jobs: Sequence[Any]
    options: Mapping[str, Any]
    gates: Gates
    batch: Any = None
    known: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


def many_options(function: Function) -> Function:
    """Add the options of :class:`Many`, as the parameter *many*."""

    @functools.wraps(function)
    def given(*, workers: int, select: str | None, time_limit: float, resume: bool, **others: object) -> object:
        many = Many(workers=workers, select=select, patience_s=time_limit, resume=resume)
        return function(many=many, **others)

    for option in reversed(_OPTIONS):
        given = option(given)
    return given  # type: ignore[return-value]


_OPTIONS = (
    click.option(
        "-n",
        "--workers",
        type=click.IntRange(min=1, max=256),
        default=1,
        show_default=True,
        help="Play so many at a time, each in a process of its own.",
    ),
    click.option(
        "--select", metavar="WORDS", help="Only those with such tags or names: ci and not slow, tag:demo, name:shop*."
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(min=0, min_open=True),
        default=PATIENCE_S,
        show_default=True,
        metavar="SECONDS",
        help="Give a scenario up that takes longer, with everything it started.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the last batch that was interrupted, as it was asked for."),
)


def work(paths: Sequence[Path], many: Many, gates: Gates, store: Path, options: Mapping[str, Any]) -> Work:
    """Find out what is to be done, and begin the batch if it is more than one scenario; or take up the last one again.

    Raises NothingRanError if there is nothing to do, and UsageError for a path or a selection that is none.
    """
    batches = plugins.sibling("scenarios.batch")
    if many.resume:
        if paths or many.select is not None:
            raise UsageError("--resume goes on with what was asked for", hint="Leave out the paths and --select.")
        batch = batches.interrupted(store)
        if batch is None:
            raise NothingRanError(f"no batch in {str(store)!r} was interrupted", hint="Begin one: `harness run`.")
        asked = batch.asked
        found = _found([Path(path) for path in asked["paths"]], asked["select"])
        again = replace(gates, repeat=asked["repeat"], at_least=asked["at_least"])
        given = {**options, **asked["options"], "patience_s": many.patience_s}
        return Work(jobs=found, options=given, gates=again, batch=batch, known=batch.verdicts())
    found = _found(paths, many.select)
    given = {**options, "patience_s": many.patience_s}
    if len(found) == 1 or options.get("fork") is not None:
        return Work(jobs=found, options=given, gates=gates)
    asked = {
        "paths": [str(path.absolute()) for path in paths or (Path(),)],
        "select": many.select,
        "repeat": gates.repeat,
        "at_least": gates.at_least,
        "options": {name: value for name, value in options.items() if name != "fork"},
    }
    return Work(jobs=found, options=given, gates=gates, batch=batches.begin(store, asked))


def _found(paths: Sequence[Path], select: str | None) -> Sequence[Any]:
    files = plugins.sibling("scenarios.runner").find(paths or (Path(),))
    where = ", ".join(str(path) for path in paths) or "this folder"
    if not files:
        hint = "`harness promote @1` makes one of the newest run; else write a file NAME.scenario.yaml."
        raise NothingRanError(f"no scenario in {where}", hint=hint)
    found: Sequence[Any] = plugins.sibling("scenarios.jobs").find(files, select)
    if not found:
        what = f"none of the scenarios in {len(files)} files is meant by --select {select!r}"
        raise NothingRanError(what, hint="A word is a tag or a part of a name; `*` stands for any letters.")
    return found
