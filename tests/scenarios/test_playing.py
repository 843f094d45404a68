"""What of a conversation is replayed, made for real, stubbed or frozen: rehearsals with real AutoGen agents."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.call import Call, Reply, chain
from harness.errors import Exit, UsageError
from harness.freezing import FROZEN
from harness.model import Operation
from harness.store import open_store
from scenarios import cassette, playing, runner, stubs
from scenarios.exchanges import Exchange
from scenarios.forking import Fork
from scenarios.replaying import Replay
from scenarios.scenario import load
from tests.server import ScriptedServer, tool_call

pytest.importorskip("autogen", reason="the classic extra is not installed")
# AutoGen's own: it uses what pydantic is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHOP = """
    import datetime, random, socket, time, uuid
    import autogen

    LOOKED = []

    def price(name: str) -> str:
        LOOKED.append(name)
        return f"{name} costs {len(LOOKED)}"

    def stock(name: str) -> str:
        return "plenty"

    def reach(name: str) -> str:
        try:
            socket.create_connection(("192.0.2.1", 80), 0.001)
        except OSError as error:
            return type(error).__name__
        return "open"

    def agents(*tools, mode="NEVER"):
        config = {"config_list": [{"model": "gpt-4o-mini"}], "cache_seed": None}
        helper = autogen.AssistantAgent("helper", system_message="You help.", llm_config=config)
        user = autogen.UserProxyAgent(
            "user", human_input_mode=mode, code_execution_config={"use_docker": False, "work_dir": "work"},
            is_termination_msg=lambda message: "DONE" in (message.get("content") or ""),
        )
        for tool in tools:
            autogen.register_function(tool, caller=helper, executor=user, name=tool.__name__, description="A tool.")
        return user, helper

    def shop():
        return (*agents(price, stock), "What does tea cost?")

    def reaches():
        return (*agents(reach), "Reach it.")

    def asks():
        return (*agents(mode="ALWAYS"), "Hello.")

    def codes():
        return (*agents(), "Run it.")

    def frozen():
        user, helper = agents()
        said = [time.time(), datetime.datetime.now(), datetime.date.today(), uuid.uuid4(), random.random()]
        user.initiate_chat(helper, message=f"It is {said}.")
        # More than was recorded is drawn only where nobody's call has drawn meanwhile.
        user.initiate_chat(helper, message=f"It is {uuid.uuid4()}, {random.randint(1, 10**9)}.", clear_history=False)

    def sneaks():
        user, helper = agents()
        user.initiate_chat(helper, message="Hello.")
        try:
            socket.create_connection(("192.0.2.1", 80), 0.001)
        except OSError:
            pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    (tmp_path / "shop.py").write_text(textwrap.dedent(SHOP), encoding="utf-8")
    return tmp_path


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def serving(script: Any) -> ScriptedServer:
        server = ScriptedServer(script)
        server.__enter__()
        servers.append(server)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        return server

    yield serving
    for server in servers:
        server.__exit__(None, None, None)


def write(folder: Path, factory: str, more: str = "") -> Path:
    path = folder / "one.scenario.yaml"
    path.write_text(f"factory: shop:{factory}\n{more}", encoding="utf-8")
    return path


def record(path: Path, serve: Callable[[Any], ScriptedServer], script: Any) -> Any:
    serve(script)
    verdict = runner.run_scenario(path, record="all")
    assert verdict.recorded, verdict.reasons
    return verdict


def calls(verdict: Any, kind: Operation) -> list[Any]:
    return [call for call in open_store().run(verdict.run_id).calls if call.span.operation is kind]


BUY = [tool_call("price", name="tea"), tool_call("stock", name="tea"), "It is 1. DONE"]


def test_tools_are_replayed_unless_it_says_otherwise(folder, serve):
    path = write(folder, "shop")
    record(path, serve, BUY)
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert [call.span.attributes["harness.replay.verdict"] for call in calls(verdict, Operation.TOOL)] == ["hit"] * 2


def test_a_tool_that_is_live_is_called_for_real(folder, serve):
    path = write(folder, "shop")
    record(path, serve, BUY)
    write(folder, "shop", "replay: {tool: live}\n")
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert (verdict.account.hits, verdict.account.live, verdict.account.unused) == (3, 2, 0)


def test_a_stubbed_tool_gives_what_the_scenario_says_and_the_others_are_replayed(folder, serve):
    path = write(folder, "shop", "replay: {tool: {stub: {price: tea costs 1}}}\n")
    record(path, serve, BUY)
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert (verdict.account.hits, verdict.account.stubbed, verdict.account.unused) == (4, 1, 0)
    made = cassette.read(folder / "one.cassette.jsonl")
    assert [found.request["name"] for found in made.exchanges if found.kind is Operation.TOOL] == ["stock"]
    write(folder, "shop", "replay: {tool: {stub: {price: tea costs 99}}}\n")
    parted = runner.run_scenario(path)
    assert parted.code is Exit.DIVERGED
    assert "tea costs 99" in "\n".join(parted.reasons)
    assert "changed by the scenario" in "\n".join(parted.reasons)


