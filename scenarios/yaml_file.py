"""Read one YAML document with the line of everything in it, and say plainly what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from harness.errors import UsageError
from harness.text import one_line

from . import json_schema
from .json_schema import Place, show

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Json

__all__ = ["Document", "Place", "read"]


_MOST_PLACES = 100_000  # a few lines of aliases can name more than any machine could read


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A mapping, the file it comes from, and the line on which each of its places begins; no lines if it is Python."""

    path: Path
    value: Mapping[str, Json]
    lines: Mapping[Place, int] = field(default_factory=dict)

    def wrong(self, place: Place, what: str, *, hint: str = "") -> NoReturn:
        """Raise UsageError for *place*: file, line and what is wrong there."""
        line = next((self.lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in self.lines), 1)
        where = f"{self.path}:{line}" if self.lines else str(self.path)
        raise UsageError(f"{where}: {what}", hint=hint)

    def fits(self, schema: Mapping[str, Json]) -> None:
        """Hold the value against *schema*, and refuse it for the first thing that is wrong."""
        for fault in json_schema.faults(schema, self.value):
            self.wrong(fault.place, fault.what, hint=fault.hint)


def read(path: Path) -> Document:
    """Read the mapping in the file at *path*. Raises UsageError with file and line."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no file at {str(path)!r}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {str(path)!r}: {error}") from error
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        reason = getattr(error, "problem", None) or error
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not valid YAML: {one_line(reason, 200)}") from error
    document = Document(path=path, value={}, lines={})
    lines: dict[Place, int] = {}
    _walk(node, (), lines, document)
    if not isinstance(value, dict):
        raise UsageError(f"{path}:1: a scenario is a mapping of keys to values, not {show(value)}")
    return Document(path=path, value=value, lines=lines)


def _walk(node: Any, place: Place, lines: dict[Place, int], document: Document) -> None:  # noqa: ANN401
    """Note the line of every place, and refuse what is written twice, refers to itself or is endlessly many."""
    if node is None or len(place) > 20:  # noqa: PLR2004 - deeper is no scenario, and may be a loop of aliases
        return
    line = node.start_mark.line + 1
    lines[place] = line
    if len(lines) > _MOST_PLACES:
        raise UsageError(f"{document.path}:{line}: there are more than {_MOST_PLACES:,} values; do aliases multiply?")
    if node.id == "mapping":
        seen = set()
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else str(key.start_mark)
            if name in seen and name != "<<":
                msg = f"{document.path}:{key.start_mark.line + 1}: {show(name)} is given twice"
                raise UsageError(msg)
            seen.add(name)
            inside: Place = (*place, name)
            _walk(value, inside, lines, document)
            lines[inside] = key.start_mark.line + 1
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), lines, document)
