"""Bring together what journals say and what the database holds already, each record once.

Reader and ingest both work from the tables made here, in an in-memory catalog ``working``. So what a reader sees
before an ingest is what the ingest then keeps, by construction. Planning a query costs more than running it on a
small journal, so a census decides first which questions need asking at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.journal import sealed
from harness.store.facts import facts
from harness.store.rollup import rollup, scope, verdicts
from harness.store.schema import RECORDED_COLUMNS, RUN_COLUMNS, SPAN_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_RECORD = {
    "k": "VARCHAR",
    **RECORDED_COLUMNS,
    "attributes": "JSON",
    "hash": "VARCHAR",
    "prev": "VARCHAR",
    "part": "VARCHAR",
    "body": "JSON",
    "at_ns": "BIGINT",
    "dropped": "BIGINT",
}
_TABLES = {
    "fresh": {"process": "VARCHAR", **SPAN_COLUMNS},
    "superseded": {"run_id": "VARCHAR", "span_id": "VARCHAR"},
    "before": {"run_id": "VARCHAR", "started_ns": "BIGINT", "first_batch": "BIGINT", "last_batch": "BIGINT"},
    "rollups": RUN_COLUMNS,
    "parts": {"run_id": "VARCHAR", "hash": "VARCHAR", "body": "JSON"},
    "links": {"run_id": "VARCHAR", "hash": "VARCHAR", "prev": "VARCHAR", "part": "VARCHAR"},
    "judgements": {"run_id": "VARCHAR", "at_ns": "BIGINT", "body": "JSON"},
}
_LEAST_BYTES = 1 << 20
_GROWTH_BYTES = 16 << 20
_FOREVER = 2**63 - 1
_PROCESS = "regexp_replace(filename, '-[^-]*$', '')"
SPANS = ", ".join(SPAN_COLUMNS)
PREFIX = "CREATE TABLE working."
SUPERSEDED = """(status = 'interrupted' AND EXISTS (FROM working.superseded AS late
    WHERE late.run_id = spans.run_id AND late.span_id = spans.span_id))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """How many lines were read, how many of them were no record, and how many writes journals say were dropped.

    Where it is *settled*, the working tables are empty, whoever is alive.
    """

    lines: int
    bad: int
    dropped: int
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Census:
    """How many valid records there are of each kind, which come *twice*, and when the spans that ended began."""

    lines: int = 0
    bad: int = 0
    begun: int = 0
    ended: int = 0
    parts: int = 0
    links: int = 0
    judgements: int = 0
    dropped: int = 0
    twice: frozenset[str] = frozenset()
    first_end_ns: int | None = None
    last_end_ns: int | None = None
    open: int = 0
    """Spans that were open when the database was last written."""


