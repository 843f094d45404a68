"""Play every pattern on every framework that is here, and keep the table of what was found."""

from __future__ import annotations

import gc
import importlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.adapters.recorded import recording
from tests.conformance.patterns import PATTERNS, Pattern, Stage
from tests.conformance.picture import differences, summary
from tests.server import ScriptedServer

FILE = Path(__file__).parents[2] / "docs" / "conformance.md"
FAMILIES = ("classic", "agentchat", "ag2")
COLUMNS = ("pyautogen 0.2.35", "pyautogen 0.9", "autogen 0.14.1", "autogen-agentchat 0.7.5", "ag2 1.2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Something a framework has not: *where* one sees it, and whether that *holds* in the version installed."""

    where: str
    holds: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was found: the text of the cell, and in what the picture differs from the expected one."""

    text: str
    wrong: tuple[str, ...] = ()


def present() -> dict[str, ModuleType]:
    """Find the families that are installed here, by the name of their column."""
    modules = (importlib.import_module(f"tests.conformance.{family}") for family in FAMILIES)
    return {name: module for module in modules if (name := module.name())}


@cache
def cell(column: str, pattern: Pattern) -> Cell:
    """Play *pattern* on the framework of *column*, once."""
    family = present()[column]
    absent = family.ABSENT.get(pattern.name)
    if absent is not None and absent.holds():
        return Cell(text=f"the framework has no such thing: {absent.where}")
    otherwise = family.OTHERWISE.get(pattern.name)
    pattern = otherwise.of(pattern) if otherwise else pattern
    with stage(pattern) as ready, recording(ready.folder / "store") as seen:
        observed = family.PLAYS[pattern.name](ready)
    wrong = differences(pattern.expected, observed, seen.runs, ready.server)
    return Cell(text=f"yes: {summary(seen.runs)}", wrong=tuple(wrong))


@contextmanager
def stage(pattern: Pattern) -> Iterator[Stage]:
    """Set the server up that answers as *pattern* has it."""
    hold = threading.Event()
    with tempfile.TemporaryDirectory() as folder, ScriptedServer(pattern.script(hold)) as server:
        try:
            yield Stage(server=server, folder=Path(folder), hold=hold)
        finally:
            hold.set()
            gc.collect()  # clients that the frameworks leave open are closed now, and not in another test


Table = Mapping[str, Mapping[str, str]]
"""Texts of cells, by column and pattern title."""


def read() -> dict[str, dict[str, str]]:
    """Read the table that is kept."""
    columns: dict[str, dict[str, str]] = {}
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    for column, body in re.findall(r"^## (.+)\n\n((?:\|.*\n)+)", text, re.MULTILINE):
        rows = [[each.strip() for each in row.strip().strip("|").split("|")] for row in body.splitlines()[2:]]
        columns[column] = dict(rows)
    return columns


def write(table: Table) -> None:
    """Keep *table*: one look at all, and what was recorded on each."""
    columns = [column for column in COLUMNS if column in table]
    head = "| pattern | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|\n"
    marks = "".join(
        f"| {pattern.title} | " + " | ".join(_mark(table[column].get(pattern.title, "")) for column in columns) + " |\n"
        for pattern in PATTERNS
    )
    each = "".join(
        f"\n## {column}\n\n| pattern | recorded |\n|---|---|\n"
        + "".join(f"| {pattern.title} | {table[column].get(pattern.title, '')} |\n" for pattern in PATTERNS)
        for column in columns
    )
    FILE.write_text(INTRODUCTION + head + marks + each + ELSEWHERE, encoding="utf-8")


def _mark(text: str) -> str:
    return "yes" if text.startswith("yes") else "–" if text else "not played"


INTRODUCTION = """# What is recorded of which framework

Each pattern is played on each framework by real agents against a scripted model, and held against one expected picture:
who said what to whom, model calls, tools, selections, code and human input, and why it ended. Numbers of calls, tokens
and cost are those that the model's server counted; messages and costs are those of the framework's own result objects.
A dash is a thing that the framework does not have; below it says where one sees that.

`python -m tests.conformance` writes this file for the frameworks that are installed, and a test holds it to that.

"""

ELSEWHERE = """
## Agents whose model is asked elsewhere

Some agents ask past every model client. What is recorded of them has tests of its own, against servers on this machine.

- **An assistant that OpenAI keeps.** `GPTAssistantAgent` (pyautogen 0.2.35 and 0.9,
  `autogen/agentchat/contrib/gpt_assistant_agent.py`; autogen 0.14.1 has none) and AgentChat's `OpenAIAssistantAgent`
  (autogen-ext 0.7.5, `autogen_ext/agents/openai/_openai_assistant_agent.py`): a run of its thread is one model call
  with the tokens of all of it, and the functions that it wants stand inside. What AgentChat's is asked is told as far
  as this turn brings it, and what it said is played back; the other one's thread, and its building, take OpenAI in a
  replay, too.
- **OpenAI's Responses.** AgentChat's `OpenAIAgent` (autogen-ext 0.7.5, `autogen_ext/agents/openai/_openai_agent.py`):
  a model call a turn, recorded and replayed. The tools it may have are OpenAI's and run there.
- **Agents over A2A.** AG2 1.2.1 asks an agent elsewhere as it asks a model (`A2AConfig`, `ag2/a2a/config.py`, with
  the extra `a2a`): a model call, without tokens since nobody tells them. A server in the same process (`A2AServer`)
  stands inside it with what its own model is asked; one in another process has runs of its own. Of autogen 0.14.1's
  `A2aRemoteAgent` (`autogen/a2a/client.py`) the turn and what it says are recorded, and no model call: what a server
  asks its model is a run of its own. pyautogen 0.2.35 and 0.9 and AgentChat 0.7.5 have no such thing: no module
  called `a2a` in `autogen/`, `autogen_agentchat/`, `autogen_core/` or `autogen_ext/`.
"""
