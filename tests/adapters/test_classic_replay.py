"""Real agents answered by a cassette: the same conversation, the same account, and no word to anybody outside."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import plugins, semconv
from harness.model import Operation
from tests.adapters.recorded import said
from tests.adapters.stage import THEIR_WARNINGS, assistant, autogen, config, group, proxy, recording
from tests.adapters.test_classic_picture import Typist
from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

pytestmark = THEIR_WARNINGS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path / "store"
    harness.uninstrument()


def record(store: Path, server: ScriptedServer, play: Any) -> Any:
    with recording(store, mode="record") as seen:
        result = play(server)
    cassette = plugins.sibling("scenarios.cassette").from_runs(seen.runs)
    cassette.write(store / "c.jsonl")
    return result


def tools_and_code(server: ScriptedServer, tried: list[int], work: Path) -> Any:
    helper = assistant("helper", server)
    user = proxy(code_execution_config={"work_dir": str(work), "use_docker": False})

    @user.register_for_execution()
    @helper.register_for_llm(description="Roll.")
    def roll(sides: int) -> dict[str, int]:
        tried.append(sides)
        if sides == 0:
            raise ValueError("no sides")
        return {"rolled": len(tried)}

    return user.initiate_chat(helper, message="Go.")


def test_tools_and_code_are_answered_with_what_they_gave_and_are_not_run_again(store: Path, tmp_path: Path) -> None:
    script = [tool_call("roll", sides=6), tool_call("roll", sides=0), "```sh\ndate +%N\n```", "TERMINATE"]
    tried: list[int] = []
    with ScriptedServer(script) as server:
        first = record(store, server, lambda server: tools_and_code(server, tried, tmp_path))
    assert tried == [6, 0]
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl") as replay:
        again = tools_and_code(silent, tried, tmp_path)
    assert said(again.chat_history) == said(first.chat_history)
    assert again.cost == first.cost
    assert tried == [6, 0]
    assert silent.log == []
    assert (replay.hits, replay.misses, replay.unused()) == (7, (), ())


def test_what_a_replay_was_kept_from_on_the_network_is_told_though_the_program_goes_on(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        with contextlib.suppress(OSError):
            socket.create_connection(("192.0.2.7", 80), timeout=0.01)  # An address that nobody has.
        return proxy().initiate_chat(assistant("helper", server), message="Go.", max_turns=1)

    with ScriptedServer(["Done."]) as server:
        record(store, server, play)
    for _ in range(2):  # Each block tells its own.
        with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl") as replay:
            play(silent)
        (said,) = replay.refused
        assert "192.0.2.7:80" in said
        assert (replay.account().hits, replay.account().misses, replay.account().refused) == (1, 0, 1)


def test_what_a_human_typed_is_typed_again(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        user = Typist("boss", human_input_mode="ALWAYS", code_execution_config=False)
        user.typed = typed
        return user.initiate_chat(assistant("helper", server), message="Go.")

    typed = ["more", "exit"]
    with ScriptedServer(["First.", "Second."]) as server:
        first = record(store, server, play)
    typed = []
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        again = play(silent)
    assert again.chat_history == first.chat_history


def test_a_speaker_picked_by_chance_is_picked_again(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        one, two, user = assistant("one", server), assistant("two", server), proxy(default_auto_reply="Go on.")
        chat, manager = group(server, [user, one, two], max_round=8, speaker_selection_method="random")
        user.initiate_chat(manager, message="Start.")
        return [(message["name"], message["content"]) for message in chat.messages]

    with ScriptedServer(lambda _: "Mine.") as server:
        first = record(store, server, play)
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl") as replay:
        assert play(silent) == first
    assert replay.unused() == ()


def test_an_error_of_the_model_is_raised_again_as_the_same_exception(store: Path) -> None:
    import openai

    def play(server: ScriptedServer) -> Any:
        settings = config(server)
        settings["config_list"].append({**settings["config_list"][0], "model": "gpt-4o"})
        helper = autogen.AssistantAgent("helper", llm_config=settings)
        return proxy().initiate_chat(helper, message="Go.")

    with ScriptedServer([error(400, "too long"), "TERMINATE"]) as server:
        first = record(store, server, play)
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert play(silent).chat_history == first.chat_history

    failing = [error(400, "a"), error(400, "still too long")]
    with ScriptedServer(failing) as server, recording(store) as seen, pytest.raises(openai.BadRequestError):
        play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    failed = pytest.raises(openai.BadRequestError, match="still too long")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"), failed as caught:
        play(silent)
    with ScriptedServer(failing) as server, pytest.raises(openai.BadRequestError) as live:
        play(server)
    for name in ("status_code", "body", "code", "type", "param", "message"):
        assert getattr(caught.value, name) == getattr(live.value, name)
    assert (caught.value.status_code, caught.value.response.status_code) == (400, 400)


def test_arguments_that_are_no_json_come_back_as_they_were(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        helper, user = assistant("helper", server), proxy()
        user.register_function({"add": lambda a: a})
        return user.initiate_chat(helper, message="Go.")

    script = [Reply(tool_calls=[ToolCall(name="add", arguments='{"a": 1,, }')]), "TERMINATE"]
    with ScriptedServer(script) as server:
        first = record(store, server, play)
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert said(play(silent).chat_history) == said(first.chat_history)


async def test_an_async_chat_replays_too(store: Path) -> None:
    async def play(server: ScriptedServer) -> Any:
        helper, user = assistant("helper", server), proxy()

        @user.register_for_execution()
        @helper.register_for_llm(description="Twice.")
        async def twice(a: int) -> int:
            return 2 * a

        return await user.a_initiate_chat(helper, message="Go.")

    with ScriptedServer([tool_call("twice", a=2), "TERMINATE"]) as server, recording(store, mode="record") as seen:
        first = await play(server)
    plugins.sibling("scenarios.cassette").from_runs(seen.runs).write(store / "c.jsonl")
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl") as replay:
        assert said((await play(silent)).chat_history) == said(first.chat_history)
    assert replay.unused() == ()


def test_a_replay_inside_a_recording_leaves_it_as_it_was(store: Path) -> None:
    def play(server: ScriptedServer) -> Any:
        return proxy().initiate_chat(assistant("helper", server), message="Go.")

    with ScriptedServer(["TERMINATE"]) as server:
        record(store, server, play)
    with ScriptedServer(["TERMINATE"]) as server, recording(store) as seen:
        with harness.replay(store / "c.jsonl"):
            play(server)
        assert server.log == []
        play(server)
        assert len(server.log) == 1
    assert [run.summary.mode for run in seen.runs] == ["replay", "live"]
    (chat,) = [span for span in seen.runs[0].spans if span.operation is Operation.CHAT]
    assert chat.attributes[semconv.HARNESS_REPLAYED] is True


def test_a_handoff_is_made_again_and_not_read_from_its_text(store: Path) -> None:
    group_chat = pytest.importorskip("autogen.agentchat.group", reason="this AutoGen has no handoffs")
    patterns = pytest.importorskip("autogen.agentchat.group.patterns")

    def play(server: ScriptedServer) -> Any:
        front, tech = assistant("front", server, "You greet."), assistant("tech", server, "You repair.")

        def pass_on(reason: str) -> Any:
            return group_chat.ReplyResult(message=f"passed on: {reason}", target=group_chat.AgentTarget(tech))

        front.register_for_llm(name="pass_on", description="Pass on.")(pass_on)
        front.register_for_execution(name="pass_on")(pass_on)
        pattern = patterns.DefaultPattern(
            initial_agent=front, agents=[front, tech], user_agent=None, group_after_work=group_chat.TerminateTarget()
        )
        result, _, last = autogen.agentchat.initiate_group_chat(pattern=pattern, messages="It is broken.", max_rounds=6)
        return [message["content"] for message in result.chat_history], last.name

    script = rules({"You greet": [tool_call("pass_on", reason="broken"), "Me again."], "You repair": ["Repaired."]})
    with ScriptedServer(script) as server:
        first = record(store, server, play)
    assert first[1] == "tech"
    with ScriptedServer([]) as silent, harness.replay(store / "c.jsonl"):
        assert play(silent) == first
