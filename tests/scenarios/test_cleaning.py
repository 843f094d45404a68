from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Operation
from scenarios import cleaning
from scenarios.cassette import Exchange, Failure
from scenarios.matching import Matcher
from tests.scenarios.samples import asked, asks_tool, chat_reply, exchange, said, tool_said

SECRETS = ["sk-" + "a1B2" * 8, "ghp_" + "z9" * 20, "AKIA" + "Q" * 16]
texts = st.lists(st.one_of(st.text(max_size=4), st.sampled_from(SECRETS)), max_size=4).map(" ".join)
bodies = st.builds(said, st.sampled_from(["user", "assistant"]), texts)
results = st.builds(tool_said, st.sampled_from(["x", "y", "zed"]), texts)
questions = st.builds(
    lambda name, text: asks_tool(name, "add", a=text, id=name), st.sampled_from(["x", "y", "zed"]), texts
)
histories = st.lists(st.one_of(bodies, results, questions), max_size=5)
chats = st.builds(
    lambda messages, answer: replace(exchange(asked(*messages), "x"), reply={**chat_reply("x"), "message": answer}),
    histories,
    st.one_of(bodies, questions),
)
failures = st.builds(
    lambda messages, text: replace(
        exchange(asked(*messages), "x"),
        reply=None,
        failure=Failure(type="E", message=text, status=429, body={"m": text}),
    ),
    histories,
    texts,
)
exchanges = st.lists(st.one_of(chats, failures), max_size=4).map(tuple)


@given(exchanges)
def test_redaction_leaves_no_secret_and_doing_it_twice_changes_nothing(found):
    once = cleaning.redacted(found)
    assert not any(secret in repr(once) for secret in SECRETS)
    assert cleaning.redacted(once) == once


def test_marks_do_not_tell_which_store_they_come_from():
    made = [
        cleaning.redacted([exchange(asked(said("user", f"[secret:openai:{mark}] and [secret:openai:beef]")), "x")])
        for mark in ("12ab", "34cd")
    ]
    assert made[0] == made[1]


@given(exchanges)
def test_ids_are_numbered_in_order_of_appearance_and_stay_as_they_are_the_second_time(found):
    once = cleaning.numbered(found)
    ids = [
        part["id"]
        for one in once
        for body in (*one.request["messages"], *([one.reply["message"]] if one.reply else []))
        for part in body["parts"]
        if "id" in part
    ]
    assert list(dict.fromkeys(ids)) == [f"call_{number}" for number in range(1, len(set(ids)) + 1)]
    assert cleaning.numbered(once) == once


def keys(found):
    matcher = Matcher(lambda text: text)
    return [matcher.key(one.kind, one.agent, one.conversation, one.request) for one in found]


@given(exchanges)
def test_no_request_becomes_another_by_the_numbering_of_ids(found):
    assert keys(cleaning.numbered(found)) == keys(found)


def test_arguments_that_look_like_ids_are_not_touched():
    tool = Exchange(
        kind=Operation.TOOL,
        agent="user",
        request={"name": "log", "arguments": {"message": {"parts": [{"type": "tool_call", "id": "mine"}]}}},
        reply={"result": {"parts": [{"type": "tool_call", "id": "mine"}]}},
    )
    asking = exchange(asked(asks_tool("random", "log", id="random")), "x")
    done, other = cleaning.numbered([tool, asking])
    assert done == tool
    (part,) = other.request["messages"][0]["parts"]
    assert (part["id"], part["arguments"]) == ("call_1", {"id": "random"})


def test_a_history_stays_made_of_the_same_few_objects():
    first, second = said("user", "one"), asks_tool("x", "add")
    found = [exchange(asked(first), "a"), exchange(asked(first, second), "b"), exchange(asked(first, second), "c")]
    made = cleaning.numbered(cleaning.redacted(found))
    assert made[0].request["messages"][0] is made[2].request["messages"][0]
    assert made[1].request["messages"][1] is made[2].request["messages"][1]
