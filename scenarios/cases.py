"""Make one case of a scenario for each row of its ``data``: ``{column}`` anywhere in it becomes the row's value."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.model import Json
from harness.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from .yaml_file import Document, Place

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_UNSAFE = re.compile(r"[^\w.-]+")
_LIKENESS = 0.8


def each(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the name of each case and its document, whose ``data`` is gone; without data there is one, without a name.

    A case is called as its row's ``case`` says, else by its number. Raises UsageError with the place of what is wrong.
    """
    if "data" not in document.value:
        yield "", document
        return
    rest = {key: value for key, value in document.value.items() if key != "data"}
    rows = _rows(document)
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        name = one_line(str(row.get("case", number)), 60)
        if file_name(name) in seen:
            place: Place = ("data", number - 1)
            document.wrong(place, f"rows {seen[file_name(name)]} and {number} are both called {name!r}")
        seen[file_name(name)] = number
        yield name, replace(document, value=_filled(document, rest, row, ()))


def file_name(case: str) -> str:
    """Write the name of a case as part of a file's name."""
    return _UNSAFE.sub("-", case)


def _rows(document: Document) -> list[Mapping[str, Json]]:
    data = document.value["data"]
    if isinstance(data, str):
        file = document.path.parent / data
        try:
            data = _read(file)
        except FileNotFoundError:
            document.wrong(("data",), f"no file at {str(file)!r}")
        except (OSError, ValueError, UsageError) as error:
            document.wrong(("data",), f"cannot read {str(file)!r}: {one_line(error, 200)}")
    if not isinstance(data, list) or not data or not all(isinstance(row, Mapping) and row for row in data):
        document.wrong(("data",), "'data' must be a list of mappings, one for each case, and not empty")
    return data


def _read(file: Path) -> Json:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".csv":
        return list(csv.DictReader(text.splitlines(), restkey="", strict=True))
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if file.suffix == ".json":
        return json.loads(text)
    if file.suffix in {".yaml", ".yml"}:
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
    raise ValueError("it is neither .csv, .json, .jsonl nor .yaml")


def _filled(document: Document, value: Json, row: Mapping[str, Json], place: Place) -> Json:
    if isinstance(value, Mapping):
        return {key: _filled(document, one, row, (*place, key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(document, one, row, (*place, index)) for index, one in enumerate(value)]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and whole[1] in row:
        return row[whole[1]]

    def put(match: re.Match[str]) -> str:
        if match[1] in row:
            found = row[match[1]]
            return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        near = difflib.get_close_matches(match[1], list(map(str, row)), n=1, cutoff=_LIKENESS)
        if near:
            document.wrong(place, f"the data have no column {match[1]!r}; did you mean {near[0]!r}?")
        return match[0]

    return _PLACEHOLDER.sub(put, value)
