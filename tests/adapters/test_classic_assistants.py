"""An assistant that OpenAI keeps, asked over a real client: its run is one model call, and its tools are seen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import prices
from harness.model import Operation
from tests.adapters.stage import THEIR_WARNINGS, proxy, recording

assistants = pytest.importorskip("autogen.agentchat.contrib.gpt_assistant_agent", exc_type=ImportError)
pytestmark = THEIR_WARNINGS
MODEL = "gpt-4o-mini"
USED = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}
ASSISTANT = {"id": "asst_1", "object": "assistant", "created_at": 0, "model": MODEL, "metadata": {}, "tools": []}
ROLL = {"type": "function", "function": {"name": "roll", "parameters": {"type": "object"}}}


class Assistants(BaseHTTPRequestHandler):
    """What AutoGen asks of the Assistants API. A run first wants a roll, and then says what it was."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        if self.path.startswith("/v1/assistants"):
            return self._say({"object": "list", "data": [], "has_more": False})
        if "/messages" in self.path:
            text = {"type": "text", "text": {"value": f"It is {self.server.rolled}. TERMINATE", "annotations": []}}
            message = {"id": "msg_9", "object": "thread.message", "created_at": 0, "thread_id": "thread_1"}
            said = {**message, "role": "assistant", "run_id": "run_1", "content": [text], "status": "completed"}
            return self._say({"object": "list", "data": [said], "has_more": False})
        return self._say(self._run("requires_action" if self.server.rolled is None else "completed"))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path == "/v1/assistants":
            return self._say({**ASSISTANT, "name": asked["name"], "instructions": asked["instructions"]})
        if self.path == "/v1/threads":
            return self._say({"id": "thread_1", "object": "thread", "created_at": 0, "metadata": {}})
        if self.path.endswith("/submit_tool_outputs"):
            self.server.rolled = asked["tool_outputs"][0]["output"]
            return self._say(self._run("queued"))
        if self.path.endswith("/runs"):
            self.server.instructions = asked["instructions"]
            return self._say(self._run("queued"))
        return self._say({"id": "msg_1", "object": "thread.message", "created_at": 0, "role": "user", "content": []})

    def _run(self, status: str) -> dict[str, Any]:
        call = {"id": "call_1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
        wanted = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
        ids = {"id": "run_1", "thread_id": "thread_1", "assistant_id": "asst_1"}
        told = {"model": MODEL, "instructions": self.server.instructions, "tools": [ROLL]}
        return {
            **ids,
            **told,
            "object": "thread.run",
            "created_at": 0,
            "status": status,
            "required_action": wanted if status == "requires_action" else None,
            "usage": USED if status == "completed" else None,
        }

    def _say(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Assistants)
    server.daemon_threads = True
    server.rolled, server.instructions = None, ""  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def agent(address: str) -> Iterator[Any]:
    """Build the agent before anything is attached: its reply function is kept by reference from now on."""
    entry = {"model": MODEL, "api_key": "sk-" + "scripted" * 6, "base_url": address}
    settings = {"config_list": [entry], "check_every_ms": 0}
    built = assistants.GPTAssistantAgent("roller", instructions="You roll.", llm_config=settings)
    built.register_function({"roll": lambda: "6"})
    yield built
    built.openai_client.close()
    harness.uninstrument()


def test_a_run_of_an_assistant_is_one_model_call_of_its_turn_and_its_tools_are_seen(agent: Any, tmp_path: Path) -> None:
    with recording(tmp_path / "store") as seen:
        result = proxy().initiate_chat(agent, message="Roll.", max_turns=1)
    assert [message["content"] for message in result.chat_history] == ["Roll.", "It is 6. TERMINATE\n"]
    run = seen.run
    assert [(message.sender, message.recipients, message.text) for message in run.messages] == [
        ("user", ("roller",), "Roll."),
        ("roller", ("user",), "It is 6. TERMINATE\n"),
    ]
    (chat,) = [call for call in run.calls if call.span.operation is Operation.CHAT]
    (tool,) = [call for call in run.calls if call.span.operation is Operation.TOOL]
    assert (chat.agent, chat.model) == ("roller", MODEL)
    assert [message["role"] for message in chat.request["messages"]] == ["system", "user"]
    assert chat.request["messages"][0]["parts"] == [{"type": "text", "content": "You roll."}]
    assert chat.request["tools"] == [ROLL]
    assert chat.reply is not None
    assert chat.reply["message"]["parts"] == [{"type": "text", "content": "It is 6. TERMINATE\n"}]
    assert (chat.usage.input_tokens, chat.usage.output_tokens) == (50, 7)
    assert chat.usage.cost_usd == prices.cost_usd(MODEL, 50, 7)
    assert (tool.name, tool.reply) == ("roll", {"result": "6"})
    turn = next(span for span in run.spans if span.operation is Operation.TURN and span.span_id == chat.span.parent_id)
    assert turn.name.endswith("roller")


def test_a_run_that_fails_is_a_model_call_that_failed_and_raises_what_it_did(
    agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Assistants._run
    monkeypatch.setattr(Assistants, "_run", lambda self, status: {**real(self, status), "status": "expired"})
    with recording(tmp_path / "store") as seen, pytest.raises(ValueError, match="Unexpected run status: expired"):
        proxy().initiate_chat(agent, message="Roll.", max_turns=1)
    (chat,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert chat.reply is None
    assert chat.error is not None
    assert "expired" in chat.error
