"""Loops put into clean conversations are found in time, look-alikes are not, and no disguise changes what is found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check import judge
from tests.checks import real, twins
from tests.checks.real import events
from tests.checks.twins import say

NAMES = {"ann": "Zed", "ben": "Yve", "cat": "Xen"}
VOCABULARY = (
    "Berlin",
    "Oslo",
    "agree",
    "answer",
    "well",
    "done",
    "team",
    "we",
    "think",
    "next",
    "sum",
    "is",
    "right",
    "good",
    "tell",
)
LINES = st.lists(st.sampled_from([*VOCABULARY, "12", "40", "7", "exitcode", "Error:"]), max_size=14).map(" ".join)
TALKS = st.lists(st.tuples(st.sampled_from(sorted(NAMES)), LINES), max_size=24).map(
    lambda said: [say(sender, text) for sender, text in said]
)
CLEAN = [
    say("ann", "Ann is 20 and her brothers are twice as old. How old are all three together?"),
    say("ben", "Each brother is 40. I add 20, 40 and 40, so I expect the sum of all three to be 100."),
    say("cat", "```python\nprint(20 + 2 * 40)\n```"),
    say("ann", "exitcode: 0 (execution succeeded)\nCode output: 100"),
]
REPEATED = (
    "I agree that the solution is correct, and that the final total is 100. The steps were calculated by everyone. "
    "Therefore the problem is solved, great work."
)


def found(messages):
    return [(each.code, each.seq, each.severity) for each in judge(events(messages), select=["L"])]


def with_repeats(messages, k, senders, way):
    said = [say(senders[turn % len(senders)], way(REPEATED, turn)) for turn in range(k + 1)]
    return [*messages, *said]


@pytest.mark.parametrize("way", twins.WAYS)
@pytest.mark.parametrize("senders", [("ben",), ("ben", "cat"), ("ann", "ben", "cat")])
def test_reworded_repeats_are_found_within_one_message_of_the_third(senders, way):
    said = with_repeats(CLEAN, 6, senders, way)
    third = len(CLEAN) + 3
    assert len({each["content"] for each in said[len(CLEAN) :]}) > 3
    assert found(said)[0][1] <= third + 1


def test_agents_that_each_say_their_own_line_again_in_other_words_hand_nothing_on():
    lines = (
        REPEATED,
        "We verified every figure twice, so I agree that both totals are correct and the problem is finally solved.",
        "Therefore everyone calculated the same solution in great detail; both steps were provided, so let us be glad.",
    )
    said = [say(name, twins.reworded(lines[place], turn)) for turn in range(5) for place, name in enumerate(NAMES)]
    third_round = len(CLEAN) + 2 * len(NAMES)
    assert found([*CLEAN, *said])[0][1] <= third_round + 1


@pytest.mark.parametrize("made", [twins.polling, twins.batch, twins.edit_then_build, twins.in_code])
@pytest.mark.parametrize("times", [3, 6, 20])
def test_what_only_looks_like_a_loop_is_none(made, times):
    assert found([say("user", "Please do this, and tell me when all of it is done."), *made(times)]) == []
    assert found([*CLEAN, *made(times)]) == []


@settings(max_examples=150, deadline=None)
@given(TALKS)
def test_other_names_change_nothing(messages):
    assert found(messages) == found(twins.renamed(messages, NAMES.__getitem__))


@settings(max_examples=150, deadline=None)
@given(TALKS, st.sampled_from(sorted(twins.SCRIPTS)))
def test_a_made_up_language_changes_nothing(messages, script):
    assert found(messages) == found(twins.translated(messages, kept=["exitcode", "error", *NAMES], script=script))


@settings(max_examples=150, deadline=None)
@given(TALKS)
def test_other_numbers_change_nothing(messages):
    assert found(messages) == found(twins.renumbered(messages))


@settings(max_examples=150, deadline=None)
@given(TALKS, TALKS)
def test_what_is_said_later_changes_nothing_that_was_found(messages, later):
    before = found(messages)
    assert found([*messages, *later])[: len(before)] == before


@settings(max_examples=50, deadline=None)
@given(TALKS, st.sampled_from(["user", "assistant", "execution"]), st.sampled_from([None, "everybody", "ann"]))
def test_what_a_framework_calls_a_role_or_a_recipient_changes_nothing(messages, role, recipient):
    assert found(messages) == found([{**each, "role": role, "recipient": recipient} for each in messages])


@settings(max_examples=50, deadline=None)
@given(TALKS)
def test_a_second_look_finds_the_same(messages):
    assert found(messages) == found(messages)


real_ones = pytest.mark.skipif(not real.THERE, reason=real.MISSING)


@real_ones
@pytest.mark.parametrize("way", twins.WAYS)
def test_reworded_repeats_in_real_clean_runs_are_found_within_one_message_of_the_third(way):
    late, judged = [], 0
    for conversation in real.short_right_runs()[::3]:
        messages = conversation["messages"]
        answers = [
            each for each in messages[2:] if each["role"] == "assistant" and "```" not in (each["content"] or "")
        ]
        if not answers or not 15 <= len(answers[-1]["content"].split()) <= 60 or found(messages):
            continue
        judged += 1
        last = answers[-1]
        again = [{**last, "content": way(last["content"], turn)} for turn in range(1, 6)]
        alarms = [seq for _, seq, _ in found([*messages, *again])]
        third = len(messages) + 2
        if not alarms or alarms[0] > third + 1:
            late.append(conversation["id"])
    assert judged > 300
    assert late == []


@real_ones
@pytest.mark.parametrize("made", [twins.polling, twins.batch, twins.edit_then_build])
def test_look_alikes_in_real_clean_runs_are_left_alone(made):
    for conversation in [*real.successful_tool_runs(), *real.short_right_runs()[::16]]:
        assert found([*conversation["messages"], *made(6)]) == found(conversation["messages"])


@real_ones
def test_disguises_of_real_conversations_change_hardly_anything():
    changed, judged = {**dict.fromkeys(twins.SCRIPTS, 0), "later": 0}, 0
    for conversation, _ in real.labelled()[::3]:
        messages = conversation["messages"][:60]
        first, judged = found(messages)[:1], judged + 1
        kept = {"exitcode", "execution", "failed", "succeeded", "code", "output", "error", "traceback"}
        for script in twins.SCRIPTS:
            changed[script] += bool(found(twins.translated(messages, kept=kept, script=script))[:1]) != bool(first)
        changed["later"] += found([*messages, say("guest", "Shall we meet at 12:30 in Lisbon?")])[:1] != first
    assert changed["later"] == 0
    assert max(changed.values()) <= 0.05 * judged
