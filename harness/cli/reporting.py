"""``--report KIND=FILE``: what a verb judged as files for other tools and people."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness import plugins, reports
from harness.errors import StoreError, UnknownRunError
from harness.model import Severity
from harness.reports import Case, Growth, Report

if TYPE_CHECKING:
    from harness.model import Run

Function = TypeVar("Function", bound=Callable[..., Any])
Wanted = Sequence[tuple[str, str]]
"""Kinds of reports, and the files they go into; ``-`` is stdout."""

_AGENT = re.compile(r"""^\s*(?:-\s+)?\{?\s*name:\s*(?:"([^"]+)"|'([^']+)'|([^\s#'"][^#\n,}]*?))\s*(?:[,}#].*)?$""")


def report_option(function: Function) -> Function:
    """Add ``--report KIND=FILE``, repeatable, as the parameter *wanted*. An unknown kind is refused before anything."""
    return click.option(
        "--report",
        "wanted",
        multiple=True,
        callback=_wanted,
        metavar="KIND=FILE",
        help="Write a report, too: github, html, json, junit, markdown or sarif; - is stdout. Repeatable.",
    )(function)


def judging_options(function: Function) -> Function:
    """Add how findings are told, ``--format`` as *form*, ``--report`` and ``--fail-on``, to a verb that judges."""
    fail_on = click.option(
        "--fail-on",
        type=click.Choice([severity.value for severity in Severity]),
        default=Severity.WARNING.value,
        show_default=True,
        help="Exit with 1 if a finding is at least this bad.",
    )
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "sarif", "junit", "github", "markdown"]),
        default="text",
        show_default=True,
        help="What goes to stdout.",
    )
    return form(report_option(fail_on(function)))


def _wanted(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> Wanted:
    found = []
    known = plugins.names(reports.GROUP) if values else []
    for value in values:
        kind, given, file = value.partition("=")
        if not given or not file:
            raise click.BadParameter(f"{value!r} is not of the form KIND=FILE", ctx, param)
        if kind not in known:
            raise click.BadParameter(f"there is no report {kind!r}; known: {', '.join(known)}", ctx, param)
        found.append((kind, file))
    return found


def write(wanted: Wanted, report: Report) -> None:
    """Write *report* in every way that is *wanted*."""
    for kind, file in wanted:
        if file == "-":
            click.echo(reports.render(kind, report), nl=False)
        else:
            reports.write(kind, Path(file), report)


def of_verdicts(verdicts: Sequence[Any], *, store: Path | None, document: object) -> Report:
    """Make the report on rehearsed scenarios; *document* is what ``--json`` prints of them."""
    return Report(title="harness run", cases=[_case(verdict, store) for verdict in verdicts], document=document)


def _case(verdict: Any, store: Path | None) -> Case:  # noqa: ANN401 - a sibling's Verdict
    file = _here(verdict.path)
    parting = verdict.replayed.divergence if verdict.replayed is not None else None
    expected = verdict.scenario.expect.findings if verdict.scenario is not None else ()
    return Case(
        name=verdict.name,
        suite=".".join(part for part in Path(file).parent.parts if part not in {"/", ".."}) or "scenarios",
        outcome=verdict.outcome,
        diverged=parting is not None and not parting.served,
        old=parting.old if parting is not None else None,
        new=parting.new if parting is not None else None,
        file=file,
        lines=_agents(verdict.path),
        reasons=verdict.reasons,
        remarks=verdict.remarks,
        hints=verdict.hints,
        findings=verdict.findings,
        expected=frozenset(expected),
        summary=verdict.summary,
        run_id=verdict.run_id,
        seconds=verdict.seconds if verdict.run_id is not None else None,
        growth=tuple(_growth(change) for change in verdict.compared.changes) if verdict.compared is not None else (),
        run=lambda: _run(verdict.run_id, store),
    )


def _growth(change: Any) -> Growth:  # noqa: ANN401 - a sibling's Change
    return Growth(
        name=change.name, told=change.told(), share=change.share, worse=change.worse, judged=not change.untold
    )


def _here(path: Path) -> str:
    """Write *path* as CI finds it: from the root of the checkout, or else of the current folder, if it lies below."""
    relative = Path(os.path.relpath(path.absolute(), os.environ.get("GITHUB_WORKSPACE") or None))
    if relative.parts[:1] == ("..",):
        relative = Path(os.path.relpath(path.absolute()))
    return path.absolute().as_posix() if relative.parts[:1] == ("..",) else relative.as_posix()


def _agents(path: Path) -> Mapping[str, int]:
    """Find the lines at which a scenario's file names its agents."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        named = _AGENT.match(line)
        if named and line[:1] in {" ", "-", "\t"}:
            found.setdefault(next(filter(None, named.groups())), number)
    return found


def _run(run_id: str | None, store: Path | None) -> Run | None:
    from harness.store import open_store

    if run_id is None:
        return None
    try:
        return open_store(store).run(run_id)
    except (StoreError, UnknownRunError):
        return None
