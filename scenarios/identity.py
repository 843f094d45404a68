"""Tell whether a scenario is still the same: a hash of what it says, and one of what its cassette holds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from harness.canonical import canonical

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from harness.model import Json

    from .scenario import Scenario

_ASIDE = frozenset({"path", "cassette", "name", "case", "description", "tags", "repeat", "functions"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a scenario says, and what its cassette holds, each as 16 hex digits; *cassette* is None where there is none.

    Neither changes with a name, description or tag, the place of a file, a comment, the number of repetitions, or a
    cassette's header. The code that is rehearsed is no part of it: that is what may change.
    """

    spec: str
    cassette: str | None


def of(scenario: Scenario) -> Identity:
    """Take the identity of *scenario* as its files are now."""
    said = _said(scenario, scenario.folder, _ASIDE)
    try:
        exchanges = scenario.cassette.read_bytes().partition(b"\n")[2]
    except OSError:
        return Identity(spec=_hash(canonical(said).encode()), cassette=None)
    return Identity(spec=_hash(canonical(said).encode()), cassette=_hash(exchanges))


def _said(record: DataclassInstance, folder: Path, aside: Collection[str] = ()) -> dict[str, Json]:
    """List the fields that say something, so that one that is added later changes no identity."""
    values = {one.name: getattr(record, one.name) for one in dataclasses.fields(record) if one.name not in aside}
    defaults = {one.name: _default(one) for one in dataclasses.fields(record)}
    return {name: _plain(value, folder) for name, value in values.items() if value != defaults[name]}


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: object, folder: Path) -> Json:  # noqa: PLR0911 - one return a type
    """Write *value* as JSON that is equal for equal values, wherever the scenario lies."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _said(value, folder)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, folder) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, folder) for item in value), key=canonical)
    if isinstance(value, Path):
        return value.relative_to(folder).as_posix() if value.is_relative_to(folder) else value.as_posix()
    if callable(value):
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value if isinstance(value, (str, int, float, bool)) or value is None else repr(value)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
