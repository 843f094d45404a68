"""``harness audit``: say whether a set-up ends, what it can cost, and which red lines it crosses."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli import reporting
from harness.cli.common import emit_json, json_option, say, store_option
from harness.errors import Exit
from harness.model import Finding, Severity
from harness.reports import Case, Report
from harness.text import one_line, printable

_RANK = {severity: rank for rank, severity in enumerate((Severity.NOTE, Severity.WARNING, Severity.ERROR))}
_COLOURS = {"note": "cyan", "warning": "yellow", "error": "red"}
_VERDICTS = {"bounded": "green", "by a human": "yellow", "unknown": "yellow", "unbounded": "red"}
_WIDEST = 110


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
    """Judge the set-up TARGET: module:attribute, a Python file or a scenario. Nothing is asked of any model.

    Says whether it ends whatever its models say, after how many messages and model calls and at what cost at most, and
    which red lines it crosses, with the line that makes the agent. Exits with 1 if a finding is bad enough. The store
    is what the program is told of; nothing is written there.
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
        _tell(found)
    return Exit.FINDINGS if "failed" in report.counts() else Exit.CLEAN


def _report(found: Mapping[str, Any], least: Severity) -> Report:
    """Make the report: one case an agent, so that each finding lies where its agent is made."""
    target = str(found["target"])
    agents = {agent["name"]: agent for agent in found["agents"]}
    by_agent: dict[str | None, list[Finding]] = {None: []}
    for each in found["findings"]:
        name = each["agent"] if each["agent"] in agents and each["file"] else None
        by_agent.setdefault(name, []).append(_finding(each))
    cases = []
    for name, findings in by_agent.items():
        place = agents.get(name, {}) if name is not None else _first(found)
        file = place.get("file")
        cases.append(
            Case(
                name=target if name is None else name,
                suite=f"audit.{Path(target).name}",
                outcome="failed" if any(_RANK[each.severity] >= _RANK[least] for each in findings) else "passed",
                file=_here(file) if file else None,
                line=int(place.get("line") or 1),
                findings=tuple(findings),
            )
        )
    return Report(title="harness audit", cases=cases, document=dict(found))


def _finding(each: Mapping[str, Any]) -> Finding:
    return Finding(
        code=each["code"],
        name=each["name"],
        severity=Severity(each["severity"]),
        text=each["text"],
        evidence=each["evidence"],
    )


def _first(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the place that stands for the whole: where it was ended, the file itself, or the first agent's."""
    if found.get("ended_at"):
        return dict(found["ended_at"])
    if str(found["target"]).endswith(".py"):
        return {"file": str(Path(str(found["target"])).resolve()), "line": 1}
    return next((agent for agent in found["agents"] if agent["file"]), {})


def _here(file: str) -> str:
    """Write a path as CI finds it: from the current folder, if it lies below."""
    try:
        return Path(file).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file


def _tell(found: Mapping[str, Any]) -> None:
    certificate = found["certificate"]
    _tell_certificate(found, certificate)
    findings = sorted(found["findings"], key=lambda each: -_RANK[Severity(each["severity"])])
    if findings:
        click.echo()
    for each in findings:
        severity = click.style(f"{each['severity']:<7}", fg=_COLOURS[each["severity"]], bold=True)
        place = f"  {printable(_here(each['file']))}:{each['line']}" if each["file"] else ""
        click.echo(f"  {severity} {each['code']} {each['name']}{place}")
        _wrapped(each["text"], " " * 10)
    click.echo("\n  Checklist for production")
    for point in found["checklist"]:
        mark = click.style("✔", fg="green") if point["passed"] else click.style("✖", fg="red")
        click.echo(f"    {mark} {point['point']}" + (f"  ({', '.join(point['codes'])})" if point["codes"] else ""))
    _next(found, findings)


def _tell_certificate(found: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> None:
    named = click.style(one_line(found["target"], 80), bold=True)
    if certificate is None:
        click.echo(f"{named}: no conversation was found, so there is nothing to prove")
        return
    verdict = certificate["verdict"]
    click.echo(f"{named}: {click.style(verdict, fg=_VERDICTS[verdict], bold=True)}")
    if verdict == "bounded":
        reached = " (a model can make it so many)" if certificate["tight"] else ""
        cost = certificate["cost_usd"]
        money = f", and ${cost:,.2f} at worst" if cost is not None else ""
        numbers = f"{certificate['messages']:,} messages and {certificate['model_calls']:,} model calls"
        click.echo(f"  at most {numbers}{money}{reached}")
    for label, texts in (
        ("because", certificate["why"] if verdict == "bounded" else certificate["path"]),
        ("perhaps less, since", certificate["loose"]),
        ("cost unknown", certificate["unpriced"] if verdict == "bounded" else ()),
        ("not counted", certificate["not_counted"]),
    ):
        for text in texts:
            _wrapped(f"{label}: {text}", "  ")


def _wrapped(text: str, indent: str) -> None:
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - len(indent)
    for line in textwrap.wrap(printable(text), max(width, 20), subsequent_indent="  "):
        click.echo(indent + line)


def _next(found: Mapping[str, Any], findings: list[Any]) -> None:
    """Say what was not seen, and what to do next."""
    if found["ended"]:
        place = found["ended_at"] or {}
        where = f" at {printable(os.path.basename(place['file']))}:{place['line']}" if place else ""  # noqa: PTH119
        say(f"\nIt was ended at its first {printable(found['ended'])}{where}; what it makes after that was not seen.")
    codes = list(dict.fromkeys(each["code"] for each in findings))[:3]
    if codes:
        say(f"\nWhy, and how to mend it: harness explain {' '.join(codes)}")
