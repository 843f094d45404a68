"""Tell whether a scenario is still the same: a hash of what it says, and one of what its cassette holds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from harness.canonical import canonical

if TYPE_CHECKING:
    from harness.model import Json

    from .scenario import Scenario

_ASIDE = frozenset({"path", "cassette", "name", "description", "tags"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a scenario says, and what its cassette holds, each as 16 hex digits; *cassette* is None where there is none.

    Neither changes with a name, description or tag, the place of a file, a comment, or a cassette's header. The code
    that is rehearsed is no part of it: that is what may change.
    """

    spec: str
    cassette: str | None


def of(scenario: Scenario) -> Identity:
    """Take the identity of *scenario* as its files are now."""
    said = {
        field.name: _plain(value, scenario.folder)
        for field in dataclasses.fields(scenario)
        if field.name not in _ASIDE and (value := getattr(scenario, field.name)) != _default(field)
    }
    try:
        exchanges = scenario.cassette.read_bytes().partition(b"\n")[2]
    except OSError:
        return Identity(spec=_hash(canonical(said).encode()), cassette=None)
    return Identity(spec=_hash(canonical(said).encode()), cassette=_hash(exchanges))


def _default(field: dataclasses.Field[object]) -> object:
    """Give what the field is if nobody says anything, so that a field that is added later changes no identity."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: object, folder: Path) -> Json:  # noqa: PLR0911 - one return a type
    """Write *value* as JSON that is equal for equal values, wherever the scenario lies."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), folder) for field in dataclasses.fields(value)}
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
