"""``harness diff``: two runs side by side, and why they parted."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.canonical import canonical
from harness.cli import figures
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit, UnknownRunError
from harness.text import one_line

if TYPE_CHECKING:
    from harness.causes import Cause
    from harness.diff import Diff, Row, Total
    from harness.model import Message, Run

_WIDEST = 110
_NARROWEST = 40
_MOST_ROWS = 12
_EQUAL_BEFORE = 2


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@json_option
@store_option
def command(store: Path | None, first: str, second: str, *, as_json: bool) -> int:
    """Compare two runs: where they part and what made them, what both cost and said.

    A and B are run ids, the beginnings of ones, or @1 for the newest. Times and the ids of tool calls are not compared.
    Exit code 0 if both said the same and ended alike, 1 if not.
    """
    from harness.diff import diff

    opened = existing_store(store)
    opened.ingest()
    runs = opened.each([opened.find(first), opened.find(second)])
    if len(runs) != 2:  # noqa: PLR2004 - one of them was removed meanwhile
        raise UnknownRunError("one of the runs is gone", hint="`harness runs` lists those there are.")
    left, right = runs
    found = diff(left, right)
    if as_json:
        emit_json(document(left, right, found))
    else:
        width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((100, 24)).columns))
        for line in lines(left, right, found, width):
            figures.put(line)
        if found.parting is not None:
            say(f"`harness show {one_line(right.run_id, 200)}{figures.elsewhere(store)}` prints all of B.")
    return Exit.CLEAN if found.equal else Exit.FINDINGS


def document(left: Run, right: Run, found: Diff) -> dict[str, Any]:
    """Give the comparison as one JSON document; equal messages by their places alone."""
    cause = found.cause
    return {
        "equal": found.equal,
        "left": left.run_id,
        "right": right.run_id,
        "parting": found.parting,
        "cause": None if cause is None else {**asdict(cause), "text": sentence(cause)},
        "totals": {
            total.name: {"left": total.left, "right": total.right, "change": total.change} for total in found.totals
        },
        "rows": [
            {"equal": row.equal, "left": _said(row.left), "right": None if row.equal else _said(row.right)}
            for row in found.rows
        ],
    }


def _said(message: Message | None) -> dict[str, Any] | None:
    if message is None:
        return None
    return {"span_id": message.span_id, "sender": message.sender, "text": message.text, "body": message.body}


def sentence(cause: Cause) -> str:
    """Say what made the runs part, as a reader would, in one line."""
    field = cause.field
    said = {
        "task": "they were given different tasks",
        "code": f"the request differs in {field} → the code or the configuration",
        "upstream": f"the request differs in {field} → something upstream, before this message",
        "failure": f"a call ({field}) failed in one of them → the service or the tool, not the conversation",
        "model": "same request, different reply → the model, not your code",
        "tool": f"same call of {field}, different result → the tool or what it depends on",
        "human": "same question, different answer → the human",
    }
    return said.get(cause.kind.value) or {
        "speaker": "another agent spoke → the control flow",
        "ending": "one ended where the other went on or ended otherwise → the control flow",
        "message": "no request tells them apart → the control flow, or what the program itself wrote",
    }.get(field, f"no request tells them apart, but {field} differs → the control flow")


def lines(left: Run, right: Run, found: Diff, width: int) -> list[str]:
    """Lay the comparison out: which runs, where they part and why, the messages there, and the figures."""
    page = [_title("A", left, width), _title("B", right, width), "", _verdict(found, width)]
    if found.cause is not None:
        ended = "ended: " if found.cause.field == "ending" else ""
        for side, value in (("A", found.cause.left), ("B", found.cause.right)):
            if value is not None:
                page.append(f"  {side}  {one_line(ended + value.replace('_', ' ') if ended else value, width - 5)}")
    if found.parting is not None:
        page += ["", *_rows(found, width)]
    return [*page, "", *_figures(found)]


def _title(side: str, run: Run, width: int) -> str:
    about = run.summary
    mark = click.style(figures.GLYPHS[about.status], fg=figures.COLOURS[about.status])
    words = f"{one_line(about.run_id, 40)}  {one_line(about.name, 40)} · {figures.ending(about)}"
    return f"{click.style(side, bold=True)} {mark} {one_line(words, width - 4)}"


def _verdict(found: Diff, width: int) -> str:
    cause = found.cause
    if found.parting is not None:
        reason = f": {sentence(cause)}" if cause else ""
        return click.style(one_line(f"parted at message {found.parting + 1}{reason}", width), fg="yellow")
    if found.equal and cause is not None:
        said = f"the same was said, though {sentence(cause).replace('the request differs', 'requests differ')}"
        return click.style(one_line(said, width), fg="yellow")
    if found.equal:
        return click.style("equal: the same was said, and they ended alike", fg="green")
    return click.style(
        one_line(f"the same was said, but {sentence(cause) if cause else 'they differ'}", width), fg="yellow"
    )


def _rows(found: Diff, width: int) -> list[str]:
    """Show the messages around the parting: a few equal ones before it, and those after, up to a number."""
    parting = found.parting or 0
    start = max(0, parting - _EQUAL_BEFORE)
    shown = found.rows[start : parting + _MOST_ROWS]
    page = [click.style(f"  ⋯ {figures.many(start, 'equal message')}", dim=True)] if start else []
    for place, row in enumerate(shown, start=start + 1):
        page += _row(place, row, width)
    rest = len(found.rows) - start - len(shown)
    return [*page, *([click.style(f"  ⋯ {figures.many(rest, 'row')} more; --json has them", dim=True)] if rest else [])]


def _row(place: int, row: Row, width: int) -> list[str]:
    if row.equal and row.left is not None:
        return [click.style(f"=   {place}  " + one_line(_words(row.left), width - 8), dim=True)]
    both = row.left is not None and row.right is not None
    page = []
    for side, message, colour in (("A", row.left, "red"), ("B", row.right, "green")):
        if message is not None:
            mark = "≠" if both else "-" if side == "A" else "+"
            page.append(click.style(f"{mark} {side}", fg=colour) + f" {place}  " + one_line(_words(message), width - 8))
    return page


def _words(message: Message) -> str:
    called = ", ".join(f"→ {part.get('name')}({_arguments(part.get('arguments'))})" for part in message.tool_calls)
    return f"{message.sender or '(nobody)'}: {' '.join(part for part in (message.text, called) if part)}"


def _arguments(value: object) -> str:
    return value if isinstance(value, str) else canonical(value)


def _figures(found: Diff) -> list[str]:
    rows = [
        (
            total.name.removesuffix("_ns").removesuffix("_usd").replace("_", " "),
            _figure(total, total.left),
            _figure(total, total.right),
            _change(total),
        )
        for total in found.totals
        if total.left or total.right
    ]
    first, *rest = figures.table([("", "A", "B", "B − A"), *rows], frozenset({1, 2, 3}))  # noqa: RUF001 - a minus sign
    return [click.style(first, dim=True), *rest]


def _figure(total: Total, value: float | None) -> str:
    if total.name == "cost_usd":
        return figures.money(value)
    whole = None if value is None else int(value)
    return figures.duration(whole) if total.name == "time_ns" else figures.count(whole)


def _change(total: Total) -> str:
    change = total.change
    if change is None:
        return figures.UNKNOWN
    if not change:
        return "="
    sign = "+" if change > 0 else "−"  # noqa: RUF001 - a minus sign
    return sign + _figure(total, abs(change))
