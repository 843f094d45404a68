"""Numbers as a person reads them: durations, token counts, money, how long ago. Unknown is ``–``, never 0."""

from __future__ import annotations

from datetime import datetime

UNKNOWN = "–"
SECOND = 1_000_000_000
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_WEEKS, _YEAR = 14 * _DAY, 300 * _DAY
_THOUSAND, _MILLION = 1_000, 1_000_000
_CENT, _DOLLARS = 0.01, 10
_TINY_MS, _SHORT_MS = 9.95, 100


def duration(length_ns: int | None) -> str:
    """Say how long something took: ``12 ms``, ``4.1 s``, ``2:14`` or ``1:02:03``."""
    if length_ns is None:
        return UNKNOWN
    seconds = max(0, length_ns) / SECOND
    milliseconds = seconds * 1000
    if milliseconds < _SHORT_MS:
        return f"{milliseconds:.1f} ms" if 0 < milliseconds < _TINY_MS else f"{milliseconds:.0f} ms"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02}"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02}"


def count(number: int | None) -> str:
    """Say a count in at most six characters: ``612``, ``21.4k``, ``1.2M``."""
    if number is None:
        return UNKNOWN
    if number < _THOUSAND:
        return str(number)
    if number < _MILLION - _THOUSAND / 20:
        return f"{number / _THOUSAND:.1f}k"
    return f"{number / _MILLION:.1f}M"


def money(amount_usd: float | None) -> str:
    """Say an amount of US dollars, with more digits the smaller it is."""
    if amount_usd is None:
        return UNKNOWN
    if amount_usd == 0:
        return "$0"
    if amount_usd < _CENT / 100:
        return "<$0.0001"
    if amount_usd < _CENT:
        return f"${amount_usd:.4f}"
    return f"${amount_usd:,.3f}" if amount_usd < _DOLLARS else f"${amount_usd:,.2f}"


def ago(at_ns: int, now_ns: int) -> str:
    """Say how long ago a moment was: ``now``, ``12 s``, ``3 min``, ``2 h``, ``5 d`` or its date."""
    seconds = (now_ns - at_ns) // SECOND
    if seconds < 1:
        return "now"
    for limit, size, unit in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h"), (_WEEKS, _DAY, "d")):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    try:
        moment = datetime.fromtimestamp(at_ns / SECOND).astimezone()
    except (OverflowError, OSError, ValueError):
        return UNKNOWN
    return f"{moment:%d %b}" if seconds < _YEAR else f"{moment:%b %Y}"


def total_tokens(given: int | None, taken: int | None) -> int | None:
    """Add what went in and what came out; None if nobody said either."""
    return None if given is None and taken is None else (given or 0) + (taken or 0)


def plural(number: int, noun: str) -> str:
    """Say *number* of *noun*: ``1 turn``, ``1,204 turns``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
