"""Bring a database that an older version made up to the schema of this one.

The list only ever grows: its first entry makes schema 2 of schema 1, and so on. The database is copied, the copy is
changed and put in its place, under both locks: a kill leaves the old one as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness.store import remaking, schema
from harness.store.files import DATABASE, STORE_LOCK, held
from harness.store.histogram import histogram
from harness.store.rollup import called

_PATIENCE_S = 1.0

MIGRATIONS: tuple[Sequence[str], ...] = (
    ("CREATE TABLE remade.latencies(hour BIGINT)",),  # the next one fills it
    (
        "DROP TABLE remade.latencies",
        f"CREATE TABLE remade.latencies AS {histogram('remade.spans')}",
        "ALTER TABLE remade.runs RENAME TO older",
        f"""CREATE TABLE remade.runs AS SELECT older.* EXCLUDE (first_batch, last_batch),
            coalesce(agents, []) AS agents, coalesce(models, []) AS models, coalesce(tools, []) AS tools,
            first_batch, last_batch
        FROM remade.older LEFT JOIN (SELECT run_id, {called()} FROM
            (SELECT run_id, operation, agent, model, call_name FROM remade.spans
            UNION ALL SELECT run_id, operation, agent, model, call_name FROM remade.open_spans)
            GROUP BY run_id) USING (run_id)""",
        "DROP TABLE remade.older",
    ),
)
"""For each schema after the first, the SQL statements that make it of the one before, in the catalog ``remade``."""


def migrate(store: Path) -> bool:
    """Bring the database of *store* up to date. Returns whether it was of an older schema.

    Raises StoreError, with the old database in place, if it cannot be changed now.
    """
    if not _outdated(store):
        return False
    with remaking.alone(store):
        # Another process may have done it meanwhile.
        found = _outdated(store)
        if found:
            made = f"UPDATE remade.schema SET version = {schema.VERSION}"
            steps = [step for steps in MIGRATIONS[found - schema.VERSION :] for step in steps]
            remaking.remake(store, steps=[*steps, made])
    return True


def _outdated(store: Path) -> int | None:
    """Give the schema of the database if it is one that this version can bring up to date, else None."""
    path = store / DATABASE
    if not path.exists() or not path.stat().st_size:
        return None
    import duckdb

    with held(store, STORE_LOCK, exclusive=False, patience_s=_PATIENCE_S) as mine:
        if not mine:
            return None
        try:
            with closing(schema.connect(store)) as con:
                con.execute(f"ATTACH {schema.quoted(path)} AS stored (READ_ONLY)")
                row = con.execute("SELECT max(version) FROM stored.schema").fetchone()
        except duckdb.Error:
            return None  # damaged or foreign: whoever reads it says so
    version = row[0] if row else None
    oldest = schema.VERSION - len(MIGRATIONS)
    return version if isinstance(version, int) and oldest <= version < schema.VERSION else None
