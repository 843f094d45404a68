"""What care of a store keeps, removes and gives back; and that whatever is killed, it is the old set or the new."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from harness.errors import StoreError, UsageError
from harness.model import Finding, Severity
from harness.store import Store, care, files, migrations, open_store, remaking, schema
from harness.store.verifying import verify
from tests.store import journals
from tests.store.journals import began, ended, said

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
DAY = 86_400 * 1_000_000_000
VIEWS = ("runs", "spans", "messages", "calls", "findings")


def conversation(run_id: str, day: int, *, text: str = "hello", tags: tuple[str, ...] = ()) -> list[dict]:
    """A finished run of one message, on its day."""
    about = {"run_id": run_id, "start_ns": day * DAY}
    attributes = {"harness.run.name": run_id, "harness.run.tags": list(tags)}
    return [
        ended("talk", **about, end_ns=day * DAY + 5, attributes=attributes),
        *said("m", "a", text, **about, parent_id="talk", seq=2),
        {"k": "l", "run_id": run_id, "hash": f"context-{run_id}", "prev": None, "part": f"part-{text}"},
        ended(
            "ask",
            **about,
            operation="chat",
            parent_id="talk",
            seq=3,
            end_ns=day * DAY + 4,
            attributes={"harness.input.context": f"context-{run_id}", "gen_ai.usage.input_tokens": day},
        ),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs on six days, the second of them tagged; findings of two."""
    store = open_store(tmp_path_factory.mktemp("made") / "store")
    for day in range(1, 7):
        tags = ("gold",) if day == 2 else ()
        journals.write(store.path, A, day, conversation(f"run-{day}", day, tags=tags))
        store.ingest()
    for run_id in ("run-1", "run-6"):
        for text in ("before", "after"):
            store.judge(run_id, [Finding(code="X1", name="x", severity=Severity.NOTE, text=text)])
    store.ingest()
    return store.path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    """A store of one's own."""
    return open_store(shutil.copytree(made, tmp_path / "store"))


def everything(store: Store, *without: str) -> list[list[tuple]]:
    with store.view() as con:
        return [
            sorted(
                (row for row in con.table(view).fetchall() if not set(without) & set(row[:1])),
                key=repr,
            )
            for view in VIEWS
        ]


def rows(store: Store, table: str) -> int:
    with closing(schema.connect(store.path)) as con:
        schema.attach(con, store.path, read_only=True)
        return con.execute(f"SELECT count(*) FROM stored.{table}").fetchone()[0]  # noqa: S608 - fixed names


def named(store: Store) -> list[str]:
    return sorted(run.run_id for run in store.runs())


def test_info_counts_what_there_is_journals_included(store):
    journals.write(store.path, B, 0, conversation("run-7", 7), raw=b"no record\n")
    lock = journals.Living(journals.write(store.path, B, 1, []))
    found = care.info(store.path)
    assert (found.runs, found.spans, found.messages, found.journals, found.living) == (7, 21, 7, 2, 1)
    assert (found.oldest_ns, found.newest_ns) == (DAY, 7 * DAY)
    assert (found.schema, found.duckdb) == (schema.VERSION, duckdb.__version__)
    assert found.database_bytes > found.journal_bytes > 0
    store.ingest()
    assert (care.info(store.path).bad, care.info(store.path).journals) == (1, 1)
    lock.die()


def test_info_of_an_empty_store_says_so(tmp_path):
    (tmp_path / "store").mkdir()
    found = care.info(tmp_path / "store")
    assert (found.runs, found.database_bytes, found.oldest_ns, found.schema) == (0, 0, None, schema.VERSION)


