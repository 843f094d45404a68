"""Write JSON one way only, and name contents by their hash."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import orjson

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def encode(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write *value* as compact JSON in its own key order.

    What plain JSON cannot hold survives as text: lone surrogates become ``?``, integers beyond 64 bits and
    foreign objects become strings. Never raises for values built of dicts, lists and scalars.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        return _careful(value, sort=False)


def length(value: Any) -> int:  # noqa: ANN401
    """Count the bytes of *value* as :func:`encode` writes it, in UTF-8."""
    try:
        return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except (TypeError, ValueError, RecursionError):
        return len(_careful(value, sort=False).encode(errors="replace"))


def canonical(value: Any) -> str:  # noqa: ANN401
    """Write *value* as compact JSON with sorted keys: equal values give equal text."""
    try:
        return orjson.dumps(value, option=_SORTED).decode()
    except (TypeError, ValueError, RecursionError):
        return _careful(value, sort=True)


def digest(text: str) -> str:
    """Name *text* by its blake2b-128 hash, in hex."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def context_hash(prev: str | None, part: str) -> str:
    """Name the context that is *prev* (a context hash, or None) and then the message with hash *part*."""
    return digest(f"{prev or ''}\n{part}")


def _careful(value: object, *, sort: bool) -> str:
    try:
        return json.dumps(_plain(value, 0), ensure_ascii=False, sort_keys=sort, separators=(",", ":"))
    except RecursionError:
        return json.dumps("(nested too deeply)")


_DEEPEST = 100
_INT64 = 1 << 63


def _plain(value: object, depth: int) -> object:  # noqa: PLR0911 - one return a type
    if depth > _DEEPEST:
        return "(nested too deeply)"
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < 2 * _INT64 else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN is unequal to itself
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    try:
        return _plain(str(value), depth + 1)
    except Exception:  # noqa: BLE001 - a foreign object's __str__ may do anything
        return f"({type(value).__name__})"


def _plain_key(key: object) -> str:
    text = _plain(key, 0)
    return text if isinstance(text, str) else json.dumps(text)
