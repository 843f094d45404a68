from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.call import Call, RecordedError, Reply, achain, chain
from harness.errors import Exit, HarnessError
from harness.model import Operation
from scenarios.cassette import Cassette, Exchange, Failure
from scenarios.differences import change
from scenarios.replaying import Account, CassetteMissError, Replay
from tests.scenarios.samples import asked, exchange, said

SYSTEM, TASK = said("system", "You write Python."), said("user", "Add two numbers.", "user")
FIRST, SECOND = said("assistant", "return 1", "coder"), said("user", "No, both.", "user")
ONE = asked(SYSTEM, TASK, temperature=0.2)
TWO = asked(SYSTEM, TASK, FIRST, SECOND, temperature=0.2)


def outside(call):
    raise AssertionError(f"{call} went outside")


def playing(*exchanges, **options):
    replay = Replay(Cassette(exchanges=exchanges), **options)
    return replay, chain([replay], outside)


def text_of(reply):
    assert reply.replayed
    return reply.value["message"]["parts"][0]["content"]


def difference(*recorded, asking):
    replay, ask = playing(*recorded)
    reply = ask(asking)
    assert isinstance(reply.error, CassetteMissError)
    assert replay.misses == (reply.error,)
    return reply.error.difference


def test_each_request_gets_its_answer_in_whatever_order():
    replay, ask = playing(exchange(ONE, "a"), exchange(TWO, "b"))
    assert text_of(ask(TWO)) == "b"
    assert text_of(ask(ONE)) == "a"
    assert replay.account() == Account(hits=2, misses=0, unused=0)


def test_equal_requests_get_their_answers_one_after_another_and_then_no_more():
    replay, ask = playing(exchange(ONE, "a"), exchange(ONE, "b"))
    assert [text_of(ask(ONE)), text_of(ask(ONE))] == ["a", "b"]
    miss = ask(ONE).error
    assert isinstance(miss, HarnessError)
    assert miss.code is Exit.DIVERGED
    assert str(miss) == (
        "model call 3 of 'coder' is not in the cassette: "
        "the same request was recorded 2 times, and now it comes once more"
    )
    assert miss.hint
    assert replay.account() == Account(hits=2, misses=1, unused=0)


def test_equal_requests_of_two_conversations_do_not_take_each_others_answers():
    here, there = (replace(ONE, conversation=name) for name in ("a → b", "c → d"))
    replay, ask = playing(exchange(here, "here"), exchange(there, "there"))
    assert text_of(ask(there)) == "there"
    assert "recorded in the conversation 'a → b', now it is 'c → d'" in str(ask(there).error)
    assert text_of(ask(here)) == "here"
    assert replay.unused() == ()


def test_a_conversation_that_is_not_named_may_be_any():
    _, ask = playing(exchange(replace(ONE, conversation="a → b"), "here"), exchange(ONE, "anywhere"))
    assert text_of(ask(ONE)) == "here"
    assert text_of(ask(replace(ONE, conversation="x"))) == "anywhere"


def test_what_nobody_asked_for_is_listed():
    replay, ask = playing(exchange(ONE, "a"), exchange(TWO, "b"))
    ask(ONE)
    assert [left.reply["message"]["parts"][0]["content"] for left in replay.unused()] == ["b"]


def test_a_recorded_failure_is_played_back_with_its_type_and_text():
    failed = replace(exchange(ONE, ""), reply=None, failure=Failure(type="RateLimitError", message="slow down"))
    _, ask = playing(failed)
    error = ask(ONE).error
    assert isinstance(error, RecordedError)
    assert (error.kind, str(error)) == ("RateLimitError", "slow down")


def test_other_calls_go_on_to_the_real_thing():
    tool = Call(operation=Operation.TOOL, agent="user", request={"name": "add", "arguments": {"a": 1}})
    chosen = Call(operation=Operation.SELECTION, agent="m", request={"method": "auto", "candidates": ["a"]})
    live = Exchange(kind=Operation.TOOL, agent="user", request=tool.request)
    for call, options in ((tool, {"kinds": frozenset({Operation.CHAT})}), (chosen, {}), (tool, {"recorded": live})):
        recorded = options.pop("recorded", None)
        replay = Replay(Cassette(exchanges=(recorded,) if recorded else ()), **options)
        reply = chain([replay], lambda _: Reply(value={"result": "real"}))(call)
        assert reply.value == {"result": "real"}
        assert not replay.misses


