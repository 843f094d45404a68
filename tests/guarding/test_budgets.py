"""What a call may use is bounded before it is made, and what it used is settled after it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.call import Call, Reply
from harness.errors import UsageError
from harness.guarding import budgets
from harness.guarding.budgets import Bound, Bounds, Budget, Limit, Reached
from harness.model import Operation
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import Reply as Said
from tests.server import ScriptedServer

pytestmark = THEIR_WARNINGS


def chat(text: str = "Hello.", model: str = "gpt-4o-mini", **parameters: Any) -> Call:
    """A model call."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    request = {"model": model, "messages": messages, "tools": [], "parameters": parameters}
    return Call(operation=Operation.CHAT, agent="ann", request=request)


def answer(given: int | None, taken: int | None, text: str = "Hi.") -> Reply:
    """An answer that says what it used."""
    message = {"role": "assistant", "parts": [{"type": "text", "content": text}]}
    return Reply(value={"message": message, "usage": {"input_tokens": given, "output_tokens": taken}})


@given(st.text(max_size=400), st.one_of(st.none(), st.integers(1, 10_000)), st.integers(1, 4))
def test_a_bound_holds_whatever_is_said(text: str, most: int | None, many: int) -> None:
    call = chat(text, **({} if most is None else {"max_tokens": most}), n=many)
    bound = Bounds(4096).of(call)
    assert bound.input_tokens >= len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2
    assert bound.most["tokens"] == bound.input_tokens + many * (4096 if most is None else most)
    assert bound.sure is (most is not None)
    cost = bound.most["cost_usd"]
    assert cost == pytest.approx((bound.input_tokens * 0.15 + (bound.most["tokens"] - bound.input_tokens) * 0.6) / 1e6)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.integers(0, 6))
def test_a_history_that_has_grown_is_bounded_as_if_it_were_new(texts: list[str], edited: int) -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts]
    known = Bounds(4096)
    for count in (1, len(messages), max(1, edited % len(messages)), len(messages)):
        call = Call(operation=Operation.CHAT, agent="ann", request={"messages": messages[:count]})
        assert known.of(call) == Bounds(4096).of(call)


def test_a_picture_by_its_address_counts_though_its_bytes_are_not_sent() -> None:
    call = chat()
    picture = {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}]}
    more = Call(operation=Operation.CHAT, agent="ann", request={**call.request, "messages": [picture]})
    assert Bounds(4096).of(more).input_tokens > budgets.PICTURE_TOKENS


def test_what_nobody_knows_counts_in_full_and_what_was_refused_for_nothing() -> None:
    call = chat(max_tokens=100)
    bound = Bounds(4096).of(call)

    class RefusedError(Exception):
        status_code = 400

    assert budgets.used(call, None, bound) == bound.most
    assert budgets.used(call, Reply(error=TimeoutError()), bound) == bound.most
    assert budgets.used(call, Reply(error=RefusedError()), bound) == {"model_calls": 1}
    assert budgets.used(call, answer(10, 5), bound)["tokens"] == 15
    silent = budgets.used(call, answer(None, None, "A longer answer."), bound)
    assert bound.input_tokens + len("A longer answer.") <= silent["tokens"] <= bound.most["tokens"] + 100


STEPS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60), st.integers(0, 15)), max_size=80)


@given(STEPS, st.integers(1, 500))
def test_whatever_is_under_way_at_once_a_budget_of_sure_bounds_is_never_overspent(
    steps: list[tuple[int, int, int]], most: int
) -> None:
    budget = Budget([Limit(kind="tokens", most=most)])
    under_way: list[Any] = []
    spent = 0
    for asked, used, settled in steps:
        ticket = budget.reserve("ann", Bound(least={"tokens": 1}, most={"tokens": asked}))
        if isinstance(ticket, Reached):
            assert spent + ticket.promised + asked > most
        else:
            under_way.append((ticket, min(used, asked)))
        for _ in range(min(settled, len(under_way))):
            done, took = under_way.pop(0)
            budget.settle(done, {"tokens": took})
            spent += took
        assert spent <= most
    for done, took in under_way:
        budget.settle(done, {"tokens": took})
        spent += took
    assert spent <= most


def test_where_an_answer_may_be_of_any_length_one_call_at_a_time_may_pass_the_limit() -> None:
    budget = Budget([Limit(kind="tokens", most=1000)])
    bound = Bound(least={"tokens": 300}, most={"tokens": 4396}, sure=False)
    first = budget.reserve("ann", bound)
    assert not isinstance(first, Reached)
    assert isinstance(budget.reserve("ann", bound), Reached)
    budget.settle(first, {"tokens": 500})
    second = budget.reserve("ann", bound)
    assert not isinstance(second, Reached)
    budget.settle(second, {"tokens": 900})
    third = budget.reserve("ann", bound)
    assert str(third) == "the limit of 1,000 tokens was reached"