def gather(con: Connection, files: Sequence[Path], living: Iterable[str]) -> Gathered:
    """Make the working tables from the segments *files* and the attached database ``stored``.

    A span that began and has no end is open while its process is among the *living*, else interrupted.
    """
    con.execute("ATTACH ':memory:' AS working")
    census = _census(con, files)
    made: set[str] = set()
    if census.lines - census.bad or census.open:
        made = _Gathering(con, census, list(living)).made
    if files:
        con.execute("DROP TABLE working.records")
    for table, columns in _TABLES.items():
        if table not in made:
            con.execute(f"{PREFIX}{table}({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    _views(con, settled=not made)
    return Gathered(lines=census.lines, bad=census.bad, dropped=census.dropped, settled=not made)


def _census(con: Connection, files: Sequence[Path]) -> _Census:
    row = con.execute("SELECT count(*) FROM stored.open_spans").fetchone()
    held = row[0] if row else 0
    if not files:
        return _Census(open=held)
    _read(con, files)
    rows = con.execute(
        """SELECT k, count(*), count(DISTINCT (run_id, name)) FILTER (WHERE name IS NOT NULL), min(start_ns),
            max(start_ns), sum(greatest(dropped, 0))
        FROM (SELECT CASE WHEN valid THEN k END AS k, run_id, start_ns, dropped,
            CASE k WHEN 'e' THEN span_id WHEN 'p' THEN hash WHEN 'l' THEN hash END AS name FROM working.records)
        GROUP BY k"""
    ).fetchall()
    number = {row[0]: int(row[1]) for row in rows}
    told = {row[0]: row[2:] for row in rows}
    _, first, last, _ = told.get("e", (0, None, None, 0))
    return _Census(
        lines=sum(number.values()),
        bad=number.get(None, 0),
        begun=number.get("s", 0),
        ended=number.get("e", 0),
        judgements=number.get("j", 0),
        dropped=told["d"][3] or 0 if "d" in told else 0,
        twice=frozenset(kind for kind in ("e", "p", "l") if kind in told and told[kind][0] < number[kind]),
        parts=number.get("p", 0),
        links=number.get("l", 0),
        first_end_ns=first,
        last_end_ns=last,
        open=held,
    )


def _read(con: Connection, files: Sequence[Path]) -> None:
    """Read the segments into ``records``. A line that is no JSON, torn or of the wrong shape is kept as not valid."""
    # A line is no longer than its file, and a living file grows; the reader's buffers grow with this bound.
    longest = max(_LEAST_BYTES, *(file.stat().st_size + (0 if sealed(file) else _GROWTH_BYTES) for file in files))
    names = [str(file) for file in files]
    how = f"ignore_errors = true, filename = true, maximum_object_size = {longest}"
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in _RECORD.items())
    _keep(con, names, f"read_json(?, format = 'newline_delimited', columns = {{{columns}}}, {how})")
    # DuckDB 1 loses the line after one that ends too soon, but not where it reads whole objects, which takes longer.
    if con.execute("FROM working.records WHERE NOT valid AND version() LIKE 'v1.%' LIMIT 1").fetchone() is not None:
        con.execute("DROP TABLE working.records")
        kinds = json.dumps(_RECORD)
        _keep(
            con,
            names,
            f"""(SELECT unnest(json_transform(CASE WHEN json_valid(json) THEN json END, '{kinds}')), filename
                FROM read_ndjson_objects(?, {how}))""",
        )


def _keep(con: Connection, names: Sequence[str], source: str) -> None:
    """Keep in ``records`` what *source*, a table of SQL, reads from the files of these *names*."""
    con.execute(
        f"""{PREFIX}records AS
        SELECT * REPLACE (CASE WHEN status = 'error' THEN 'error' ELSE 'ok' END AS status,
                parse_filename(filename) AS filename),
            coalesce(CASE k
                WHEN 's' THEN run_id IS NOT NULL AND span_id IS NOT NULL AND start_ns IS NOT NULL AND seq IS NOT NULL
                WHEN 'e' THEN run_id IS NOT NULL AND span_id IS NOT NULL AND start_ns IS NOT NULL AND seq IS NOT NULL
                WHEN 'p' THEN run_id IS NOT NULL AND hash IS NOT NULL AND body IS NOT NULL
                WHEN 'l' THEN run_id IS NOT NULL AND hash IS NOT NULL AND part IS NOT NULL
                WHEN 'j' THEN run_id IS NOT NULL AND at_ns IS NOT NULL AND body IS NOT NULL
                ELSE k IS NOT NULL END, false) AS valid
        FROM {source}""",
        [[*names]],
    )


