"""The store as everyone else sees it: take in, look, find, judge."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness import config
from harness.errors import StoreError, UnknownRunError, UsageError
from harness.model import Finding, Json, Run, RunSummary
from harness.store import loading
from harness.store.taking import Taken, take
from harness.text import one_line

if TYPE_CHECKING:
    import os

    from duckdb import DuckDBPyConnection as Connection

    from harness.store.failing import Failure
    from harness.store.latencies import Latency
    from harness.store.searching import Hit
    from harness.store.usage import Usage

Done = TypeVar("Done")

_SHOWN = 3
_WIDEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a question in SQL."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def open_store(path: str | os.PathLike[str] | None = None) -> Store:
    """Open the store at *path*, or the project's own. It need not exist yet: it is then empty.

    Raises StoreError on Windows.
    """
    if sys.platform == "win32":
        raise StoreError("a store needs Linux or macOS", hint="On Windows, run inside WSL.")
    return Store(config.load(store=path).store)


class Store:
    """One store folder. Holds nothing open between calls, so threads may share it."""

    def __init__(self, path: Path) -> None:
        """Look at the folder *path*; nothing is read before a question is asked."""
        self.path = path

    def ingest(self) -> Taken:
        """Take sealed segments into DuckDB, exactly once. Does nothing where another process is at it."""
        return _in_this_schema(self.path, lambda: take(self.path))

    @contextmanager
    def view(self) -> Iterator[Connection]:
        """Give a read-only DuckDB connection with the views ``runs spans messages calls findings``, for one question.

        Ingest waits while it is held. Raises StoreError if the database cannot be read.
        """
        from harness.store.viewing import viewing

        with ExitStack() as stack:
            yield _in_this_schema(self.path, lambda: stack.enter_context(viewing(self.path)))

    def runs(self, limit: int = 50, offset: int = 0, *, tag: str | None = None) -> list[RunSummary]:
        """List runs, newest first; only those with *tag*, if one is given."""
        where, values = ("list_contains(tags, ?)", [tag]) if tag is not None else ("true", [])
        # Of all the others only the start is read.
        newest = f"SELECT started_ns FROM runs WHERE {where} ORDER BY started_ns DESC LIMIT ?"
        question = f"""SELECT * FROM runs WHERE {where} AND started_ns >= (SELECT min(started_ns) FROM ({newest}))
            ORDER BY started_ns DESC, run_id LIMIT ? OFFSET ?"""
        with self._asking("runs") as con:
            result = con.execute(question, [*values, *values, limit + offset, limit, offset])
            columns = [str(column[0]) for column in result.description]
            return [loading.summary(dict(zip(columns, row, strict=True))) for row in result.fetchall()]

    def find(self, ref: str) -> str:
        """Give the id of the run that *ref* names: its id, a source id, a unique prefix, or ``@N``, newest first.

        Raises UnknownRunError if none does, or more than one.
        """
        with self._asking("runs") as con:
            return _find(con, ref)

    def find_all(self, refs: Iterable[str]) -> list[str]:
        """Give the ids of the runs that *refs* name, each once, in their order. Raises as ``find`` does."""
        asked = list(dict.fromkeys(refs))
        with self._asking("runs") as con:
            rows = con.execute("SELECT run_id FROM runs WHERE list_contains(?, run_id)", [asked]).fetchall()
            whole = {str(row[0]) for row in rows}
            return list(dict.fromkeys(ref if ref in whole else _find(con, ref) for ref in asked))

    def ids(self) -> list[str]:
        """List the ids of all runs, oldest first."""
        with self._asking("runs") as con:
            rows = con.execute("SELECT run_id FROM runs ORDER BY started_ns, run_id").fetchall()
            return [str(row[0]) for row in rows]

    def run(self, run_id: str) -> Run:
        """Derive the run with exactly this id. Raises UnknownRunError if nothing is recorded of it."""
        with self._asking("runs", "spans", "findings") as con:
            run = loading.run(con, run_id)
            if run is None:
                raise _unknown(con, run_id)
            return run

    def each(self, run_ids: Iterable[str]) -> list[Run]:
        """Derive the runs with these ids, as they stand at one moment; those nothing is recorded of are left out."""
        with self._asking("runs", "spans", "findings") as con:
            return list(loading.runs(con, run_ids))

    def judge(self, run_id: str, findings: Sequence[Finding]) -> None:
        """Keep *findings* as what is said of a run, instead of what was said before, through the journal.

        Raises StoreError if they could not be written.
        """
        self.judge_all({run_id: findings})

    def judge_all(self, findings: Mapping[str, Sequence[Finding]]) -> None:
        """Keep the *findings* of several runs, by their ids, as ``judge`` does."""
        from harness.canonical import encode
        from harness.journal import Journal

        journal = Journal(self.path, program="harness judge")
        try:
            for run_id, found in findings.items():
                record = {"k": "j", "run_id": run_id, "at_ns": time.time_ns(), "body": [_said(each) for each in found]}
                if not journal.write(encode(record).encode(errors="replace") + b"\n"):
                    raise StoreError(f"the findings of run {run_id!r} could not be kept", hint="Is the disk full?")
        finally:
            journal.close()

    def latencies(self, by: Sequence[str] = ("operation", "agent"), *, since_ns: int | None = None) -> list[Latency]:
        """Say how long things took, for each combination of *by* (operation, agent, name, model); the slowest first.

        Counts what began at *since_ns* (nanoseconds since the Unix epoch) or later. Times are within 2 %.
        Raises UsageError for another key.
        """
        from harness.store.latencies import latencies

        with self._asking() as con:
            return latencies(con, by, since_ns)

    def usage(self, by: str = "agent", *, since_ns: int | None = None) -> list[Usage]:
        """Sum up all calls by agent, model or tool: tokens, cost, errors and durations; the most expensive first.

        Counts what began at *since_ns* (nanoseconds since the Unix epoch) or later. Raises UsageError for another *by*.
        """
        from harness.store.usage import usage

        with self._asking() as con:
            return usage(con, by, since_ns)

    def failures(self, limit: int = 50) -> list[Failure]:
        """List the spans that ended in an error, the last to begin first."""
        from harness.store.failing import failures

        with self._asking("runs", "spans") as con:
            return failures(con, limit)

    def search(self, text: str, limit: int = 50, *, any_case: bool = False) -> Iterator[Hit]:
        """Yield up to *limit* places where *text* was said or stands in a span: newest run first, last in it first.

        Upper and lower case differ, unless *any_case* is asked for. The first hits come before all is searched; what is
        recorded meanwhile may be missed. Raises UsageError for an empty text.
        """
        from harness.store.searching import search

        if not text:
            raise UsageError("there is nothing to search for", hint="Give the text.")
        text = text.encode(errors="replace").decode()
        return search(lambda: self._asking("runs"), text, limit, any_case=any_case)

    def sql(self, query: str, *, run_id: str | None = None) -> Answer:
        """Answer a question in SQL over the public views; with *run_id* over those rows of them that are this run's.

        Raises UsageError for anything but one question, and for one that DuckDB does not understand.
        """
        import duckdb

        from harness.store.viewing import of_one_run

        with self.view() as con:
            if run_id is not None:
                of_one_run(con, run_id)
            try:
                statements = con.extract_statements(query)
                asks = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
                if len(statements) != 1 or statements[0].type not in asks:
                    raise UsageError(
                        "the store answers one question at a time and is not changed by SQL",
                        hint="Ask with SELECT over runs, spans, messages, calls or findings.",
                    )
                result = con.execute(query)
                columns = tuple(str(column[0]) for column in result.description)
                return Answer(columns=columns, rows=result.fetchall())
            except duckdb.Error as error:
                reason, _, rest = str(error).partition("\n")
                hint = next(
                    (line.strip() for line in rest.splitlines() if line.startswith(("Did you mean", "Candidate"))), ""
                )
                raise UsageError(one_line(reason, _WIDEST), hint=hint) from error

    @contextmanager
    def _asking(self, *views: str) -> Iterator[Connection]:
        """Give a view for a question of this class that needs no more of the public views than these."""
        from harness.store.schema import reading
        from harness.store.viewing import asking

        with ExitStack() as stack:
            con = _in_this_schema(self.path, lambda: stack.enter_context(asking(self.path, views)))
            with reading(self.path):
                yield con


def _in_this_schema(path: Path, do: Callable[[], Done]) -> Done:
    """Do it; if an older version made the database, bring that up to date and do it again."""
    try:
        return do()
    except StoreError:
        from harness.store.migrations import migrate

        if not migrate(path):
            raise
    return do()


def _said(finding: Finding) -> dict[str, Json]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "text": finding.text,
        "seq": finding.seq,
        "span_id": finding.span_id,
        "evidence": dict(finding.evidence),
    }


def _find(con: Connection, ref: str) -> str:
    if ref.startswith("@"):
        return _newest(con, ref)
    for where, value in (
        ("run_id = ?", ref),
        ("source_id = ?", ref),
        ("starts_with(run_id, ?)", ref),
        ("starts_with(source_id, ?)", ref),
    ):
        question = f"SELECT run_id FROM runs WHERE {where} ORDER BY started_ns DESC LIMIT ?"
        found = [str(row[0]) for row in con.execute(question, [value, _SHOWN + 1]).fetchall()] if ref else []
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
            raise UnknownRunError(f"{ref!r} names more than one run: {some}", hint="Give more of the id.")
    raise _unknown(con, ref)


def _newest(con: Connection, ref: str) -> str:
    number = ref[1:]
    if not (number.isascii() and number.isdigit() and int(number[:12]) >= 1 and len(number) < 13):  # noqa: PLR2004
        raise UnknownRunError(f"{ref!r} is no run", hint="@1 is the newest run, @2 the one before.")
    question = "SELECT run_id FROM runs ORDER BY started_ns DESC, run_id LIMIT 1 OFFSET ?"
    row = con.execute(question, [int(number) - 1]).fetchone()
    if row is None:
        raise _unknown(con, ref)
    return str(row[0])


def _unknown(con: Connection, ref: str) -> UnknownRunError:
    """Say that there is no such run, with the ids that look most like it, or else the newest."""
    rows = con.execute("SELECT run_id, source_id FROM runs ORDER BY started_ns DESC LIMIT 500").fetchall()
    if not rows:
        return UnknownRunError(
            f"no run {ref!r}: the store holds none yet",
            hint="Record one: `harness trace your_app.py` or `harness demo`.",
        )
    ids = [str(found) for row in rows for found in row if found]
    near = difflib.get_close_matches(ref, ids, n=_SHOWN)
    hint = (
        f"Did you mean {', '.join(near)}?"
        if near
        else f"The newest are {', '.join(str(row[0]) for row in rows[:_SHOWN])}."
    )
    return UnknownRunError(f"no run {ref!r}", hint=hint)
