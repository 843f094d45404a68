"""The loop checks on real conversations: what readers call a loop is found in time, and clean runs are left alone."""

from __future__ import annotations

import statistics

import pytest

from harness.check import judge
from harness.checks.looping.reading import canonical_move
from tests.benchmarks.loops import out_of_fold
from tests.checks import real
from tests.checks.real import events

LONGEST_ROUND = 6
EVERY = 4
"""Of short right runs every fourth is judged here; the benchmark judges all."""

pytestmark = pytest.mark.skipif(not real.THERE, reason=real.MISSING)


def alarms(conversations):
    return {
        each["id"]: found[0].text for each in conversations if (found := judge(events(each["messages"]), select=["L"]))
    }


def test_at_most_one_in_a_hundred_short_runs_that_were_right_is_called_a_loop():
    short = real.short_right_runs()[::EVERY]
    assert len(short) > 200
    assert len(alarms(short)) <= 0.01 * len(short)


def test_at_most_one_in_a_hundred_successful_runs_that_use_tools_is_called_a_loop():
    tools = real.successful_tool_runs()
    assert len(tools) > 50
    assert len(alarms(tools)) <= 0.01 * len(tools)


def test_with_thresholds_chosen_on_other_conversations_the_checks_agree_with_a_reader():
    scored = out_of_fold()
    assert scored.f1 >= 0.85
    assert scored.false_alarms <= 0.08
    assert statistics.median(scored.lags) <= 1
    assert scored.in_time >= 0.8


def test_every_round_that_is_said_three_times_word_for_word_is_found():
    looping = [each for each, _ in real.labelled() if exact_loop(events(each["messages"]))]
    assert len(looping) >= 3
    assert set(alarms(looping)) == {each["id"] for each in looping}


def exact_loop(happened):
    """Say whether three equal blocks of messages follow each other anywhere; slow, and written the other way round."""
    moves = [canonical_move(event.message) for event in happened]
    return any(
        moves[start : start + period] == moves[start + period : start + 2 * period]
        and moves[start : start + period] == moves[start + 2 * period : start + 3 * period]
        for period in range(1, LONGEST_ROUND + 1)
        for start in range(len(moves) - 3 * period + 1)
    )
