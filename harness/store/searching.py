"""Find a text in what was said and in what spans say, newest run first, in chunks that grow.

So the newest hits come at once however much the store holds, and no chunk keeps an ingest waiting for long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.text import one_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_FEWEST_RUNS, _MOST_RUNS, _GROWTH = 100, 12_800, 4
_ROWS = 200
_BEFORE, _WIDEST = 40, 160
_FOREVER = 2**63 - 1
_PAGE = """SELECT run_id, started_ns, coalesce(ended_ns, {forever}) FROM runs
    WHERE started_ns < ? OR (started_ns = ? AND run_id > ?) ORDER BY started_ns DESC, run_id LIMIT ?"""
_FOUND = """
    WITH listed AS (SELECT unnest($runs) AS run_id, unnest(range(len($runs))) AS place),
    told AS (
        SELECT run_id, hash, body FROM (
            SELECT run_id, hash, body FROM stored.parts WHERE batch BETWEEN {first_batch} AND {last_batch}
            UNION ALL SELECT run_id, hash, body FROM working.parts)
        WHERE run_id IN (SELECT run_id FROM listed) AND {body}
    )
    SELECT run_id, seq, span_id, said FROM (
        SELECT run_id, seq, span_id, start_ns, attributes AS said FROM working.spans
        WHERE start_ns BETWEEN {since} AND {until} AND {attributes}
            AND (operation <> 'message' OR json_extract_string(attributes, '$."{part}"') IS NULL)
        UNION ALL
        SELECT run_id, seq, span_id, start_ns, body AS said FROM working.spans JOIN told USING (run_id)
        WHERE start_ns BETWEEN {since} AND {until} AND operation = 'message'
            AND json_extract_string(attributes, '$."{part}"') = told.hash
    ) JOIN listed USING (run_id)
    ORDER BY listed.place, start_ns DESC, seq DESC, span_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One place where the text stands: a message or another span, and what stands around it, printable on one line."""

    run_id: str
    seq: int
    span_id: str
    excerpt: str


def search(
    view: Callable[[], AbstractContextManager[Connection]], text: str, limit: int, *, any_case: bool = False
) -> Iterator[Hit]:
    """Yield up to *limit* places where *text* stands: newest run first, and last in it first.

    It stands there as it is written or, in *any_case*, in other letters of the same.

    Every chunk is asked in a *view* of its own; none is held while the caller looks at what was found.
    """
    sought = re.compile(re.escape(text), re.IGNORECASE if any_case else 0)
    forms = [_pattern(text)] if any_case else _written(text)
    place = (_FOREVER, _FOREVER, "")
    runs = _FEWEST_RUNS
    while limit > 0:
        with view() as con:
            page = con.execute(_PAGE.format(forever=_FOREVER), [*place, runs]).fetchall()
            if not page:
                return
            hits = _chunk(con, page, sought, forms, limit)
        yield from hits
        limit -= len(hits)
        place = (page[-1][1], page[-1][1], page[-1][0])
        runs = min(runs * _GROWTH, _MOST_RUNS)


def _chunk(
    con: Connection, page: Sequence[tuple[Any, ...]], sought: re.Pattern[str], forms: Sequence[str], limit: int
) -> list[Hit]:
    names = [run_id for run_id, _, _ in page]
    row = con.execute(
        "SELECT min(first_batch), max(last_batch) FROM stored.runs WHERE run_id IN (SELECT unnest(?))", [names]
    ).fetchone()
    first, last = row if row and row[0] is not None else (0, -1)
    values = {f"text{number}": form for number, form in enumerate(forms)}
    bounds = {"since": min(row[1] for row in page), "until": max(row[2] for row in page)}
    test = "regexp_matches" if sought.flags & re.IGNORECASE else "contains"
    question = _FOUND.format(
        part=semconv.HARNESS_MESSAGE_PART,
        first_batch=first,
        last_batch=last,
        body=_holds(test, "body", values),
        attributes=_holds(test, "attributes", values),
        **bounds,
    )
    result = con.execute(question, {"runs": names, **values})
    hits: list[Hit] = []
    while len(hits) < limit and (rows := result.fetchmany(_ROWS)):
        for run_id, seq, span_id, said in rows:
            excerpt = _excerpt(said, sought)
            if excerpt and len(hits) < limit:
                hits.append(Hit(run_id=run_id, seq=seq, span_id=span_id, excerpt=excerpt))
    return hits


def _written(text: str) -> list[str]:
    """Give the ways in which JSON may have *text* inside a string."""
    return sorted({json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (False, True)})


def _pattern(text: str) -> str:
    """Write the regular expression for the ways in which JSON may have *text* inside a string, in any case."""
    return "(?i)" + "".join(
        re.escape(_written(one)[0]) if one.isascii() else f"(?:{'|'.join(map(re.escape, _cased(one)))})" for one in text
    )


def _cased(letter: str) -> list[str]:
    return sorted({form for one in (letter, letter.lower(), letter.upper()) for form in _written(one)})


def _holds(test: str, column: str, values: dict[str, str]) -> str:
    return "(" + " OR ".join(f"{test}(CAST({column} AS VARCHAR), ${name})" for name in values) + ")"


def _excerpt(value: str, sought: re.Pattern[str]) -> str | None:
    """Cut out what stands around what is *sought* in the first string of the JSON *value* that has it.

    Keys do not count.
    """
    for said in _strings(json.loads(value)):
        if found := sought.search(said):
            start = max(0, found.start() - _BEFORE)
            return one_line(("…" if start else "") + said[start : found.end() + _WIDEST], _WIDEST)
    return None


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += reversed(each.values())
        elif isinstance(each, list):
            waiting += reversed(each)
