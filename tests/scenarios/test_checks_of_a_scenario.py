"""A scenario may set what checks judge by, and name findings that do not count."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import Severity
from harness.suppressing import Suppression
from scenarios import runner, scenario
from tests.adapters.recorded import THEIR_WARNINGS
from tests.library import LIBRARY

pytestmark = THEIR_WARNINGS
AGENTS = "agents: [{name: ann, llm_config: false}, {name: ben, llm_config: false}]\ntask: Go.\n"
needs_autogen = pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="AutoGen is not installed")


def write(folder: Path, text: str) -> Path:
    path = folder / "chat.scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def polite(folder: Path, more: str) -> Path:
    """The polite pair of the library, which repeats itself, with nothing expected and *more* said."""
    text = (LIBRARY / "politeness.scenario.yaml").read_text(encoding="utf-8").partition("expect:")[0]
    shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / "chat.cassette.jsonl")
    return write(folder, text + more)


def test_numbers_and_suppressions_are_read(tmp_path):
    more = "checks: {repeated-message: {times: 9}}\nsuppress: [{code: T301, reason: it is meant, agent: ann}]\n"
    what = scenario.load(write(tmp_path, AGENTS + more))
    assert what.checks == {"L101": {"times": 9}}
    assert what.suppressions == (Suppression(code="T301", reason="it is meant", agent="ann"),)


@pytest.mark.parametrize(
    ("more", "said", "hint"),
    [
        ("checks: {L110: {times: 4}}", "chat.scenario.yaml:3: no check is called 'L110'", "L10"),
        (
            "checks:\n  L101: {time: 4}",
            "chat.scenario.yaml:4: L101 repeated-message has no threshold 'time'",
            "'times'",
        ),
        ("checks: {L101: {times: often}}", "a number", ""),
        ("suppress: [{code: L101}]", "'suppress[1].reason' is missing", ""),
        ('suppress: [{code: L101, reason: " "}]', "' ' does not match", ""),
    ],
)
def test_what_is_no_check_or_has_no_reason_is_refused_at_its_line(tmp_path, more, said, hint):
    with pytest.raises(UsageError) as caught:
        scenario.load(write(tmp_path, f"{AGENTS}{more}\n"))
    assert said in str(caught.value)
    assert hint in caught.value.hint


@needs_autogen
def test_a_scenario_that_suppresses_what_it_knows_passes_and_shows_it(tmp_path):
    more = """
suppress:
  - {code: L, reason: They are polite.}
  - {code: ended-by-limit, reason: The limit is meant.}
  - {code: T302, reason: Never needed.}
"""
    verdict = runner.run_scenario(polite(tmp_path, more), store=tmp_path / "store")
    assert verdict.outcome == "passed", verdict.reasons
    told = {each.code: each.suppressed for each in verdict.findings if each.code in {"L101", "T301"}}
    assert told == {"L101": "They are polite.", "T301": "The limit is meant."}
    assert {each.severity for each in verdict.findings} == {Severity.NOTE}
    assert verdict.remarks == ("nothing was found that the suppression of T302 (Never needed.) is for",)


@needs_autogen
def test_without_the_suppression_it_fails_and_a_number_of_its_own_decides(tmp_path):
    failed = runner.run_scenario(polite(tmp_path, ""), store=tmp_path / "store")
    assert failed.outcome == "failed"
    assert any("unexpected finding L101" in reason for reason in failed.reasons)
    other = polite(tmp_path, "checks: {L101: {times: 50}}\n")
    assert not any("L101" in reason for reason in runner.run_scenario(other, store=tmp_path / "store").reasons)
