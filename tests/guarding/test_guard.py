"""What a guard does besides stopping: it nudges, refuses what nobody can price, and says so when it breaks itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from harness.guarding import stopping, written
from harness.guarding.ledger import FOLDER
from harness.model import EndingKind
from harness.store import open_store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import Reply, ScriptedServer, tool_call

pytestmark = THEIR_WARNINGS
QUIET: dict[str, Any] = {"max_model_calls": 14, "max_cost_usd": None, "max_seconds": None}


def answer(request: Any) -> str:
    """Say the same again and again, and something else once a note comes."""
    nudged = "A note from the program" in str(request["messages"][-1]["content"])
    return "You are right, I am done. TERMINATE" if nudged else "Have a nice day."


def test_a_nudge_is_told_to_the_agent_that_goes_round_in_circles_and_is_recorded(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.stage")
    with ScriptedServer(answer) as server, recording(tmp_path) as seen, harness.guard(QUIET, nudge=True) as guard:
        ann, bob = stage.assistant("ann", server), stage.assistant("bob", server)
        for one in (ann, bob):
            one._is_termination_msg = stage.says_terminate
        ann.initiate_chat(bob, message="Have a nice day.", silent=True)
    assert guard.reason is None
    assert seen.ending[0] == "termination_message"
    asked = [call.request["messages"][-1]["parts"][0]["content"] for call in seen.run.calls]
    (told,) = [text for text in asked if text.startswith("A note from the program")]
    (noted,) = [span.attributes for span in seen.run.spans if span.attributes.get("harness.guard") == "nudge"]
    assert noted["harness.guard.text"] == told


async def test_an_agent_of_agentchat_is_nudged(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.agentchat_stage")
    with ScriptedServer(answer) as server, recording(tmp_path), harness.guard(QUIET, nudge=True) as guard:
        clients = [stage.client(server), stage.client(server)]
        members = [stage.agents.AssistantAgent(name, one) for name, one in zip("ab", clients, strict=True)]
        done = stage.conditions.TextMentionTermination("TERMINATE")
        result = await stage.teams.RoundRobinGroupChat(members, termination_condition=done).run(task="Go on.")
        for one in clients:
            await one.close()
    assert guard.reason is None
    assert "TERMINATE" in str(result.stop_reason)


async def test_an_agent_of_ag2_is_nudged_and_its_answer_capped(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.ag2_stage")
    settings: dict[str, Any] = {"nudge": True, "cap_output": True, "reserve_output_tokens": 77}

    def add_again(request: Any) -> Any:
        return answer(request) if "A note from" in str(request["messages"][-1]) else tool_call("add", a=1, b=2)

    with ScriptedServer(add_again) as server, recording(tmp_path), harness.guard(QUIET, **settings) as guard:
        reply = await stage.agent("ann", server, tools=[stage.add]).ask("Go on.")
        assert {entry["request"].get("max_tokens") for entry in server.log} == {77}
    assert guard.reason is None
    assert reply.body == "You are right, I am done. TERMINATE"


@pytest.mark.parametrize("fail_closed", [False, True])
def test_dollars_of_a_model_without_a_price_are_told_of_once_or_never_spent(tmp_path: Path, fail_closed: bool) -> None:  # noqa: FBT001
    stage = pytest.importorskip("tests.adapters.stage")
    with ScriptedServer(lambda _: Reply(text="Hello.", model="mystery-1")) as server:
        with recording(tmp_path) as seen, harness.guard({"max_model_calls": 4}, fail_closed=fail_closed) as guard:
            llm = stage.config(server, model="mystery-1")
            ann, bob = (stage.autogen.AssistantAgent(name, llm_config=llm) for name in ("ann", "bob"))
            ann.initiate_chat(bob, message="Hello.", silent=True)
        assert len(server.log) == (0 if fail_closed else 4)
    told = [finding.code for _, finding in guard.findings if finding.code == "B206"]
    assert told == ([] if fail_closed else ["B206"])
    reason = "nobody knows the price of 'mystery-1', and dollars are limited"
    assert guard.reason == (reason if fail_closed else "the limit of 4 model calls was reached")
    assert seen.ending[0] == EndingKind.STOPPED.value


BROKEN = """
import sys
import autogen, harness
from tests.adapters.stage import assistant
from tests.server import ScriptedServer
with ScriptedServer(lambda request: f"Point {len(request['messages'])}?") as server:
    with harness.guard({"day.max_tokens": 10**9, "max_model_calls": 5}, fail_closed=sys.argv[1] == "closed") as guard:
        ann, bob = assistant("ann", server), assistant("bob", server)
        ann.initiate_chat(bob, message="Go on.", silent=True)
    print(len(server.log), guard.reason)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [("open", "5 the limit of 5 model calls was reached"), ("closed", "0 the guard itself has failed: ")],
)
def test_a_guard_that_fails_lets_calls_pass_unless_it_is_to_fail_closed(tmp_path: Path, how: str, said: str) -> None:
    pytest.importorskip("autogen")
    store = tmp_path / "store"
    store.mkdir()
    (store / FOLDER).write_text("in the way of the folder of ledgers")
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, how],
        env={**environment, "HARNESS_STORE": str(store), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout.splitlines()[-1].startswith(said)
    (summary,) = open_store(store).runs()
    spans = open_store(store).run(summary.run_id).spans
    assert any("harness.fault" in span.attributes for span in spans) is (how == "open")


def test_limits_are_read_from_words_and_given_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = written.told(
        written.words("max_cost_usd=$1.5, day.max_tokens=1000,max_seconds=none,nudge=true,checks=L+B201")
    )
    named = {limit.name: limit.most for limit in made.limits}
    assert named == {"max_model_calls": 30, "max_cost_usd": 1.5, "day.max_tokens": 1000}
    monkeypatch.setenv(*next(iter(made.environment().items())))
    again = written.from_environment()
    assert again is not None
    assert (again.limits, again.nudge, again.environment()) == (made.limits, True, made.environment())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_cost", "no setting of a guard"),
        ("nudge=3", "must be true or false"),
        ("on_stop=later", "on_stop must be one of"),
        ("reserve_output_tokens=0", "must be at least 1"),
        ("max_tokns=4", "no limit is called"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        written.told(written.words(text))


def test_a_run_is_stopped_from_another_process_guarded_or_not(tmp_path: Path) -> None:
    stage = pytest.importorskip("tests.adapters.stage")
    for guarded in (False, True):
        store = tmp_path / str(guarded)

        def throw(request: Any, store: Path = store) -> str:
            if len(request["messages"]) == 4:
                (run,) = open_store(store).runs()
                code = (
                    "from pathlib import Path; from harness.guarding import stopping; stopping.throw(Path({!r}), {!r})"
                )
                subprocess.run([sys.executable, "-c", code.format(str(store), run.run_id)], timeout=60, check=True)
                stopping.LOOK_EVERY_S = 0
            return f"Point {len(request['messages'])}?"

        with ScriptedServer(throw) as server, recording(store) as seen:
            ann, bob = stage.assistant("ann", server), stage.assistant("bob", server)
            if guarded:
                with harness.guard(QUIET, on_stop="note"):
                    result = ann.initiate_chat(bob, message="Go on.", silent=True)
            else:
                result = ann.initiate_chat(bob, message="Go on.", silent=True)
            assert len(server.log) == 3
        assert len(result.chat_history) == 4
        assert seen.ending == ("stopped", None, stopping.KILLED)
