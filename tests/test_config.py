"""Where the store is, and what a project asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import config
from harness.errors import UsageError
from harness.suppressing import Suppression


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    monkeypatch.delenv("HARNESS_SYNC_SECONDS", raising=False)


def project(folder: Path, text: str = "") -> Path:
    (folder / "pyproject.toml").write_text(text)
    inner = folder / "src" / "deep"
    inner.mkdir(parents=True)
    return inner


def test_the_store_lies_beside_the_nearest_project(tmp_path: Path) -> None:
    assert config.load(start=project(tmp_path)).store == tmp_path / ".harness"


def test_what_is_given_goes_before_the_environment_and_that_before_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = project(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", "theirs")
    assert config.load(start=inner).store == inner / "theirs"
    assert config.load(store="mine", start=inner).store == inner / "mine"


def test_limits_prices_and_disabled_checks_are_read(tmp_path: Path) -> None:
    text = """
    [tool.harness]
    disable = ["T301"]
    [tool.harness.limits]
    max_cost_usd = 0.5
    [tool.harness.prices]
    own-model = [1, 2.5]
    """
    found = config.load(start=project(tmp_path, text))
    assert found.limits == {"max_cost_usd": 0.5}
    assert found.prices == {"own-model": (1.0, 2.5)}
    assert found.disabled == {"T301"}


def test_the_disk_is_asked_as_often_as_the_environment_says_else_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = project(tmp_path, "[tool.harness]\nsync_seconds = 5")
    assert config.load(start=inner).sync_s == 5.0
    monkeypatch.setenv("HARNESS_SYNC_SECONDS", "0.5")
    assert config.load(start=inner).sync_s == 0.5
    monkeypatch.setenv("HARNESS_SYNC_SECONDS", "often")
    with pytest.raises(UsageError, match="HARNESS_SYNC_SECONDS must be seconds from 0 to 86400, not 'often'"):
        config.load(start=inner)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.harness\n", "not valid TOML"),
        ("[tool.harness]\nlimits = 3", "limits must be a table"),
        ('[tool.harness.limits]\nmax_turns = "3"', "max_turns must be a number"),
        ("[tool.harness.limits]\nmax_turns = -1", "at least 0"),
        ("[tool.harness.prices]\nm = [1]", "must be \\[input, output\\]"),
        ("[tool.harness]\nsync_seconds = -1", "sync_seconds must be seconds"),
        ("[tool.harness]\nsync_seconds = true", "sync_seconds must be seconds"),
        ("[tool.harness]\nsync_seconds = nan", "sync_seconds must be seconds"),
        ('[tool.harness]\ndisable = "T301"', "disable must be a list"),
        ("[tool.harness.checks]\nL101 = 4", "checks.L101 must be a table"),
        ('[tool.harness.checks]\nL101 = {times = "4"}', r"\[tool.harness.checks.L101\] times must be a number"),
        ("[tool.harness.checks]\nL101 = {times = inf}", "times must be a number"),
        ('[tool.harness]\nsuppress = "L101"', "must be a list of tables with code and reason"),
        ('[[tool.harness.suppress]]\ncode = "L101"', r"\[\[tool.harness.suppress\]\] 1 has no reason"),
        ('[[tool.harness.suppress]]\nreason = "so"', "1 has no code"),
        ('[[tool.harness.suppress]]\ncode = "L101"\nreason = " "', "reason must be a text that says something"),
        ('[[tool.harness.suppress]]\ncode = "L101"\nreason = "so"\nwhy = "so"', "has no key 'why'"),
    ],
)
def test_a_setting_of_the_wrong_shape_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    inner = project(tmp_path, f"# tool.harness\n{text}")
    with pytest.raises(UsageError, match=said):
        config.load(start=inner)


def test_what_checks_judge_by_and_what_is_not_held_against_a_run_are_read(tmp_path: Path) -> None:
    text = """
    [tool.harness.checks]
    L101 = {times = 4}
    [[tool.harness.suppress]]
    code = "T301"
    reason = "the limit is meant"
    agent = "ann"
    run = "nightly-*"
    """
    found = config.load(start=project(tmp_path, text))
    assert found.thresholds == {"L101": {"times": 4}}
    assert found.suppressions == (Suppression(code="T301", reason="the limit is meant", agent="ann", run="nightly-*"),)
