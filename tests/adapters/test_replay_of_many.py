"""Conversations side by side, models one after another, and answers that a program changes: replayed as recorded."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from harness.adapters import openai_replies
from tests.adapters.recorded import recording
from tests.adapters.stage import THEIR_WARNINGS, autogen, config, proxy
from tests.server import Reply, ScriptedServer, ToolCall, error

pytestmark = THEIR_WARNINGS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()


def played(store: Path, play: Any, script: Any) -> tuple[Any, Any, Any]:
    """Record *play*, replay it, and give both results and the replay."""
    with ScriptedServer(script) as server, recording(store, mode="record") as seen:
        first = play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl") as replay:
        again = play(silent)
        assert silent.log == []
    return first, again, replay


def by_question(request: dict[str, Any]) -> str:
    last = [message["content"] for message in request["messages"] if message["role"] == "user"][-1]
    return f"answer to {last}"


def said(result: Any) -> list[str]:
    return [message["content"] for message in result.chat_history]


def chat(server: ScriptedServer, number: int) -> tuple[Any, Any, dict[str, Any]]:
    helper = autogen.AssistantAgent("helper", llm_config=config(server), system_message="You help.")
    return proxy(default_auto_reply=f"again {number}"), helper, {"message": f"question {number}", "max_turns": 2}


def tasks(server: ScriptedServer) -> list[list[str]]:
    async def one(number: int) -> list[str]:
        user, helper, how = chat(server, number)
        return said(await user.a_initiate_chat(helper, **how))

    async def all_of_them() -> list[list[str]]:
        return list(await asyncio.gather(*map(one, range(4))))

    return asyncio.run(all_of_them())


def threads(server: ScriptedServer) -> list[list[str]]:
    found: dict[int, list[str]] = {}

    def one(number: int) -> None:
        user, helper, how = chat(server, number)
        found[number] = said(user.initiate_chat(helper, **how))

    workers = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize("play", [tasks, threads])
def test_agents_of_one_name_side_by_side_get_their_own_answers(store: Path, play: Any) -> None:
    first, again, replay = played(store, play, by_question)
    assert (
        again
        == first
        == [[f"question {n}", f"answer to question {n}", f"again {n}", f"answer to again {n}"] for n in range(4)]
    )
    assert (replay.hits, replay.misses, replay.unused()) == (8, (), ())


def test_a_model_that_fails_and_the_next_one_that_answers_do_so_again(store: Path) -> None:
    def play(server: ScriptedServer) -> list[str]:
        entry = config(server)["config_list"][0]
        models = [{**entry, "model": name} for name in ("gpt-4o", "gpt-4o-mini")]
        llm_config = {"config_list": models, "cache_seed": None}
        helper = autogen.AssistantAgent("helper", llm_config=llm_config)
        return said(proxy().initiate_chat(helper, message="Go.", max_turns=1))

    first, again, replay = played(store, play, [error(400), "From the second."])
    assert again == first == ["Go.", "From the second."]
    assert [found.request["model"] for found in replay.cassette.exchanges] == ["gpt-4o", "gpt-4o-mini"]
    assert (replay.hits, replay.misses, replay.unused()) == (2, (), ())


def test_clients_of_several_models_are_told_apart(store: Path) -> None:
    def play(server: ScriptedServer) -> list[list[str]]:
        found = []
        for model in ("gpt-4o", "gpt-4o-mini", "gpt-4o"):
            helper = autogen.AssistantAgent("helper", llm_config=config(server, model=model))
            found.append(said(proxy().initiate_chat(helper, message="Go.", max_turns=1)))
        return found

    first, again, replay = played(store, play, ["large", "small", "large again"])
    assert again == first == [["Go.", "large"], ["Go.", "small"], ["Go.", "large again"]]
    assert replay.hits == 3


def test_equal_answers_are_objects_of_their_own(store: Path) -> None:
    def play(server: ScriptedServer) -> list[str]:
        helper = autogen.AssistantAgent("helper", llm_config=config(server))
        found = []
        for _ in range(2):
            reply = helper.generate_reply([{"role": "user", "content": "Go."}])
            found.append(copy.deepcopy(reply))
            reply["tool_calls"][0]["function"]["name"] = "changed by the program"
        return found

    look = Reply(tool_calls=[ToolCall(name="look", arguments={"at": [1]})])
    _, again, _ = played(store, play, [look, look])
    assert [one["tool_calls"][0]["function"]["name"] for one in again] == ["look", "look"]


def test_a_response_can_be_changed_all_through_without_changing_what_was_recorded() -> None:
    part = {"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"at": [1]}}
    value = {
        "message": {"role": "assistant", "parts": [{"type": "text", "content": "Hm."}, part]},
        "finish_reason": "tool_calls",
        "model": "gpt-4o",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    before = copy.deepcopy(value)
    response = openai_replies.completion(value)
    response.choices[0].message.tool_calls[0].function.arguments = "{}"
    response.choices[0].message.content = "changed"
    response.usage.prompt_tokens = 99
    response.choices.clear()
    assert value == before
    assert openai_replies.completion(value).choices[0].message.tool_calls[0].function.arguments == '{"at": [1]}'