class _Gathering:
    """Makes one working table after another, where the census says that there is something to put into it."""

    def __init__(self, con: Connection, census: _Census, living: list[str]) -> None:
        self._con = con
        self._census = census
        self._standing = "CASE WHEN list_contains($living, process) THEN 'open' ELSE 'interrupted' END AS status"
        self._living = {"living": living}
        self.made: set[str] = set()
        self._touched()
        self._ends()
        self._fresh()
        self._contents()
        self._runs()

    def _make(self, table: str, query: str, values: object = None) -> int:
        """Make a table and say how many rows it got."""
        row = self._con.execute(f"{PREFIX}{table} AS {query}", values).fetchone()
        self.made.add(table)
        return int(row[0]) if row else 0

    def _touched(self) -> None:
        """Collect what the database says of the runs that are touched, and between which times and batches they lie."""
        records = "SELECT run_id FROM working.records WHERE valid AND k IN ('s', 'e', 'p', 'l', 'j')"
        held = "SELECT run_id FROM stored.open_spans"
        lists = [records] * bool(self._census.lines) + [held] * bool(self._census.open)
        known = f"FROM stored.runs WHERE run_id IN ({' UNION ALL '.join(lists)})"
        row = self._con.execute(
            f"SELECT min(started_ns), max(coalesce(ended_ns, {_FOREVER})), min(first_batch) {known}"
        ).fetchone()
        # A run that the database does not know has nothing there, and most batches hold none but such.
        self._before: tuple[int, int, int] | None = None if row is None or row[0] is None else row
        if self._before is not None:
            self._make("before", f"SELECT run_id, started_ns, first_batch, last_batch {known}")

    def _ends(self) -> None:
        """Say which records are the ends of spans, once each and only those that the database has not."""
        self._ended = "valid AND k = 'e'"
        if "e" in self._census.twice:
            self._make(
                "spare",
                f"""SELECT rowid AS place FROM working.records WHERE {self._ended} QUALIFY row_number() OVER
                (PARTITION BY run_id, span_id ORDER BY end_seq DESC NULLS LAST, filename) > 1""",
            )
            self._ended += " AND rowid NOT IN (FROM working.spare)"
        if self._before is None or not self._census.ended:
            return
        held = self._make(
            "held",
            # A span's start never changes, so that is where it can lie.
            f"""SELECT run_id, span_id, status FROM stored.spans
            WHERE start_ns BETWEEN {self._census.first_end_ns} AND {self._census.last_end_ns}
            AND run_id IN (SELECT run_id FROM working.before)
            AND (run_id, span_id) IN (SELECT (run_id, span_id) FROM working.records WHERE valid AND k = 'e')""",
        )
        if held:
            late = "SELECT run_id, span_id FROM working.held WHERE status = 'interrupted'"
            if self._make("superseded", late) < held:
                over = "SELECT (run_id, span_id) FROM working.held WHERE status <> 'interrupted'"
                self._ended += f" AND (run_id, span_id) NOT IN ({over})"

    def _fresh(self) -> None:
        """Make ``fresh``: the spans that ended, and those that began and did not, here or in the database."""
        columns = ", ".join(name for name in _RECORD if name not in {"status", "process"})
        sources = []
        if self._census.ended:
            ended = f"SELECT {columns}, status, '' AS process FROM working.records WHERE {self._ended}"
            sources += halves(ended, self._census.lines)
        begun = self._begun()
        if begun:
            sources.append(f"SELECT {columns}, {self._standing}, process FROM working.begun")
        asked = [facts(f"({' UNION ALL '.join(sources)})")] if sources else []
        if self._census.open:
            unless = [
                f"NOT EXISTS (FROM {table} AS seen WHERE seen.run_id = began.run_id AND seen.span_id = began.span_id)"
                for table, some in (
                    ("(FROM working.records WHERE valid AND k = 'e')", self._census.ended),
                    ("working.begun", begun),
                )
                if some
            ]
            where = f"WHERE {' AND '.join(unless)}" if unless else ""
            asked.append(f"SELECT * REPLACE ({self._standing}) FROM stored.open_spans AS began {where}")
        if asked:
            given = self._living if begun or self._census.open else None
            self._make("fresh", " UNION ALL BY NAME ".join(f"({query})" for query in asked), given)

    def _begun(self) -> int:
        """Collect the spans that began and have not ended, once each."""
        if not self._census.begun:
            return 0
        ended = "FROM working.records AS over WHERE over.valid AND over.k = 'e'"
        unless = [f"NOT EXISTS ({ended} AND over.run_id = began.run_id AND over.span_id = began.span_id)"]
        if self._before is not None:
            since, until, _ = self._before
            unless.append(
                f"""NOT EXISTS (FROM stored.spans AS had WHERE had.start_ns BETWEEN {since} AND {until}
                AND had.run_id = began.run_id AND had.span_id = began.span_id)"""
            )
        return self._make(
            "begun",
            f"""SELECT *, {_PROCESS} AS process FROM working.records AS began
            WHERE valid AND k = 's' AND {" AND ".join(unless)}
            QUALIFY row_number() OVER (PARTITION BY run_id, span_id ORDER BY filename, seq) = 1""",
        )

    def _contents(self) -> None:
        """Collect the contents, links and judgements that the database has not."""
        for table, letter, columns in (("parts", "p", ("body",)), ("links", "l", ("prev", "part"))):
            if not (self._census.parts if letter == "p" else self._census.links):
                continue
            had = ""
            if self._before is not None:
                # Contents of a run lie in batches from the one that first saw it.
                had = f"""AND NOT EXISTS (FROM stored.{table} AS had WHERE had.batch >= {self._before[2]}
                    AND had.run_id = found.run_id AND had.hash = found.hash)"""
            told = f"FROM working.records AS found WHERE valid AND k = '{letter}' {had}"
            if letter in self._census.twice:
                # What has the same name is the same: it is named by its hash.
                once = ", ".join(f"first({column}) AS {column}" for column in columns)
                self._make(table, f"SELECT run_id, hash, {once} {told} GROUP BY run_id, hash")
            else:
                self._make(table, f"SELECT run_id, hash, {', '.join(columns)} {told}")
        if self._census.judgements:
            self._make("judgements", "SELECT run_id, at_ns, body FROM working.records WHERE valid AND k = 'j'")

    def _runs(self) -> None:
        """Sum up the runs that are touched, from all their spans."""
        if "fresh" not in self.made and self._before is None:
            return
        columns = ", ".join(SPAN_COLUMNS)
        lists = [f"SELECT {columns} FROM working.fresh"] if "fresh" in self.made else []
        if self._before is not None:
            since, until, _ = self._before
            unless = f"AND NOT {SUPERSEDED}" if "superseded" in self.made else ""
            lists.append(
                f"""SELECT {columns} FROM stored.spans WHERE start_ns BETWEEN {since} AND {until}
                AND run_id IN (SELECT run_id FROM working.before) {unless}"""
            )
        judged = ["SELECT run_id, at_ns, body FROM working.judgements"] * bool(self._census.judgements)
        if self._before is not None:
            judged.append(
                "SELECT run_id, at_ns, body FROM stored.judgements WHERE run_id IN (SELECT run_id FROM working.before)"
            )
        self._make("scoped", scope(f"({' UNION ALL '.join(lists)})"))
        found = verdicts(f"({' UNION ALL '.join(judged)})") if judged else None
        self._make("rollups", rollup("working.scoped", f"({found})" if found else None))


def halves(query: str, rows: int, *, whole: int = 1) -> list[str]:
    """Split *query*, which reads a table of so many *rows* and ends in its condition, into two that run side by side.

    The first reads a multiple of *whole* rows. DuckDB hands a thread no less than 122,880 rows of a table in memory,
    and a batch is hardly more than that.
    """
    middle = rows // 2 // whole * whole
    return [f"{query} AND rowid < {middle}", f"{query} AND rowid >= {middle}"]


def _views(con: Connection, *, settled: bool) -> None:
    # Hardly ever is anything superseded, and then history is read without looking.
    late = not settled and con.execute("FROM working.superseded LIMIT 1").fetchone() is not None
    # And of one table DuckDB finds the newest rows without looking at all of it.
    fresh = not settled and con.execute("FROM working.fresh LIMIT 1").fetchone() is not None
    con.execute(
        f"""CREATE VIEW working.spans AS SELECT {SPANS} FROM stored.spans {f"WHERE NOT {SUPERSEDED}" if late else ""}
        {f"UNION ALL SELECT {SPANS} FROM working.fresh" if fresh else ""}"""
    )