@pytest.mark.parametrize("method", ["random", "manual"])
def test_a_choice_of_chance_or_people_is_replayed(method):
    call = Call(operation=Operation.SELECTION, agent="m", request={"method": method, "candidates": ["a", "b"]})
    _, ask = playing(
        *(Exchange(kind=call.operation, agent="m", request=call.request, reply={"choice": name}) for name in "ba")
    )
    assert [ask(call).value["choice"], ask(call).value["choice"]] == ["b", "a"]


def test_it_serves_frameworks_that_await():
    async def ask():
        replay = Replay(Cassette(exchanges=(exchange(ONE, "a"), exchange(TWO, "b"))))
        one, two = await asyncio.gather(*(achain([replay], outside)(call) for call in (TWO, ONE)))
        return text_of(one), text_of(two)

    assert asyncio.run(ask()) == ("b", "a")


def test_threads_share_one_replay_and_every_answer_is_given_once():
    texts = [f"answer {number}" for number in range(200)]
    replay, ask = playing(*(exchange(ONE, text) for text in texts))
    heard: list[str] = []

    def talk():
        heard.extend(text_of(ask(ONE)) for _ in range(50))

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == sorted(texts)
    assert replay.account() == Account(hits=200, misses=0, unused=0)


requests = st.sampled_from([asked(said("user", text), agent=agent) for text in "abc" for agent in ("ann", "bob")])


@given(st.lists(requests, max_size=12), st.randoms(use_true_random=False))
def test_answers_come_first_in_first_out_for_equal_requests_and_in_any_order_for_others(recorded, dice):
    replay, ask = playing(*(exchange(call, str(number)) for number, call in enumerate(recorded)))
    order = list(range(len(recorded)))
    dice.shuffle(order)
    heard: dict[int, list[int]] = {}
    for index in order:
        heard.setdefault(id(recorded[index]), []).append(int(text_of(ask(recorded[index]))))
    for call in recorded:
        assert heard[id(call)] == [number for number, other in enumerate(recorded) if other is call]
    assert replay.account() == Account(hits=len(recorded), misses=0, unused=0)


@given(st.lists(requests, max_size=8), st.lists(requests, max_size=8))
def test_the_account_adds_up_whatever_is_asked(recorded, asking):
    replay, ask = playing(*(exchange(call, "x") for call in recorded))
    for call in asking:
        ask(call)
    held, wanted = Counter(map(id, recorded)), Counter(map(id, asking))
    assert replay.account() == Account(
        hits=(held & wanted).total(), misses=(wanted - held).total(), unused=(held - wanted).total()
    )


@pytest.mark.parametrize(
    ("asking", "told"),
    [
        (
            asked(SYSTEM, TASK, said("assistant", "return 2", "coder"), SECOND, temperature=0.2),
            "message 3 of 4, from coder: 'return 1' became 'return 2'",
        ),
        (asked(SYSTEM, TASK, temperature=0.7), "temperature: recorded 0.2, now 0.7"),
        (asked(SYSTEM, TASK), "temperature: recorded 0.2, now not set"),
        (asked(SYSTEM, TASK, temperature=0.2, seed=7), "seed: not recorded, now 7"),
        (asked(SYSTEM, TASK, temperature=0.2, model="gpt-5"), "model: recorded 'gpt-4o', now 'gpt-5'"),
        (
            asked(said("system", "You write Rust."), TASK, FIRST, SECOND, temperature=0.2),
            "message 1 of 4, the system message: 'You write Python.' became 'You write Rust.'",
        ),
        (
            asked(SYSTEM, TASK, FIRST, SECOND, said("assistant", "Hm."), temperature=0.2),
            "1 message more than recorded: number 5 of 5, the assistant message, 'Hm.'",
        ),
        (
            asked(SYSTEM, TASK, FIRST, temperature=0.2),
            "1 message fewer than recorded: number 4 of the 4 recorded, from user, 'No, both.', is missing",
        ),
        (
            asked(SYSTEM, TASK, SECOND, temperature=0.2),
            "1 message fewer than recorded: number 3 of the 4 recorded, from coder, 'return 1', is missing",
        ),
        (
            asked(SYSTEM, said("user", "Add two numbers.", "boss"), temperature=0.2),
            "message 2 of 2, from boss: its name: '\"user\"' became '\"boss\"'",
        ),
        (
            asked(SYSTEM, said("user", "Add  two\nnumbers.", "user"), temperature=0.2),
            "message 2 of 2, from user: only its white space changed",
        ),
        (asked(SYSTEM, TASK, temperature=0.7, seed=1), "temperature: recorded 0.2, now 0.7; and 1 more difference"),
        (
            asked(SYSTEM, TASK, temperature=0.2, agent="reviewer"),
            "the cassette has no model call by this agent, only by 'coder'",
        ),
    ],
)
def test_a_miss_tells_the_first_difference_from_the_nearest_exchange(asking, told):
    assert difference(exchange(ONE, "a"), exchange(TWO, "b"), asking=asking) == told


