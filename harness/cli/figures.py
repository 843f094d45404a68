"""Figures and marks as a person reads them in a terminal. What is unknown is ``–``, never 0."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import click

from harness.figures import UNKNOWN, count, duration, many, money, tokens
from harness.model import RunStatus, RunSummary, Severity
from harness.text import one_line

__all__ = [
    "COLOURS",
    "GLYPHS",
    "SEVERITY_COLOURS",
    "SEVERITY_GLYPHS",
    "UNKNOWN",
    "ago",
    "began",
    "count",
    "duration",
    "elapsed",
    "elsewhere",
    "ending",
    "many",
    "money",
    "put",
    "table",
    "tokens",
]
GLYPHS = {RunStatus.RUNNING: "●", RunStatus.FINISHED: "✔", RunStatus.FAILED: "✖", RunStatus.INTERRUPTED: "◌"}
COLOURS = {
    RunStatus.RUNNING: "cyan",
    RunStatus.FINISHED: "green",
    RunStatus.FAILED: "red",
    RunStatus.INTERRUPTED: "yellow",
}
SEVERITY_GLYPHS = {Severity.NOTE: "·", Severity.WARNING: "▲", Severity.ERROR: "✖"}
SEVERITY_COLOURS = {Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86_400
_MONTH = 30 * _DAY


def elsewhere(store: Path | None) -> str:
    """Write the option that a suggested command needs where the store is not the project's own."""
    return "" if store is None else f" --store {one_line(shlex.quote(str(store)), 200)}"


def put(text: str = "") -> None:
    """Print one line on stdout; its colours go nowhere but to a terminal that wants them."""
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def ago(at_ns: int, now_ns: int) -> str:
    """Write how long ago something was; after a month, its date."""
    seconds = (now_ns - at_ns) // 1_000_000_000
    if seconds < _MINUTE:
        return "just now"
    for unit, length, until in (("min", _MINUTE, _HOUR), ("h", _HOUR, _DAY), ("d", _DAY, _MONTH)):
        if seconds < until:
            return f"{seconds // length} {unit} ago"
    try:
        return datetime.fromtimestamp(at_ns / 1e9, tz=timezone.utc).astimezone().strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return UNKNOWN


def began(run: RunSummary, now_ns: int) -> str:
    """Write how long ago a run began."""
    return ago(run.started_ns, now_ns) if run.timed else UNKNOWN


def elapsed(run: RunSummary, now_ns: int) -> str:
    """Write how long a run took, or has been going on."""
    if not run.timed:
        return UNKNOWN
    return duration((now_ns if run.ended_ns is None else run.ended_ns) - run.started_ns)


def ending(run: RunSummary) -> str:
    """Say in words how the run ended."""
    if run.status is RunStatus.RUNNING:
        return "running"
    return (run.ending or run.status.value).replace("_", " ")


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lay out *rows* in columns two spaces apart; the columns in *right* align right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
