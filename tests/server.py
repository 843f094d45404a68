"""An OpenAI-compatible server on loopback that answers from a script.

It speaks enough of ``POST /v1/chat/completions`` for real clients: plain and streamed replies, tool
calls, errors, slow and held answers. Equal scripts and requests give equal bytes (ids, usage and
dates are counted or fixed), and everything that passed is kept in ``server.log``, so a test can
compare what a program did with what the server saw::

    with ScriptedServer(["Hello.", tool_call("add", a=1, b=2), "It is 3."]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=server.api_key)

A script is one of

* a sequence of replies: the n-th request gets the n-th, one too many gets status 400;
* a function from the request's JSON to a reply;
* ``rules({"You are the coder": [...], "": [...]})``: by the first key found in the system prompt.

A reply is a text or a :class:`Reply`.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

Request = dict[str, Any]

CREATED = 1_700_000_000
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call the model asks for. Where *id* is None it is ``call_1``, ``call_2`` … of this server."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server says to one request.

    A *status* of 400 or more is an error with *text* as its message. The reply waits *delay_s* seconds
    and, where *hold* is given, until that event is set or the server closes. *headers* are sent too.
    *usage* replaces the counted one, and *details* are the tokens of it that were cached, and of reasoning; *model* the
    name that is echoed. *others* are texts of further choices. *finish* is why the model stopped, where it did not come
    to its own end (``length``, ``content_filter``).
    """

    text: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hold: threading.Event | None = None
    usage: tuple[int, int] | None = None
    details: tuple[int, int] | None = None
    model: str | None = None
    others: Sequence[str] = ()
    finish: str | None = None


Answer = str | Reply
Script = Sequence[Answer] | Callable[[Request], Answer]


def tool_call(name: str, /, **arguments: Any) -> Reply:
    """Ask for one call of the tool *name*."""
    return Reply(tool_calls=[ToolCall(name=name, arguments=arguments)])


