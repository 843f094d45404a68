"""Find what extends the harness: entry points, and the sibling packages it ships with.

``scenarios``, ``exporters`` and ``tui`` are short names, and a user's project may well own one of them.
So nothing here imports them by name alone: ``sibling`` loads the copy that lies beside ``harness``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UsageError

SIBLINGS = frozenset({"scenarios", "exporters", "tui"})
HOME = Path(__file__).resolve().parent.parent


def sibling(path: str) -> ModuleType:
    """Import the sibling module *path*, such as ``"tui.app"``, from beside ``harness``.

    It goes under its own name where that is free or ours, else under a private alias, so that a user's
    own package of that name is neither hidden nor replaced.
    """
    top, _, rest = path.partition(".")
    if top not in SIBLINGS:
        raise ValueError(f"{path!r} is not one of {sorted(SIBLINGS)}")
    name = _sibling_name(top)
    return importlib.import_module(f"{name}.{rest}" if rest else name)


@cache
def _sibling_name(top: str) -> str:
    folder = HOME / top
    if _origin(top) == folder / "__init__.py":
        return top
    alias = f"_harness_{top}"
    if alias not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            alias, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{folder} is not a package")
        module = importlib.util.module_from_spec(spec)
        sys.modules[alias] = module
        spec.loader.exec_module(module)
    return alias


def _origin(top: str) -> Path | None:
    """Say which file a plain import of *top* would run, without running it."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec and spec.origin else None


def names(group: str) -> list[str]:
    """List the entry points of *group*, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def load(group: str, name: str) -> Any:  # noqa: ANN401 - an entry point may be anything
    """Load the entry point *name* of *group*. Raises UsageError with the known names if there is none."""
    for point in entry_points(group=group):
        if point.name == name:
            return _load(point)
    known = ", ".join(names(group)) or "none"
    raise UsageError(f"no {group.removeprefix('harness.').rstrip('s')} is called {name!r}", hint=f"Known: {known}.")


def load_all(group: str) -> dict[str, Any]:
    """Load every entry point of *group*, by name."""
    return {name: load(group, name) for name in names(group)}


def _load(point: EntryPoint) -> Any:  # noqa: ANN401
    ours = point.dist is not None and point.dist.name == "autogen-harness"
    if ours and point.module.partition(".")[0] in SIBLINGS:
        found: Any = sibling(point.module)
        for attribute in filter(None, point.attr.split(".")):
            found = getattr(found, attribute)
        return found
    return point.load()
