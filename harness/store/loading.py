"""Read runs out of an open view: their rows as summaries, their spans, contents and findings as the run they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import derive
from harness.model import Finding, Operation, Run, RunStatus, RunSummary, Severity, Span, Status

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


_FOREVER = 2**63 - 1
_MOST_RUNS = 200
_MOST_SPANS = 10_000
_NEAR_NS = 3_600 * 1_000_000_000
_SPAN = (
    "run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns, end_ns, attributes"
)
_OPERATIONS = {operation.value: operation for operation in Operation}
_STATUSES = {status.value: status for status in Status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is recorded of one run: its spans in no order, its parts (JSON) and links by hash, what is said of it."""

    run_id: str
    spans: Sequence[Span]
    parts: Mapping[str, str]
    links: Mapping[str, tuple[str | None, str]]
    findings: Sequence[Finding]


def summary(row: dict[str, Any]) -> RunSummary:
    """Make a row of the view ``runs`` the record it stands for."""
    worst = row.pop("worst")
    return RunSummary(
        **{
            **row,
            "status": RunStatus(row["status"]),
            "worst": Severity(worst) if worst else None,
            "tags": tuple(row["tags"]),
        }
    )


def run(con: Connection, run_id: str) -> Run | None:
    """Derive one run; None if nothing is recorded of it."""
    return next(runs(con, [run_id]), None)


def runs(con: Connection, run_ids: Iterable[str]) -> Iterator[Run]:
    """Derive runs, in the order they are asked for; those nothing is recorded of are left out."""
    for found in recorded(con, run_ids):
        parts = {name: json.loads(body) for name, body in found.parts.items()}
        yield derive.run(found.run_id, found.spans, parts, found.links, found.findings)


def recorded(con: Connection, run_ids: Iterable[str], *, proving: bool = False) -> Iterator[Recorded]:
    """Read what is recorded of runs, in the order they are asked for; many neighbours in time at once.

    Those without spans are left out. Whoever is *proving* the list of runs gets findings that it does not count, too,
    and parts that say nothing.
    """
    for group in _groups(_bounds(con, list(run_ids))):
        yield from _read(con, group, proving=proving)


def spans(con: Connection, run_id: str) -> list[Span]:
    """List the spans of a run, in no order."""
    return next((_spans(con, group)[run_id] for group in _groups(_bounds(con, [run_id]))), [])


class _Bounds(NamedTuple):
    """Where what is recorded of a run lies, and about how much it is.

    Its spans begin between two times, and what the database holds of its contents came with batches between two.
    """

    run_id: str
    since_ns: int
    until_ns: int
    weight: int
    findings: int
    first_batch: int
    last_batch: int


def _bounds(con: Connection, run_ids: Sequence[str]) -> Iterator[_Bounds]:
    for first in range(0, len(run_ids), _MOST_RUNS):
        some = run_ids[first : first + _MOST_RUNS]
        said = f"""SELECT run_id, started_ns, coalesce(ended_ns, {_FOREVER}),
            (1 + messages + model_calls + tool_calls + turns)::BIGINT, findings"""
        rows = con.execute(
            f"""{said}, first_batch, last_batch, 0 AS place FROM stored.runs WHERE run_id IN ({_marks(some)})
            UNION ALL {said}, {_FOREVER}, -1, 1 AS place FROM working.rollups WHERE run_id IN ({_marks(some)})
            ORDER BY place""",
            [*some, *some],
        ).fetchall()
        found: dict[str, _Bounds] = {}
        for row in rows:
            run = _Bounds(*row[:-1])
            # What is summed up anew is true of all of a run; where its contents lie in the database is as it was.
            if held := found.get(run.run_id):
                run = run._replace(first_batch=held.first_batch, last_batch=held.last_batch)
            found[run.run_id] = run
        yield from (found[run_id] for run_id in some if run_id in found)


