"""Read guards as people write them: ``--guard``, ``[tool.harness.guard]``, and ``HARNESS_GUARD`` for processes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Final

from harness.errors import UsageError
from harness.guarding import budgets
from harness.guarding.guards import VARIABLE, Guard
from harness.model import Json

SETTINGS: Final = frozenset({"on_stop", "nudge", "fail_closed", "checks", "cap_output", "reserve_output_tokens"})
"""What a guard may be told besides its limits."""


def told(said: Mapping[str, Json]) -> Guard:
    """Make the guard of which *said* has limits and settings by name, as in ``[tool.harness.guard]``.

    Raises UsageError for a name that is neither.
    """
    settings = {name: value for name, value in said.items() if name in SETTINGS}
    for name in ("nudge", "fail_closed", "cap_output"):
        if not isinstance(settings.get(name, False), bool):
            raise UsageError(f"{name} of a guard must be true or false, not {settings[name]!r}")
    checks, output = settings.get("checks", []), settings.get("reserve_output_tokens", 1)
    if not isinstance(checks, (list, tuple)):
        raise UsageError(f"checks of a guard must be a list, not {checks!r}")
    if not isinstance(output, int):
        raise UsageError(f"reserve_output_tokens of a guard must be a number, not {output!r}")
    return Guard({name: value for name, value in said.items() if name not in SETTINGS}, **settings)


def words(text: str) -> dict[str, Json]:
    """Read what :func:`told` takes from ``name=value`` pairs with commas; ``none`` takes a default limit away.

    Several checks have a plus between them. Raises UsageError for what is none.
    """
    found: dict[str, Json] = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        name, given, value = pair.partition("=")
        if not given:
            raise UsageError(f"{pair!r} is no setting of a guard", hint="Write name=value, as in max_model_calls=30.")
        found[name.strip()] = _value(name.strip(), value.strip())
    return found


def _value(name: str, text: str) -> Json:
    if name == "checks":
        return text.split("+")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text.removeprefix("$"))
    return text


_WORDS: Final[Mapping[str, Json]] = {"none": None, "true": True, "false": False}


def from_environment() -> Guard | None:
    """Make the guard that the environment asks for, if any. Each process of a program guards what it sees itself."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    if not text.lstrip().startswith("{"):
        return told(words(text))
    said = json.loads(text)
    if "holding" in said:
        return Guard.holding(budgets.limits(said["holding"]))
    return Guard(said.pop("limits"), **said)
