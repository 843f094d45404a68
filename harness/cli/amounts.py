"""Options that are amounts: how long ago (``30d``), how many bytes (``1GB``). Each reader is an option's callback."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

_AGES_NS = {
    unit: seconds * 1_000_000_000
    for unit, seconds in {
        "s": 1,
        "min": 60,
        "h": 3600,
        "d": 86_400,
        "w": 7 * 86_400,
        "y": 365 * 86_400,
    }.items()
}
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-z]*)", re.ASCII)
_SHOWN = (("kB", 10**3), ("MB", 10**6), ("GB", 10**9), ("TB", 10**12))


def age(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a length of time, such as ``30d``, ``12h`` or ``90min``, as nanoseconds."""
    return _amount(ctx, param, value, _AGES_NS, "90min, 12h, 30d, 8w or 1y")


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a size, such as ``500MB`` or ``1GiB``, as bytes."""
    return _amount(ctx, param, value, _SIZES, "500MB, 1GB or 2GiB")


def _amount(
    ctx: click.Context, param: click.Parameter, value: str | None, units: Mapping[str, int], some: str
) -> int | None:
    if value is None:
        return None
    match = _AMOUNT.fullmatch(value.strip().lower())
    unit = units.get(match[2]) if match else None
    if match is None or unit is None:
        raise click.BadParameter(f"{value!r}; say {some}.", ctx, param)
    return round(float(match[1]) * unit)


def octets(number: int) -> str:
    """Write a size in bytes as a person reads it: ``1.2 MB``."""
    shown, divisor = "B", 1
    for name, size_of in _SHOWN:
        if number >= 0.9995 * size_of:  # what rounds to a thousand of the one is one of the next
            shown, divisor = name, size_of
    amount = number / divisor
    return f"{amount:.1f} {shown}" if divisor > 1 and amount < 9.95 else f"{amount:,.0f} {shown}"  # noqa: PLR2004
