"""Measure two things in turns, and report the one as a ratio to the other."""

from __future__ import annotations

import json
import os
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure. *value* and *against* are medians in *unit*, *spread* the value's interquartile range.

    *ratio* is the median of the pairs' ratios: both of a pair were measured next to each other, so a busy
    machine slows both. *n* counts pairs; *load* is the machine's one-minute load average at the end. A benchmark that
    takes the least of all samples instead says so.
    """

    name: str
    value: float
    unit: str
    against: float
    peer: str
    ratio: float
    n: int
    spread: float
    load: float

    def line(self) -> str:
        """Write it as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def compare(
    name: str, ours: Callable[[], float], *, peer: str, floor: Callable[[], float], unit: str, n: int
) -> Figure:
    """Take *n* pairs of samples, after one of each that does not count."""
    return summed_up(name, sampled(ours, floor, n), peer=peer, unit=unit)


def sampled(ours: Callable[[], float], floor: Callable[[], float], n: int) -> list[tuple[float, float]]:
    """Take *n* pairs of samples, after one of each that does not count."""
    ours()
    floor()
    return [(ours(), floor()) for _ in range(n)]


def summed_up(name: str, pairs: Sequence[tuple[float, float]], *, peer: str, unit: str) -> Figure:
    """Make one figure of *pairs* of samples: ours, and the peer's beside it."""
    values = [value for value, _ in pairs]
    return Figure(
        name=name,
        value=digits(statistics.median(values)),
        unit=unit,
        against=digits(statistics.median(base for _, base in pairs)),
        peer=peer,
        ratio=digits(statistics.median(value / base for value, base in pairs)),
        n=len(pairs),
        spread=digits(interquartile(values)),
        load=round(os.getloadavg()[0], 2),
    )


def interquartile(values: Sequence[float]) -> float:
    """Span the middle half of *values*."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def digits(number: float) -> float:
    """Keep three digits: more would be noise."""
    return float(f"{number:.3g}")