def test_compacting_changes_nothing_but_the_size(store):
    texts = ["".join(f"{number * day:x}" for number in range(40_000)) for day in range(8)]
    for number, text in enumerate(texts):
        journals.write(store.path, B, number, conversation(f"big-{number}", 9, text=text))
    care.prune(store.path, care.Keep(newest=14))
    before = everything(store)
    with closing(schema.connect(store.path)) as con:
        schema.attach(con, store.path, read_only=False)
        con.execute("INSERT INTO stored.parts SELECT 'gone', body, body, 1 FROM stored.parts")
        con.execute("DELETE FROM stored.parts WHERE run_id = 'gone'")
        con.execute("CHECKPOINT stored")
    was, now = care.compact(store.path)
    assert now < was
    assert now == (store.path / files.DATABASE).stat().st_size
    assert everything(store) == before
    assert rows(store, "judgements") == 2
    assert (store.path / files.DATABASE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (care.Keep(newest=2), {5, 6}),
        (care.Keep(newest=2, tags=["gold"]), {2, 5, 6}),
        (care.Keep(since_ns=4 * DAY), {4, 5, 6}),
        (care.Keep(since_ns=4 * DAY, newest=1, tags=["gold", "else"]), {2, 6}),
        (care.Keep(newest=0), set()),
        (care.Keep(newest=9), {1, 2, 3, 4, 5, 6}),
    ],
)
def test_pruning_removes_runs_with_all_that_belongs_to_them(store, keep, left):
    stay = sorted(f"run-{day}" for day in left)
    goes = sorted({f"run-{day}" for day in range(1, 7)} - set(stay))
    before = everything(store)
    tried = care.prune(store.path, keep, dry_run=True)
    assert (sorted(tried.run_ids), tried.kept) == (goes, len(left))
    assert everything(store) == before
    expected = everything(store, *goes)
    done = care.prune(store.path, keep)
    assert (done.run_ids, done.kept) == (tried.run_ids, tried.kept)
    assert everything(store) == expected
    assert named(store) == stay
    for table in ("parts", "links"):
        assert rows(store, table) == len(left)


