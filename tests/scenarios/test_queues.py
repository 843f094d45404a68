"""The three ways to find the reply that is due."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.call import Call, chain
from harness.errors import UsageError
from harness.model import Operation
from scenarios.cassette import Cassette, Exchange, Header
from scenarios.exchanges import Outcome
from scenarios.replaying import Account, CassetteMissError, Replay
from tests.scenarios.samples import asked, exchange, said

ONE, TWO, THREE = (asked(said("user", text)) for text in ("one", "two", "three"))


def playing(*exchanges, normalise=(), **options):
    cassette = Cassette(header=Header(normalise=normalise), exchanges=exchanges)
    replay = Replay(cassette, **options)
    return replay, chain([replay], lambda call: pytest.fail(f"{call} went outside"))


def heard(reply):
    if isinstance(reply.error, CassetteMissError):
        return None
    return reply.value["message"]["parts"][0]["content"]


def test_strict_wants_the_recorded_order_and_match_does_not():
    recorded = [exchange(ONE, "a"), exchange(TWO, "b")]
    _, ask = playing(*recorded)
    assert [heard(ask(TWO)), heard(ask(ONE))] == ["b", "a"]
    _, ask = playing(*recorded, matching="strict")
    miss = ask(TWO).error
    assert "it comes in another order than it was recorded in" in str(miss)
    assert [heard(ask(ONE)), heard(ask(TWO))] == ["a", "b"]


def test_by_number_a_request_that_changed_gets_the_reply_that_was_due_and_that_is_told():
    replay, ask = playing(exchange(ONE, "a"), exchange(TWO, "b"), matching="sequence")
    replies = [ask(THREE), ask(TWO), ask(ONE)]
    assert [heard(reply) for reply in replies] == ["a", "b", None]
    assert [reply.attributes["harness.replay.verdict"] for reply in replies] == ["changed hit", "hit", "miss"]
    assert [reply.attributes.get("harness.replay.exchange") for reply in replies] == [1, 2, None]
    assert replay.account() == Account(hits=1, changed=1, misses=1)


def test_by_number_no_tool_gets_the_result_of_another():
    calls = {
        name: Call(operation=Operation.TOOL, agent="user", request={"name": name, "arguments": {}})
        for name in ("add", "sub")
    }
    recorded = [
        Exchange(kind=Operation.TOOL, agent="user", request=call.request, reply={"result": name})
        for name, call in calls.items()
    ]
    _, ask = playing(*recorded, matching="sequence")
    assert [ask(calls[name]).value["result"] for name in ("sub", "add")] == ["sub", "add"]


def test_an_exact_match_comes_before_one_without_volatile_values_and_only_the_latter_is_told():
    def at(day):
        return asked(said("user", f"Today is 2026-11-{day}."))

    replay, ask = playing(exchange(at(20), "a"), exchange(at(21), "b"), normalise=("iso-date",))
    assert [heard(ask(at(21))), heard(ask(at(30))), heard(ask(at(20)))] == ["b", "a", None]
    assert replay.account() == Account(hits=1, normalised=1, misses=1)
    _, ask = playing(exchange(at(20), "a"), normalise=("iso-time",))
    assert heard(ask(at(30))) is None


def test_what_a_scenario_says_of_volatile_values_comes_before_what_the_cassette_says():
    _, ask = playing(exchange(asked(said("user", "on 2026-11-20")), "a"), normalise=("iso-date",))
    assert heard(ask(asked(said("user", "on 2026-11-21")))) == "a"
    cassette = Cassette(header=Header(normalise=("iso-date",)), exchanges=(exchange(ONE, "a"),))
    replay = Replay(cassette, normalise=())
    assert heard(chain([replay], lambda _: None)(replace(ONE, request=TWO.request))) is None


def test_a_way_nobody_knows_is_refused():
    with pytest.raises(UsageError, match="no way 'fuzzy'"):
        playing(matching="fuzzy")


@pytest.mark.parametrize(
    ("name", "value", "told"), [("HARNESS_MATCHING", "x", "no way 'x'"), ("HARNESS_LIVE", "x", "no kind of call 'x'")]
)
def test_the_environment_says_how_a_program_is_replayed(tmp_path, monkeypatch, name, value, told):
    path = tmp_path / "one.cassette.jsonl"
    Cassette(exchanges=(exchange(ONE, "a"),)).write(path)
    monkeypatch.setenv("HARNESS_MATCHING", "sequence")
    monkeypatch.setenv("HARNESS_LIVE", "tool, human")
    replay = Replay.load(path)
    assert Operation.CHAT in replay.kinds
    assert not {Operation.TOOL, Operation.HUMAN} & replay.kinds
    assert heard(chain([replay], lambda _: None)(TWO)) == "a"
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=told):
        Replay.load(path)


calls = st.sampled_from([asked(said("user", text), agent=agent) for text in "abc" for agent in ("ann", "bob")])


@given(st.lists(calls, max_size=8), st.lists(calls, max_size=8))
def test_strict_answers_a_call_exactly_if_it_is_the_next_one_recorded(recorded, asking):
    replay, ask = playing(*(exchange(call, str(number)) for number, call in enumerate(recorded)), matching="strict")
    at = 0
    for call in asking:
        due = at < len(recorded) and recorded[at] is call
        assert heard(ask(call)) == (str(at) if due else None)
        at += due
    assert len(replay.unused()) == len(recorded) - at


@given(st.lists(calls, max_size=8), st.lists(calls, max_size=8))
def test_by_number_the_nth_call_of_an_agent_gets_its_nth_reply(recorded, asking):
    _, ask = playing(*(exchange(call, str(number)) for number, call in enumerate(recorded)), matching="sequence")
    turns = {"ann": 0, "bob": 0}
    for call in asking:
        own = [number for number, other in enumerate(recorded) if other.agent == call.agent]
        turn, turns[call.agent] = turns[call.agent], turns[call.agent] + 1
        reply = ask(call)
        assert heard(reply) == (str(own[turn]) if turn < len(own) else None)
        if turn < len(own):
            equal = recorded[own[turn]] is call
            assert reply.attributes["harness.replay.verdict"] == (Outcome.HIT if equal else Outcome.CHANGED).value


@given(st.sampled_from(["match", "strict", "sequence"]), st.lists(calls, max_size=8))
def test_the_recorded_conversation_itself_is_answered_whole_each_way(way, recorded):
    replay, ask = playing(*(exchange(call, str(number)) for number, call in enumerate(recorded)), matching=way)
    assert [heard(ask(call)) for call in recorded] == [str(number) for number in range(len(recorded))]
    assert replay.account() == Account(hits=len(recorded))
