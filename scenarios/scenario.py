"""Describe a conversation to rehearse and what is expected of it: ``NAME.scenario.yaml``, or the same in Python.

A scenario says what runs in one of three ways: ``agents`` with a ``task`` or a ``workflow``; ``factory``, a function in
Python; or ``program``, an unmodified AutoGen program. ``limits`` stop it, and ``expect`` says what must come of it. Its
form is ``schema.SCHEMA``.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness import check
from harness.errors import UsageError
from harness.model import Json, Operation
from harness.suppressing import Suppression

from . import cases, cassette, casting, expecting, modes, yaml_file
from .expecting import Expect, Saying
from .json_schema import show
from .queues import WAYS
from .schema import PLAYS, SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from .casting import Stage
    from .yaml_file import Document

__all__ = ["IN_PYTHON", "SUFFIX", "Expect", "Saying", "Scenario", "load", "load_all", "made"]

SUFFIX = ".scenario.yaml"
IN_PYTHON = ".scenario.py"
_AGENTS_ONLY = ("framework", "team", "task", "workflow")
_AS_IT_IS = frozenset({"data", "arguments", "equals", "json_schema", "llm_config", "replay"})
_DEEPEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A conversation to rehearse. Exactly one of *agents*, *factory* and *program* is set.

    *name* ends with the *case* in brackets where there are several. *agents* and *stages* are as in the file, checked.
    *factory* is ``module:function``, *program* a path and its arguments; both are looked for beside the file first.
    *live*, *stubs* and *freeze* say how calls are played (``modes``), *matching* is one of ``queues.WAYS``, and
    *normalise* names rules of ``normalising`` (None: those of the cassette). *limits* stop it, by name. *checks* are
    thresholds by code, and *suppressions* findings that do not count. *functions* are those that Python handed over, by
    the names under which they are spoken of.
    """

    path: Path
    name: str
    case: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    framework: str | None = None
    agents: tuple[Mapping[str, Json], ...] = ()
    stages: tuple[Stage, ...] = ()
    factory: str | None = None
    program: tuple[str, ...] = ()
    cassette: Path
    live: frozenset[Operation] = frozenset()
    stubs: Mapping[Operation, Json] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    matching: str = WAYS[0]
    normalise: tuple[str, ...] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    suppressions: tuple[Suppression, ...] = ()
    expect: Expect = field(default_factory=Expect)
    repeat: int = 1
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> Path:
        """The folder the file lies in."""
        return self.path.parent

    @property
    def team(self) -> Mapping[str, Json]:
        """The team of the first conversation."""
        return self.stages[0].team if self.stages else {}

    @property
    def task(self) -> str:
        """The task of the first conversation."""
        return self.stages[0].task if self.stages else ""


def load(path: Path, case: str | None = None) -> Scenario:
    """Read the scenario at *path*; of several in it the one that is called *case*, or has that name.

    Raises UsageError with the line and, for a misspelt key, the one that was meant.
    """
    found = load_all(path)
    chosen = [one for one in found if case is None or case in {one.case, one.name}]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(one.name for one in found)
    if case is None:
        raise UsageError(f"{str(path)!r} holds {len(found)} scenarios", hint=f"Name one of them: {names}.")
    raise UsageError(f"{str(path)!r} has no scenario {case!r}", hint=f"Known: {names}.")


def load_all(path: Path) -> list[Scenario]:
    """Read every scenario at *path*: one for each row of its data, or each that the Python file makes.

    Raises UsageError as :func:`load` does.
    """
    if path.name.endswith(".py"):
        from . import in_python

        return in_python.load_all(path)
    return made(yaml_file.read(path), stem=path.name.removesuffix(SUFFIX))


