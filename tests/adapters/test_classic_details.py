"""What of a classic conversation only shows closer by: choices, chunks, money, background runs, agents that travel."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins, prices, semconv
from harness.adapters.classic_setup import describe, sandboxed
from harness.model import Operation
from tests.adapters.stage import THEIR_WARNINGS, assistant, autogen, config, group, proxy, recording, says_terminate
from tests.conformance.classic import counts_itself, known_encodings
from tests.server import Reply, ScriptedServer, rules

pytestmark = THEIR_WARNINGS
LATER = pytest.mark.skipif(not hasattr(autogen.ConversableAgent, "run"), reason="this AutoGen has no background runs")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"
    harness.uninstrument()


def refuses(key: str) -> bool:
    """Say whether this AutoGen's ``llm_config`` refuses *key*, as 0.9 does."""
    try:
        autogen.AssistantAgent("a", llm_config={"config_list": [{"model": "m", "api_key": "k", key: 2}]})
    except Exception as error:  # noqa: BLE001 - pydantic's, of whichever version
        return "Extra inputs" in str(error)
    return False


# Answers -------------------------------------------------------------------------------------------------------------


def test_all_choices_of_an_answer_are_kept_and_replayed(store: Path) -> None:
    wrapper_config = {"model": "gpt-4o-mini", "n": 2, "cache_seed": None}

    def ask(server: ScriptedServer) -> list[str]:
        given = {"api_key": server.api_key, "base_url": server.base_url}
        wrapper = autogen.OpenAIWrapper(config_list=[{"model": "gpt-4o-mini", **given}])
        response = wrapper.create(messages=[{"role": "user", "content": "Two?"}], **wrapper_config)
        return list(wrapper.extract_text_or_completion_object(response))

    with (
        ScriptedServer([Reply(text="One.", others=["Two."])]) as server,
        recording(store, mode="record") as seen,
    ):
        assert ask(server) == ["One.", "Two."]
    (call,) = seen.run.calls
    assert call.reply is not None
    assert call.reply["message"]["parts"][0]["content"] == "One."
    assert [choice["message"]["parts"][0]["content"] for choice in call.reply["choices"]] == ["Two."]
    assert call.span.attributes[semconv.GEN_AI_FINISH_REASONS] == ["stop", "stop"]
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert ask(silent) == ["One.", "Two."]


class Console:
    """Keeps what the framework streams, whether it prints chunks, as it once did, or sends them as events."""

    def __init__(self) -> None:
        self.chunks: list[str] = []

    def print(self, *objects: Any, end: str = "\n", **_: Any) -> None:
        """Keep a chunk: it is all that is printed without an end, colours aside."""
        text = "".join(map(str, objects))
        if not end and text and not text.startswith("\x1b"):
            self.chunks.append(text)

    def send(self, message: Any) -> None:
        """Keep a chunk."""
        if message.type == "stream" and message.content.content:
            self.chunks.append(message.content.content)


@pytest.mark.skipif(refuses("stream"), reason="this AutoGen refuses to stream")
def test_a_stream_is_replayed_in_the_chunks_it_came_in(store: Path) -> None:
    from autogen.io import IOStream

    if counts_itself():
        known_encodings()

    def play(server: ScriptedServer) -> list[str]:
        helper = autogen.AssistantAgent("helper", llm_config=config(server, stream=True))
        console = Console()
        with IOStream.set_default(console):
            proxy().initiate_chat(helper, message="Go.", silent=True)
        return console.chunks

    text = "A reply of more than one chunk. TERMINATE"
    with ScriptedServer([text]) as server, recording(store, mode="record") as seen:
        first = play(server)
    (span,) = seen.spans(Operation.CHAT)
    assert span.attributes[semconv.HARNESS_OUTPUT_CHUNKS] == [len(chunk) for chunk in first]
    assert len(first) > 1
    assert "".join(first) == text
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert play(silent) == first


