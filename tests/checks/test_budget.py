"""B201 to B205: what a run may use."""

from __future__ import annotations

import pytest

from harness.check import Judge, Settings, judge
from harness.model import Operation, Status
from tests.checks.talks import Talk


def chats(*calls, mode=None, **more):
    """Give the events of a run with one turn and one model call for each of *calls*: agent, input, output, cost."""
    run = Talk(mode)

    def speak(agent, given, taken, cost):
        def add(me):
            turn = run.span(Operation.TURN, parent=me, GEN_AI_AGENT=agent)
            known = {
                "GEN_AI_INPUT_TOKENS": given,
                "GEN_AI_OUTPUT_TOKENS": taken,
                "GEN_AI_COST": cost,
                "GEN_AI_REQUEST_MODEL": "gpt-4o",
                **more,
            }
            known = {name: value for name, value in known.items() if value is not None}
            run.span(Operation.CHAT, parent=turn, GEN_AI_AGENT=agent, **known)

        return add

    run.conversation(*[speak(*each) for each in calls])
    return run.events()


THREE = [("ann", 100, 10, 0.5), ("ben", 200, 20, 0.25), ("ann", 300, 30, 0.75)]


def test_without_limits_nothing_is_found_however_much_was_used():
    assert judge(chats(*[("ann", 10**6, 10**6, 1000.0)] * 100), select=["B"]) == []


@pytest.mark.parametrize(
    ("limit", "enough", "code"),
    [
        ("max_tokens", 660, "B201"),
        ("max_cost_usd", 1.5, "B202"),
        ("max_model_calls", 3, "B203"),
        ("max_turns", 3, "B204"),
    ],
)
def test_a_run_may_use_its_limit_to_the_last_bit_and_not_more(limit, enough, code):
    assert judge(chats(*THREE), limits={limit: enough}) == []
    (finding,) = judge(chats(*THREE), limits={limit: enough - 0.01})
    assert finding.code == code
    assert finding.evidence["limit"] == limit
    assert finding.evidence["used"] == pytest.approx(enough)
    assert finding.severity.value == "error"


def test_the_finding_is_made_once_at_the_event_that_passes_the_limit_and_says_who_used_most():
    events = chats(*THREE, ("ben", 9, 9, 9.0))
    (finding,) = judge(events, limits={"max_cost_usd": 0.6})
    second = [event for event in events if event.call is not None][1]
    assert (finding.seq, finding.span_id) == (second.number, second.span.span_id)
    assert finding.evidence["by_agent"] == {"ann": 0.5, "ben": 0.25}
    assert finding.text == "$0.7500 used; most by ann, $0.6000 allowed (max_cost_usd)"


def test_small_sums_keep_the_digits_that_tell_them_apart():
    (finding,) = judge(chats(("ann", 1, 1, 0.0000412)), limits={"max_cost_usd": 0.00004})
    assert finding.text == "$0.0000412 used by ann, $0.0000400 allowed (max_cost_usd)"


def test_a_limit_of_nothing_is_a_limit():
    assert [finding.code for finding in judge(chats(("ann", 0, 1, 0.0)), limits={"max_tokens": 0})] == ["B201"]


def test_what_the_frameworks_own_cache_answers_counts_for_nothing():
    limits = {"max_tokens": 0, "max_cost_usd": 0, "max_model_calls": 0}
    assert judge(chats(*THREE, HARNESS_CACHE_HIT=True), limits=limits) == []


def test_a_cost_that_was_not_recorded_is_priced_with_the_projects_own_prices():
    events = chats(("ann", 1_000_000, 1_000_000, None))
    (finding,) = judge(events, limits={"max_cost_usd": 2}, prices={"gpt-4o": (1.0, 2.0)}, select=["B"])
    assert finding.evidence["used"] == pytest.approx(3)


def judged(events, **limits):
    judging = Judge(Settings(limits=limits), select=["B"])
    found = [finding for event in events for finding in judging.see(event)] + judging.finish()
    return found, judging.not_judged()


def test_a_cost_nobody_knows_is_said_to_be_unknown_and_not_taken_for_zero():
    events = chats(("ann", 10, 10, 0.1), ("ann", 10, 10, None), GEN_AI_REQUEST_MODEL="mystery")
    found, reasons = judged(events, max_cost_usd=1)
    assert [(one.code, one.evidence) for one in found] == [("B206", {"model": "mystery", "limit": "max_cost_usd"})]
    assert reasons == {"B202": "nobody knows the cost of 1 of 2 model calls (mystery)"}


def test_a_limit_passed_by_what_is_known_is_passed_whatever_is_not():
    events = chats(("ann", 10, 10, 2.0), ("ann", 10, 10, None), GEN_AI_REQUEST_MODEL="mystery")
    found, reasons = judged(events, max_cost_usd=1)
    assert [finding.code for finding in found] == ["B202", "B206"]
    assert reasons == {}


def test_where_dollars_are_not_limited_nobody_needs_to_know_them():
    found, _ = judged(chats(("ann", 10, 10, None), GEN_AI_REQUEST_MODEL="mystery"), max_tokens=1000)
    assert found == []


def test_what_a_guard_stopped_is_found_with_the_limit_and_what_it_noted_is_not():
    run = Talk()

    def notes(me):
        run.span(Operation.OTHER, parent=me, HARNESS_GUARD="note", HARNESS_GUARD_CODE="L101", HARNESS_GUARD_TEXT="so")
        about = {"HARNESS_GUARD_LIMIT": "day.max_cost_usd", "HARNESS_GUARD_TEXT": "the limit of $5 a day was reached"}
        run.span(Operation.OTHER, parent=me, HARNESS_GUARD="stop", **about)

    run.conversation(notes)
    (finding,) = judge(run.events(), select=["B207"])
    assert finding.text == "a guard stopped it: the limit of $5 a day was reached"
    assert finding.evidence == {"limit": "day.max_cost_usd"}


def test_calls_that_do_not_say_their_tokens_leave_the_token_budget_unjudged():
    found, reasons = judged(chats(("ann", 10, 10, 0.1), ("ann", None, None, 0.1)), max_tokens=100)
    assert found == []
    assert reasons == {"B201": "1 of 2 model calls do not say how many tokens they used"}


def test_a_failed_call_is_a_call_and_leaves_nothing_unknown():
    run = Talk()
    run.conversation(lambda me: run.span(Operation.CHAT, parent=me, status=Status.ERROR))
    found, reasons = judged(run.events(), max_tokens=100, max_cost_usd=1, max_model_calls=0)
    assert [finding.code for finding in found] == ["B203"]
    assert reasons == {}


def test_seconds_count_from_the_first_event_and_nobody_is_blamed():
    run = Talk()
    run.conversation(lambda me: run.span(Operation.TOOL, parent=me, seconds=90), "ann: Done.")
    assert judge(run.events(), limits={"max_seconds": 91}) == []
    (finding,) = judge(run.events(), limits={"max_seconds": 90})
    assert finding.code == "B205"
    assert finding.text == "91.0 s used, 90.0 s allowed (max_seconds)"


def test_a_replays_times_are_not_judged_but_its_money_is():
    found, reasons = judged(chats(*THREE, mode="replay"), max_seconds=0, max_cost_usd=1)
    assert [finding.code for finding in found] == ["B202"]
    assert reasons == {"B205": "a replay's times are not those of the run"}
