"""AgentChat's agents that ask OpenAI past every model client: over a real one, what they ask is a model call, too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness import prices
from harness.model import Operation
from tests.adapters.agentchat_stage import MODEL, again, record
from tests.adapters.recorded import THEIR_WARNINGS, recording

agents = pytest.importorskip("autogen_ext.agents.openai", exc_type=ImportError)
openai = pytest.importorskip("openai")
pytestmark = [*THEIR_WARNINGS, pytest.mark.asyncio]

IDS = {"id": "run_1", "thread_id": "thread_1", "assistant_id": "asst_1"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
WANTED = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}}
USED = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}


class Api(BaseHTTPRequestHandler):
    """What both agents ask of OpenAI. A run first wants a roll, and then says what it was."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.server.log.append(self.path)
        if "/messages" in self.path:
            text = {"type": "text", "text": {"value": f"It is {self.server.rolled}.", "annotations": []}}
            said = {"id": "msg_9", "object": "thread.message", "created_at": 0, "role": "assistant", "content": [text]}
            data = [said] if "order=desc" in self.path else []
            return self.say({"object": "list", "data": data, "has_more": False})
        return self.say(self.run("requires_action" if self.server.rolled is None else "completed"))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        self.server.log.append((self.path, asked))
        if self.path == "/v1/responses":
            return self.respond(asked)
        if self.path == "/v1/assistants":
            about = {"id": "asst_1", "object": "assistant", "created_at": 0, "metadata": {}, "tools": []}
            return self.say({**about, "model": asked["model"], "instructions": asked["instructions"]})
        if self.path == "/v1/threads":
            return self.say({"id": "thread_1", "object": "thread", "created_at": 0, "metadata": {}})
        if self.path.endswith("/submit_tool_outputs"):
            self.server.rolled = asked["tool_outputs"][0]["output"]
        if "/runs" in self.path:
            return self.say(self.run("queued"))
        return self.say({"id": "msg_1", "object": "thread.message", "created_at": 0, "role": "user", "content": []})

    def run(self, status: str) -> dict[str, Any]:
        wanted = WANTED if status == "requires_action" else None
        used = USED if status == "completed" else None
        told = {"model": MODEL, "object": "thread.run", "created_at": 0, "instructions": "", "tools": []}
        return {**IDS, **told, "status": status, "required_action": wanted, "usage": used}

    def respond(self, asked: dict[str, Any]) -> None:
        number = sum(1 for entry in self.server.log if entry[0] == "/v1/responses")
        if self.server.refuses:
            return self.say({"error": {"message": "no such model", "type": "invalid_request_error"}}, 404)
        text = {"type": "output_text", "text": f"Answer {number}.", "annotations": []}
        said = {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
        details = {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2}}
        used = {"input_tokens": 40, "output_tokens": 6, "total_tokens": 46, **details}
        about = {"id": f"resp_{number}", "object": "response", "created_at": 0, "status": "completed", "tools": []}
        return self.say({**about, "model": asked["model"], "output": [said], "usage": used})

    def say(self, value: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    server.rolled, server.refuses, server.log = None, False, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def client(api: Any) -> Any:
    address = f"http://127.0.0.1:{api.server_port}/v1"
    return openai.AsyncOpenAI(base_url=address, api_key="sk-" + "scripted" * 6, max_retries=0)


def responder(api: Any) -> Any:
    return agents.OpenAIAgent("bot", "Answers.", client(api), MODEL, "You answer.", temperature=0.5)


def roller(api: Any, ran: list[str]) -> Any:
    async def roll() -> str:
        """Roll."""
        ran.append("rolled")
        return "6"

    return agents.OpenAIAssistantAgent("roller", "Rolls.", client(api), MODEL, "You roll.", tools=[roll])


def texts(result: Any) -> list[tuple[str, str]]:
    return [(message.source, message.to_text()) for message in result.messages if message.type == "TextMessage"]


async def test_what_is_asked_of_the_responses_api_is_a_model_call_of_the_agents_turn(api, tmp_path):
    agent = responder(api)
    with recording(tmp_path / "store") as seen:
        await agent.run(task="One?")
        result = await agent.run(task="Two?")
    assert texts(result) == [("user", "Two?"), ("bot", "Answer 2.")]
    for number, run in enumerate(seen.runs, 1):
        (chat,) = [call for call in run.calls if call.span.operation is Operation.CHAT]
        assert (chat.agent, chat.model, chat.reply["id"]) == ("bot", MODEL, f"resp_{number}")
        assert chat.reply["message"]["parts"] == [{"type": "text", "content": f"Answer {number}."}]
        assert chat.reply["usage"] == {
            "input_tokens": 40, "output_tokens": 6, "cached_tokens": 4, "reasoning_tokens": 2
        }  # fmt: skip
        assert chat.usage.cost_usd == prices.cost_usd(MODEL, 40, 6, cached_tokens=4)
        sent = [entry[1] for entry in api.log if entry[0] == "/v1/responses"][number - 1]
        assert [message["role"] for message in chat.request["messages"]] == [each["role"] for each in sent["input"]]
        assert chat.request["parameters"]["temperature"] == 0.5
        assert [(said.sender, said.text) for said in run.messages][-1] == ("bot", f"Answer {number}.")


async def test_a_refusal_of_the_responses_api_is_a_call_that_failed_and_the_agent_says_what_it_did(api, tmp_path):
    api.refuses = True
    with recording(tmp_path / "store") as seen:
        result = await responder(api).run(task="One?")
    assert texts(result)[-1][1].startswith("Error generating response: Error code: 404")
    (chat,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert chat.reply is None
    assert "no such model" in (chat.error or "")


async def test_the_responses_api_is_played_back_and_not_asked(api, tmp_path):
    async def play(_server: Any) -> Any:
        agent = responder(api)
        return [texts(await agent.run(task="One?")), texts(await agent.run(task="Two?"))]

    said, _ = await record(tmp_path, api, play)
    asked = len(api.log)
    played, _ = await again(tmp_path, play)
    assert played == said == [[("user", "One?"), ("bot", "Answer 1.")], [("user", "Two?"), ("bot", "Answer 2.")]]
    assert len(api.log) == asked


async def test_a_program_that_asks_the_responses_api_itself_is_left_alone(api, tmp_path):
    with recording(tmp_path / "store") as seen:
        responder(api)
        answer = await client(api).responses.create(model=MODEL, input="One?")
    assert answer.output_text == "Answer 1."
    assert seen.runs == []


async def test_a_run_of_an_assistant_is_one_model_call_and_its_tools_are_inside(api, tmp_path):
    ran: list[str] = []
    with recording(tmp_path / "store") as seen:
        result = await roller(api, ran).run(task="Roll.")
    assert ran == ["rolled"]
    assert texts(result) == [("user", "Roll."), ("roller", "It is 6.")]
    (chat,) = seen.spans(Operation.CHAT)
    (tool,) = seen.spans(Operation.TOOL)
    assert seen.parent(tool) == chat
    assert seen.parent(chat).operation is Operation.TURN
    (call,) = [call for call in seen.run.calls if call.span == chat]
    assert (call.agent, call.model, call.usage.input_tokens, call.usage.output_tokens) == ("roller", MODEL, 50, 7)
    assert [message["role"] for message in call.request["messages"]] == ["system", "user"]
    assert call.reply["message"]["parts"] == [{"type": "text", "content": "It is 6."}]


async def test_what_an_assistant_said_is_played_back_without_its_thread(api, tmp_path):
    ran: list[str] = []

    async def play(_server: Any) -> Any:
        return texts(await roller(api, ran).run(task="Roll."))

    said, _ = await record(tmp_path, api, play)
    asked = len(api.log)
    played, _ = await again(tmp_path, play)
    assert played == said == [("user", "Roll."), ("roller", "It is 6.")]
    assert (len(api.log), ran) == (asked, ["rolled"])


async def test_a_run_of_an_assistant_that_fails_raises_what_it_did(api, tmp_path, monkeypatch):
    real = Api.run
    monkeypatch.setattr(Api, "run", lambda self, status: {**real(self, status), "status": "failed"})
    with recording(tmp_path / "store") as seen, pytest.raises(ValueError, match="Run failed"):
        await roller(api, []).run(task="Roll.")
    (chat,) = [call for call in seen.run.calls if call.span.operation is Operation.CHAT]
    assert "Run failed" in (chat.error or "")
    assert seen.ending[0] == "error"