def test_each_agent_has_its_own_share() -> None:
    budget = Budget(budgets.limits({"max_model_calls": 3, "agent.ann.max_model_calls": 1}))
    bound = Bound(least={"model_calls": 1}, most={"model_calls": 1})
    for agent, passes in (("ann", True), ("ann", False), ("bob", True), ("bob", True), ("bob", False)):
        ticket = budget.reserve(agent, bound)
        assert isinstance(ticket, Reached) is not passes
        if not isinstance(ticket, Reached):
            budget.settle(ticket, {"model_calls": 1})


NAMES = ("max_messages", "max_turns", "max_model_calls", "max_tool_calls", "max_tokens", "max_cost_usd", "max_seconds")
SHARES = ("max_model_calls", "max_tool_calls", "max_tokens", "max_cost_usd")
WHOSE = st.one_of(st.just("day."), st.just("month."), st.text(min_size=1, max_size=8).map("agent.{}.".format))
WRITTEN = st.one_of(st.sampled_from(NAMES), st.tuples(WHOSE, st.sampled_from(SHARES)).map("".join))


@given(st.dictionaries(WRITTEN, st.floats(0, 1e9)))
def test_limits_that_are_written_are_read_again(told: dict[str, float]) -> None:
    assert budgets.named(budgets.limits(told)) == told


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"max_token": 1}, "no limit is called 'max_token'"),
        ({"week.max_tokens": 1}, "no limit is called 'week.max_tokens'"),
        ({"agent.max_tokens": 1}, "no limit is called 'agent.max_tokens'"),
        ({"day.max_seconds": 1}, "no limit is called 'day.max_seconds'"),
        ({"max_tokens": -1}, "must be a number"),
        ({"max_tokens": True}, "must be a number"),
        ({"max_tokens": float("nan")}, "must be a number"),
    ],
)
def test_what_is_no_limit_is_refused(told: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        budgets.limits(told)


def test_tables_and_the_words_of_other_guards_mean_the_same() -> None:
    told = {"max_steps": 3, "day": {"max_cost_usd": 5}, "agent": {"ann": {"max_tokens": 7}}, "max_seconds": None}
    assert budgets.named(budgets.limits(told)) == {
        "max_model_calls": 3,
        "day.max_cost_usd": 5,
        "agent.ann.max_tokens": 7,
    }


LONG = Said(text="word " * 40, usage=(40, 100), delay_s=0.02)


def test_sixteen_threads_at_once_never_spend_more_than_the_budget(tmp_path: Path) -> None:
    autogen = pytest.importorskip("autogen")
    with ScriptedServer(lambda _: LONG) as server, recording(tmp_path) as seen:
        entry = {"model": "gpt-4o-mini", "api_key": "k", "base_url": server.base_url}
        config = {"config_list": [entry], "cache_seed": None, "max_tokens": 100}
        people = [
            (
                autogen.UserProxyAgent(
                    f"u{i}", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="More."
                ),
                autogen.AssistantAgent(f"a{i}", llm_config=config),
            )
            for i in range(16)
        ]
        limits = {"max_cost_usd": 0.012, "max_model_calls": None}
        with harness.run(id="many"), harness.guard(limits), ThreadPoolExecutor(16) as pool:
            chats = [pool.submit(user.initiate_chat, helper, message="Go.", silent=True) for user, helper in people]
            results = [chat.result(60) for chat in chats]
        assert len(server.log) >= 8
    assert len(results) == 16
    assert seen.run.summary.cost_usd == pytest.approx(len(server.log) * (40 * 0.15 + 100 * 0.6) / 1e6)
    assert seen.run.summary.cost_usd <= 0.012


async def test_sixteen_teams_at_once_never_spend_more_than_the_budget(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.agentchat_stage")
    with ScriptedServer(lambda _: LONG) as server, recording(tmp_path) as seen:
        clients = [stage.client(server, max_tokens=100) for _ in range(16)]
        crowd = [stage.teams.RoundRobinGroupChat([stage.agents.AssistantAgent("a", one)]) for one in clients]
        with harness.run(id="many"), harness.guard({"max_tokens": 4000, "max_model_calls": None}):
            results = await asyncio.gather(*(team.run(task="Go.") for team in crowd))
        for one in clients:
            await one.close()
        assert len(server.log) >= 8
    assert all(result.stop_reason for result in results)
    spent = seen.run.summary
    assert (spent.input_tokens or 0) + (spent.output_tokens or 0) == 140 * len(server.log) <= 4000


def test_with_its_output_capped_a_call_that_says_nothing_never_overspends_either(tmp_path: Path) -> None:
    autogen = pytest.importorskip("autogen")
    with ScriptedServer(lambda _: LONG) as server, recording(tmp_path) as seen:
        entry = {"model": "gpt-4o-mini", "api_key": "k", "base_url": server.base_url}
        ann, bob = (autogen.AssistantAgent(n, llm_config={"config_list": [entry], "cache_seed": None}) for n in "ab")
        with harness.guard({"max_tokens": 5000}, cap_output=True, reserve_output_tokens=120):
            ann.initiate_chat(bob, message="Go.", silent=True)
        assert {entry["request"]["max_tokens"] for entry in server.log} == {120}
        assert len(server.log) > 3
    spent = seen.run.summary
    assert (spent.input_tokens or 0) + (spent.output_tokens or 0) <= 5000
