"""Prove that a store is whole: each record once, nothing named that is not there, totals equal to what spans say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import derive, semconv
from harness.model import RunSummary, Span
from harness.store import loading
from harness.store.schema import reading
from harness.store.viewing import viewing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

    from harness.store.loading import Recorded

_PARTS = (semconv.HARNESS_MESSAGE_PART, semconv.HARNESS_OUTPUT_PART, semconv.HARNESS_TOOLS_PART)
_AS_EXACT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is not as it should be.

    *kind* is ``totals`` (a run's row is not what its spans say), ``unlisted`` (spans whose run has no row), ``empty``
    (a row without spans), ``doubled`` (a record that is there twice) or ``dangling`` (something named is missing).
    """

    kind: str
    run_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong. *runs* of *of* were derived anew; *bad* lines were no records."""

    runs: int
    of: int
    spans: int
    parts: int
    links: int
    bad: int
    flaws: Sequence[Flaw]


def verify(store: Path, *, most: int | None = None) -> Verified:
    """Derive the newest *most* runs of *store* (None for all) from their spans, and hold the store against them.

    That every run has spans and every span a listed run is looked at for all. Raises StoreError if it cannot be read.
    """
    with viewing(store) as con, reading(store):
        flaws = list(_listed(con))
        rows = con.execute("SELECT count(*) FROM runs").fetchone()
        bad = con.execute("SELECT coalesce(sum(bad), 0)::BIGINT FROM stored.batches").fetchone()
        result = con.execute(
            f"SELECT * FROM runs ORDER BY started_ns DESC, run_id {'' if most is None else f'LIMIT {int(most)}'}"
        )
        columns = [str(column[0]) for column in result.description]
        summaries = [loading.summary(dict(zip(columns, row, strict=True))) for row in result.fetchall()]
        counts: Counter[str] = Counter()
        rows_of = {told.run_id: told for told in summaries}
        for found in loading.recorded(con, rows_of, proving=True):
            flaws += _run(rows_of[found.run_id], found, counts)
    return Verified(
        runs=len(summaries),
        of=rows[0] if rows else 0,
        spans=counts["spans"],
        parts=counts["parts"],
        links=counts["links"],
        bad=bad[0] if bad else 0,
        flaws=flaws,
    )


def _listed(con: Connection) -> Iterator[Flaw]:
    """Hold the list of runs against the spans, in one pass. A run's start bounds where its spans are looked for."""
    rows = con.execute(
        """SELECT coalesce(listed.run_id, seen.run_id), listed.run_id IS NULL, seen.run_id IS NULL,
            started_ns, first_ns
        FROM (SELECT run_id, min(started_ns) AS started_ns FROM runs GROUP BY run_id) AS listed
        FULL JOIN (SELECT run_id, min(start_ns) AS first_ns FROM spans GROUP BY run_id) AS seen USING (run_id)
        WHERE listed.run_id IS NULL OR seen.run_id IS NULL OR started_ns <> first_ns
        UNION ALL SELECT run_id, NULL, NULL, count(*), NULL FROM runs GROUP BY run_id HAVING count(*) > 1
        ORDER BY 1"""
    ).fetchall()
    for run_id, unlisted, empty, started_ns, first_ns in rows:
        if unlisted is None:
            yield Flaw(kind="doubled", run_id=run_id, text=f"the run is listed {started_ns} times")
        elif unlisted:
            yield Flaw(kind="unlisted", run_id=run_id, text="there are spans of a run that is not listed")
        elif empty:
            yield Flaw(kind="empty", run_id=run_id, text="the run is listed and has no spans")
        else:
            text = f"started_ns is {started_ns}, and the first span began at {first_ns}"
            yield Flaw(kind="totals", run_id=run_id, text=text)


def _run(told: RunSummary, found: Recorded, counts: Counter[str]) -> Iterator[Flaw]:
    run_id = told.run_id
    counts.update(spans=len(found.spans), parts=len(found.parts), links=len(found.links))
    text = difference(told, derive.summary(run_id, found.spans, found.findings))
    if text:
        yield Flaw(kind="totals", run_id=run_id, text=text)
    twice = [span_id for span_id, number in Counter(span.span_id for span in found.spans).items() if number > 1]
    for span_id in twice:
        yield Flaw(kind="doubled", run_id=run_id, text=f"span {span_id} is there more than once")
    for text in dangling(found.spans, found.parts, found.links):
        yield Flaw(kind="dangling", run_id=run_id, text=text)


def difference(told: RunSummary, derived: RunSummary) -> str:
    """Name the columns in which the row of a run is not what its spans say; empty if there are none.

    Sums of floats may differ in their last digits.
    """
    left, right = asdict(told), asdict(derived)
    return "; ".join(
        f"{name} is {left[name]!r}, and the spans say {right[name]!r}"
        for name in left
        if not _equal(left[name], right[name])
    )


def dangling(
    spans: Sequence[Span], parts: Collection[str], links: Mapping[str, tuple[str | None, str]]
) -> Iterator[str]:
    """Say what the spans and links of a run name that is not there, once each."""
    for key in _PARTS:
        named = {value: span.span_id for span in spans if isinstance(value := span.attributes.get(key), str) and value}
        for part in sorted(named.keys() - set(parts)):
            yield f"span {named[part]} names the content {part}, which is missing"
    contexts = {
        value: span.span_id
        for span in spans
        if isinstance(value := span.attributes.get(semconv.HARNESS_INPUT_CONTEXT), str) and value
    }
    for context in sorted(contexts.keys() - links.keys()):
        yield f"span {contexts[context]} names the context {context}, which is missing"
    for context, (before, part) in sorted(links.items()):
        if before is not None and before not in links:
            yield f"context {context} goes on from {before}, which is missing"
        if part not in parts:
            yield f"context {context} names the content {part}, which is missing"


def _equal(left: Any, right: Any) -> bool:  # noqa: ANN401 - any column
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=_AS_EXACT)
    return bool(left == right)
