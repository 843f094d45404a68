"""What nobody wrote down the times of is shown without times."""

from __future__ import annotations

import json

import pytest

from harness import cli
from harness.errors import Exit


@pytest.fixture
def store(tmp_path, capsys):
    """A store with one conversation that names no times."""
    told = {"id": "one", "messages": [{"sender": "a", "recipient": "b", "role": "user", "content": "hi"}]}
    (tmp_path / "told.jsonl").write_text(json.dumps(told))
    store = str(tmp_path / "store")
    assert cli.execute(["import", str(tmp_path / "told.jsonl"), "--store", store]) == Exit.CLEAN
    capsys.readouterr()
    return store


def test_runs_of_unknown_times_are_listed_and_shown_without(store, capsys):
    assert cli.execute(["runs", "--store", store]) == Exit.CLEAN
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[-3:] == ["–"] * 3
    for more in ([], ["--spans"]):
        assert cli.execute(["show", "one", *more, "--store", store]) == Exit.CLEAN
        page = capsys.readouterr().out
        assert "at an unknown time" in page
        assert "2000" not in page
        assert " ms" not in page
    assert cli.execute(["diff", "one", "one", "--store", store]) == Exit.CLEAN
    assert "time" not in capsys.readouterr().out
