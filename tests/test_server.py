from __future__ import annotations

import asyncio
import threading
from collections import Counter

import openai
import pytest

from tests.server import Reply, ScriptedServer, ToolCall, error, rules, tool_call

QUESTION = [{"role": "system", "content": "You are the coder."}, {"role": "user", "content": "Add 1 and 2."}]
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


def client(server: ScriptedServer, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0, timeout=30, **options)


def ask(server: ScriptedServer, messages=QUESTION, **options):
    with client(server) as asking:
        return asking.chat.completions.create(model="gpt-4o", messages=messages, **options)


def test_replies_come_in_the_order_of_the_script_and_are_counted():
    with ScriptedServer(["First.", "Second, longer."]) as server:
        replies = [ask(server), ask(server)]
    assert [reply.choices[0].message.content for reply in replies] == ["First.", "Second, longer."]
    assert [reply.id for reply in replies] == ["chatcmpl-1", "chatcmpl-2"]
    assert [reply.usage.completion_tokens for reply in replies] == [1, 3]
    assert server.tokens == (
        sum(reply.usage.prompt_tokens for reply in replies),
        sum(reply.usage.completion_tokens for reply in replies),
    )
    assert [entry["request"]["messages"] for entry in server.log] == [QUESTION, QUESTION]
    assert [entry["response"]["id"] for entry in server.log] == ["chatcmpl-1", "chatcmpl-2"]


def test_one_request_too_many_is_refused_and_says_so():
    with ScriptedServer(["Only one."]) as server:
        ask(server)
        with pytest.raises(openai.BadRequestError, match="no reply after number 1"):
            ask(server)
    assert [entry["status"] for entry in server.log] == [200, 400]


def test_a_tool_call_has_json_arguments_and_an_id():
    with ScriptedServer([tool_call("add", a=1, b=2)]) as server:
        choice = ask(server, tools=[ADD]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "add", '{"a": 1, "b": 2}')
    assert server.tool_calls == Counter(add=1)


def test_a_function_may_answer_from_the_request():
    with ScriptedServer(lambda request: request["messages"][-1]["content"].upper()) as server:
        assert ask(server).choices[0].message.content == "ADD 1 AND 2."


def test_a_fault_of_the_script_reaches_the_client_by_name():
    with (
        ScriptedServer(lambda request: request["nothing"]) as server,
        pytest.raises(openai.BadRequestError, match="KeyError"),
    ):
        ask(server)


def test_rules_choose_by_system_prompt_and_count_apart():
    script = rules({"You are the coder": ["code 1", "code 2"], "": ["other 1"]})
    other = [{"role": "user", "content": "Hi"}]
    with ScriptedServer(script) as server:
        said = [ask(server, messages).choices[0].message.content for messages in (QUESTION, other, QUESTION)]
    assert said == ["code 1", "other 1", "code 2"]


def streamed(server: ScriptedServer, **options):
    with client(server) as asking:
        return list(asking.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True, **options))


def test_a_stream_adds_up_to_the_text_and_ends_with_the_usage_if_asked():
    text = "A text of more than one piece, with ünïcode."
    with ScriptedServer([text, text]) as server:
        plain = streamed(server)
        counted = streamed(server, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == text
    assert plain[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in [*plain, *counted[:-1]])
    assert counted[-1].choices == []
    assert counted[-1].usage.model_dump()["total_tokens"] == sum(server.tokens) // 2


def test_a_streamed_tool_call_adds_up_to_its_arguments():
    with ScriptedServer([tool_call("add", a=1, b=2, note="three pieces of arguments")]) as server:
        pieces = [chunk.choices[0].delta.tool_calls for chunk in streamed(server, tools=[ADD])]
    calls = [call for piece in pieces if piece for call in piece]
    assert (calls[0].id, calls[0].function.name) == ("call_1", "add")
    logged = server.log[0]["response"]["choices"][0]["message"]["tool_calls"][0]
    assert "".join(call.function.arguments for call in calls) == logged["function"]["arguments"]


def test_the_async_client_is_served_side_by_side():
    async def both() -> list[str]:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as asking:
            create = asking.chat.completions.create
            replies = await asyncio.gather(*(create(model="gpt-4o", messages=QUESTION) for _ in range(4)))
            stream = await create(model="gpt-4o", messages=QUESTION, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        return [*(reply.choices[0].message.content for reply in replies), text]

    with ScriptedServer([f"reply {n}" for n in range(5)]) as server:
        said = asyncio.run(both())
    assert sorted(said) == [f"reply {n}" for n in range(5)]
    assert said[-1] == "reply 4"


def test_an_error_has_its_status_and_headers():
    with ScriptedServer([error(429, "slow down", retry_after="7"), error(503)]) as server:
        with pytest.raises(openai.RateLimitError, match="slow down") as limited:
            ask(server)
        with pytest.raises(openai.InternalServerError):
            ask(server)
    assert limited.value.response.headers["retry-after"] == "7"
    assert server.completions == []
    assert server.tokens == (0, 0)


def test_a_held_reply_waits_and_its_request_is_seen_meanwhile():
    gate = threading.Event()
    with ScriptedServer([Reply(text="at last", hold=gate)]) as server:
        said: list[str] = []
        asking = threading.Thread(target=lambda: said.append(ask(server).choices[0].message.content))
        asking.start()
        assert server.wait_for(1)
        assert (said, server.log[0]["response"]) == ([], None)
        gate.set()
        asking.join()
    assert said == ["at last"]


def test_closing_lets_a_held_reply_go():
    server = ScriptedServer([Reply(text="late", hold=threading.Event())])
    with server:
        asking = threading.Thread(target=lambda: ask(server))
        asking.start()
        server.wait_for(1)
    asking.join(timeout=30)
    assert not asking.is_alive()


def test_a_delayed_reply_that_the_client_will_not_wait_for_is_no_trouble():
    with ScriptedServer([Reply(text="slow", delay_s=20.0), "quick"]) as server:
        with client(server) as asking, pytest.raises(openai.APITimeoutError):
            asking.chat.completions.create(model="gpt-4o", messages=QUESTION, timeout=0.2)
        assert ask(server).choices[0].message.content == "quick"


def test_usage_and_model_can_be_dictated():
    with ScriptedServer([Reply(text="x", usage=(120_000, 8_000), model="gpt-4o-2024-08-06")]) as server:
        reply = ask(server)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (120_000, 8_000)
    assert reply.model == "gpt-4o-2024-08-06"


def test_several_tool_calls_in_one_reply_keep_their_order_and_own_ids():
    script = [Reply(text="Both.", tool_calls=[ToolCall(name="a"), ToolCall(name="b", id="mine", arguments="{bad")])]
    with ScriptedServer(script) as server:
        message = ask(server).choices[0].message
    assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("call_1", "a", "{}"),
        ("mine", "b", "{bad"),
    ]
    assert message.content == "Both."


def test_equal_requests_get_equal_bytes_from_equal_scripts():
    def once() -> list[dict]:
        with ScriptedServer(["One.", tool_call("add", a=1)]) as server:
            ask(server)
            ask(server)
            return [entry["response"] for entry in server.log]

    assert once() == once()


def test_another_path_is_not_found():
    with ScriptedServer([]) as server, client(server) as asking, pytest.raises(openai.NotFoundError):
        asking.models.list()
