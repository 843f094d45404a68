"""Open the public views over the database and the journals as they are at one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness import semconv
from harness.errors import StoreError
from harness.store.facts import CALL_OPERATIONS, text, texts
from harness.store.files import PATIENCE_S, STORE_LOCK, held, look
from harness.store.gather import gather
from harness.store.parked import Identity, Journals, Parked, fetch, park, watched
from harness.store.rollup import verdicts
from harness.store.schema import CALLED_COLUMNS, RUN_COLUMNS, SPAN_COLUMNS, attach, connect, reading

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_RUNS = ", ".join(column for column in RUN_COLUMNS if column not in CALLED_COLUMNS)
_SPANS = ", ".join(column for column in SPAN_COLUMNS if column not in {"call_name", "made"})


def _attribute(key: str) -> str:
    return f"""json_extract(attributes, '$."{key}"')"""


# A body is read once: each function that reads it holds what it made of a whole vector of them, several times over.
_TOLD = """json_transform(body, '{"role": "JSON", "parts": [{"type": "VARCHAR", "content": "VARCHAR",
    "response": "VARCHAR"}]}')"""
_PART_TEXT = (
    "CASE WHEN piece.type IN ('text', 'reasoning') THEN piece.content "
    "WHEN piece.type = 'tool_call_response' THEN piece.response END"
)
VIEWS = {
    "spans": f"SELECT {_SPANS} FROM working.spans",
    "runs": f"""SELECT {_RUNS} FROM stored.runs WHERE run_id NOT IN (SELECT run_id FROM working.rollups)
        UNION ALL SELECT {_RUNS} FROM working.rollups""",
    "calls": f"""SELECT run_id, span_id, operation, agent, call_name AS name, model, status, start_ns, end_ns,
        input_tokens, output_tokens, cost_usd FROM working.spans WHERE operation IN ({CALL_OPERATIONS})""",
    "messages": f"""SELECT run_id, seq, at_ns, sender, recipients,
            coalesce(nullif(role, ''), {text("told.role")}, '') AS role,
            coalesce(array_to_string(list_filter(list_transform(told.parts, lambda piece: {_PART_TEXT}),
                lambda line: line <> ''), chr(10)), '') AS text,
            body, span_id
        FROM (SELECT spoken.*, parts.body, {_TOLD} AS told FROM (
                SELECT run_id, seq, start_ns AS at_ns, span_id,
                    coalesce({text(_attribute(semconv.HARNESS_SENDER))}, '') AS sender,
                    {texts(_attribute(semconv.HARNESS_RECIPIENTS))} AS recipients,
                    {text(_attribute(semconv.HARNESS_ROLE))} AS role,
                    {text(_attribute(semconv.HARNESS_MESSAGE_PART))} AS part
                FROM working.spans WHERE operation = 'message') AS spoken
            LEFT JOIN (SELECT run_id, hash, body FROM stored.parts
                UNION ALL SELECT run_id, hash, body FROM working.parts) AS parts
                ON parts.run_id = spoken.run_id AND parts.hash = spoken.part)""",
    "findings": "SELECT run_id, code, name, severity, seq, span_id, text, evidence FROM working.verdicts",
}
"""The public views, documented and stable: what people may ask with SQL."""
_VERDICTS = verdicts(
    "(SELECT run_id, at_ns, body FROM stored.judgements UNION ALL SELECT run_id, at_ns, body FROM working.judgements)"
)
_SETTLED = f"SELECT {_RUNS} FROM stored.runs"
"""``runs`` where journals say nothing of any run."""
_APART = f"{_SETTLED} UNION ALL SELECT {_RUNS} FROM working.rollups"
"""``runs`` where they say nothing of any run that the database holds: its newest are found without looking at all."""


@contextmanager
def viewing(store: Path, only: Collection[str] = tuple(VIEWS)) -> Iterator[Connection]:
    """Give a DuckDB connection with the public views, for one question: ingest waits while it is held.

    Making a view costs about as much as a small question: *only* those are made. The connection reads
    and cannot write: not the store, not a file, not its own settings. Raises StoreError if the database cannot be
    read or is busy for too long.
    """
    with held(store, STORE_LOCK, exclusive=False, patience_s=PATIENCE_S) as mine:
        if not mine:
            raise StoreError(f"the store {str(store)!r} is busy", hint="Another process takes runs in; try again.")
        con = connect(store)
        try:
            with reading(store):
                _open(con, store, only)
            # Everything from outside is read by now.
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
            yield con
        finally:
            con.close()


def of_one_run(con: Connection, run_id: str) -> None:
    """Leave of the public views in *con* only the rows of one run."""
    con.execute("SET VARIABLE run_id = $1", [run_id])
    for name in VIEWS:
        body = f"SELECT * FROM memory.main.{name} WHERE run_id = getvariable('run_id')"
        con.execute(f"CREATE TEMP VIEW {name} AS {body}")


@contextmanager
def asking(store: Path, only: Collection[str] = ()) -> Iterator[Connection]:
    """Give the same for questions of our own, most of the cost of which would be to open everything: that is kept.

    It holds no lock meanwhile, and what it keeps of the store is shown again only while the database is the same. As
    nothing keeps it from reading files, it is not for questions that somebody else wrote.
    """
    with held(store, STORE_LOCK, exclusive=False, patience_s=PATIENCE_S) as mine:
        if not mine:
            raise StoreError(f"the store {str(store)!r} is busy", hint="Another process takes runs in; try again.")
        with watched(store) as identity:
            parked = fetch(store) or Parked(con=connect(store))
            try:
                with reading(store):
                    _go_on(parked, store, identity, only)
                yield parked.con
                if identity is None:
                    parked.leave()
                elif parked.gathered and not parked.gathered.small:
                    parked.part()
            except BaseException:
                parked.con.close()
                raise
            park(store, parked)


def _go_on(parked: Parked, store: Path, identity: Identity | None, only: Collection[str]) -> None:
    """Open what is not open yet, or has changed, for a question that needs the views *only*."""
    con = parked.con
    if parked.attached and (identity is None or parked.identity != identity):
        parked.leave()
    if not parked.attached:
        parked.ingested = _attach(con, store)
        parked.attached, parked.identity = True, identity
    journals = Journals.of(look(store), parked.ingested)
    if parked.gathered != journals:
        parked.part()
        parked.settled = gather(con, journals.paths, journals.living).settled
        parked.gathered = journals
    _make(con, [name for name in only if name not in parked.views], settled=parked.settled)
    parked.views.update(only)


def _open(con: Connection, store: Path, only: Collection[str]) -> None:
    journals = Journals.of(look(store), _attach(con, store))
    _make(con, only, settled=gather(con, journals.paths, journals.living).settled)


def _attach(con: Connection, store: Path) -> frozenset[str]:
    """Attach the database to be read, and name the segments it holds."""
    attach(con, store, read_only=True)
    return frozenset(str(row[0]) for row in con.execute("SELECT segment FROM stored.ingested").fetchall())


def _make(con: Connection, views: Collection[str], *, settled: bool) -> None:
    if "findings" in views:
        con.execute(f"CREATE VIEW working.verdicts AS {_VERDICTS}")
    runs = VIEWS["runs"]
    if settled or con.execute("FROM working.before LIMIT 1").fetchone() is None:
        # Of one table DuckDB finds the newest rows without looking at all of it.
        settled = settled or con.execute("FROM working.rollups LIMIT 1").fetchone() is None
        runs = _SETTLED if settled else _APART
    for name in views:
        con.execute(f"CREATE VIEW {name} AS {runs if name == 'runs' else VIEWS[name]}")
