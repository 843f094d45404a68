"""The command as a whole: help, mistakes, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, NoReturn

import pytest

from harness import cli
from harness.errors import Exit

README = Path(__file__).parents[2] / "README.md"


def test_help_names_every_verb_and_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["--help"]) == Exit.CLEAN
    out = capsys.readouterr().out
    assert "harness demo" in out
    for verb, said in cli.VERBS.items():
        assert f"  {verb} " in out
        assert said.split()[0] in out


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_and_is_in_the_readme(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute([verb, "--help"]) == Exit.CLEAN
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: harness {verb} ")
    if verb != "explain":
        assert "--store" in out
    assert f"`{verb}" in README.read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["trac"], "Did you mean `harness trace`?"),
        (["xyzzy"], "lists the verbs"),
        (["runs", "--jsn"], "--jsn"),
        (["--nothing"], "--nothing"),
    ],
)
def test_a_mistyped_command_is_two_lines_and_exit_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(args) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 2


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute([]) == Exit.CLEAN
    assert "Verbs:" in capsys.readouterr().out


def harness(
    *args: str, stdout: int | IO[str] = subprocess.PIPE, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, whose stdout breaks in ways that only a real one does."""
    command = [sys.executable, "-m", "harness", *args]
    return subprocess.run(command, text=True, timeout=60, check=False, stdout=stdout, stderr=subprocess.PIPE, env=env)


@pytest.mark.parametrize("args", [["--help"], ["explain"], ["explain", "--json"]])
def test_a_reader_that_goes_away_is_neither_findings_nor_a_traceback(args: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = harness(*args, stdout=write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (Exit.READER_GONE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("args", [["--help"], ["explain"]])
def test_a_full_disk_is_two_lines_and_exit_code_3(args: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = harness(*args, stdout=full)
    assert done.returncode == Exit.ENVIRONMENT
    assert done.stderr.splitlines() == [
        "harness: cannot write: No space left on device",
        "  Make room, or write somewhere else.",
    ]


def test_an_encoding_without_our_marks_gets_escapes_and_json_that_says_the_same() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    said = harness("doctor", env=environment)
    assert said.stdout.startswith("\\u2714 python")
    told = harness("explain", "L101", "--json", env=environment).stdout
    assert told.isascii()
    assert json.loads(told) == json.loads(harness("explain", "L101", "--json").stdout)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), RuntimeError("Query interrupted")], ids=["python", "duckdb"])
def test_ctrl_c_is_told_in_a_line_wherever_it_comes(
    raised: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise raised

    monkeypatch.setattr("harness.plugins.names", stopped)
    assert cli.execute(["doctor"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err.split() == ["harness:", "interrupted"]