def test_a_stub_uses_up_what_was_recorded_before_there_was_one(folder, serve):
    path = write(folder, "shop")
    record(path, serve, BUY)
    write(folder, "shop", "replay: {tool: {stub: {price: tea costs 1}}}\nmatching: strict\n")
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert (verdict.account.stubbed, verdict.account.unused) == (1, 0)
    assert [row["verdict"] for row in verdict.replayed.exchanges] == ["hit", "stub", "hit", "hit", "hit"]


def test_a_stubbed_human_types_the_same_whether_it_is_recorded_or_played(folder, serve):
    path = write(folder, "asks", "replay: {human: {stub: {user: exit}}}\n")
    first = record(path, serve, ["Hello."])
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert first.summary.ending == verdict.summary.ending == "human"
    assert [call.reply["input"] for call in calls(verdict, Operation.HUMAN)] == ["exit"]


def test_stubbed_code_is_not_run(folder, serve):
    path = write(folder, "codes", "replay: {code: {stub: {exit_code: 0, output: '42'}}}\n")
    record(path, serve, ["```python\nopen('made', 'w')\n```", "DONE"])
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert not list(folder.rglob("made"))
    assert any("42" in message.text for message in open_store().run(verdict.run_id).messages)


def test_a_live_tool_may_reach_the_network_and_a_replayed_program_may_not(folder, serve):
    path = write(folder, "reaches")
    verdict = record(path, serve, [tool_call("reach", name="x"), "DONE"])
    (tool,) = calls(verdict, Operation.TOOL)
    assert tool.reply["result"] != "NetworkRefusedError"
    write(folder, "reaches", "replay: {tool: live}\nmatching: sequence\n")
    live = runner.run_scenario(path)
    (tool,) = calls(live, Operation.TOOL)
    assert tool.reply["result"] != "NetworkRefusedError"
    assert live.outcome == "passed", live.reasons


def test_a_connection_in_a_replay_fails_it_though_the_program_goes_on_without(folder, serve):
    path = write(folder, "sneaks")
    record(path, serve, ["DONE"])
    verdict = runner.run_scenario(path)
    assert (verdict.outcome, verdict.code) == ("failed", Exit.DIVERGED)
    assert verdict.reasons == (
        "the network is closed in a replay, and the program (shop.py:55) asked for 192.0.2.1:80",
    )
    assert "live" in verdict.hints[0]


def test_what_is_frozen_is_the_same_when_recorded_and_when_played(folder, serve):
    path = write(folder, "frozen", "freeze: [clock, uuid, random]\n")
    record(path, serve, ["DONE", "DONE"])
    verdict = runner.run_scenario(path)
    assert verdict.outcome == "passed", verdict.reasons
    assert verdict.account.hits == 2
    run = open_store().run(verdict.run_id)
    assert "datetime.datetime(2026, 1, 1, 0, 0), datetime.date(2026, 1, 1), UUID(" in run.messages[0].text
    assert run.summary.started_ns > 1_767_225_600_000_000_000 + 10**15
    assert cassette.read(folder / "one.cassette.jsonl").header.freeze == FROZEN


def test_a_cassette_remembers_what_was_frozen(folder, serve):
    path = write(folder, "frozen")
    serve(["DONE", "DONE"])
    assert runner.rehearse(load(path), record="all", freeze=["clock", "uuid", "random"]).recorded
    assert runner.run_scenario(path).outcome == "passed"


def test_what_is_not_frozen_parts(folder, serve):
    path = write(folder, "frozen")
    record(path, serve, ["DONE", "DONE"])
    assert runner.run_scenario(path).code is Exit.DIVERGED


@pytest.mark.parametrize("matching", ["match", "strict", "sequence"])
def test_a_fork_says_how_far_it_was_played_and_leaves_the_cassette(folder, serve, matching):
    path = write(folder, "shop", f"matching: {matching}\n")
    record(path, serve, BUY)
    before = (folder / "one.cassette.jsonl").read_bytes()
    server = serve(["It is 7. DONE"])
    verdict = runner.rehearse(load(path), fork=Fork(message=3, model="gpt-4o"))
    assert verdict.outcome == "passed", verdict.reasons
    assert verdict.remarks[0] == (
        "played up to message 3, with the model 'gpt-4o': 2 calls from the cassette, then 1 for real"
    )
    assert [entry["request"]["model"] for entry in server.log] == ["gpt-4o"]
    assert (folder / "one.cassette.jsonl").read_bytes() == before
    assert not verdict.recorded


