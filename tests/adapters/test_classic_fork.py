"""Classic agents that are replayed up to a message and go on for real, with another model or prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins
from tests.adapters.forks import forked
from tests.adapters.stage import THEIR_WARNINGS, assistant, group, proxy, recording
from tests.server import ScriptedServer, rules

pytestmark = THEIR_WARNINGS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()


def pair(server: ScriptedServer) -> Any:
    return proxy(default_auto_reply="Go on.").initiate_chat(assistant("helper", server), message="Go.", max_turns=3)


async def a_pair(server: ScriptedServer) -> Any:
    user = proxy(default_auto_reply="Go on.")
    return await user.a_initiate_chat(assistant("helper", server), message="Go.", max_turns=3)


@pytest.fixture
def recorded(store: Path) -> Path:
    with ScriptedServer(["One.", "Two.", "Three."]) as server, recording(store, mode="record") as seen:
        pair(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    return store


def said(result: Any) -> list[str]:
    return [message["content"] for message in result.chat_history]


@pytest.mark.parametrize(("message", "played"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_it_is_played_up_to_the_message_and_real_from_there(recorded: Path, message: int, played: int) -> None:
    script = ["TWO.", "THREE.", "FOUR."]
    with ScriptedServer(script) as server, forked(recorded, server, message=message) as found:
        result = pair(server)
    expected = ["One.", "Two."][:played] + script[: 3 - played]
    assert said(result) == ["Go.", expected[0], "Go on.", expected[1], "Go on.", expected[2]]
    assert found.verdicts == ["hit"] * played + ["live"] * (3 - played)
    assert len(found.asked) == 3 - played


def test_the_model_and_the_prompt_change_after_the_fork_alone_and_the_run_says_so(recorded: Path) -> None:
    changes: dict[str, Any] = {"model": "gpt-4o", "prompts": {"helper": "You shout.", "nobody": "You hide."}}
    with ScriptedServer(["TWO.", "THREE."]) as server, forked(recorded, server, message=3, **changes) as found:
        result = pair(server)
    assert said(result)[1::2] == ["One.", "TWO.", "THREE."]
    assert found.asked == [("gpt-4o", "You shout.", "Go on.")] * 2
    assert found.models == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    prompts = [call.request["messages"][0]["parts"][0]["content"] for call in found.run.calls]
    assert prompts == ["You help.", "You shout.", "You shout."]


def test_where_the_recording_is_over_it_goes_on(store: Path) -> None:
    with (
        ScriptedServer(["One."]) as server,
        recording(store, mode="record") as seen,
        pytest.raises(Exception, match="400"),
    ):
        pair(server)
    made = plugins.sibling("scenarios.cassette").from_runs(seen.runs)
    whole = [exchange for exchange in made.exchanges if exchange.failure is None]
    plugins.sibling("scenarios.cassette").Cassette(exchanges=tuple(whole)).write(store / "c.jsonl")
    with ScriptedServer(["TWO.", "THREE."]) as server, forked(store, server, model="gpt-4o") as found:
        result = pair(server)
    assert said(result)[1::2] == ["One.", "TWO.", "THREE."]
    assert found.verdicts == ["hit", "live", "live"]
    assert found.models == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]


def test_a_request_that_differs_before_the_recording_is_over_is_missed(recorded: Path) -> None:
    with (
        ScriptedServer([]) as server,
        forked(recorded, server) as found,
        pytest.raises(Exception, match="not in the cass"),
    ):
        proxy().initiate_chat(assistant("helper", server, "You hinder."), message="Go.", max_turns=3)
    assert found.verdicts == ["miss"]
    assert found.asked == []


@pytest.mark.parametrize("play", [pair, a_pair])
def test_a_conversation_that_is_over_goes_on_with_one_thing_more(recorded: Path, play: Any) -> None:
    with ScriptedServer(["FOUR.", "FIVE.", "SIX."]) as server, forked(recorded, server, says=((1, "And?"),)) as found:
        result = asyncio.run(play(server)) if asyncio.iscoroutinefunction(play) else play(server)
    assert said(result)[:6] == ["Go.", "One.", "Go on.", "Two.", "Go on.", "Three."]
    assert said(result)[6:8] == ["And?", "FOUR."]
    assert found.verdicts == ["hit"] * 3 + ["live"] * 3
    assert [entry["request"]["messages"][-2]["content"] for entry in server.log][:1] == ["Three."]


def test_of_several_conversations_the_one_that_is_named_goes_on(store: Path) -> None:
    def twice(server: ScriptedServer) -> list[list[str]]:
        helper = assistant("helper", server)
        return [said(proxy().initiate_chat(helper, message=text, max_turns=1)) for text in ("A", "B")]

    with ScriptedServer(["One.", "Two."]) as server, recording(store, mode="record") as seen:
        twice(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer(["THREE."]) as server, forked(store, server, says=((2, "And?"),)):
        assert twice(server) == [["A", "One."], ["B", "Two.", "And?", "THREE."]]


def test_a_group_goes_on_with_its_history(store: Path) -> None:
    def play(server: ScriptedServer) -> list[str]:
        members = [assistant(name, server, f"You are {name}.") for name in ("ann", "bob")]
        chat, manager = group(server, members, max_round=3, speaker_selection_method="round_robin")
        members[0].initiate_chat(manager, message="Go.")
        return [message["content"] for message in chat.messages]

    with (
        ScriptedServer(rules({"ann": ["A1", "A2"], "bob": ["B1", "B2"]})) as server,
        recording(store, mode="record") as seen,
    ):
        first = play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    script = rules({"ann": ["A8", "A9"], "bob": ["B8", "B9"]})
    with ScriptedServer(script) as server, forked(store, server, says=((1, "And?"),)):
        again = play(server)
    assert again[: len(first)] == first
    assert again[len(first)] == "And?"
    assert again[len(first) + 1] == "B8"


def test_afterwards_the_framework_is_as_it_was(recorded: Path) -> None:
    from autogen import ConversableAgent

    before = vars(ConversableAgent)["initiate_chat"]
    with ScriptedServer(["4", "5", "6"]) as server, forked(recorded, server, says=((1, "And?"),)):
        assert vars(ConversableAgent)["initiate_chat"] is not before
        pair(server)
    assert vars(ConversableAgent)["initiate_chat"] is before


def test_the_programs_own_cache_is_off_while_recording_and_replaying_and_only_then(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("diskcache", reason="the framework's disk cache is not installed")
    from autogen import Cache

    def play(server: ScriptedServer) -> list[str]:
        with Cache.disk(cache_seed=7, cache_path_root=str(tmp_path / "cache")) as cache:
            result = proxy().initiate_chat(assistant("helper", server), message="Go.", max_turns=1, cache=cache)
        return said(result)

    with ScriptedServer(["Cached."]) as server:
        with recording(store):
            assert play(server) == ["Go.", "Cached."]
        with recording(store):
            assert play(server) == ["Go.", "Cached."]
        assert len(server.log) == 1
    with ScriptedServer(["Recorded."]) as server, recording(store, mode="record") as seen:
        assert play(server) == ["Go.", "Recorded."]
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert play(silent) == ["Go.", "Recorded."]
    with ScriptedServer([]) as silent, recording(store):
        assert play(silent) == ["Go.", "Cached."]
