"""Read one YAML document with the line of everything in it, and say plainly what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from harness.errors import UsageError
from harness.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Json

Place = tuple[str | int, ...]
_TYPES = {
    str: "text",
    int: "a whole number",
    list: "a list",
    dict: "a mapping",
    bool: "true or false",
    float: "a number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML mapping, where it comes from, and the line on which each of its places begins."""

    path: Path
    value: Mapping[str, Json]
    lines: Mapping[Place, int] = field(default_factory=dict)

    def wrong(self, place: Place, what: str, *, hint: str = "") -> NoReturn:
        """Raise UsageError for *place*: file, line and what is wrong there."""
        line = next((self.lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in self.lines), 1)
        raise UsageError(f"{self.path}:{line}: {what}", hint=hint)

    def keys(self, place: Place, value: Mapping[str, Json], known: Collection[str]) -> None:
        """Refuse keys that are not *known*, and name the nearest that is."""
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                where = f" in {_name(place)}" if place else ""
                self.wrong((*place, key), f"unknown key {_show(key)}{where}{meant}", hint=f"Known: {', '.join(known)}.")

    def get(self, place: Place, kind: type, *, default: Any = None) -> Any:  # noqa: ANN401 - as *kind* says
        """Read the value at *place*, which must be a *kind*; *default* if it is left out or null."""
        value: Any = self.value
        for key in place:
            value = value.get(key) if isinstance(value, Mapping) else value[int(key)]
            if value is None:
                return default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(place, f"{_name(place)} must be {_TYPES[kind]}, not {_show(value)}")
        return value

    def need(self, place: Place, kind: type) -> Any:  # noqa: ANN401
        """Read the value at *place*, which must be there."""
        value = self.get(place, kind)
        if value is None:
            self.wrong(place[:-1], f"{_name(place)} is missing")
        return value

    def texts(self, place: Place) -> tuple[str, ...]:
        """Read a list of texts at *place*; empty if it is left out."""
        return tuple(self.need((*place, index), str) for index in range(len(self.get(place, list, default=[]))))

    def choice(self, place: Place, known: Collection[str], *, default: str | None = None) -> str | None:
        """Read a text at *place* that must be one of *known*."""
        value: str | None = self.get(place, str)
        if value is None:
            return default
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            self.wrong(place, f"{_name(place)} cannot be {_show(value)}{meant}", hint=f"Known: {', '.join(known)}.")
        return value


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
        raise UsageError(f"{path}:1: a scenario is a mapping of keys to values, not {_show(value)}")
    return Document(path=path, value=value, lines=lines)


def _walk(node: Any, place: Place, lines: dict[Place, int], document: Document) -> None:  # noqa: ANN401
    """Note the line of every place, and refuse what is written twice or refers to itself."""
    if node is None or len(place) > 20:  # noqa: PLR2004 - deeper is no scenario, and may be a loop of aliases
        return
    lines[place] = node.start_mark.line + 1
    if node.id == "mapping":
        seen = set()
        for key, value in node.value:
            name = key.value if isinstance(key.value, str) else str(key.start_mark)
            if name in seen and name != "<<":
                msg = f"{document.path}:{key.start_mark.line + 1}: {_show(name)} is given twice"
                raise UsageError(msg)
            seen.add(name)
            inside: Place = (*place, name)
            _walk(value, inside, lines, document)
            lines[inside] = key.start_mark.line + 1
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), lines, document)


def _name(place: Place) -> str:
    told = ""
    for key in place:
        told += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if told else str(key)
    return repr(told)


def _show(value: object) -> str:
    return one_line(repr(value), 60)
