"""Keep the table of what is rehearsed: a section of the documentation for each framework, from what was played."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conformance import ag2 as ag2_installed
from tests.conformance import agentchat as agentchat_installed
from tests.conformance import classic as classic_installed
from tests.conformance.table import COLUMNS
from tests.scenarios.rehearsed import ag2, agentchat, classic
from tests.scenarios.rehearsed.row import Row

FILE = Path(__file__).parents[3] / "docs" / "rehearsed.md"
ROWS: Sequence[Row] = (*classic.ROWS, *agentchat.ROWS, *ag2.ROWS)
_INSTALLED = {"classic": classic_installed, "agentchat": agentchat_installed, "ag2": ag2_installed}
_HEAD = "| who talks | how | what goes wrong | recorded, and replayed the same |\n|---|---|---|---|\n"


def installed() -> dict[str, str]:
    """Name the version of each family that is installed here."""
    return {family: name for family, module in _INSTALLED.items() if (name := module.name())}


def written(rows: Sequence[Row], found: Mapping[str, str]) -> str:
    """Write the section of *rows* with what was *found* of each, by its name."""
    return _HEAD + "".join(
        f"| {row.pattern} | {row.mode} | {row.error} | {row.absent() or found[row.name]} |\n" for row in rows
    )


def read() -> dict[str, str]:
    """Read the sections that are kept, by the version they are about."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    return dict(re.findall(r"^## (.+)\n\n((?:\|.*\n)+)", text, re.MULTILINE))


def write(sections: Mapping[str, str]) -> None:
    """Keep *sections*."""
    each = "".join(f"\n## {version}\n\n{sections[version]}" for version in COLUMNS if version in sections)
    FILE.write_text(_INTRODUCTION + each, encoding="utf-8")


_INTRODUCTION = """# What is rehearsed

Each row is a scenario of real agents. It is recorded against a scripted model server, and recorded again with other ids
of tool calls, which must leave its cassette as it is, to the byte. Then one `harness run` replays all of them, without
a key, in a network namespace that has no network at all. Every recorded answer must be asked for, none may be missing,
and the conversation must be the recorded one to the byte: who said what to whom, with tool calls and their results.
A row of agents that work at once says nothing of which of them is first.

`python -m tests.scenarios.rehearsed` writes this file for the frameworks that are installed, and a test holds it to
that.
"""
