"""Read ``[tool.harness]`` and ``HARNESS_*`` into one frozen record."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from harness import suppressing
from harness.errors import UsageError

STORE_NAME = ".harness"
PROJECT_MARKS = ("pyproject.toml", ".git")
_LONGEST_S = 86_400


class Capture(str, Enum):
    """How much of what is said is recorded.

    FULL is all of it, less secrets. METADATA is who, to whom, which model and tool, how long, and a hash of each
    content, so that what was said again still shows; never the content. OFF is spans and figures alone.
    """

    FULL = "full"
    METADATA = "metadata"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a project and its environment ask for.

    *store* is the store's folder (absolute). *limits* are budget limits by name, *prices* US dollars per
    million tokens as ``{model: (input, output)}``, and *disabled* the codes of checks that shall not run. *thresholds*
    are what checks judge by, by code or name of the check and name of the number, and *suppressions* the findings that
    are not held against a run. The disk is asked to keep what was recorded every *sync_s* seconds; 0 is never.
    *capture* says how much of what is said is kept, and *redact* are regular expressions of what is secret here. With
    *otel* spans go to the program's own OpenTelemetry provider, too. *guard* is what shall guard every run, if
    anything: its limits and settings by name.
    """

    store: Path
    limits: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    suppressions: tuple[suppressing.Suppression, ...] = ()
    sync_s: float = 0.0
    capture: Capture = Capture.FULL
    redact: tuple[str, ...] = ()
    otel: bool = False
    guard: Mapping[str, Any] | None = None


def load(*, store: str | os.PathLike[str] | None = None, start: Path | None = None) -> Config:
    """Put together the configuration seen from the folder *start* (default: the current one).

    *store* wins over ``$HARNESS_STORE``, which wins over ``.harness`` beside the nearest ``pyproject.toml``
    or ``.git``, or in *start* itself. ``$HARNESS_SYNC_SECONDS``, ``$HARNESS_CAPTURE`` and ``$HARNESS_OTEL`` win over
    ``sync_seconds``, ``capture`` and ``otel``. Raises UsageError for a setting of the wrong shape.
    """
    start = (start or Path.cwd()).absolute()
    project = find_project(start)
    table = _table(project / "pyproject.toml") if project else {}
    chosen = store or os.environ.get("HARNESS_STORE") or (project or start) / STORE_NAME
    return Config(
        store=start / Path(chosen).expanduser(),
        limits=_numbers(table, "limits"),
        prices={model: _price(model, value) for model, value in _mapping(table, "prices").items()},
        disabled=frozenset(str(code) for code in _list(table, "disable")),
        thresholds={
            check: _numbers(_mapping(table, "checks"), check, "checks.") for check in _mapping(table, "checks")
        },
        suppressions=suppressing.read(table.get("suppress", []), "[[tool.harness.suppress]]"),
        sync_s=_seconds(table, "sync_seconds", "HARNESS_SYNC_SECONDS"),
        capture=_capture(table),
        redact=tuple(_pattern(found) for found in _list(table, "redact")),
        otel=_switch(table, "otel", "HARNESS_OTEL"),
        guard=_mapping(table, "guard") if "guard" in table else None,
    )


def find_project(start: Path) -> Path | None:
    """Walk up from *start* to the nearest folder with a ``pyproject.toml`` or ``.git``."""
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in PROJECT_MARKS):
            return folder
    return None


def _table(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    text = path.read_bytes()
    if b"tool.harness" not in text:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise UsageError(msg, hint="Mend the file, or run from another folder.") from error
    return _mapping(document.get("tool", {}), "harness")


def _mapping(table: Mapping[str, Any], key: str, within: str = "") -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"[tool.harness] {within}{key} must be a table, not {value!r}")
    return value


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"[tool.harness] {key} must be a list, not {value!r}")
    return value


def _numbers(table: Mapping[str, Any], key: str, within: str = "") -> Mapping[str, float]:
    values = _mapping(table, key, within)
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise UsageError(f"[tool.harness.{within}{key}] {name} must be a number of at least 0, not {value!r}")
    return values


def _thresholds(checks: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    return {check: _numbers(checks, check, "checks.") for check in checks}


def _seconds(table: Mapping[str, Any], key: str, variable: str) -> float:
    said = os.environ.get(variable)
    value: Any = table.get(key, 0)
    name = f"[tool.harness] {key}"
    if said:
        name = variable
        try:
            value = float(said)
        except ValueError:
            value = said
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LONGEST_S:
        raise UsageError(f"{name} must be seconds from 0 to {_LONGEST_S}, not {value!r}")
    return float(value)


def _capture(table: Mapping[str, Any]) -> Capture:
    said = os.environ.get("HARNESS_CAPTURE")
    name = "HARNESS_CAPTURE" if said else "[tool.harness] capture"
    return capture(said or table.get("capture", Capture.FULL.value), name)


def capture(value: object, name: str) -> Capture:
    """Read what the setting *name* says is to be captured. Raises UsageError if it is none of the three words."""
    try:
        return Capture(value)
    except ValueError as error:
        known = ", ".join(each.value for each in Capture)
        raise UsageError(f"{name} must be one of {known}, not {value!r}") from error


def _pattern(value: object) -> str:
    try:
        if not isinstance(value, str) or re.compile(value).match("") is not None:
            msg = f"[tool.harness] redact must hold regular expressions that match something, not {value!r}"
            raise UsageError(msg)
    except re.error as error:
        raise UsageError(f"[tool.harness] redact: {value!r} is not a regular expression: {error}") from error
    return value


def _switch(table: Mapping[str, Any], key: str, variable: str) -> bool:
    said = os.environ.get(variable)
    words: Mapping[Any, bool] = {"1": True, "true": True, "0": False, "false": False}
    value = words.get(said.lower(), said) if said else table.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{variable if said else f'[tool.harness] {key}'} must be true or false, not {value!r}")
    return value


def _price(model: str, value: object) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == len(("input", "output")):
        given, taken = value
        if isinstance(given, (int, float)) and isinstance(taken, (int, float)):
            return float(given), float(taken)
    msg = f"[tool.harness.prices] {model!r} must be [input, output] in US dollars per million tokens, not {value!r}"
    raise UsageError(msg)