def error(status: int, message: str = "scripted error", **headers: str) -> Reply:
    """Refuse with *status*; *headers* have underscores for dashes (``retry_after="0"``)."""
    return Reply(
        status=status, text=message, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def rules(scripts: Mapping[str, Script]) -> Callable[[Request], Answer]:
    """Choose a script by the first key that occurs in the request's system prompt; ``""`` is any.

    Each script of replies counts its own requests.
    """
    chosen = {key: script if callable(script) else in_order(script) for key, script in scripts.items()}

    def answer(request: Request) -> Answer:
        prompt = system_prompt(request)
        for key, script in chosen.items():
            if key in prompt:
                return script(request)
        return error(400, f"no rule for the system prompt {prompt!r}")

    return answer


def in_order(replies: Sequence[Answer]) -> Callable[[Request], Answer]:
    """Give *replies* one after another, then refuse."""
    left: Iterator[Answer] = iter(replies)
    return lambda _: next(left, error(400, f"the script has no reply after number {len(replies)}"))


def system_prompt(request: Request) -> str:
    """Read all system messages of *request*."""
    return "\n".join(
        str(m.get("content")) for m in request.get("messages", ()) if m.get("role") in {"system", "developer"}
    )


def count_tokens(text: str) -> int:
    """Count *text* as the server does: one token for every four characters, at least one."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


class ScriptedServer:
    """The server; a context manager that listens on a free port of 127.0.0.1.

    ``log`` has one dict for every request, in order of arrival: ``request`` and ``response`` (the JSON of
    both; a streamed response as the completion it amounts to; None while unanswered), ``status``,
    ``stream``, and ``headers`` in lower case.
    """

    api_key = "scripted"

    def __init__(self, script: Script) -> None:
        self.log: list[dict[str, Any]] = []
        self._answer = script if callable(script) else in_order(script)
        self._calls = itertools.count(1)
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._http = _HTTPServer(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> ScriptedServer:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let held replies go and stop listening."""
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL, ``/v1`` included."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point an OpenAI client in another process here."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": self.api_key, "NO_PROXY": "127.0.0.1"}

    @property
    def completions(self) -> list[dict[str, Any]]:
        """The successful responses, in order of arrival."""
        return [entry["response"] for entry in self.log if entry["response"] and entry["status"] < 400]

    @property
    def tokens(self) -> tuple[int, int]:
        """The input and output tokens of all successful responses."""
        usages = [response["usage"] for response in self.completions]
        return sum(u["prompt_tokens"] for u in usages), sum(u["completion_tokens"] for u in usages)

    @property
    def tool_calls(self) -> Counter[str]:
        """How often each tool was asked for."""
        messages = [response["choices"][0]["message"] for response in self.completions]
        return Counter(call["function"]["name"] for message in messages for call in message.get("tool_calls", ()))

    def wait_for(self, requests: int, *, timeout_s: float = 30.0) -> bool:
        """Wait until that many requests have arrived, answered or not; False when time is up."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.log) >= requests, timeout_s)

    def _take(self, request: Request, headers: Mapping[str, str]) -> tuple[int, dict[str, Any], Reply]:
        """Log *request* and choose its reply. The lock makes order and numbers agree."""
        with self._arrived:
            entry: dict[str, Any] = {"request": request, "response": None, "status": 0, "headers": headers}
            entry["stream"] = bool(request.get("stream"))
            self.log.append(entry)
            number = len(self.log)
            try:
                answer = self._answer(request)
            except Exception as problem:  # noqa: BLE001 - a fault of the script must reach the test that wrote it
                answer = error(400, f"the script failed: {problem!r}")
            self._arrived.notify_all()
            reply = Reply(text=answer) if isinstance(answer, str) else answer
            named = [replace(call, id=call.id or f"call_{next(self._calls)}") for call in reply.tool_calls]
        return number, entry, replace(reply, tool_calls=named)

    def _respond(self, handler: _Handler, request: Request) -> None:
        number, entry, reply = self._take(request, {name.lower(): value for name, value in handler.headers.items()})
        if reply.delay_s:
            self._closing.wait(reply.delay_s)
        while reply.hold is not None and not reply.hold.wait(0.02) and not self._closing.is_set():
            pass
        body = refusal(reply) if reply.status >= 400 else completion(number, request, reply)
        entry.update(response=body, status=reply.status)
        if reply.status < 400 and entry["stream"]:
            options = request.get("stream_options") or {}
            handler.stream(chunks(body, usage=bool(options.get("include_usage"))), reply.headers)
        else:
            handler.send(reply.status, body, reply.headers)


def refusal(reply: Reply) -> dict[str, Any]:
    """Build the body of an error, as OpenAI words it."""
    kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}.get(reply.status)
    kind = kind or ("server_error" if reply.status >= 500 else "invalid_request_error")
    return {"error": {"message": reply.text or "", "type": kind, "param": None, "code": None}}


def completion(number: int, request: Request, reply: Reply) -> dict[str, Any]:
    """Build the chat completion that says *reply* to *request*, as the *number*-th answer."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call)},
            }
            for call in reply.tool_calls
        ]
    said = (reply.text or "") + "".join(call.name + _arguments(call) for call in reply.tool_calls)
    given, taken = reply.usage or (count_tokens(json.dumps(request.get("messages", []))), count_tokens(said))
    usage: dict[str, Any] = {"prompt_tokens": given, "completion_tokens": taken, "total_tokens": given + taken}
    if reply.details is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": reply.details[0]}
        usage["completion_tokens_details"] = {"reasoning_tokens": reply.details[1]}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": CREATED,
        "model": reply.model or request.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": reply.finish or ("tool_calls" if reply.tool_calls else "stop"),
            },
            *(
                {
                    "index": index,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
                for index, text in enumerate(reply.others, start=1)
            ),
        ],
        "usage": usage,
    }


def _arguments(call: ToolCall) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def chunks(body: Mapping[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    """Cut a completion into the chunks of a stream; a last one with *usage*, and no choice, if asked for."""
    head = {"id": body["id"], "object": "chat.completion.chunk", "created": body["created"], "model": body["model"]}
    choice = body["choices"][0]

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return {**head, "choices": choices, **({"usage": None} if usage else {})}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(choice["message"]["content"] or ""):
        yield chunk({"content": piece})
    for index, call in enumerate(choice["message"].get("tool_calls", ())):
        function = call["function"]
        opening = {"name": function["name"], "arguments": ""}
        yield chunk({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": opening}]})
        for piece in _pieces(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, choice["finish_reason"])
    if usage:
        yield {**head, "choices": [], "usage": body["usage"]}


def _pieces(text: str, size: int = 12) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, scripted: ScriptedServer) -> None:
        self.scripted = scripted
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet: a client that was killed or closed early is part of many tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _HTTPServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.partition("?")[0].endswith("/chat/completions"):
            return self.send(404, refusal(error(404, f"no such path: {self.path}")), {})
        try:
            request = json.loads(raw)
        except ValueError as problem:
            return self.send(400, refusal(error(400, f"not JSON: {problem}")), {})
        return self.server.scripted._respond(self, request)

    def do_GET(self) -> None:
        self.send(404, refusal(error(404, f"no such path: {self.path}")), {})

    def send(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        data = json.dumps(body).encode()
        self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers})
        self.wfile.write(data)

    def stream(self, events: Iterator[object], headers: Mapping[str, str]) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **headers})
        for event in (*map(json.dumps, events), "[DONE]"):
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: ``log`` has it all."""
