"""``harness audit``: say whether a set-up ends, what it can cost, and which red lines it crosses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli import audit_page, reporting
from harness.cli.common import emit_json, json_option, store_option
from harness.errors import Exit
from harness.model import Finding, Severity
from harness.reports import Case, Report

_RANK = {severity: rank for rank, severity in enumerate((Severity.NOTE, Severity.WARNING, Severity.ERROR))}


@click.command(
    epilog="A Python file is run up to the first thing it asks for (a model, a tool, code, a person, the network), "
    "and ended there. Processes that it starts before that are not followed."
)
@click.argument("target", metavar="TARGET")
@reporting.judging_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="S",
    help="Give the target so long to get to its first question.",
)
@json_option
@store_option
def command(  # noqa: PLR0913 - the options of the verb
    *,
    target: str,
    form: str,
    wanted: reporting.Wanted,
    fail_on: str,
    seconds: float,
    as_json: bool,
    store: Path | None,
) -> int:
    """Judge the set-up TARGET: a Python file, a notebook, a scenario, a module or module:attribute.

    No model is asked anything. Says whether it ends whatever its models say, after how many messages and model calls
    and at what cost at most, and which red lines it crosses, with the line that makes the agent. Exits with 1 if a
    finding is bad enough, and with 5 if no conversation was found to judge. The store is what the program is told of;
    nothing is written there.
    """
    from harness.audit.looking import look

    found = look(target, seconds=seconds, store=store)
    least = Severity(fail_on)
    report = _report(found, least)
    reporting.write(wanted, report)
    if as_json or form == "json":
        emit_json(found)
    elif form != "text":
        reporting.write([(form, "-")], report)
    else:
        audit_page.tell(found)
    if "failed" in report.counts():
        return Exit.FINDINGS
    return Exit.CLEAN if found["certificate"] is not None else Exit.NOTHING_RAN


def _report(found: Mapping[str, Any], least: Severity) -> Report:
    """Make the report: one case an agent or a conversation, so that each finding lies where that is made or begun."""
    target = str(found["target"])
    first = _first(found)
    by_place: dict[tuple[str, str | None, int | None], list[Finding]] = {
        (target, first.get("file"), first.get("line")): []
    }
    for each in found["findings"]:
        placed = each["file"] is not None
        key = (each["agent"] or target, each["file"], each["line"]) if placed else next(iter(by_place))
        by_place.setdefault(key, []).append(_finding(each))
    cases: list[Case] = []
    unproved = found["certificate"] is None
    for (name, file, line), findings in by_place.items():
        failed = any(_bad(each, least) for each in findings)
        blank = unproved and not failed and not cases  # the first case stands for the whole
        cases.append(
            Case(
                name=name,
                suite=f"audit.{Path(target).name}",
                outcome="failed" if failed else "inconclusive" if blank else "passed",
                reasons=(audit_page.UNPROVED,) if blank else (),
                file=_in_repository(file) if file else None,
                line=line or 1,
                findings=tuple(findings),
            )
        )
    return Report(title="harness audit", cases=cases, document=dict(found), remarks=tuple(found["remarks"]))


def _bad(finding: Finding, least: Severity) -> bool:
    return finding.suppressed is None and _RANK[finding.severity] >= _RANK[least]


def _finding(each: Mapping[str, Any]) -> Finding:
    return Finding(
        code=each["code"],
        name=each["name"],
        severity=Severity(each["severity"]),
        text=each["text"],
        evidence=each["evidence"],
        suppressed=each.get("suppressed"),
    )


def _first(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the place that stands for the whole: where it was ended, the file itself, or the first agent's."""
    if found.get("ended_at"):
        return dict(found["ended_at"])
    if str(found["target"]).endswith((".py", ".ipynb")):
        return {"file": str(Path(str(found["target"])).resolve()), "line": 1}
    return next((agent for agent in found["agents"] if agent["file"]), {})


def _in_repository(file: str) -> str:
    """Write a path as reports are read: from the root of the repository, or from here where there is none."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file
