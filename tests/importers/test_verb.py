"""``harness import``: the account a person reads, the one a program reads, and the exit codes."""

from __future__ import annotations

import json

import pytest

from harness import cli
from harness.errors import Exit
from harness.importers import kinds
from tests.house.test_metadata import PROJECT
from tests.importers.bringing import conversation, write

TALK = conversation("one", ("user", "bot", "user", "Hello"))


def run(capsys, *args):
    code = cli.execute([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_one_line_tells_what_became_of_a_file(tmp_path, capsys):
    file = write(tmp_path / "talk.jsonl", TALK, "{")
    code, out, err = run(capsys, "import", file, "--store", tmp_path / "store")
    assert code == Exit.CLEAN
    assert out == f"{file} (conversations): runs 1 new, 0 known; 1 message, 2 spans; 1 bad line\n"
    assert err.startswith(f"{file}:2: no JSON")


def test_json_is_an_array_with_an_account_a_file(tmp_path, capsys):
    files = [write(tmp_path / name, TALK, "{") for name in ("a", "b")]
    code, out, _ = run(capsys, "import", *files, "--json", "--store", tmp_path / "store")
    first, second = json.loads(out)
    assert code == Exit.CLEAN
    assert (first["runs_new"], second["runs_new"], second["runs_known"]) == (1, 0, 1)
    assert [bad["line"] for bad in first["bad"]] == [2]


@pytest.mark.parametrize("raw", [b"", b"hello\n", b"\x00\x01\x02", b'{"a": 1}\n', b"\x1f\x8bbroken"])
def test_a_file_of_no_known_kind_is_one_line_and_exit_2(tmp_path, capsys, raw):
    (tmp_path / "odd").write_bytes(raw)
    code, out, err = run(capsys, "import", tmp_path / "odd", "--store", tmp_path / "store")
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith("harness: ")
    assert len(err.splitlines()) <= 2
    assert not (tmp_path / "store").exists()


def test_the_files_beside_an_odd_one_are_imported(tmp_path, capsys):
    (tmp_path / "odd").write_bytes(b"hello")
    files = [tmp_path / "odd", tmp_path / "missing", tmp_path, write(tmp_path / "talk", TALK)]
    code, out, err = run(capsys, "import", *files, "--store", tmp_path / "store")
    assert code == Exit.USAGE
    assert "1 new" in out
    assert len([line for line in err.splitlines() if line.startswith("harness: ")]) == 3


def test_a_format_can_be_forced_and_an_unknown_one_is_refused(tmp_path, capsys):
    file = write(tmp_path / "talk", "{", "{", TALK)
    code, out, _ = run(capsys, "import", file, "--format", "conversations", "--store", tmp_path / "store")
    assert (code, "1 new" in out) == (Exit.CLEAN, True)
    code, _, err = run(capsys, "import", file, "--format", "nonsense")
    assert code == Exit.USAGE
    assert f"Known: {', '.join(kinds.names())}" in err


def test_names_from_a_file_cannot_move_the_terminal(tmp_path, capsys):
    file = write(tmp_path / "talk\x1b[2J", TALK, conversation("x\x1b[2J", ("a", None, "\x1b[2J", "x")))
    _, out, err = run(capsys, "import", file, "--store", tmp_path / "store")
    assert "\x1b" not in out + err


def test_the_kinds_of_ours_are_the_entry_points_of_the_project():
    assert PROJECT["entry-points"][kinds.GROUP] == kinds.OURS
    assert all(kinds.load(name).title for name in kinds.names())