def made(document: Document, *, stem: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> list[Scenario]:
    """Check *document* and make its scenarios. *stem* is its name if it has none of its own."""
    document = replace(document, value=_without_nothing(document, document.value, 0))
    data = {key: schema for key, schema in SCHEMA["properties"].items() if key == "data"}
    document.fits({"properties": data})
    return [_one(one, case, stem, functions or {}) for case, one in cases.each(document)]


def _without_nothing(document: Document, value: Json, depth: int) -> Json:
    """Leave out keys without a value: they say as much as if they were not there."""
    if depth > _DEEPEST:
        document.wrong((), "it is too deep, or refers to itself")
    if isinstance(value, Mapping):
        return {
            key: one if key in _AS_IT_IS else _without_nothing(document, one, depth + 1)
            for key, one in value.items()
            if one is not None or key in _AS_IT_IS - {"data", "llm_config", "json_schema", "replay"}
        }
    return [_without_nothing(document, one, depth + 1) for one in value] if isinstance(value, list) else value


def _one(document: Document, case: str, stem: str, functions: Mapping[str, Callable[..., Any]]) -> Scenario:
    value = document.value
    ways = [way for way in PLAYS if way in value]
    unknown = [key for key in value if key not in SCHEMA["properties"]]
    if len(ways) != 1 and not unknown:
        told = " and ".join(map(repr, ways)) or "none of them"
        what = f"a scenario has exactly one of 'agents', 'factory' and 'program', not {told}"
        document.wrong((ways[1],) if ways else (), what)
    if ways != ["agents"] and not unknown:
        for key in _AGENTS_ONLY:
            if key in value:
                document.wrong((key,), f"{key!r} belongs to 'agents', and this scenario has a {ways[0]!r}")
    if "agents" in value:
        if not unknown:
            _conversations(document)
        document = replace(document, value={**value, "framework": casting.framework(value)})
        value = document.value
    document.fits(SCHEMA)
    agents = casting.agents(document) if "agents" in value else ()
    name = value.get("name", stem)
    played = modes.read(document)
    return Scenario(
        path=document.path,
        name=f"{name}[{case}]" if case else name,
        case=case,
        description=value.get("description", ""),
        tags=tuple(value.get("tags", ())),
        framework=value.get("framework"),
        agents=agents,
        stages=casting.stages(document, [one["name"] for one in agents]) if agents else (),
        factory=value.get("factory"),
        program=_program(document) if "program" in value else (),
        cassette=_cassette(document, case, stem),
        live=played.live,
        stubs=played.stubs,
        freeze=played.freeze,
        matching=value.get("matching", WAYS[0]),
        normalise=tuple(value["normalise"]) if "normalise" in value else None,
        limits=value.get("limits", {}),
        checks=_checks(document),
        suppressions=tuple(Suppression(**one) for one in value.get("suppress", ())),
        expect=expecting.read(document),
        repeat=value.get("repeat", 1),
        functions=functions,
    )


def _conversations(document: Document) -> None:
    value = document.value
    if "task" not in value and "workflow" not in value:
        document.wrong((), "'task' is missing")
    if "task" in value and "workflow" in value:
        document.wrong(("task",), "in a 'workflow' each stage has a 'task' of its own")


def _program(document: Document) -> tuple[str, ...]:
    text: str = document.value["program"]
    try:
        words = shlex.split(text)
    except ValueError as error:
        document.wrong(("program",), f"'program' is not a command line: {error}")
    if not words:
        document.wrong(("program",), "'program' is empty")
    file = document.path.parent / words[0]
    if not file.is_file():
        document.wrong(("program",), f"no program at {str(file)!r}")
    return tuple(words)


def _checks(document: Document) -> Mapping[str, Mapping[str, float]]:
    """Read what checks are to judge by, by code."""
    found: dict[str, Mapping[str, float]] = {}
    for word, numbers in document.value.get("checks", {}).items():
        try:
            found |= check.known_thresholds({word: numbers})
        except UsageError as error:  # noqa: PERF203 - each has a line of its own
            document.wrong(("checks", word), str(error), hint=error.hint)
    return found


def _cassette(document: Document, case: str, stem: str) -> Path:
    """Say where the cassette lies. Of several cases each has its own, so its name must tell them apart."""
    said: str | None = document.value.get("cassette")
    if "\0" in (said or ""):
        document.wrong(("cassette",), f"'cassette' cannot be {show(said)}")
    if not case:
        return document.path.parent / (said or stem + cassette.SUFFIX)
    part = cases.file_name(case)
    if said and part in said:
        return document.path.parent / said
    base = said.removesuffix(cassette.SUFFIX) if said else stem
    return document.path.parent / f"{base}.{part}{cassette.SUFFIX}"
