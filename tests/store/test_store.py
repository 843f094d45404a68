from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StoreError, UnknownRunError, UsageError
from harness.model import Finding, Severity
from harness.store import Store, open_store
from tests.store import journals
from tests.store.journals import ended, said

A = "aaaaaaaaaaaa"
ROOT = {"harness.run.source_id": "theirs-1", "harness.run.tags": ["demo"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs, of which half lies in the database and half in a journal."""
    opened = open_store(tmp_path / "store")
    journals.write(opened.path, A, 0, [ended("1", run_id="abc1", start_ns=100, end_ns=200, attributes=ROOT)])
    opened.ingest()
    records = [ended("2", run_id="abd2", start_ns=300), ended("3", run_id="xyz", start_ns=200, seq=1)]
    journals.write(opened.path, A, 1, [*records, *said("m", "a", "hello", run_id="xyz", start_ns=201)])
    return opened


def test_a_store_that_is_not_there_yet_is_empty(tmp_path):
    opened = open_store(tmp_path / "nothing")
    assert opened.runs() == []
    assert opened.ingest().segments == 0
    with pytest.raises(UnknownRunError, match="no run '@1': the store holds none yet"):
        opened.find("@1")
    assert not (tmp_path / "nothing").exists()


def test_opening_a_store_does_not_load_duckdb(tmp_path):
    code = "import sys, harness; harness.open_store(sys.argv[1]).ingest(); print('duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_runs_are_listed_newest_first_and_by_tag(store):
    assert [run.run_id for run in store.runs()] == ["abd2", "xyz", "abc1"]
    assert [run.run_id for run in store.runs(limit=1, offset=1)] == ["xyz"]
    assert [run.run_id for run in store.runs(tag="demo")] == ["abc1"]
    assert store.runs(tag="'; DROP TABLE runs") == []


@pytest.mark.parametrize(
    ("ref", "run_id"),
    [
        ("abc1", "abc1"),
        ("abd", "abd2"),
        ("x", "xyz"),
        ("theirs-1", "abc1"),
        ("theirs", "abc1"),
        ("@1", "abd2"),
        ("@3", "abc1"),
    ],
)
def test_a_run_is_found_by_id_prefix_source_and_place(store, ref, run_id):
    assert store.find(ref) == run_id


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("ab", "'ab' names more than one run: abd2, abc1", "Give more of the id."),
        ("abc2", "no run 'abc2'", "Did you mean abd2, abc1?"),
        ("????", "no run '????'", "The newest are abd2, xyz, abc1."),
        ("", "no run ''", "The newest are abd2, xyz, abc1."),
        ("@4", "no run '@4'", "The newest are abd2, xyz, abc1."),
        ("@0", "'@0' is no run", "@1 is the newest run"),
        ("@²", "'@²' is no run", "@1 is the newest run"),
        ("@" + "9" * 30, "is no run", "@1 is the newest run"),
    ],
)
def test_a_run_that_is_not_there_is_refused_with_what_is(store, ref, message, hint):
    with pytest.raises(UnknownRunError) as caught:
        store.find(ref)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_run_needs_its_exact_id(store):
    with pytest.raises(UnknownRunError):
        store.run("abc")
    assert store.run("xyz").messages[0].text == "hello"


def test_the_newest_judgement_of_a_run_is_the_one_that_counts(store):
    def finding(code: str, severity: Severity) -> Finding:
        return Finding(
            code=code, name="n", severity=severity, text="\x1b[31mt\ud800", seq=1, span_id="m", evidence={"a": [1]}
        )

    store.judge("xyz", [finding("L1", Severity.ERROR)])
    store.ingest()
    store.judge("xyz", [finding("L2", Severity.NOTE), finding("L3", Severity.WARNING)])
    for _ in range(2):
        run = store.run("xyz")
        assert [(found.code, found.severity) for found in run.findings] == [
            ("L2", Severity.NOTE),
            ("L3", Severity.WARNING),
        ]
        assert (run.findings[0].seq, run.findings[0].span_id, run.findings[0].evidence) == (1, "m", {"a": [1]})
        assert (run.summary.findings, run.summary.worst) == (2, Severity.WARNING)
        assert [listed for listed in store.runs() if listed.run_id == "xyz"] == [run.summary]
        store.ingest()
    store.judge("xyz", [])
    assert (store.run("xyz").findings, store.run("xyz").summary.worst) == ((), None)


def test_the_public_views_have_the_columns_that_are_promised(store):
    with store.view() as con:
        found = {
            view: [row[0] for row in con.execute(f"DESCRIBE {view}").fetchall()]
            for view in ("runs", "messages", "calls", "findings")
        }
    assert found == {
        "runs": [
            "run_id",
            "source_id",
            "name",
            "started_ns",
            "ended_ns",
            "status",
            "ending",
            "mode",
            "framework",
            "messages",
            "model_calls",
            "tool_calls",
            "turns",
            "errors",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "findings",
            "worst",
            "tags",
        ],
        "messages": ["run_id", "seq", "at_ns", "sender", "recipients", "role", "text", "body", "span_id"],
        "calls": [
            "run_id",
            "span_id",
            "operation",
            "agent",
            "name",
            "model",
            "status",
            "start_ns",
            "end_ns",
            "input_tokens",
            "output_tokens",
            "cost_usd",
        ],
        "findings": ["run_id", "code", "name", "severity", "seq", "span_id", "text", "evidence"],
    }


def test_a_question_in_sql_is_answered_over_database_and_journal(store):
    answer = store.sql("SELECT run_id, sender, recipients, text FROM messages")
    assert answer.columns == ("run_id", "sender", "recipients", "text")
    assert answer.rows == [("xyz", "a", ["everyone"], "hello")]
    assert store.sql("SHOW TABLES").rows == [("calls",), ("findings",), ("messages",), ("runs",), ("spans",)]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM runs",
        "INSERT INTO stored.spans SELECT * FROM stored.spans",
        "CREATE TABLE mine(a INT)",
        "DROP VIEW runs",
        "COPY runs TO 'stolen.csv'",
        "ATTACH 'other.duckdb'",
        "SET enable_external_access = true",
        "EXPORT DATABASE 'out'",
        "INSTALL httpfs",
        "SELECT 1; DELETE FROM runs",
        "",
        "nonsense",
        "SELECT nothing FROM runs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT CAST('x' AS INTEGER)",
    ],
)
def test_sql_can_neither_write_nor_read_files_and_errs_in_one_line(store, query, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = store.runs()
    with pytest.raises(UsageError) as caught:
        store.sql(query)
    assert "\n" not in str(caught.value)
    assert store.runs() == before
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_quota_that_is_used_up_is_told_as_a_want_of_room_and_harms_nothing(tmp_path):
    store = open_store(tmp_path / "store")
    journals.write(store.path, A, 0, [ended("1", run_id="abc1")])
    code = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))\n"
        "from harness.store import open_store\n"
        "from harness.errors import StoreError\n"
        "try: open_store(Path(sys.argv[1])).ingest()\n"
        "except StoreError as error: print(error, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, store.path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"file too large for the store {str(store.path)!r} Make room and go on")
    store.ingest()
    assert [run.run_id for run in store.runs()] == ["abc1"]


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"\x00" * 5000])
def test_a_foreign_file_is_named_and_the_journals_are_kept(store, content):
    (store.path / "spans.duckdb").write_bytes(content)
    for use in (store.runs, store.ingest):
        with pytest.raises(StoreError, match=r"cannot read the store's database '.*spans\.duckdb'") as caught:
            use()
        assert "spans.duckdb.broken" in caught.value.hint
    (store.path / "spans.duckdb").rename(store.path / "spans.duckdb.broken")
    assert [run.run_id for run in store.runs()] == ["abd2", "xyz"]
    store.ingest()
    assert [run.run_id for run in store.runs()] == ["abd2", "xyz"]


def test_a_truncated_database_is_refused_in_one_line(store):
    database = store.path / "spans.duckdb"
    database.write_bytes(database.read_bytes()[: 3 * 4096])
    with pytest.raises(StoreError, match=r"spans\.duckdb") as caught:
        store.run(store.find("@1"))
    assert "\n" not in str(caught.value)


def test_an_empty_database_file_is_a_clear_error_and_what_is_in_journals_survives_its_removal(store):
    database = store.path / "spans.duckdb"
    database.write_bytes(b"")
    for asking in (store.runs, store.ingest):
        with pytest.raises(StoreError, match="is empty") as caught:
            asking()
        assert "rm spans.duckdb" in caught.value.hint
    database.unlink()
    assert store.ingest().segments == 1


def test_several_runs_are_read_at_one_moment_and_unknown_ones_left_out(store):
    assert [run.run_id for run in store.each(["xyz", "nothing", "abd2"])] == ["xyz", "abd2"]
    assert store.each([]) == []


def test_a_database_of_another_kind_or_a_later_version_is_refused(store):
    import duckdb

    database = store.path / "spans.duckdb"
    with duckdb.connect(str(database)) as con:
        con.execute("UPDATE schema SET version = 99")
    with pytest.raises(StoreError, match="has schema 99") as caught:
        store.runs()
    assert "Upgrade" in caught.value.hint
    database.unlink()
    with duckdb.connect(str(database)) as con:
        con.execute("CREATE TABLE theirs(a INT)")
    with pytest.raises(StoreError, match="cannot read the store's database"):
        store.runs()


def test_a_store_that_is_open_for_writing_elsewhere_says_so(store):
    import_and_hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", import_and_hold, str(store.path / "spans.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreError) as caught:
        store.runs()
    assert "Close the other program" in caught.value.hint
    other.communicate()
    assert len(store.runs()) == 3


def test_a_path_with_every_awkward_character_works(tmp_path):
    opened = open_store(tmp_path / "it's [a] *{b} 'ü'")
    journals.write(opened.path, A, 0, [ended("1")])
    assert len(opened.runs()) == 1
    opened.ingest()
    assert len(opened.runs()) == 1


def test_a_path_that_duckdb_would_take_for_an_address_is_refused(tmp_path):
    opened = open_store(tmp_path / "why?")
    journals.write(opened.path, A, 0, [ended("1")])
    assert len(opened.runs()) == 1
    with pytest.raises(StoreError, match="question mark"):
        opened.ingest()
    assert len(opened.runs()) == 1


def test_the_folder_is_its_owners_alone_and_ignored_by_git(store):
    assert store.path.stat().st_mode & 0o777 == 0o700
    assert (store.path / ".gitignore").read_text() == "*\n"
    assert (store.path / "spans.duckdb").stat().st_mode & 0o077 == 0


def test_several_messages_of_megabytes_are_read_within_the_memory_there_is(tmp_path):
    store = open_store(tmp_path / "store")
    texts = [f"{number} " + 'wörd "quoted" ' * 200_000 for number in range(5)]
    for number, text in enumerate(texts):
        lines = [*said("m", "a", text, run_id=f"r{number}", seq=number), ended("talk", run_id=f"r{number}")]
        journals.write(store.path, f"{number:012x}", 0, lines)
    for _ in range(2):
        rows = store.sql("SELECT text, body FROM messages ORDER BY seq").rows
        assert [text for text, _ in rows] == texts
        store.ingest()
