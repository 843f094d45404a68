from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Exit
from scenarios.rehearsal import Rehearsal
from scenarios.repeating import interval, is_live, pass_all, pass_any, rarer, repeat, together
from scenarios.replaying import Account
from scenarios.verdict import Verdict

LIVE = Verdict(name="x", path=Path("x.scenario.yaml"), outcome="passed", seconds=0.5)
REPLAYED = replace(LIVE, replayed=Rehearsal(account=Account(hits=3)))
FAILED = replace(LIVE, outcome="failed", code=Exit.FINDINGS, reasons=("nobody said 'yes'",), hints=("mend it",))
ERROR = replace(LIVE, outcome="error", code=Exit.ENVIRONMENT, reasons=("no endpoint",))

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("passed", "counted", "low", "high"),
    [
        # As scipy.stats.binomtest(passed, counted).proportion_ci(method="exact") gives them.
        (0, 10, 0.0, 0.30849710781876083),
        (10, 10, 0.6915028921812392, 1.0),
        (8, 10, 0.44390453769235835, 0.9747892736731666),
        (1, 1, 0.025, 1.0),
        (50, 100, 0.39832112950330101, 0.60167887049669899),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_the_exact_one(passed, counted, low, high):
    assert interval(passed, counted) == pytest.approx((low, high), abs=1e-9)


@given(counts, st.floats(0.5, 0.99))
def test_at_its_ends_so_many_or_so_few_passes_have_half_the_chance_that_is_left_over(pair, confidence):
    passed, counted = pair
    low, high = interval(passed, counted, confidence)

    def exactly(k, p):
        return math.comb(counted, k) * p**k * (1 - p) ** (counted - k)

    left = (1 - confidence) / 2
    if passed:
        assert math.fsum(exactly(k, low) for k in range(passed, counted + 1)) == pytest.approx(left, abs=1e-6)
    if passed < counted:
        assert math.fsum(exactly(k, high) for k in range(passed + 1)) == pytest.approx(left, abs=1e-6)


@given(counts)
def test_the_interval_holds_the_share_that_passed_and_is_mirrored_by_that_which_failed(pair):
    passed, counted = pair
    low, high = interval(passed, counted)
    assert low <= passed / counted <= high
    assert interval(counted - passed, counted) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(counts.flatmap(lambda pair: st.tuples(st.just(pair), st.integers(1, pair[1]))))
def test_pass_all_and_pass_any_are_the_shares_of_all_ways_to_draw_k_attempts(drawn):
    (passed, counted), k = drawn
    ways = math.comb(counted, k)
    assert pass_all(passed, counted, k) == pytest.approx(math.comb(passed, k) / ways)
    assert 1 - pass_any(passed, counted, k) == pytest.approx(math.comb(counted - passed, k) / ways)
    assert pass_all(passed, counted, 1) == pytest.approx(pass_any(passed, counted, 1))


def test_how_rare_a_loss_is_without_any_change_is_fishers_exact_test():
    # As scipy.stats.fisher_exact([[3, 7], [9, 1]], alternative="less") gives it.
    assert rarer(3, 10, 9, 10) == pytest.approx(0.009883305548940228)
    assert rarer(5, 5, 5, 5) == 1


def test_all_attempts_must_pass_and_the_first_that_does_not_is_told():
    made = iter([LIVE, FAILED, LIVE])
    verdict = repeat(lambda: next(made), 3)
    assert (verdict.outcome, verdict.code) == ("failed", Exit.FINDINGS)
    assert verdict.reasons == ("attempt 2 of 3:", "nobody said 'yes'")
    assert verdict.remarks[0] == "2 of 3 attempts passed"
    assert verdict.seconds == 1.5


def test_an_attempt_that_could_not_be_made_is_an_error_and_is_not_counted():
    verdict = together([LIVE, ERROR, LIVE])
    assert (verdict.outcome, verdict.code) == ("error", Exit.ENVIRONMENT)
    assert (verdict.trials.passed, verdict.trials.counted, verdict.trials.errors) == (2, 2, 1)
    assert verdict.remarks[0] == "2 of 2 attempts passed; 1 not counted"
    assert together([LIVE, ERROR, FAILED]).outcome == "failed"


@pytest.mark.parametrize(
    ("passes", "fails", "outcome"),
    [(80, 0, "passed"), (79, 1, "passed"), (10, 0, "inconclusive"), (9, 1, "inconclusive"), (20, 20, "failed")],
)
def test_a_share_that_must_pass_is_judged_only_as_far_as_the_interval_tells(passes, fails, outcome):
    verdict = together([LIVE] * passes + [FAILED] * fails, at_least=0.9)
    assert verdict.outcome == outcome
    assert verdict.code == (Exit.CLEAN if outcome == "passed" else Exit.FINDINGS)
    if outcome == "inconclusive":
        assert "36 attempts would, if all passed" in verdict.reasons[0]
        assert interval(36, 36)[0] >= 0.9 > interval(35, 35)[0]


def test_errors_alone_are_no_verdict_on_the_agents_however_few_must_pass():
    assert together([ERROR, ERROR], at_least=0.1).outcome == "error"


def test_what_a_cassette_answers_is_played_once_and_infers_nothing():
    made = iter([REPLAYED, REPLAYED])
    once = repeat(lambda: next(made), 20, insist=False)
    assert once.trials is None
    assert once.remarks[-1].startswith("played once, not 20 times")
    verdict = together([REPLAYED, REPLAYED], at_least=0.99)
    assert verdict.outcome == "passed"
    assert verdict.trials.chances()[0]["pass_all_interval"] is None
    assert verdict.remarks[-1].endswith("nothing follows for the real thing")


def test_an_attempt_that_recorded_and_those_that_replay_it_are_one_attempt():
    verdict = together([LIVE, REPLAYED, REPLAYED], at_least=0.1)
    assert not verdict.trials.live
    assert verdict.remarks == ("3 of 3 attempts passed; the cassette answered, so nothing follows for the real thing",)


def test_one_live_attempt_does_not_tell_the_rate_that_is_asked_for():
    verdict = repeat(lambda: LIVE, 1, at_least=0.9)
    assert verdict.outcome == "inconclusive"
    assert repeat(lambda: REPLAYED, 1, at_least=0.9).outcome == "passed"


def test_one_attempt_is_its_own_verdict():
    assert repeat(lambda: REPLAYED, 1, insist=False) is REPLAYED
    assert repeat(lambda: FAILED, 1) is FAILED


def test_a_replay_in_which_a_tool_was_really_called_is_live():
    assert is_live(LIVE)
    assert not is_live(REPLAYED)
    assert is_live(replace(LIVE, replayed=Rehearsal(account=Account(hits=3, live=1))))


def test_the_chances_are_told_for_a_few_sizes_and_for_all():
    chances = together([LIVE] * 7 + [FAILED] * 5).trials.chances()
    assert [chance["k"] for chance in chances] == [1, 2, 5, 10, 12]
    for chance in chances:
        low, high = chance["pass_all_interval"]
        assert 0 < low < high < 1
        assert chance["pass_all"] <= chance["pass_any"] + 1e-12