def _groups(asked: Iterable[_Bounds]) -> Iterator[list[_Bounds]]:
    """Part runs into groups that fit in memory and lie close together."""
    group: list[_Bounds] = []
    for run in asked:
        if group and (
            len(group) >= _MOST_RUNS
            or sum(other.weight for other in group) + run.weight > _MOST_SPANS
            or run.since_ns > max(other.since_ns for other in group) + _NEAR_NS
            or run.since_ns < min(other.since_ns for other in group) - _NEAR_NS
        ):
            yield group
            group = []
        group.append(run)
    if group:
        yield group


def _marks(values: Sized) -> str:
    return ", ".join("?" * len(values))


def _spans(con: Connection, group: Sequence[_Bounds]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {run.run_id: [] for run in group}
    # No span of a run starts before it does, or after the last sign of life of one that is over.
    bounds = (min(run.since_ns for run in group), max(run.until_ns for run in group))
    question = f"SELECT {_SPAN} FROM spans WHERE run_id IN ({_marks(found)}) AND start_ns BETWEEN ? AND ?"
    for row in con.execute(question, [*found, *bounds]).fetchall():
        found[row[0]].append(_span(row))
    return found


def _read(con: Connection, group: Sequence[_Bounds], *, proving: bool) -> Iterator[Recorded]:
    spans = _spans(con, group)
    run_ids = list(spans)
    marks = _marks(run_ids)
    batches = (min(run.first_batch for run in group), max(run.last_batch for run in group))
    values = [*run_ids, *batches, *run_ids]
    parts: dict[str, dict[str, str]] = {run_id: {} for run_id in run_ids}
    body = "NULL" if proving else "body"
    for run_id, name, text in con.execute(
        f"""SELECT run_id, hash, {body} FROM stored.parts WHERE run_id IN ({marks}) AND batch BETWEEN ? AND ?
        UNION ALL SELECT run_id, hash, {body} FROM working.parts WHERE run_id IN ({marks})""",
        values,
    ).fetchall():
        parts[run_id][name] = text
    links: dict[str, dict[str, tuple[str | None, str]]] = {run_id: {} for run_id in run_ids}
    for run_id, name, prev, part in con.execute(
        f"""SELECT run_id, hash, prev, part FROM stored.links WHERE run_id IN ({marks}) AND batch BETWEEN ? AND ?
        UNION ALL SELECT run_id, hash, prev, part FROM working.links WHERE run_id IN ({marks})""",
        values,
    ).fetchall():
        links[run_id][name] = (prev, part)
    findings: dict[str, list[Finding]] = {run_id: [] for run_id in run_ids}
    judged = [run.run_id for run in group if run.findings or proving]
    if judged:
        for row in con.execute(
            f"""SELECT run_id, code, name, severity, text, seq, span_id, evidence FROM working.verdicts
            WHERE run_id IN ({_marks(judged)}) ORDER BY run_id, place""",
            judged,
        ).fetchall():
            findings[row[0]].append(_finding(row))
    for run in group:
        if spans[run.run_id]:
            yield Recorded(
                run_id=run.run_id,
                spans=spans[run.run_id],
                parts=parts[run.run_id],
                links=links[run.run_id],
                findings=findings[run.run_id],
            )


def _span(row: tuple[Any, ...]) -> Span:
    run_id, trace_id, span_id, parent_id, name, kind, operation, status, seq, end_seq, start_ns, end_ns, attributes = (
        row
    )
    return Span(
        run_id=run_id,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        operation=_OPERATIONS[operation],
        status=_STATUSES[status],
        seq=seq,
        end_seq=end_seq,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=json.loads(attributes),
    )


def _finding(row: Sequence[Any]) -> Finding:
    _, code, name, severity, said, seq, span_id, evidence = row
    return Finding(
        code=code,
        name=name,
        severity=Severity(severity),
        text=said,
        seq=seq,
        span_id=span_id,
        evidence=json.loads(evidence),
    )
