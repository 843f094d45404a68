"""Jupyter notebooks as targets: the source of their code cells, each line where it stands in the notebook's file.

So what is said of a line is true of the file, in an editor and in SARIF. What only IPython understands is left out.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from harness.errors import UsageError

SUFFIX: Final = ".ipynb"
_COMMAND = re.compile(r"(?P<indent>\s*)(?:(?P<name>[\w.]+)\s*=\s*)?(?:%|!|\?)")
_HELP = re.compile(r"\s*[\w.]+\?{1,2}\s*")
_OF_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")
"""The cell magics whose cell is Python all the same."""


def source(path: Path) -> str:
    """Give the Python of the notebook *path*. Raises UsageError for a file that is no notebook.

    A line stands where it does in the file, as far as the file has a line for each; else the cells follow each other.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    raw = [line.strip().rstrip(",") for line in text.splitlines()]
    placed: list[str] = []
    for cell in _cells(path, text):
        # The last line of a cell is written without the end of line that the others have.
        wanted = [json.dumps(line) for line in cell]
        at = _found(raw, [wanted, [json.dumps(line, ensure_ascii=False) for line in cell]], len(placed))
        placed += [""] * (at - len(placed)) + list(_python(cell))
    return "\n".join(placed) + "\n"


class _Display(ModuleType):
    """What ``IPython.display`` is where there is no IPython: whatever it has shows nothing."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a notebook shows
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_args, **_kwargs: None


def _without_jupyter() -> None:
    """Have notebooks show nothing where IPython is not installed: what they show takes no part in what is judged."""
    if importlib.util.find_spec("IPython") is None:
        display = _Display("IPython.display")
        package = ModuleType("IPython")
        package.__dict__.update(__path__=[], display=display, get_ipython=lambda: None)
        sys.modules.update({"IPython": package, "IPython.display": display})


def run(path: Path) -> None:
    """Run the notebook *path* as a program of its own, ``await`` outside of functions included."""
    text = source(path)
    _without_jupyter()
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    module = ModuleType("__main__")
    module.__dict__.update(__file__=str(path), display=lambda *_shown, **_how: None)
    sys.modules["__main__"] = module
    code = compile(text, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    waiting = eval(code, vars(module))  # noqa: S307 - to run the target is what is asked for
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)


def _cells(path: Path, text: str) -> Iterator[list[str]]:
    """Yield the lines of each code cell."""
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{str(path)!r} is no notebook: {error}", hint="It should be JSON, as Jupyter saves it."
        ) from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise UsageError(f"{str(path)!r} is no notebook: it has no cells", hint="Save it in Jupyter's format 4.")
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            lines = cell.get("source") or []
            yield lines.splitlines(keepends=True) if isinstance(lines, str) else [str(line) for line in lines]


def _found(raw: Sequence[str], forms: Sequence[Sequence[str]], start: int) -> int:
    """Say from which line of *raw* on the lines of a cell stand, not before *start*; *start* where they do not."""
    for form in forms:
        for at in range(start, len(raw) - len(form) + 1) if form else ():
            if raw[at] == form[0] and list(raw[at : at + len(form)]) == list(form):
                return at
    return start


def _python(cell: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a cell, with nothing in place of what only IPython understands."""
    lines = [line.rstrip("\r\n") for line in cell]
    if lines and lines[0].startswith("%%"):
        kept = lines[0].split()[0] in _OF_PYTHON
        lines = ["", *lines[1:]] if kept else [""] * len(lines)
    if _parses(lines):
        yield from lines
        return
    goes_on = False  # a command may go on in the next line
    for line in lines:
        command = None if goes_on else _COMMAND.match(line)
        if command is not None:
            yield f"{command['indent']}{command['name'] + ' = []' if command['name'] else 'pass'}"
        else:
            yield "" if goes_on or _HELP.fullmatch(line) else line
        goes_on = (goes_on or command is not None) and line.endswith("\\")


def _parses(lines: Sequence[str]) -> bool:
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return False
    return True
