"""``harness sql``: ask the store a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli import figures
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.text import one_line

_WIDEST = 80


@click.command()
@click.argument("query")
@json_option
@store_option
def command(store: Path | None, query: str, *, as_json: bool) -> None:
    """Ask the store a QUERY in DuckDB's SQL; nothing can be changed by it.

    The views: runs, spans, messages, calls, findings (`DESCRIBE runs` lists columns). Times are nanoseconds since
    1970, costs US dollars. Attributes are JSON: attributes->>'gen_ai.request.model'.
    """
    opened = existing_store(store)
    opened.ingest()
    answer = opened.sql(query)
    if as_json:
        emit_json([_object(answer.columns, row) for row in answer.rows])
        return
    if answer.columns == ("explain_key", "explain_value"):
        for row in answer.rows:
            figures.put(str(row[-1]))
        return
    cells = [[_cell(value) for value in row] for row in answer.rows]
    numbers = {
        index
        for index in range(len(answer.columns))
        if any(isinstance(row[index], (int, float)) and not isinstance(row[index], bool) for row in answer.rows)
    }
    for line in figures.table([[one_line(name, _WIDEST) for name in answer.columns], *cells], frozenset(numbers)):
        figures.put(line)
    if not cells:
        say("No rows.")


def _object(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    """Name the values of a row. A column that is there twice keeps both values, the second as ``name:2``."""
    found: dict[str, Any] = {}
    for column, value in zip(columns, row, strict=True):
        name, number = column, 1
        while name in found:
            number += 1
            name = f"{column}:{number}"
        found[name] = value
    return found


def _cell(value: object) -> str:
    if value is None:
        return figures.UNKNOWN
    if isinstance(value, (list, dict)):
        return one_line(json.dumps(value, ensure_ascii=False, default=str), _WIDEST)
    return one_line(value, _WIDEST)
