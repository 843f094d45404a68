"""The filter and the order of the runs list.

A filter is words and ``field:value`` pairs, all of which must hold; ``-`` before one turns it round, and
quotes keep words together. Anything is a filter: what is not a known field is a word to look for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import RunSummary

from . import marks
from .words import total_tokens

_TOKEN = re.compile(r'(?P<not>-?)(?:(?P<field>[a-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>\S+))')

FIELDS: Mapping[str, Callable[[RunSummary], Sequence[str]]] = {
    "status": lambda run: (run.status.value,),
    "tag": lambda run: run.tags,
    "name": lambda run: (run.name,),
    "id": lambda run: (run.run_id, run.source_id or ""),
    "ending": lambda run: (run.ending or "",),
    "mode": lambda run: (run.mode,),
    "framework": lambda run: (run.framework or "",),
    "worst": lambda run: (run.worst.value if run.worst else "",),
}
"""What may stand before the colon, and the texts it is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    field: str
    word: str
    wanted: bool

    def holds(self, run: RunSummary) -> bool:
        if self.field:
            found = any(text.casefold().startswith(self.word) for text in FIELDS[self.field](run))
        else:
            found = any(self.word in text.casefold() for texts in FIELDS.values() for text in texts(run))
        return found is self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What runs must be like. An empty one takes all."""

    terms: tuple[_Term, ...] = ()

    def __call__(self, run: RunSummary) -> bool:
        """Say whether *run* is wanted."""
        return all(term.holds(run) for term in self.terms)


def parse(text: str) -> Filter:
    """Read a filter as a person typed it, finished or not; never an error."""
    terms = []
    for match in _TOKEN.finditer(text):
        field = match["field"] or ""
        word = match["quoted"] if match["quoted"] is not None else match["word"]
        if field and field not in FIELDS:
            field, word = "", f"{field}:{word}"
        if word:
            terms.append(_Term(field=field, word=word.casefold(), wanted=not match["not"]))
    return Filter(terms=tuple(terms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A way to sort runs: what by, and whether the largest comes first."""

    name: str
    key: Callable[[RunSummary], object]
    largest_first: bool = True


def _number(value: float | None) -> tuple[bool, float]:
    """Put what is unknown below every number."""
    return (value is not None, value or 0)


def _took(run: RunSummary) -> int | None:
    return run.ended_ns - run.started_ns if run.ended_ns is not None and run.timed else None


ORDERS: tuple[Order, ...] = (
    Order(name="when", key=lambda run: run.started_ns),
    Order(name="cost", key=lambda run: _number(run.cost_usd)),
    Order(name="tokens", key=lambda run: _number(total_tokens(run.input_tokens, run.output_tokens))),
    Order(
        name="time",
        key=lambda run: _number(_took(run)),
    ),
    Order(name="msgs", key=lambda run: run.messages),
    Order(name="findings", key=lambda run: (marks.RANK[run.worst] if run.worst else 0, run.findings)),
    Order(name="name", key=lambda run: run.name.casefold(), largest_first=False),
)
"""The orders ``s`` goes through. The first is the store's own."""


def select(runs: Sequence[RunSummary], wanted: Filter, order: Order, *, reverse: bool = False) -> Sequence[RunSummary]:
    """Pick the *wanted* of *runs*, which are newest first, in *order*; equals stay newest first."""
    chosen = [run for run in runs if wanted(run)] if wanted.terms else runs
    if order is ORDERS[0]:
        return chosen[::-1] if reverse else chosen
    return sorted(chosen, key=order.key, reverse=order.largest_first is not reverse)  # type: ignore[arg-type]
