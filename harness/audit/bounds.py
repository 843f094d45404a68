"""How long something goes on at most: the verdict, its numbers and reasons, and how such bounds are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Verdict(str, Enum):
    """What can be said of an end. From best to worst; of several parts the worst holds for the whole."""

    BOUNDED = "bounded"
    HUMAN = "by a human"
    UNKNOWN = "unknown"
    UNBOUNDED = "unbounded"


_WORSE = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most *messages* that are spoken and the most model *calls*, what they follow from (*why*), and the way out.

    The numbers are None unless it is bounded. *path* says who answers whom for ever, where a person decides, or which
    function hides the end. *tight* says that a model can make it reach both numbers; *loose* why it may not.
    """

    verdict: Verdict
    messages: int | None = None
    calls: int | None = None
    why: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    @property
    def tight(self) -> bool:
        """Whether both numbers can be reached."""
        return self.verdict is Verdict.BOUNDED and not self.loose


def bounded(messages: int, calls: int, *why: str, loose: Iterable[str] = ()) -> Bound:
    """Make the bound of something that ends by itself."""
    return Bound(
        verdict=Verdict.BOUNDED,
        messages=messages,
        calls=calls,
        why=why,
        loose=tuple(filter(None, dict.fromkeys(loose))),
    )


def open_ended(verdict: Verdict, *path: str) -> Bound:
    """Make the bound of something of which no number is known."""
    return Bound(verdict=verdict, path=path)


NOTHING = bounded(0, 0)


def both(one: Bound, other: Bound) -> Bound:
    """Put together what happens one after the other. The worst verdict holds."""
    worst = max(one.verdict, other.verdict, key=_WORSE.__getitem__)
    whole = worst is Verdict.BOUNDED
    return Bound(
        verdict=worst,
        messages=(one.messages or 0) + (other.messages or 0) if whole else None,
        calls=(one.calls or 0) + (other.calls or 0) if whole else None,
        why=tuple(dict.fromkeys((*one.why, *other.why))),
        path=tuple(dict.fromkeys((*one.path, *other.path))),
        loose=tuple(dict.fromkeys((*one.loose, *other.loose))),
    )


def total(bounds: Iterable[Bound]) -> Bound:
    """Put together what happens one after another."""
    found = NOTHING
    for each in bounds:
        found = both(found, each)
    return found


def times(number: int, bound: Bound) -> Bound:
    """Give the bound of *number* repetitions. What never happens is bounded, whatever it would do."""
    if number <= 0:
        return NOTHING
    if bound.verdict is not Verdict.BOUNDED:
        return bound
    return replace(bound, messages=number * (bound.messages or 0), calls=number * (bound.calls or 0))


def worst_of(bounds: Iterable[Bound]) -> Bound:
    """Give a bound that holds whichever of *bounds* a model chooses; it is loose where they differ both ways."""
    every = list(bounds)
    if not every:
        return NOTHING
    found = total(every)
    if found.verdict is not Verdict.BOUNDED:
        return found
    messages, calls = max(each.messages or 0 for each in every), max(each.calls or 0 for each in every)
    apart = not any(each.messages == messages and each.calls == calls for each in every)
    return replace(
        found,
        messages=messages,
        calls=calls,
        loose=(*found.loose, "the answer with most messages is not the one with most model calls")
        if apart
        else found.loose,
    )
