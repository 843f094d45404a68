"""Bring together what journals say and what the database holds already, each record once.

Reader and ingest both work from the tables made here, in the schema ``working`` of an in-memory catalog. So what a
reader sees before an ingest is what the ingest then keeps, by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.facts import facts
from harness.store.rollup import rollup, scope, verdicts
from harness.store.schema import RUN_COLUMNS, SPAN_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_RECORD = {
    "k": "VARCHAR",
    "run_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "operation": "VARCHAR",
    "status": "VARCHAR",
    "seq": "BIGINT",
    "end_seq": "BIGINT",
    "start_ns": "BIGINT",
    "end_ns": "BIGINT",
    "attributes": "JSON",
    "hash": "VARCHAR",
    "prev": "VARCHAR",
    "part": "VARCHAR",
    "body": "JSON",
    "at_ns": "BIGINT",
}
_SLACK_BYTES = 16 << 20
SPANS = ", ".join(SPAN_COLUMNS)
PREFIX = "CREATE TABLE working."
SUPERSEDED = """(status = 'interrupted' AND EXISTS (FROM working.superseded AS late
    WHERE late.run_id = spans.run_id AND late.span_id = spans.span_id))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """How many lines were read, and how many of them were no record."""

    lines: int
    bad: int


def gather(con: Connection, files: Sequence[Path], living: Iterable[str]) -> Gathered:
    """Make the working tables from the segments *files* and the attached database ``stored``.

    A span that began and has no end is open while its process is among the *living*, else interrupted.
    """
    con.execute("CREATE SCHEMA working")
    if not files and con.execute("FROM stored.open_spans LIMIT 1").fetchone() is None:
        _nothing(con)
        return Gathered(lines=0, bad=0)
    _read(con, files)
    _ends(con)
    _begun(con, list(living))
    _contents(con)
    _runs(con)
    row = con.execute("SELECT count(*), count(*) FILTER (WHERE NOT valid) FROM working.records").fetchone()
    lines, bad = row or (0, 0)
    return Gathered(lines=lines, bad=bad)


def _nothing(con: Connection) -> None:
    """Make the tables that readers ask for, empty: everything is in the database, which is the usual case."""
    for table, columns in (
        ("fresh", {"process": "VARCHAR", **SPAN_COLUMNS}),
        ("rollups", RUN_COLUMNS),
        ("parts", {"run_id": "VARCHAR", "hash": "VARCHAR", "body": "JSON"}),
        ("links", {"run_id": "VARCHAR", "hash": "VARCHAR", "prev": "VARCHAR", "part": "VARCHAR"}),
        ("judgements", {"run_id": "VARCHAR", "at_ns": "BIGINT", "body": "JSON"}),
    ):
        con.execute(f"{PREFIX}{table}({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    _views(con, "")


def _read(con: Connection, files: Sequence[Path]) -> None:
    """Read the segments into ``records``. A line that is no JSON, torn or of the wrong shape is kept as not valid."""
    if files:
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in _RECORD.items())
        # A line is no longer than its file; the reader's buffers grow with this bound, and a living file grows too.
        longest = max(file.stat().st_size for file in files) + _SLACK_BYTES
        source = (
            f"read_json(?, format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true, "
            f"filename = true, maximum_object_size = {longest})"
        )
        values = [[str(file) for file in files]]
    else:
        columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in _RECORD.items())
        source, values = f"(SELECT {columns}, '' AS filename WHERE ?)", [False]  # type: ignore[list-item]
    con.execute(
        f"""{PREFIX}records AS
        SELECT * EXCLUDE (filename, status), parse_filename(filename) AS segment,
            regexp_replace(parse_filename(filename), '-[^-]*$', '') AS process,
            CASE WHEN status = 'error' THEN 'error' ELSE 'ok' END AS status,
            coalesce(CASE k
                WHEN 's' THEN run_id IS NOT NULL AND span_id IS NOT NULL AND start_ns IS NOT NULL AND seq IS NOT NULL
                WHEN 'e' THEN run_id IS NOT NULL AND span_id IS NOT NULL AND start_ns IS NOT NULL AND seq IS NOT NULL
                WHEN 'p' THEN run_id IS NOT NULL AND hash IS NOT NULL AND body IS NOT NULL
                WHEN 'l' THEN run_id IS NOT NULL AND hash IS NOT NULL AND part IS NOT NULL
                WHEN 'j' THEN run_id IS NOT NULL AND at_ns IS NOT NULL AND body IS NOT NULL
                ELSE k IS NOT NULL END, false) AS valid
        FROM {source}""",
        values,
    )


def _ends(con: Connection) -> None:
    """Collect spans that ended, once each, and the interrupted ones of the database that ended after all."""
    con.execute(
        f"""{PREFIX}ends AS SELECT * FROM working.records WHERE k = 'e' AND valid
        QUALIFY row_number() OVER (PARTITION BY run_id, span_id ORDER BY end_seq DESC NULLS LAST, segment) = 1"""
    )
    con.execute(f"{PREFIX}superseded(run_id VARCHAR, span_id VARCHAR)")
    bounds = _bounds(con, "ends")
    if bounds is None:
        return
    con.execute(
        f"""{PREFIX}held AS SELECT run_id, span_id, status FROM stored.spans
        WHERE start_ns BETWEEN ? AND ? AND (run_id, span_id) IN (SELECT run_id, span_id FROM working.ends)""",
        bounds,
    )
    con.execute("INSERT INTO working.superseded SELECT run_id, span_id FROM working.held WHERE status = 'interrupted'")
    con.execute(
        """DELETE FROM working.ends WHERE (run_id, span_id) IN
        (SELECT run_id, span_id FROM working.held WHERE status <> 'interrupted')"""
    )


