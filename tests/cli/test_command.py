"""The command as a whole: help, mistakes, exit codes."""

from __future__ import annotations

from pathlib import Path

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
