"""Scenarios written in Python: the same fields, the same rules, and functions where a file names them.

A file ``NAME.scenario.py`` makes its scenarios with ``harness.scenario(…)``; every one it makes is rehearsed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model import Json
from harness.text import one_line

from . import scenario as scenarios
from .scenario import IN_PYTHON, Scenario
from .yaml_file import Document

_making: ContextVar[list[Scenario] | None] = ContextVar("scenarios_being_made", default=None)


def scenario(name: str, *, path: Path, **fields: Json) -> list[Scenario]:
    """Make the scenarios *name*: one, or one for each row of ``data``.

    *path* is the file it is written in: what it names is looked for beside it. Raises UsageError as for a file.
    """
    functions: dict[str, Callable[..., Any]] = {}
    document = Document(path=path, value=_named({"name": name, **fields}, functions))
    made = scenarios.made(document, stem=name, functions=functions)
    making = _making.get()
    if making is not None:
        making += made
    return made


def load_all(path: Path) -> list[Scenario]:
    """Run the Python file at *path*, and give the scenarios that it makes. Raises UsageError if it makes none."""
    if not path.is_file():
        raise UsageError(f"no file at {str(path)!r}")
    made: list[Scenario] = []
    token = _making.set(made)
    try:
        with _importing_beside(path):
            exec(compile(path.read_bytes(), str(path), "exec"), {"__name__": f"_{path.stem}", "__file__": str(path)})  # noqa: S102
    except UsageError:
        raise
    except Exception as error:
        where = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UsageError(f"{path}{where}: it raised {type(error).__qualname__}: {one_line(error, 200)}") from error
    finally:
        _making.reset(token)
    if not made:
        raise UsageError(f"{path}: it makes no scenario", hint="Make one: harness.scenario('name', agents=…, task=…).")
    names = [one.name for one in made]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: two scenarios are called {name!r}")
    return made


def stem(path: Path) -> str:
    """Name a scenario file without its suffix."""
    return path.name.removesuffix(scenarios.SUFFIX).removesuffix(IN_PYTHON)


@contextlib.contextmanager
def _importing_beside(path: Path) -> Iterator[None]:
    folder = str(path.absolute().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _named(value: Any, functions: dict[str, Callable[..., Any]]) -> Json:  # noqa: ANN401 - what a person writes
    """Write *value* as a file would: tuples and sets as lists, paths as texts, functions by their names."""
    if isinstance(value, Mapping):
        return {str(key): _named(one, functions) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(one, functions) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_named(one, functions) for one in value)
    if isinstance(value, Path):
        return str(value)
    return _function(value, functions) if callable(value) else value


def _function(value: Callable[..., Any], functions: dict[str, Callable[..., Any]]) -> str:
    """Give *value* the name under which the scenario speaks of it."""
    known = next((name for name, one in functions.items() if one is value), None)
    if known is not None:
        return known
    called = getattr(value, "__name__", "")
    name = f"python:{called if called.isidentifier() else 'function'}"
    while name in functions:
        name += "_"
    functions[name] = value
    return name
