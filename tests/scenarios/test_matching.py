from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.canonical import canonical
from harness.model import Operation
from harness.settings import ANSWER, TRANSPORT
from scenarios import matching
from scenarios.matching import Matcher
from tests.scenarios.samples import asks_tool, chat_request, said, tool_said

SYSTEM = said("system", "You write Python.")
TASK = said("user", "Add two numbers.", "user")


def key(request, *, kind=Operation.CHAT, agent="coder", conversation="", redact=None):
    return Matcher(redact or (lambda text: text)).key(kind, agent, conversation, request)


@pytest.mark.parametrize("name", sorted(TRANSPORT))
def test_what_only_carries_a_request_does_not_count(name):
    assert key(chat_request(TASK, **{name: "one"})) == key(chat_request(TASK, **{name: "another"}))
    assert key(chat_request(TASK, **{name: "one"})) == key(chat_request(TASK))


@pytest.mark.parametrize("name", [*sorted(ANSWER), "a_setting_nobody_heard_of"])
def test_what_may_change_the_answer_counts(name):
    assert key(chat_request(TASK, **{name: 1})) != key(chat_request(TASK, **{name: 2}))
    assert key(chat_request(TASK, **{name: 1})) != key(chat_request(TASK))


def test_the_random_run_id_of_agentwall_does_not_count_but_the_rest_of_extra_body_does():
    def with_body(**body):
        return key(chat_request(TASK, extra_body=body))

    assert with_body(agentwall_run_id="a1") == with_body(agentwall_run_id="b2") == key(chat_request(TASK))
    assert with_body(agentwall_run_id="a1", top_a=1) == with_body(top_a=1) != with_body(top_a=2)


def test_an_unset_setting_is_as_good_as_none_and_1_0_is_1():
    assert key(chat_request(TASK, temperature=1.0, top_p=None)) == key(chat_request(TASK, temperature=1))


def test_agent_model_tools_and_messages_count():
    tools = [{"type": "function", "function": {"name": "add"}}]
    base = key(chat_request(SYSTEM, TASK))
    assert base == key(chat_request(dict(SYSTEM), dict(TASK)))
    others = [
        key(chat_request(SYSTEM, TASK), agent="reviewer"),
        key(chat_request(SYSTEM, TASK, model="gpt-4o-mini")),
        key(chat_request(SYSTEM, TASK, tools=tools)),
        key(chat_request(SYSTEM, TASK, tool_choice="none")),
        key(chat_request(TASK, SYSTEM)),
        key(chat_request(SYSTEM)),
        key(chat_request(SYSTEM, said("user", "Add two numbers.", "boss"))),
    ]
    assert len({base, *others}) == len(others) + 1


def test_ids_of_tool_calls_do_not_count_but_which_answer_belongs_to_which_call_does():
    def history(first, second, answers):
        body = {
            "role": "assistant",
            "parts": [asks_tool(first, "add")["parts"][0], asks_tool(second, "add")["parts"][0]],
        }
        return key(chat_request(TASK, body, *(tool_said(name, text) for name, text in answers)))

    recorded = history("call_a", "call_b", [("call_a", "1"), ("call_b", "2")])
    assert recorded == history("x9", "y7", [("x9", "1"), ("y7", "2")])
    assert recorded != history("x9", "y7", [("y7", "1"), ("x9", "2")])


def test_arguments_are_compared_as_json_however_they_are_written():
    def asking(arguments):
        return key({"name": "add", "arguments": arguments, "call_id": "random"}, kind=Operation.TOOL)

    assert asking({"a": 1, "b": 2}) == asking('{"b": 2,"a":1}')
    assert asking({"a": 1}) != asking({"a": 2})
    assert asking("not json") != asking("not json either")


def test_a_live_secret_is_compared_as_the_cassette_has_it():
    secret = "sk-" + "a1B2" * 8
    live = key(
        chat_request(said("user", f"Use the key {secret}!")),
        redact=lambda text: text.replace(secret, "[secret:env:12ab]"),
    )
    assert live == key(chat_request(said("user", "Use the key [secret:openai:34cd]!")))
    assert live != key(chat_request(said("user", "Use no key!")))


bodies = st.builds(said, st.sampled_from(["user", "assistant"]), st.sampled_from("abc"), st.sampled_from([None, "ann"]))
calls = st.builds(
    lambda number, text: asks_tool(f"call_{number}", "add", a=text), st.integers(0, 3), st.sampled_from("ab")
)
answers = st.builds(lambda number, text: tool_said(f"call_{number}", text), st.integers(0, 3), st.sampled_from("ab"))
histories = st.lists(st.one_of(bodies, calls, answers), max_size=6)


@given(st.lists(histories, max_size=6))
def test_a_matcher_that_remembers_histories_gives_the_keys_of_one_that_does_not(asked):
    matcher = Matcher(lambda text: text)
    for messages in asked:
        request = chat_request(*messages)
        assert matcher.key(Operation.CHAT, "coder", "", request) == key(request)


@given(
    st.lists(histories, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=9)
)
def test_so_it_is_where_histories_of_one_agent_grow_and_shrink_side_by_side(told, asked):
    matcher = Matcher(lambda text: text)
    for which, length in asked:
        request = chat_request(*told[which % len(told)][:length])
        assert matcher.key(Operation.CHAT, "coder", "", request) == key(request)


def test_a_history_beside_another_one_costs_what_is_new_of_it(monkeypatch):
    written = []
    monkeypatch.setattr(matching, "canonical", lambda value: written.append(1) or canonical(value))
    matcher = Matcher(lambda text: text)
    one, other = ([said("user", f"{who} {number}") for number in range(50)] for who in ("one", "other"))
    for length in range(1, 51):
        for messages in (one, other):
            matcher.key(Operation.CHAT, "coder", "", chat_request(*messages[:length]))
    assert len(written) < 100 * 5  # Each message, and the settings of each request, twice at most; not each time.


@given(histories, histories)
def test_equal_keys_mean_equal_histories_up_to_the_ids_of_calls(one, other):
    assert (key(chat_request(*one)) == key(chat_request(*other))) == (_renumbered(one) == _renumbered(other))


def _renumbered(messages):
    numbers: dict[str, int] = {}
    return [
        {
            **body,
            "parts": [
                {**part, "id": numbers.setdefault(part["id"], len(numbers))} if "id" in part else part
                for part in body["parts"]
            ],
        }
        for body in messages
    ]
