"""Each check has a run that it finds fault with and one that it does not, and the findings are text to review."""

from __future__ import annotations

import os

import pytest

from harness import check
from tests.checks.golden_runs import FOLDER, ours, read, written

KNOWN = {kind.code for kind in (*ours(), check.CheckCrashed)}
CODES = sorted(KNOWN)
RUNS = [path for path in sorted(FOLDER.glob("*/*.yaml")) if path.stem in {"bad", "good"}]


@pytest.mark.parametrize("code", CODES)
def test_every_check_has_a_good_and_a_bad_run(code):
    assert {path.name for path in (FOLDER / code).glob("*")} == {"bad.yaml", "bad.txt", "good.yaml"}


def test_every_golden_run_is_of_a_check_there_is():
    assert {path.parent.name for path in RUNS} <= KNOWN


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden_runs_get_the_findings_that_were_reviewed(path):
    golden = read(path)
    found = [finding for finding in golden.findings() if finding.code == path.parent.name]
    assert golden.about.endswith(".")
    if path.stem == "good":
        assert found == []
        return
    assert found
    expected = path.with_suffix(".txt")
    if os.environ.get("HARNESS_GOLDEN") == "write":
        expected.write_text(written(found), encoding="utf-8")
    assert written(found) == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_check_breaks_on_a_golden_run(path):
    if path.parent.name != "X001":
        assert [finding.text for finding in read(path).findings() if finding.code == "X001"] == []


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_check_would_find_anything_in_events_that_it_does_not_watch_or_is_shown_later(path):
    golden = read(path)
    for kind in (kind for kind in ours() if kind.watches is not None):
        asked = type(kind.__name__, (kind,), {"watches": None, "finds": None})
        shown = type(kind.__name__, (kind,), {})
        every, some = (check.Judge(golden.settings, checks=[one]) for one in (asked, shown))
        for event in golden.events:
            assert every.see(event) == some.see(event)
        assert every.finish() == some.finish()
        assert every.not_judged() == some.not_judged()
