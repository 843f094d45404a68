"""Certificates hold: what real frameworks do under adversaries is what was proved of them beforehand.

A sample is driven here; ``python -m tests.audit`` drives all.
"""

from __future__ import annotations

import pytest

from tests.audit import grid

# What the frameworks warn of while agents are made and driven is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")
_SAMPLES = {"classic": 10, "agentchat": 14, "ag2": 4}
_OPAQUE = ("hidden", "overridden", "function", "own")


@pytest.mark.parametrize(
    "case", [case for family in grid.families() for case in grid.sample(family, _SAMPLES[family])], ids=str
)
def test_what_is_proved_of_a_set_up_is_what_it_does(case: grid.Case) -> None:
    bound = grid.certified(case)
    truth = grid.driven(case)
    assert grid.wrong(truth, bound) is None, (truth, bound)


@pytest.mark.parametrize("family", grid.families())
def test_what_is_not_bounded_says_why_and_only_a_function_of_the_program_hides_an_end(family: str) -> None:
    every = [(case, grid.certified(case)) for case in grid.cases(family)]
    for case, bound in every:
        assert bound.why if bound.verdict.value == "bounded" else bound.path, case
        assert (bound.messages is None) == (bound.verdict.value != "bounded"), case
    unknown = [case.name for case, bound in every if bound.verdict.value == "unknown"]
    assert len(unknown) <= len(every) / 10
    assert all(any(word in name for word in _OPAQUE) for name in unknown), unknown


@pytest.mark.skipif(len(grid.families()) < 3, reason="not every framework is installed")
def test_the_grid_is_large() -> None:
    assert sum(1 for family in grid.families() for _ in grid.cases(family)) >= 300
