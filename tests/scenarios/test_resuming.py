"""A rehearsed conversation is taken up again with one thing more, and again, whichever framework its agents are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.store import open_store
from scenarios import drafting, resuming, runner
from tests.server import Reply, ScriptedServer

# AutoGen's own: it uses what pydantic is about to drop, and leaves its clients to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "ResourceWarning", "UserWarning", "pytest.PytestUnraisableExceptionWarning")
]

MODEL = "llm_config: {model: gpt-4o-mini}"
SCENARIOS = {
    "autogen": f"""
framework: classic
agents:
  - {{name: user, type: user_proxy, max_consecutive_auto_reply: 0}}
  - {{name: helper, type: assistant, system_message: You help., {MODEL}}}
team: {{initiator: user}}
task: Hello.
""",
    "autogen_agentchat": f"""
framework: agentchat
agents:
  - {{name: helper, system_message: You help., {MODEL}}}
team: {{max_turns: 1}}
task: Hello.
""",
    "ag2": f"""
framework: ag2
agents:
  - {{name: helper, system_message: You help., {MODEL}}}
task: Hello.
""",
}


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], ScriptedServer]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
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


def heard(server: ScriptedServer) -> list[str]:
    """What the model was told in the only request, its prompt aside."""
    (entry,) = server.log
    return [message["content"] for message in entry["request"]["messages"][1:]]


@pytest.mark.parametrize("module", SCENARIOS)
def test_it_goes_on_with_all_that_was_said_before(tmp_path, serve, module) -> None:
    pytest.importorskip(module, reason="the framework is not installed")
    path = tmp_path / "one.scenario.yaml"
    path.write_text(SCENARIOS[module], encoding="utf-8")
    serve(["One."])
    first = runner.run_scenario(path, record="all")
    assert first.recorded, first.reasons
    before = (tmp_path / "one.cassette.jsonl").read_bytes()
    server = serve(["Two."])
    second = resuming.resume(open_store(), first.run_id, message="And?")
    assert (second.outcome, second.account.hits, second.account.live) == ("passed", 1, 1), second.reasons
    assert heard(server) == ["Hello.", "One.", "And?"]
    server = serve(["Three."])
    third = resuming.resume(open_store(), second.run_id, message="Well?")
    assert (third.outcome, third.account.hits, third.account.live) == ("passed", 2, 1), third.reasons
    assert heard(server) == ["Hello.", "One.", "And?", "Two.", "Well?"]
    texts = [message.text for message in open_store().run(third.run_id).messages]
    assert texts == ["Hello.", "One.", "And?", "Two.", "Well?", "Three."]
    assert (tmp_path / "one.cassette.jsonl").read_bytes() == before


def test_a_scenario_that_is_gone_is_named(tmp_path, serve) -> None:
    pytest.importorskip("autogen", reason="the framework is not installed")
    path = tmp_path / "one.scenario.yaml"
    path.write_text(SCENARIOS["autogen"], encoding="utf-8")
    serve(["One."])
    first = runner.run_scenario(path, record="all")
    path.unlink()
    found = drafting.draft(open_store(), first.run_id)
    assert found.missing == (f"the scenario that it rehearsed is gone: {path}",)
    with pytest.raises(UsageError, match="cannot be taken up: it lacks the scenario that it rehearsed is gone"):
        resuming.resume(open_store(), first.run_id)


def test_what_failed_last_is_asked_again_with_the_model_and_the_prompt_of_now(tmp_path, serve) -> None:
    pytest.importorskip("autogen", reason="the framework is not installed")
    path = tmp_path / "one.scenario.yaml"
    path.write_text(SCENARIOS["autogen"], encoding="utf-8")
    serve([Reply(status=400, text="no such model")])
    failed = runner.run_scenario(path, record="all")
    assert not failed.recorded
    server = serve(["One."])
    found = resuming.resume(open_store(), failed.run_id, model="gpt-4o", prompts={"helper": "You try."})
    assert (found.outcome, found.account.hits, found.account.live) == ("passed", 0, 1), found.reasons
    (entry,) = server.log
    assert (entry["request"]["model"], entry["request"]["messages"][0]["content"]) == ("gpt-4o", "You try.")


def test_a_run_that_went_on_with_another_model_goes_on_with_that_one(tmp_path, serve) -> None:
    pytest.importorskip("autogen", reason="the framework is not installed")
    path = tmp_path / "one.scenario.yaml"
    path.write_text(SCENARIOS["autogen"], encoding="utf-8")
    serve(["One."])
    first = runner.run_scenario(path, record="all")
    serve(["Two."])
    second = resuming.resume(open_store(), first.run_id, message="And?", model="gpt-4o")
    server = serve(["Three."])
    third = resuming.resume(open_store(), second.run_id, message="Well?")
    assert third.account.live == 1, third.reasons
    assert [entry["request"]["model"] for entry in server.log] == ["gpt-4o"]
    server = serve(["Four."])
    resuming.resume(open_store(), third.run_id, message="So?", model="gpt-4o-mini")
    assert [entry["request"]["model"] for entry in server.log] == ["gpt-4o-mini"]
