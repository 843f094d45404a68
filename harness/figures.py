"""Write figures as a person reads them. What is unknown is ``–``, never 0."""

from __future__ import annotations

from harness.model import RunSummary

UNKNOWN = "–"
_MINUTE = 60
_LEAST_SHOWN_USD = 0.00005


def count(number: int | None) -> str:
    """Write a count with thousands apart."""
    return UNKNOWN if number is None else f"{number:,}"


def many(number: int, noun: str) -> str:
    """Say how many of what, which forms its plural with an s."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def money(amount_usd: float | None) -> str:
    """Write an amount of US dollars."""
    if amount_usd is None:
        return UNKNOWN
    if 0 < amount_usd < _LEAST_SHOWN_USD:
        return "<$0.0001"
    return f"${amount_usd:,.4f}"


def duration(length_ns: int | None) -> str:
    """Write how long something took; a clock that ran backwards took no time."""
    if length_ns is None:
        return UNKNOWN
    milliseconds = max(0, length_ns) / 1e6
    if milliseconds < 999.5:  # noqa: PLR2004 - what rounds to a second is one
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"  # noqa: PLR2004
    seconds = milliseconds / 1000
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


def tokens(run: RunSummary) -> int | None:
    """Add up the tokens in and out, as far as they are known."""
    known = [number for number in (run.input_tokens, run.output_tokens) if number is not None]
    return sum(known) if known else None