@pytest.mark.skipif(refuses("stream") or counts_itself(), reason="this AutoGen counts the tokens of a stream itself")
def test_a_stream_tells_the_tokens_of_reasoning_and_of_the_providers_cache(store: Path) -> None:
    script = [Reply(text="TERMINATE", usage=(100, 50), details=(64, 32))]
    with ScriptedServer(script) as server, recording(store) as seen:
        helper = autogen.AssistantAgent("helper", llm_config=config(server, stream=True))
        proxy().initiate_chat(helper, message="Go.", silent=True)
    (call,) = seen.run.calls
    assert call.span.attributes[semconv.GEN_AI_CACHE_READ_TOKENS] == 64
    assert call.span.attributes[semconv.GEN_AI_REASONING_TOKENS] == 32
    assert call.usage.cost_usd == prices.cost_usd("gpt-4o-mini", 100, 50, cached_tokens=64)


@pytest.mark.skipif(refuses("stream") or counts_itself(), reason="this AutoGen counts the tokens of a stream itself")
def test_tokens_that_a_stream_does_not_tell_are_unknown_live_and_replayed(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        helper = autogen.AssistantAgent(
            "helper", llm_config=config(server, stream=True, stream_options={"include_usage": False})
        )
        return proxy().initiate_chat(helper, message="Go.", silent=True).cost

    with ScriptedServer(["TERMINATE"]) as server, recording(store, mode="record") as seen:
        cost = play(server)
    assert (seen.run.summary.input_tokens, seen.run.summary.cost_usd) == (None, None)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert play(silent) == cost


# Who may speak next --------------------------------------------------------------------------------------------------


def test_a_selection_offers_whom_the_groups_transitions_allow(store: Path) -> None:
    script = rules({"role play": ["coder"], "": ["Mine.", "Again."]})
    with ScriptedServer(script) as server, recording(store) as seen:
        user, coder, critic, tester = (
            proxy(),
            *(assistant(name, server) for name in ("coder", "critic", "tester")),
        )
        allowed = {user: [coder, critic], coder: [tester], critic: [tester], tester: [coder]}
        _, manager = group(
            server,
            [user, coder, critic, tester],
            max_round=3,
            allowed_or_disallowed_speaker_transitions=allowed,
            speaker_transitions_type="allowed",
        )
        user.initiate_chat(manager, message="Go.")
    offered = [span.attributes[semconv.HARNESS_SELECTION_CANDIDATES] for span in seen.spans(Operation.SELECTION)]
    assert offered == [["coder", "critic"], ["tester"]]
    assert "['coder', 'critic']" in str(server.log[0]["request"]["messages"])


# Money ---------------------------------------------------------------------------------------------------------------


def test_a_groups_cost_is_right_agent_by_agent_though_the_framework_says_none(store: Path) -> None:
    script = rules({"role play": ["coder", "coder"], "You code": ["Mine.", "Again. TERMINATE"]})
    with ScriptedServer(script) as server, recording(store) as seen:
        coder, user = assistant("coder", server, "You code."), proxy()
        _, manager = group(server, [user, coder], max_round=6, allow_repeat_speaker=True)
        result = user.initiate_chat(manager, message="Go.")
    assert result.cost["usage_including_cached_inference"].get("total_cost", 0) == 0
    by_agent: dict[str | None, float] = defaultdict(float)
    for call in seen.run.calls:
        by_agent[call.agent] += call.usage.cost_usd or 0
    spent: dict[bool, float] = defaultdict(float)
    for entry in server.log:
        usage = entry["response"]["usage"]
        cost = prices.cost_usd("gpt-4o-mini", usage["prompt_tokens"], usage["completion_tokens"])
        spent["role play" not in str(entry["request"]["messages"][0])] += cost or 0
    assert by_agent.pop("coder") == pytest.approx(spent[True])
    assert sum(by_agent.values()) == pytest.approx(spent[False])
    assert seen.run.summary.cost_usd == pytest.approx(spent[True] + spent[False])


@pytest.mark.parametrize("price", [[0.5, 1.0], 2.0])
def test_a_price_that_the_program_states_is_the_calls_cost(store: Path, price: Any) -> None:
    if not isinstance(price, list) and refuses_a_single_price():
        pytest.skip("this AutoGen wants two prices")
    with ScriptedServer(["Yes. TERMINATE"]) as server, recording(store) as seen:
        settings = config(server, price=price)
        settings["config_list"][0]["model"] = "our-own-llama"
        result = proxy().initiate_chat(autogen.AssistantAgent("helper", llm_config=settings), message="Go.")
    theirs = result.cost["usage_including_cached_inference"]["total_cost"]
    assert theirs > 0
    assert seen.run.summary.cost_usd == pytest.approx(theirs)


def test_a_price_that_the_program_states_holds_in_a_replay(store: Path, tmp_path: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        settings = config(server, price=[0.5, 1.0])
        settings["config_list"][0]["model"] = "our-own-llama"
        return proxy().initiate_chat(autogen.AssistantAgent("helper", llm_config=settings), message="Go.")

    with ScriptedServer(["Yes. TERMINATE"]) as server, recording(store, mode="record") as live:
        first = play(server)
    cassette = plugins.sibling("scenarios.cassette").from_runs(live.runs)
    cassette.write(tmp_path / "c.jsonl")
    with recording(store) as seen, ScriptedServer([]) as silent, harness.replay(tmp_path / "c.jsonl"):
        again = play(silent)
    assert silent.log == []
    assert again.cost == first.cost
    assert seen.run.summary.cost_usd == live.run.summary.cost_usd > 0


def refuses_a_single_price() -> bool:
    try:
        autogen.AssistantAgent("a", llm_config={"config_list": [{"model": "m", "api_key": "k", "price": 2.0}]})
    except Exception as error:  # noqa: BLE001 - pydantic's, of whichever version
        return "price" in str(error)
    return False


def test_a_model_without_a_price_is_told_once_and_costs_nobody_knows_what(
    store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "_told", set())
    with (
        ScriptedServer(lambda _: "Yes. TERMINATE") as server,
        recording(store) as seen,
        caplog.at_level(logging.WARNING),
    ):
        settings = config(server)
        settings["config_list"][0]["model"] = "our-own-llama"
        for _ in range(3):
            proxy().initiate_chat(autogen.AssistantAgent("helper", llm_config=settings), message="Go.")
    assert [run.summary.cost_usd for run in seen.runs] == [None] * 3
    told = [record for record in caplog.records if record.name == "harness" and "our-own-llama" in record.getMessage()]
    assert len(told) == 1
    assert all(semconv.HARNESS_COST_FRAMEWORK not in span.attributes for run in seen.runs for span in run.spans)


# Background ----------------------------------------------------------------------------------------------------------


@LATER
def test_chats_that_run_one_after_another_in_the_background_are_one_run(store: Path) -> None:
    with ScriptedServer(lambda _: "Done. TERMINATE") as server, recording(store) as seen:
        queue = [
            {"recipient": assistant(name, server), "message": f"Do {name}.", "summary_method": "last_msg"}
            for name in ("first", "second")
        ]
        for response in proxy().sequential_run(queue):
            for _ in response.events:
                pass
    talks = seen.spans(Operation.CONVERSATION)
    assert [talk.attributes[semconv.GEN_AI_WORKFLOW] for talk in talks] == ["user → first", "user → second"]
    assert [m.text for m in seen.run.messages if m.sender != "user"] == ["Done. TERMINATE"] * 2


@LATER
def test_chats_that_are_awaited_one_after_another_are_one_run(store: Path) -> None:
    async def play(server: ScriptedServer) -> None:
        queue = [
            {"recipient": assistant(name, server), "message": f"Do {name}.", "chat_id": number}
            for number, name in enumerate(("first", "second"))
        ]
        for response in await proxy().a_sequential_run(queue):
            async for _ in response.events:
                pass

    with ScriptedServer(lambda _: "Done. TERMINATE") as server, recording(store) as seen:
        asyncio.run(play(server))
    assert len(seen.spans(Operation.CONVERSATION)) == 2


@pytest.mark.skipif(not hasattr(autogen.agentchat, "run_group_chat"), reason="this AutoGen has no run_group_chat")
def test_a_group_in_the_background_is_one_run(store: Path) -> None:
    from autogen.agentchat import run_group_chat
    from autogen.agentchat.group.patterns import RoundRobinPattern

    with ScriptedServer(lambda _: "Mine.") as server, recording(store) as seen:
        members = [assistant("one", server), assistant("two", server)]
        pattern = RoundRobinPattern(initial_agent=members[0], agents=members)
        for _ in run_group_chat(pattern=pattern, messages="Go.", max_rounds=3).events:
            pass
    assert [(m.sender, m.text) for m in seen.run.messages][1:] == [("one", "Mine."), ("two", "Mine.")]
    assert seen.run.summary.model_calls == len(server.log)


@pytest.mark.skipif(not hasattr(autogen.ConversableAgent, "run_iter"), reason="this AutoGen has no run_iter")
def test_a_run_that_is_stepped_through_is_recorded_as_it_goes(store: Path) -> None:
    with ScriptedServer(["Yes. TERMINATE"]) as server, recording(store) as seen:
        for _ in proxy().run_iter(assistant("helper", server), message="Go."):
            pass
    assert [m.text for m in seen.run.messages] == ["Go.", "Yes. TERMINATE"]
    assert seen.ending[0] == "termination_message"


@LATER
def test_a_background_run_belongs_to_the_run_it_was_started_in(store: Path) -> None:
    with ScriptedServer(["Yes. TERMINATE"]) as server, recording(store) as seen:
        with harness.run("nightly", id="nightly-1"):
            response = proxy().run(assistant("helper", server), message="Go.")
        for _ in response.events:
            pass
    assert seen.run.run_id == "nightly-1"
    assert len(seen.run.messages) == 2


# Set-ups -------------------------------------------------------------------------------------------------------------


def test_an_agents_set_up_names_what_ends_it_and_where_its_code_runs(tmp_path: Path) -> None:
    from autogen.coding import DockerCommandLineCodeExecutor, LocalCommandLineCodeExecutor

    local = LocalCommandLineCodeExecutor(work_dir=tmp_path)
    found = describe(proxy(code_execution_config={"executor": local}))
    assert found["is_termination_msg"] == f"{says_terminate.__module__}:says_terminate"
    assert (found["code_execution"], found["sandboxed"]) == ("LocalCommandLineCodeExecutor", False)
    legacy = describe(proxy(code_execution_config={"work_dir": str(tmp_path), "use_docker": False}))
    assert (legacy["code_execution"], legacy["sandboxed"]) == ("local", False)
    plain = describe(autogen.ConversableAgent("plain", llm_config=False))
    assert plain["is_termination_msg"] == "default"
    assert "sandboxed" not in plain
    assert "end_in_prompt" not in plain  # it has no model, so nobody reads its prompt
    assert sandboxed(DockerCommandLineCodeExecutor.__new__(DockerCommandLineCodeExecutor)) is True
    assert sandboxed(object()) is None


def test_an_agents_set_up_names_the_words_that_its_prompt_asks_it_to_end_with() -> None:
    def told(prompt: str) -> tuple[Any, Any]:
        settings = {"config_list": [{"model": "gpt-4o", "api_key": "k"}]}
        found = describe(autogen.ConversableAgent("agent", system_message=prompt, llm_config=settings))
        return found.get("end_in_prompt"), found.get("end_words")

    assert told("You help. Reply TERMINATE when all is done.") == (True, None)
    assert told("When you agree, provide the solution as SOLUTION_FOUND. Read API_KEY.") == (False, ["SOLUTION_FOUND"])
    assert told("You help.") == (False, None)


def outcome(agent: Any) -> object:
    """Pickle an agent, and say what came of it: most hold functions, which cannot be."""
    try:
        return pickle.loads(pickle.dumps(agent)).name  # noqa: S301 - our own
    except Exception as error:  # noqa: BLE001 - compared with and without us
        return type(error), str(error).replace(hex(id(agent)), "")


def test_agents_are_pickled_and_copied_as_they_would_be(store: Path) -> None:
    def tries() -> list[object]:
        agent = autogen.ConversableAgent("one", llm_config=False, is_termination_msg=says_terminate)
        agent.register_function({"len": len})
        twin = copy.deepcopy(agent)
        return [
            outcome(agent),
            sorted(vars(twin)),
            type(vars(twin)["_function_map"]),
            twin.function_map,
            vars(twin)["_is_termination_msg"],
        ]

    bare = tries()
    with recording(store):
        assert tries() == bare
