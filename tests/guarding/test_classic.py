"""A runaway of classic AutoGen is stopped within one call of its limit, and what the program gets stays usable."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from harness.guarding import budgets
from harness.guarding.ledger import Ledger
from harness.model import EndingKind
from tests.adapters.stage import THEIR_WARNINGS, assistant, config, group, proxy, recording
from tests.server import Reply, Request, ScriptedServer, ToolCall

pytestmark = [*THEIR_WARNINGS]
autogen = pytest.importorskip("autogen")


def talk_on(request: Request) -> str:
    """Say something else each time, and never that it is over."""
    return f"And what about point {len(request['messages'])}?"


def call_on(request: Request) -> Reply:
    """Ask for the tool again, with another argument."""
    return Reply(tool_calls=[ToolCall(name="look", arguments={"page": len(request["messages"])})])


def pair(server: ScriptedServer) -> tuple[Any, Any]:
    """Two assistants that have no reason to stop."""
    return assistant("ann", server), assistant("bob", server)


def ended(seen: Any) -> tuple[str, str | None]:
    """Say why the one run ended."""
    ending = next(iter(seen.run.endings.values()))
    return ending.kind, ending.detail


def test_endless_talk_ends_at_the_limit_of_model_calls_with_its_chat_result(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 7}, checks=["B"]) as guard:
            result = ann.initiate_chat(bob, message="Go on.")
        assert len(server.log) == 7
    assert len(result.chat_history) == 8
    assert result.summary == result.chat_history[-1]["content"]
    assert guard.reason == "the limit of 7 model calls was reached"
    assert ended(seen) == (EndingKind.STOPPED, "the limit of 7 model calls was reached")


def test_an_endless_async_talk_ends_likewise(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 4}, checks=["B"]):
            result = asyncio.run(ann.a_initiate_chat(bob, message="Go on."))
        assert len(server.log) == 4
    assert len(result.chat_history) == 5
    assert ended(seen)[0] is EndingKind.STOPPED


def test_a_chat_of_so_many_turns_does_not_go_on_either(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 3}, checks=["B"]):
            result = ann.initiate_chat(bob, message="Go on.", max_turns=50, summary_method="reflection_with_llm")
        assert len(server.log) == 3
    assert result.summary == result.chat_history[-1]["content"]
    assert ended(seen)[0] is EndingKind.STOPPED


def test_agents_that_ask_no_model_are_stopped_by_messages_turns_or_seconds(tmp_path: Path) -> None:
    for limit, most, messages in (("max_messages", 5, 5), ("max_turns", 6, 7), ("max_seconds", 0, 1)):
        one = autogen.ConversableAgent("one", llm_config=False, human_input_mode="NEVER", default_auto_reply="Yes.")
        two = autogen.ConversableAgent("two", llm_config=False, human_input_mode="NEVER", default_auto_reply="No.")
        with recording(tmp_path) as seen, harness.guard({limit: most}, checks=["B"]):
            result = one.initiate_chat(two, message="Well?")
        assert len(result.chat_history) == messages
        assert ended(seen)[0] is EndingKind.STOPPED


@pytest.mark.parametrize("method", ["auto", "round_robin", "random"])
def test_a_group_that_passes_the_word_on_for_ever_ends_in_itself(tmp_path: Path, method: str) -> None:
    def answer(request: Request) -> str:
        selecting = "select the next role" in str(request["messages"]).lower() or "Read the above" in str(request)
        return ("ann" if len(str(request)) % 2 else "bob") if selecting else talk_on(request)

    with ScriptedServer(answer) as server:
        ann, bob = pair(server)
        chat, manager = group(server, [ann, bob], max_round=1000, speaker_selection_method=method)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 9}, checks=["B"]):
            result = ann.initiate_chat(manager, message="Go on.")
        assert len(server.log) == 9
    assert [one["content"] for one in result.chat_history] == [one["content"] for one in chat.messages]
    assert ended(seen)[0] is EndingKind.STOPPED


def test_endless_tool_calls_end_at_the_limit_of_tool_calls(tmp_path: Path) -> None:
    ran: list[int] = []

    def look(page: int) -> str:
        ran.append(page)
        return f"page {page}"

    with ScriptedServer(call_on) as server:
        ann, user = assistant("ann", server), proxy()
        autogen.register_function(look, caller=ann, executor=user, name="look", description="Look.")
        with recording(tmp_path) as seen, harness.guard({"max_tool_calls": 5, "max_model_calls": None}, checks=["B"]):
            result = user.initiate_chat(ann, message="Look.")
        assert len(server.log) == 6
    assert len(ran) == 5
    assert result.chat_history[-1]["tool_calls"]
    assert ended(seen) == (EndingKind.STOPPED, "the limit of 5 tool calls was reached")


def test_a_chat_inside_a_turn_ends_and_then_the_one_around_it(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        inner = assistant("inner", server)
        bob.register_nested_chats([{"recipient": inner, "message": "Help.", "max_turns": 40}], trigger=ann)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 6}, checks=["B"]):
            result = ann.initiate_chat(bob, message="Go on.")
        assert len(server.log) == 6
    assert result.chat_history
    assert {ending.kind for ending in seen.run.endings.values()} == {EndingKind.STOPPED}


def test_dollars_are_held_before_they_are_spent(tmp_path: Path) -> None:
    with ScriptedServer(talk_on) as server:
        llm = {**config(server), "max_tokens": 50}
        ann = autogen.AssistantAgent("ann", llm_config=llm)
        bob = autogen.AssistantAgent("bob", llm_config=llm)
        with (
            recording(tmp_path) as seen,
            harness.guard({"max_cost_usd": 0.002, "max_model_calls": None}, checks=["B"]) as guard,
        ):
            ann.initiate_chat(bob, message="Go on.")
        assert len(server.log) > 1
    cost = seen.run.summary.cost_usd
    assert cost is not None
    assert 0 < cost <= 0.002
    assert "the limit of $0.002 leaves no room" in str(guard.reason)


def test_a_loop_is_noted_first_and_then_stopped(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: "Have a nice day.") as server:
        ann, bob = pair(server)
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 30}) as guard:
            result = ann.initiate_chat(bob, message="Have a nice day.")
        assert len(server.log) < 30
    done = [span.attributes for span in seen.run.spans if "harness.guard" in span.attributes]
    assert [one["harness.guard"] for one in done] == ["note", "stop"]
    assert {one["harness.guard.code"] for one in done} == {guard.stops[0].why.code}
    assert guard.stops[0].why.kind == "loop_detected"
    assert ended(seen) == (EndingKind.STOPPED, guard.reason)
    assert len(result.chat_history) == len(server.log) + 1


def test_a_program_that_wants_it_raised_gets_the_clients_error_with_agentwalls_body(tmp_path: Path) -> None:
    from openai import RateLimitError

    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        with (
            recording(tmp_path) as seen,
            harness.guard({"max_model_calls": 3}, on_stop="raise", checks=["B"]),
            pytest.raises(RateLimitError) as caught,
        ):
            ann.initiate_chat(bob, message="Go on.")
        assert len(server.log) == 3
    error: Any = caught.value
    assert error.status_code == 429
    assert error.code == "agentwall_limit"
    assert error.body["type"] == "run_limit_exceeded"
    assert error.body["run_id"] == seen.run.run_id
    assert error.body["step"] == 3
    assert error.response.json()["error"] == error.body
    assert "run_limit_exceeded" in str(error)
    assert ended(seen)[0] is EndingKind.STOPPED


def test_what_a_program_does_about_agentwalls_answer_to_a_loop_it_can_do_about_the_guards(tmp_path: Path) -> None:
    from openai import RateLimitError

    def safe_chat(first: Any, second: Any) -> str:
        try:
            first.initiate_chat(second, message="Have a nice day.")
        except RateLimitError as error:
            told = error.response.json()["error"]
            return f"{told['code']}: {told['loop_type']}, {told['confidence']:.0%}"
        return "done"

    with ScriptedServer(lambda _: "Have a nice day.") as server:
        ann, bob = pair(server)
        with recording(tmp_path), harness.guard({"max_model_calls": 30}, on_stop="raise"):
            assert safe_chat(ann, bob) == "agentwall_loop: repeated-message, 100%"


def test_a_replay_is_held_to_the_limits_of_the_run_and_takes_nothing_of_the_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    cassette = plugins.sibling("scenarios.cassette")
    limits = {"max_model_calls": 3, "day.max_tokens": 1_000_000}

    def used(store: Path) -> float:
        return Ledger(store, budgets.limits(limits)).used("day", "tokens")

    with ScriptedServer(talk_on) as server:
        ann, bob = pair(server)
        with recording(tmp_path / "recorded", mode="record") as seen:
            ann.initiate_chat(bob, message="Go on.", max_turns=3)
        cassette.from_runs([seen.run]).write(tmp_path / "c.jsonl")
        assert len(server.log) == 5
    with ScriptedServer([]) as silent:
        ann, bob = pair(silent)
        with harness.replay(tmp_path / "c.jsonl"), harness.guard(limits, checks=["B"]) as guard:
            result = ann.initiate_chat(bob, message="Go on.", max_turns=3)
        assert silent.log == []
    assert guard.reason == "the limit of 3 model calls was reached"
    assert len(result.chat_history) == 4
    (file,) = tmp_path.rglob("budgets/*.jsonl")
    assert used(file.parent.parent) == 0
