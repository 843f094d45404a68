"""Read span attributes that anyone may have written: a value of the wrong type is no value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from harness.model import Json

MOST_TOKENS = 2**31 - 1
"""More tokens than this in one call is nonsense, and would overflow what sums them."""

Attributes = Mapping[str, Json]


def text(attributes: Attributes, key: str) -> str | None:
    """Read a string."""
    value = attributes.get(key)
    return value if isinstance(value, str) else None


def label(attributes: Attributes, key: str) -> str | None:
    """Read a string that says something: the empty one does not."""
    return text(attributes, key) or None


def whole(attributes: Attributes, key: str) -> int | None:
    """Read a count: an integer from 0 to MOST_TOKENS."""
    value = attributes.get(key)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def amount(attributes: Attributes, key: str) -> float | None:
    """Read a finite number of at least 0."""
    value = attributes.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def flag(attributes: Attributes, key: str) -> bool:
    """Read a yes: anything but ``true`` is no."""
    return attributes.get(key) is True


def texts(attributes: Attributes, key: str) -> tuple[str, ...]:
    """Read the strings of a list, in order."""
    value = attributes.get(key)
    return tuple([item for item in value if isinstance(item, str)]) if isinstance(value, (list, tuple)) else ()


def parsed(attributes: Attributes, key: str) -> Json:
    """Read a value kept as a JSON string; a string that is no JSON stands for itself."""
    value = attributes.get(key)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
