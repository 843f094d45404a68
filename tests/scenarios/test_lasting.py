"""Many scenarios in one process: nothing of one is kept when the next has begun."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest

from scenarios import runner, scenario

pytest.importorskip("autogen")
pytestmark = pytest.mark.filterwarnings("ignore")
LIBRARY = Path(runner.__file__).parent / "library"
FEW, MANY = 8, 40


def test_scenarios_one_after_another_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    what = scenario.load(LIBRARY / "politeness.scenario.yaml")
    counts = []
    for number in range(MANY + 1):
        verdict = runner.rehearse(what, store=tmp_path / "store")
        assert verdict.account is not None
        assert (verdict.account.hits, verdict.account.misses) == (11, 0)
        if number in {FEW, MANY}:
            gc.collect()
            counts.append(Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()))
    before, after = counts
    # AutoGen itself would keep the client of each of its agents.
    assert after["openai.OpenAI"] <= before["openai.OpenAI"]
    grown = (after - before).total()
    assert grown < MANY - FEW, (after - before).most_common(10)
