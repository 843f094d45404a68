"""The run id that a program sends to its model's endpoint is the run's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import harness
from harness.adapters.run_ids import find
from tests.adapters.stage import THEIR_WARNINGS, autogen, config, group, proxy, recording
from tests.server import ScriptedServer

pytestmark = THEIR_WARNINGS


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"config_list": [{"extra_body": {"agentwall_run_id": "run-1"}}]}, "run-1"),
        ({"extra_body": {"agentwall_run_id": " run-1\n"}}, "run-1"),
        ({"agentwall_run_id": "run-1"}, "run-1"),
        ({"config_list": [{}, {"default_headers": {"X-AgentWall-Run-ID": "run-2"}}]}, "run-2"),
        ({"extra_headers": {"x-agentwall-run-id": "run-2"}, "extra_body": {"agentwall_run_id": "run-1"}}, "run-1"),
        (SimpleNamespace(config_list=[SimpleNamespace(extra_body={"agentwall_run_id": "run-3"})]), "run-3"),
        ({"extra_body": {"agentwall_run_id": 7}, "default_headers": None}, None),
        ({"extra_body": "agentwall_run_id", "config_list": "none"}, None),
        ({"extra_body": {"agentwall_run_id": "x" * 1000}}, "x" * 200),
        (None, None),
        (False, None),
    ],
)
def test_the_id_is_found_in_the_body_or_in_a_header(settings: Any, found: str | None) -> None:
    assert find(settings) == found


def helper(server: ScriptedServer, **more: Any) -> Any:
    return autogen.AssistantAgent("helper", llm_config=config(server, **more), system_message="You help.")


@pytest.mark.parametrize(
    "sent",
    [
        {"extra_body": {"agentwall_run_id": "mine-1"}},
        {"default_headers": {"X-AgentWall-Run-ID": "mine-1"}},
    ],
)
def test_conversations_that_send_the_same_id_are_one_run_of_that_id(tmp_path: Path, sent: dict[str, Any]) -> None:
    with ScriptedServer(["Hi."] * 4) as server, recording(tmp_path) as seen:
        for _ in range(2):
            proxy().initiate_chat(helper(server, **sent), message="Hello?", max_turns=1)
        chat, manager = group(
            server, [proxy(), helper(server, **sent)], max_round=2, speaker_selection_method="round_robin"
        )
        chat.agents[0].initiate_chat(manager, message="Hello?")
        proxy().initiate_chat(helper(server), message="Hello?", max_turns=1)
    assert {run.run_id: run.summary.messages for run in seen.runs if run.run_id == "mine-1"} == {"mine-1": 6}
    assert len({run.run_id for run in seen.runs}) == 2


def test_a_sequence_of_chats_is_the_run_that_its_first_chat_names(tmp_path: Path) -> None:
    with ScriptedServer(["Hi."] * 2) as server, recording(tmp_path) as seen:
        asked = helper(server, extra_body={"agentwall_run_id": "mine-2"})
        plans = [{"recipient": asked, "message": "Hello?", "max_turns": 1, "summary_method": "last_msg"}] * 2
        proxy().initiate_chats([dict(plan) for plan in plans])
    assert (seen.run.run_id, seen.run.summary.messages) == ("mine-2", 4)


def test_what_the_program_says_goes_before_what_it_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"extra_body": {"agentwall_run_id": "sent"}}
    with ScriptedServer(["Hi."] * 2) as server, recording(tmp_path) as seen:
        with harness.run(id="said"):
            proxy().initiate_chat(helper(server, **sent), message="Hello?", max_turns=1)
        monkeypatch.setenv("HARNESS_RUN_ID", "everywhere")
        proxy().initiate_chat(helper(server, **sent), message="Hello?", max_turns=1)
    assert [run.run_id for run in seen.runs] == ["said", "everywhere"]