def test_a_fork_after_the_end_says_nothing_of_what_would_have_been(folder, serve):
    path = write(folder, "shop")
    record(path, serve, BUY)
    verdict = runner.rehearse(load(path), fork=Fork(message=99))
    assert (verdict.outcome, verdict.code) == ("inconclusive", Exit.FINDINGS)
    assert verdict.reasons == ("it came to its end before anything was asked for real, after 6 messages",)


def test_a_prompt_that_could_not_be_changed_is_told(folder, serve):
    path = write(folder, "shop")
    record(path, serve, BUY)
    serve(["It is 7. DONE"])
    verdict = runner.rehearse(load(path), fork=Fork(message=3, prompts={"hepler": "You hinder."}))
    assert "no model was asked for 'hepler' after the fork, so its prompt changed nothing" in verdict.remarks


WRONG = {
    "replay: {tool: sometimes}": "'replay.tool' ",
    "replay: {tool: stub}": "'replay.tool' ",
    "replay: {chat: live}": "unknown key 'chat'",
    "replay: {human: {stub: 3}}": "'replay.human",
    "replay: {code: {stub: {exit: 1}}}": "'exit'",
    "replay: {human: stub}\nlive: [human]": "'human' is live already",
    "freeze: [clcok]": "'clcok'",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_played_is_refused_with_its_line(folder, wrong):
    path = write(folder, "shop", wrong + "\n")
    with pytest.raises(UsageError, match=r"one\.scenario\.yaml:[23]: ") as caught:
        load(path)
    assert WRONG[wrong] in str(caught.value)


answers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(answers)
def test_a_stub_gives_a_fresh_answer_each_time(answer):
    stubbed = stubs.Stubs({Operation.TOOL: {"look": [answer]}})
    call = Call(operation=Operation.TOOL, agent="a", request={"name": "look", "arguments": {}})
    first = stubbed.answer(call)
    first["result"].append("changed by the program")
    assert stubbed.answer(call) == {"result": [answer]}
    assert stubbed.answer(dataclasses.replace(call, request={"name": "other"})) is None


@given(st.dictionaries(st.sampled_from([Operation.HUMAN, Operation.CODE]), st.text(max_size=9)))
def test_stubs_reach_a_program_in_a_process_of_its_own_as_they_are(given_answers):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stubs.environment(given_answers).items():
            patch.setenv(name, value)
        made = stubs.from_environment()
    for kind in (Operation.HUMAN, Operation.CODE):
        call = Call(operation=kind, agent="a", request={})
        assert made.answer(call) == stubs.Stubs(given_answers).answer(call)


def test_a_program_may_change_what_it_was_given_without_changing_the_cassette():
    call = Call(operation=Operation.TOOL, agent="a", request={"name": "look", "arguments": {}})
    recorded = Exchange(kind=Operation.TOOL, agent="a", request=call.request, reply={"result": {"a": [1]}})
    made = cassette.Cassette(exchanges=(recorded,))
    for _ in range(2):
        reply = chain([Replay(made)], lambda _: Reply())(call)
        assert reply.value == {"result": {"a": [1]}}
        reply.value["result"]["a"].append(2)


def test_what_is_played_is_told_to_a_program_in_a_process_of_its_own(folder, monkeypatch):
    path = write(folder, "shop", "replay: {human: {stub: exit}, tool: live}\nfreeze: [uuid]\n")
    what, fork = load(path), Fork(message=2, prompts={"helper": "Hi"})
    for name, value in playing.variables(what, "sequence", fork).items():
        monkeypatch.setenv(name, value)
    cassette.Cassette().write(folder / "c.jsonl")
    made = playing.from_environment(folder / "c.jsonl", redact=str, shared=folder)
    assert made.fork == fork
    assert made.freeze.names == ("uuid",)
    assert made.replay.kinds == frozenset(set(Operation) & made.replay.kinds) - {Operation.TOOL}
    assert made.stubs.answer(Call(operation=Operation.HUMAN, agent="u", request={})) == {"input": "exit"}
    assert made.mode == "record"


def test_a_judge_of_a_fork_is_asked_for_real(folder, serve):
    judged = "expect: {judge: [{criterion: It is cheap., llm_config: {model: gpt-4o-mini}}]}\n"
    path = write(folder, "shop", judged)
    record(path, serve, [*BUY, "PASS\nIt is 1."])
    server = serve(["It is 99. DONE", "FAIL\nIt is 99."])
    verdict = runner.rehearse(load(path), fork=Fork(message=5))
    assert verdict.outcome == "failed"
    assert "It is 99." in verdict.reasons[0]
    assert "It is 99. DONE" in server.log[1]["request"]["messages"][-1]["content"]