def test_a_miss_names_the_call_the_file_and_the_line(tmp_path):
    path = tmp_path / "two.cassette.jsonl"
    Cassette(exchanges=(exchange(ONE, "a"), exchange(TWO, "b"))).write(path)
    replay = Replay.load(path)
    miss = chain([replay], outside)(asked(SYSTEM, TASK, FIRST, said("user", "Both!", "user"), temperature=0.2)).error
    line = next(
        number for number, text in enumerate(path.read_text().splitlines(), 1) if "keep" in text or "after" in text
    )
    assert str(miss).startswith("model call 1 of 'coder' is not in the cassette: message 4 of 4, from user:")
    assert str(miss).endswith(f"(nearest: line {line} of {path})")
    assert miss.nearest == replay.cassette.exchanges[1]


def test_a_tool_that_changed_is_told_by_the_place_inside_its_definition():
    def tool(name, **properties):
        return {"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}

    recorded = exchange(asked(TASK, tools=[tool("add", a={"type": "number"})]), "x")
    cases = {
        "the tool 'sub' is new": [tool("add", a={"type": "number"}), tool("sub")],
        "the definition of the tool add.parameters.properties.a.type: recorded 'number', now 'string'": [
            tool("add", a={"type": "string"})
        ],
        "the definition of the tool add.parameters.properties.b is new: {}": [tool("add", a={"type": "number"}, b={})],
    }
    for told, tools in cases.items():
        assert difference(recorded, asking=asked(TASK, tools=tools)) == told
    assert difference(recorded, asking=asked(TASK)) == "the tool 'add' is gone"


def test_a_tool_call_that_changed_is_told_by_its_argument():
    def call(**arguments):
        return Call(operation=Operation.TOOL, agent="user", request={"name": "add", "arguments": arguments})

    recorded = Exchange(kind=Operation.TOOL, agent="user", request=call(a=1, b=2).request, reply={"result": "3"})
    assert difference(recorded, asking=call(a=1, b=5)) == "arguments.b: recorded 2, now 5"
    assert difference(recorded, asking=call(a=1)) == "arguments.b is gone: 2"


def test_a_kind_of_call_that_was_never_recorded_is_said_so():
    human = Call(operation=Operation.HUMAN, agent="user", request={"prompt": "Go on?"})
    assert difference(exchange(ONE, "a"), asking=human) == "the cassette has no question to a human at all"


def test_hostile_text_in_a_difference_is_made_visible():
    told = difference(
        exchange(ONE, "a"), asking=asked(SYSTEM, said("user", "\x1b[31mred\u202e", "user"), temperature=0.2)
    )
    assert "\x1b" not in told
    assert "\u202e" not in told


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_change_is_one_short_line(old, new):
    told = change(old, new)
    assert len(told.splitlines()) <= 1
    assert len(told) < 200


def test_a_change_in_a_long_text_shows_what_is_around_it():
    words = [f"word{number}" for number in range(100)]
    other = [*words[:50], "different", *words[51:]]
    told = change(" ".join(words), " ".join(other))
    assert "word50 word51" in told
    assert "different word51" in told
    assert "word0 " not in told