def test_pruning_to_a_size_removes_the_oldest_and_no_more_than_needed(tmp_path):
    store = open_store(tmp_path / "store")
    for day in range(1, 41):
        text = random.Random(day).randbytes(40_000).hex()  # noqa: S311 - text that does not compress
        journals.write(store.path, A, day, conversation(f"run-{day:02}", day, text=text, tags=["gold"] * (day == 1)))
    store.ingest()
    before = (store.path / files.DATABASE).stat().st_size
    keep = care.Keep(most_bytes=before * 2 // 3, tags=["gold"])
    tried = care.prune(store.path, keep, dry_run=True)
    assert (store.path / files.DATABASE).stat().st_size == before
    done = care.prune(store.path, keep)
    assert done == tried
    assert done.after_bytes == (store.path / files.DATABASE).stat().st_size <= keep.most_bytes
    assert 5 <= len(done.run_ids) <= 28
    assert list(done.run_ids) == [f"run-{day:02}" for day in range(2, 2 + len(done.run_ids))]
    assert "run-01" in named(store)


def test_a_run_that_goes_on_or_is_not_wholly_taken_in_stays(store):
    lock = journals.Living(journals.write(store.path, B, 0, [began("talk", run_id="live", start_ns=DAY)]))
    other = journals.Living(journals.write(store.path, "cccccccccccc", 0, conversation("run-3", 3)))
    assert care.prune(store.path, care.Keep(newest=0)).kept == 2
    assert named(store) == ["live", "run-3"]
    lock.die()
    other.die()
    assert care.prune(store.path, care.Keep(newest=0)).kept == 0


def test_findings_that_the_list_of_runs_does_not_count_are_told(store):
    assert verify(store.path).flaws == []
    with duckdb.connect(str(store.path / files.DATABASE)) as con:
        con.execute("UPDATE runs SET findings = 0, worst = NULL")
    assert {flaw.run_id for flaw in verify(store.path).flaws} == {"run-1", "run-6"}


def test_pruning_without_a_rule_is_a_mistake_and_an_empty_store_is_none(tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(UsageError, match="which runs may go"):
        care.prune(tmp_path / "store", care.Keep(tags=["gold"]))
    assert care.prune(tmp_path / "store", care.Keep(newest=1)).run_ids == ()
    assert care.compact(tmp_path / "store") == (0, 0)
    assert not (tmp_path / "store" / files.DATABASE).exists()


def test_what_a_killed_ingest_left_in_its_log_is_part_of_the_copy(store):
    script = """
import os, sys
from pathlib import Path
from harness.store import schema
store = Path(sys.argv[1])
con = schema.connect(store)
schema.attach(con, store, read_only=False)
con.execute("INSERT INTO stored.batches VALUES (99, 0, 0, 0, 5)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(store.path)], check=True, timeout=60)
    assert (store.path / (files.DATABASE + ".wal")).exists()
    care.compact(store.path)
    assert not (store.path / (files.DATABASE + ".wal")).exists()
    assert care.info(store.path).bad == 5


DYING = """
import os, signal, sys
from pathlib import Path
from harness.store import care, remaking

store, kind, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
left = [number]

def point(here):
    if here == kind:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

class Watched:
    def __init__(self, con):
        self._con = con
    def execute(self, *args):
        point("statement")
        return self._con.execute(*args)
    def close(self):
        self._con.close()

real = remaking.connect
remaking.connect = lambda store: Watched(real(store))
for name in ("_sync", "put_in_place"):
    def wrapped(*args, _name=name, _real=getattr(remaking, name)):
        point(_name)
        _real(*args)
        point(_name + " done")
    setattr(remaking, name, wrapped)
sys.addaudithook(lambda event, args: point(event))
care.prune(store, care.Keep(newest=3))
print("survived")
"""
POINTS = [
    *(("statement", number) for number in (1, 4, 8, 13, 15)),
    ("os.chmod", 1),
    ("_sync", 1),
    ("put_in_place", 1),
    ("os.rename", 1),
    ("_sync", 2),
    ("put_in_place done", 1),
]


def test_wherever_pruning_is_killed_the_store_is_the_old_one_or_the_new_one(store):
    old = everything(store)
    new = everything(store, "run-1", "run-2", "run-3")
    outcomes = []
    for kind, number in POINTS:
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(store.path), kind, str(number)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, (kind, number, done.stdout, done.stderr)
        now = everything(store)
        assert now in (old, new), (kind, number)
        outcomes.append(now == new)
        if now == new:
            for day in (1, 2, 3):  # put back what went, in segments of other names
                segment = 10 * len(outcomes) + day
                journals.write(store.path, B, segment, conversation(f"run-{day}", day, tags=("gold",) * (day == 2)))
            store.judge("run-1", [Finding(code="X1", name="x", severity=Severity.NOTE, text="after")])
            store.ingest()
            assert everything(store) == old
    # Until the rename it is the old one, and from then on the new one.
    assert outcomes == [False] * 9 + [True] * 2
    care.prune(store.path, care.Keep(newest=3))
    assert everything(store) == new
    assert sorted(path.name for path in store.path.iterdir() if path.is_file()) == [
        ".gitignore",
        files.INGEST_LOCK,
        files.DATABASE,
        files.STORE_LOCK,
        files.TURN_LOCK,
    ]


def test_runs_recorded_and_taken_in_while_it_compacts_are_all_there_once(store):
    script = """
import sys
from pathlib import Path
from harness.store import care
for _ in range(8):
    care.compact(Path(sys.argv[1]))
    print("again", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(store.path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for number, line in enumerate(child.stdout):
            assert line == "again\n"
            journals.write(store.path, B, number, conversation(f"new-{number}", 7))
            store.ingest()
            assert len(store.runs()) == 7 + number
    assert child.returncode == 0
    store.ingest()
    care.compact(store.path)
    assert named(store) == sorted([f"run-{day}" for day in range(1, 7)] + [f"new-{number}" for number in range(8)])
    assert care.info(store.path).journals == 0


def test_a_store_that_another_process_changes_is_left_alone(store):
    with (
        files.held(store.path, files.INGEST_LOCK, exclusive=True) as mine,
        pytest.raises(StoreError, match="cannot be changed now"),
        remaking.alone(store.path, patience_s=0.01),
    ):
        assert mine


def test_the_disk_that_is_full_leaves_everything_as_it_was(store):
    before = everything(store)
    script = """
import resource, signal, sys
from pathlib import Path
from harness.errors import StoreError
from harness.store import care
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    care.compact(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "store" in done.stdout, done.stderr
    assert everything(store) == before
    assert not list(store.path.glob("*" + remaking.SUFFIX + "*"))


# Migrations

NOW = schema.VERSION


def test_every_schema_but_the_first_has_a_migration():
    assert len(migrations.MIGRATIONS) + 1 == schema.VERSION


@pytest.mark.parametrize("first", [Store.ingest, Store.runs])
def test_a_store_of_an_older_schema_is_brought_up_to_date_by_the_first_question(store, monkeypatch, first):
    before = everything(store)
    made_of_1 = ["ALTER TABLE remade.batches ADD COLUMN note VARCHAR", "UPDATE remade.batches SET note = 'old'"]
    made_of_2 = ["CREATE TABLE remade.more(number INTEGER)"]
    monkeypatch.setattr(migrations, "MIGRATIONS", (made_of_1, made_of_2))
    monkeypatch.setattr(schema, "VERSION", NOW + 2)
    journals.write(store.path, B, 0, [])
    if first is Store.ingest:
        with pytest.raises(duckdb.BinderException):  # migrated, and then this version's own insert does not fit
            first(store)
    else:
        assert len(first(store)) == 6
    with closing(schema.connect(store.path)) as con:
        schema.attach(con, store.path, read_only=True)
        assert con.execute("SELECT DISTINCT note FROM stored.batches").fetchall() == [("old",)]
        assert con.execute("SELECT * FROM stored.schema, stored.more").fetchall() == []
        assert con.execute("SELECT version FROM stored.schema").fetchall() == [(NOW + 2,)]
    assert everything(store) == before


def tables(store: Store) -> list[tuple]:
    """Every column of the database, and everything that is kept beside spans and contents."""
    with closing(schema.connect(store.path)) as con:
        schema.attach(con, store.path, read_only=True)
        columns = con.execute(
            """SELECT table_name, column_index, column_name, data_type FROM duckdb_columns()
            WHERE database_name = 'stored' AND NOT internal ORDER BY ALL"""
        ).fetchall()
        sorts = ", ".join(f"list_sort({name}) AS {name}" for name in schema.CALLED_COLUMNS)
        runs = con.execute(f"SELECT * REPLACE ({sorts}) FROM stored.runs ORDER BY run_id").fetchall()  # noqa: S608 - fixed names
        return [*columns, *runs, *con.execute("FROM stored.latencies ORDER BY ALL").fetchall()]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("first", [Store.ingest, Store.latencies])
def test_a_store_of_an_earlier_schema_becomes_what_it_would_be_had_it_been_made_today(store, first, version):
    calls = [ended(f"call-{number}", run_id="run-7", operation="tool", start_ns=7 * DAY) for number in range(3)]
    journals.write(store.path, B, 0, [*calls, began("talk", run_id="run-7", start_ns=7 * DAY)])
    store.ingest()
    care.compact(store.path)
    today, before = tables(store), everything(store)
    with closing(duckdb.connect(str(store.path / files.DATABASE))) as con:
        for column in schema.CALLED_COLUMNS:
            con.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        con.execute("DROP TABLE latencies")
        if version == 2:
            con.execute(
                """CREATE TABLE latencies(hour BIGINT, operation VARCHAR, agent VARCHAR, name VARCHAR, model VARCHAR,
                bucket INTEGER, number BIGINT)"""
            )
            con.execute("INSERT INTO latencies VALUES (1, 'tool', NULL, NULL, NULL, 5, 1)")
        con.execute("UPDATE schema SET version = ?", [version])
    journals.write(store.path, B, 1, [])
    first(store)
    assert tables(store) == today
    assert everything(store) == before


def test_a_migration_that_fails_leaves_the_old_database(store, monkeypatch):
    before = (store.path / files.DATABASE).read_bytes()
    monkeypatch.setattr(migrations, "MIGRATIONS", (["CREATE TABLE remade.schema(twice INTEGER)"],))
    monkeypatch.setattr(schema, "VERSION", NOW + 1)
    with pytest.raises(duckdb.CatalogException, match="already exists"):
        store.runs()
    assert (store.path / files.DATABASE).read_bytes() == before
    assert not list(store.path.glob("*" + remaking.SUFFIX + "*"))


def test_a_store_of_a_schema_nobody_knows_is_refused_as_it_is(store, monkeypatch):
    monkeypatch.setattr(schema, "VERSION", NOW + 6)
    with pytest.raises(StoreError, match=f"has schema {NOW}"):
        store.runs()