def _begun(con: Connection, living: list[str]) -> None:
    """Make ``fresh``: the spans that ended, and those that began and did not, here or in the database."""
    con.execute(
        f"""{PREFIX}begun AS SELECT * FROM working.records AS began WHERE k = 's' AND valid
        AND NOT EXISTS (FROM working.ends WHERE ends.run_id = began.run_id AND ends.span_id = began.span_id)
        QUALIFY row_number() OVER (PARTITION BY run_id, span_id ORDER BY segment, seq) = 1"""
    )
    bounds = _bounds(con, "begun")
    if bounds is not None:
        con.execute(
            """DELETE FROM working.begun WHERE (run_id, span_id) IN
            (SELECT run_id, span_id FROM stored.spans WHERE start_ns BETWEEN ? AND ?)""",
            bounds,
        )
    standing = "CASE WHEN list_contains($living, process) THEN 'open' ELSE 'interrupted' END AS status"
    raw = f"(FROM working.ends UNION ALL SELECT * REPLACE ({standing}) FROM working.begun)"
    con.execute(
        f"""{PREFIX}fresh AS
        SELECT * FROM ({facts(raw)})
        UNION ALL BY NAME
        SELECT * REPLACE ({standing}) FROM stored.open_spans AS began
        WHERE NOT EXISTS (FROM working.ends WHERE ends.run_id = began.run_id AND ends.span_id = began.span_id)
            AND NOT EXISTS (FROM working.begun WHERE begun.run_id = began.run_id AND begun.span_id = began.span_id)""",
        {"living": living},
    )


def _bounds(con: Connection, table: str) -> tuple[int, int] | None:
    """Give the least and greatest start in *table*: a span's start never changes, so that is where it can lie."""
    row = con.execute(f"SELECT min(start_ns), max(start_ns) FROM working.{table}").fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def _contents(con: Connection) -> None:
    """Name the runs that are touched, and collect their contents, links and judgements."""
    con.execute(
        f"""{PREFIX}touched AS
        SELECT DISTINCT run_id FROM working.records WHERE valid AND k IN ('s', 'e', 'p', 'l', 'j')
        UNION SELECT run_id FROM stored.open_spans"""
    )
    con.execute(
        f"""{PREFIX}before AS SELECT run_id, started_ns, first_batch, last_batch FROM stored.runs
        WHERE run_id IN (SELECT run_id FROM working.touched)"""
    )
    for table, letter, columns in (("parts", "p", "body"), ("links", "l", "prev, part")):
        # Contents of a run lie in batches from the one that first saw it.
        con.execute(
            f"""{PREFIX}{table} AS SELECT run_id, hash, {columns} FROM working.records AS found
            WHERE k = '{letter}' AND valid AND NOT EXISTS (
                FROM stored.{table} AS had WHERE had.batch >= coalesce((SELECT min(first_batch) FROM working.before), 0)
                AND had.run_id = found.run_id AND had.hash = found.hash)
            QUALIFY row_number() OVER (PARTITION BY run_id, hash ORDER BY segment) = 1"""
        )
    con.execute(f"{PREFIX}judgements AS SELECT run_id, at_ns, body FROM working.records WHERE k = 'j' AND valid")


def _runs(con: Connection) -> None:
    """Sum up the runs that are touched, from all their spans."""
    # Hardly ever is anything superseded, and then history is read without looking.
    unless = "" if con.execute("FROM working.superseded").fetchone() is None else f"WHERE NOT {SUPERSEDED}"
    _views(con, unless)
    row = con.execute(
        "SELECT least(min(started_ns), (SELECT min(start_ns) FROM working.fresh)) FROM working.before"
    ).fetchone()
    since = row[0] if row and row[0] is not None else None
    spans = "working.fresh"
    if since is not None:
        spans = f"(SELECT * FROM working.spans WHERE start_ns >= {int(since)} AND run_id IN (FROM working.touched))"
    con.execute(f"{PREFIX}scoped AS {scope(spans)}")
    judged = "(SELECT * FROM working.verdicts WHERE run_id IN (FROM working.touched))"
    con.execute(f"{PREFIX}rollups AS {rollup('working.scoped', judged)}")


def _views(con: Connection, unless: str) -> None:
    con.execute(
        f"""CREATE VIEW working.spans AS
        SELECT {SPANS} FROM stored.spans {unless} UNION ALL SELECT {SPANS} FROM working.fresh"""
    )
    con.execute(
        f"""CREATE VIEW working.verdicts AS {
            verdicts(
                "(SELECT run_id, at_ns, body FROM stored.judgements"
                " UNION ALL SELECT run_id, at_ns, body FROM working.judgements)"
            )
        }"""
    )
