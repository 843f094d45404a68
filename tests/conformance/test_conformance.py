"""Every pattern is recorded on every framework as one table has it, and the documentation says what is found."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest

from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.conformance.patterns import PATTERNS, Pattern
from tests.conformance.picture import differences
from tests.conformance.table import ELSEWHERE, FILE, cell, present, read, stage

pytestmark = THEIR_WARNINGS
COLUMNS = sorted(present())
_WITHOUT_A2A = {
    "pyautogen": ["autogen"],
    "autogen-agentchat": ["autogen_agentchat", "autogen_core", "autogen_ext"],
}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("column", COLUMNS)
def test_a_pattern_looks_as_the_server_and_the_framework_tell_it(column: str, pattern: Pattern) -> None:
    assert list(cell(column, pattern).wrong) == []


@pytest.mark.parametrize("column", COLUMNS)
def test_the_documentation_says_what_is_found(column: str) -> None:
    kept = read()
    if column not in kept:
        pytest.skip(f"the table has no column for {column}")
    assert kept[column] == {pattern.title: cell(column, pattern).text for pattern in PATTERNS}


def test_what_is_asked_elsewhere_is_told_below_the_table():
    assert FILE.read_text(encoding="utf-8").endswith(ELSEWHERE)


@pytest.mark.parametrize(
    "column", [column for column in COLUMNS if column.startswith(("pyautogen", "autogen-agentchat"))]
)
def test_frameworks_without_agents_over_a2a_have_none(column: str) -> None:
    packages = ["autogen"] if column.startswith("pyautogen") else ["autogen_agentchat", "autogen_core", "autogen_ext"]
    for package in packages:
        (found,) = importlib.import_module(package).__path__
        assert [path for path in Path(found).rglob("*a2a*") if "__pycache__" not in path.parts] == []


@pytest.mark.parametrize("column", COLUMNS)
def test_what_a_framework_plays_and_what_it_has_not_are_all_the_patterns(column: str) -> None:
    family = present()[column]
    names = {pattern.name for pattern in PATTERNS}
    assert {*family.PLAYS, *family.ABSENT} == names


@pytest.mark.parametrize("column", COLUMNS[:1])
@pytest.mark.parametrize(
    "change", [{"requests": 2}, {"said": (("nobody", "Never."),)}, {"ending": "human"}, {"tools": (("add", True),)}]
)
def test_a_picture_that_is_not_as_expected_is_told(column: str, change: dict) -> None:
    pattern = next(pattern for pattern in PATTERNS if pattern.name == "model_error")
    with stage(pattern) as ready, recording(ready.folder / "store") as seen:
        observed = present()[column].PLAYS[pattern.name](ready)
    assert differences(pattern.expected, observed, seen.runs, ready.server) == []
    assert differences(dataclasses.replace(pattern.expected, **change), observed, seen.runs, ready.server) != []
