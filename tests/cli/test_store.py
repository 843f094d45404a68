"""``harness store``: what a person sees of the care of a store, and what a program reads."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness import cli
from harness.cli.amounts import octets
from harness.errors import Exit
from harness.store import open_store, schema
from tests.store import journals
from tests.store.test_care import DAY, conversation

A = "aaaaaaaaaaaa"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three runs: today's, one of ten days ago, and one of the year 1970 that is tagged."""
    path = tmp_path / "store"
    today = time.time_ns() // DAY
    for number, (day, tags) in enumerate([(today, ()), (today - 10, ()), (1, ("gold",))]):
        journals.write(path, A, number, conversation(f"run-{number}", day, tags=tags), raw=b"{torn" * (number == 2))
    return path


def ask(*args: object, code: int = Exit.CLEAN) -> None:
    assert cli.execute(["store", *map(str, args)]) == code


def change(store: Path, statement: str) -> None:
    with closing(schema.connect(store)) as con:
        schema.attach(con, store, read_only=False)
        con.execute(statement)


def test_info_describes_the_store(store, capsys):
    ask("info", "--store", store)
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "bad" not in line)
    assert (lines["runs"], lines["spans"], lines["messages"], lines["journals"]) == ("3", "9", "3", "none")
    assert (lines["oldest"], lines["newest"][-3:], lines["schema"]) == ("1970-01-02", "ago", str(schema.VERSION))
    ask("--store", store, "info", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["runs"], found["bad"], found["path"]) == (3, 1, str(store))


def test_a_sound_store_is_verified(store, capsys):
    ask("verify", "--store", store)
    out = capsys.readouterr().out
    assert out.startswith("✔ the store is whole · every run: 9 spans, 3 contents, 3 links · 1 bad line")
    ask("verify", "--json", "--store", store)
    assert json.loads(capsys.readouterr().out)["flaws"] == []


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        ("UPDATE stored.runs SET messages = 7 WHERE run_id = 'run-1'", "totals", "messages is 7, and the spans say 1"),
        ("UPDATE stored.runs SET started_ns = 0 WHERE run_id = 'run-1'", "totals", "the first span began at"),
        ("DELETE FROM stored.runs WHERE run_id = 'run-1'", "unlisted", "a run that is not listed"),
        ("DELETE FROM stored.spans WHERE run_id = 'run-1'", "empty", "has no spans"),
        ("INSERT INTO stored.spans FROM stored.spans WHERE span_id = 'm'", "doubled", "span m is there more than once"),
        ("INSERT INTO stored.runs FROM stored.runs WHERE run_id = 'run-1'", "doubled", "listed 2 times"),
        ("DELETE FROM stored.parts WHERE run_id = 'run-1'", "dangling", "names the content part-hello, which is"),
        ("DELETE FROM stored.links WHERE run_id = 'run-1'", "dangling", "names the context context-run-1, which is"),
        ("UPDATE stored.links SET prev = 'lost'", "dangling", "goes on from lost, which is missing"),
    ],
)
def test_every_kind_of_damage_is_found_and_named(store, capsys, damage, kind, said):
    open_store(store).ingest()
    change(store, damage)
    ask("verify", "--store", store, code=Exit.FINDINGS)
    out = capsys.readouterr().out
    assert f"✖ {kind}  run-1: " in out
    assert said in out
    ask("verify", "--all", "--json", "--store", store, code=Exit.FINDINGS)
    assert {flaw["kind"] for flaw in json.loads(capsys.readouterr().out)["flaws"]} >= {kind}


def test_pruning_says_what_goes_and_what_it_gives_back(store, capsys):
    rules = ("--older-than", "7d", "--keep-tag", "gold", "--store", store)
    ask("prune", *rules, "--dry-run")
    assert capsys.readouterr().out.startswith("would remove 1 run (run-1) · 2 runs kept · ")
    ask("prune", *rules, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["run_ids"], found["kept"], found["dry_run"]) == (["run-1"], 2, False)
    ask("prune", *rules)
    assert capsys.readouterr().out.startswith("nothing to remove · 2 runs · ")
    ask("prune", "--max-size", "1kB", "--keep-tag", "gold", "--store", store)
    captured = capsys.readouterr()
    assert captured.out.startswith("removed 1 run (run-0) · 1 run kept · ")
    assert "cannot be smaller" in captured.err
    ask("verify", "--store", store)


def test_compacting_says_the_sizes(store, capsys):
    ask("compact", "--json", "--store", store)
    found = json.loads(capsys.readouterr().out)
    assert found["before_bytes"] >= found["after_bytes"] > 0
    ask("compact", "--store", store)
    assert " → " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--older-than", "soon"], "say 90min"),
        (["--max-size", "1 parsec"], "say 500MB"),
        (["--max-size", "-1GB"], "say 500MB"),
        ([], "nothing says which runs may go"),
    ],
)
def test_a_rule_that_is_none_is_a_mistake(store, capsys, args, said):
    ask("prune", "--store", store, *args, code=Exit.USAGE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_960, "10 kB"), (999_600, "1.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_read_well(number, said):
    assert octets(number) == said


@pytest.mark.parametrize("verb", ["info", "verify", "compact"])
def test_a_database_of_an_older_version_is_brought_up_to_date_first(store, capsys, verb):
    open_store(store).ingest()
    newer = "".join(f"ALTER TABLE stored.runs DROP COLUMN {column};" for column in schema.CALLED_COLUMNS)
    change(store, f"{newer} DROP TABLE stored.latencies; UPDATE stored.schema SET version = 1")  # noqa: S608 - fixed names
    ask(verb, "--store", store)
    capsys.readouterr()
    ask("info", "--store", store, "--json")
    assert json.loads(capsys.readouterr().out)["schema"] == schema.VERSION
