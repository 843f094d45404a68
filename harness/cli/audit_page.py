"""What an audit found, as a person reads it: the verdict, why, the red lines, what was not judged, what to do next."""

from __future__ import annotations

import itertools
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.common import say
from harness.model import Severity
from harness.text import one_line, printable

_RANK = {severity.value: rank for rank, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.NOTE))}
_COLOURS = {"note": "cyan", "warning": "yellow", "error": "red"}
_VERDICTS = {"bounded": "green", "by a human": "yellow", "unknown": "yellow", "unbounded": "red"}
_MARKS = {True: ("✔", "green"), False: ("✖", "red"), None: ("?", "yellow")}
_WIDEST, _NARROWEST = 110, 20
_MOST_LINES, _LONGEST = 10, 80
UNPROVED = "no conversation was begun or made ready, so nothing is proved"


def here(file: str) -> str:
    """Write a path as CI finds it: from the current folder, if it lies below."""
    try:
        return Path(file).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file


def tell(found: Mapping[str, Any]) -> None:
    """Print the document *found*."""
    _certificate(found, found["certificate"])
    if len(found["conversations"]) > 1:
        _conversations(found["conversations"])
    _findings(found["findings"])
    click.echo("\n  Checklist for production")
    for point in found["checklist"]:
        sign, colour = _MARKS[point["passed"]]
        codes = f"  ({', '.join(point['codes'])})" if point["codes"] else ""
        click.echo(f"    {click.style(sign, fg=colour)} {point['point']}{codes}")
    if found["not_judged"]:
        _not_judged(found)
    _next(found)


def _certificate(found: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> None:
    named = click.style(one_line(found["target"], _LONGEST), bold=True)
    if certificate is None:
        click.echo(f"{named}: {UNPROVED}")
        return
    verdict, several = certificate["verdict"], len(found["conversations"]) > 1
    click.echo(f"{named}: {_verdict(verdict)}")
    if verdict == "bounded":
        reached = " (a model can make it so many)" if certificate["tight"] and not several else ""
        click.echo(f"  at most {_numbers(certificate)}{' for each of its conversations' if several else ''}{reached}")
    if not several:
        _reasons(certificate, "  ")


def _conversations(every: Iterable[Mapping[str, Any]]) -> None:
    """Tell of each conversation: the worst verdict is the whole's."""
    for each in every:
        certificate = each["certificate"]
        place = f"  {_place(each)}" if each["file"] else ""
        ready = "" if each["begun"] else ", not begun yet"
        click.echo(f"\n  {_verdict(certificate['verdict'])}: {one_line(each['what'], _LONGEST)}{ready}{place}")
        if certificate["verdict"] == "bounded":
            click.echo(f"    at most {_numbers(certificate)}")
        _reasons(certificate, "    ")


def _reasons(certificate: Mapping[str, Any], indent: str) -> None:
    bounded = certificate["verdict"] == "bounded"
    for label, texts in (
        ("because", certificate["why"] if bounded else certificate["path"]),
        ("perhaps less, since", certificate["loose"]),
        ("cost unknown", certificate["unpriced"] if bounded else ()),
        ("not counted", certificate["not_counted"]),
    ):
        for text in texts:
            _wrapped(f"{label}: {text}", indent)


def _findings(findings: Iterable[Mapping[str, Any]]) -> None:
    """Tell of the red lines, the worst first, each once with all that cross it."""
    ordered = sorted(findings, key=lambda each: (_RANK[each["severity"]], each["code"], each.get("suppressed") or ""))
    for (severity, code, name, why), group in itertools.groupby(
        ordered, lambda each: (each["severity"], each["code"], each["name"], each.get("suppressed"))
    ):
        styled = click.style(f"{severity:<7}", fg=_COLOURS[severity], bold=True)
        aside = click.style(f"{'–':<7}", dim=True)
        click.echo(f"\n  {aside if why else styled} {code} {name}")
        for each in group:
            _wrapped((f"{_place(each)}  " if each["file"] else "") + each["text"], " " * 10)
        if why:
            _wrapped(f"suppressed: {why}", " " * 10)


def _not_judged(found: Mapping[str, Any]) -> None:
    """Tell which lines were not reached, and how to audit those that can be audited by themselves."""
    path = Path(found["target"])
    click.echo("\n  Not judged, since it was not reached")
    for each in found["not_judged"][:_MOST_LINES]:
        alone = each["function"] and path.parent == Path() and path.suffix == ".py" and path.stem.isidentifier()
        command = f"  (harness audit {path.stem}:{each['function']})" if alone else ""
        click.echo(f"    {printable(path.name)}:{each['line']}  {printable(each['what'])}{command}")
    more = len(found["not_judged"]) - _MOST_LINES
    if more > 0:
        click.echo(f"    and {more} more")


def _next(found: Mapping[str, Any]) -> None:
    """Say where it was ended, and what to do next."""
    if found["ended"]:
        place = found["ended_at"]
        where = f" at {_place(place)}" if place else ""
        say(f"\nIt was ended at its first {printable(found['ended'])}{where}.")
    for remark in found["remarks"]:
        say(f"\n{printable(remark)}")
    counted = [each for each in found["findings"] if not each.get("suppressed")]
    ordered = sorted(counted, key=lambda each: _RANK[each["severity"]])
    codes = list(dict.fromkeys(each["code"] for each in ordered))[:3]
    if codes:
        say(f"\nWhy, and how to mend it: harness explain {' '.join(codes)}")


def _numbers(certificate: Mapping[str, Any]) -> str:
    cost = certificate["cost_usd"]
    money = f", and ${cost:,.2f} at worst" if cost is not None else ""
    return f"{_count(certificate['messages'], 'message')} and {_count(certificate['model_calls'], 'model call')}{money}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _verdict(verdict: str) -> str:
    return click.style(verdict, fg=_VERDICTS[verdict], bold=True)


def _place(each: Mapping[str, Any]) -> str:
    return f"{printable(here(each['file']))}:{each['line']}"


def _wrapped(text: str, indent: str) -> None:
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - len(indent)
    for line in textwrap.wrap(printable(text), max(width, _NARROWEST), subsequent_indent="  "):
        click.echo(indent + line)
