"""The chain of interceptors, waited for and awaited."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from harness.call import Call, Interceptor, Reply, achain, chain
from harness.model import Operation

CALL = Call(operation=Operation.TOOL, agent="a", request={"name": "t", "n": 0})


def counting(order: list[str], name: str) -> Interceptor:
    def intercept(call: Call) -> Generator[Call, Reply, Reply]:
        order.append(f"{name} in {call.request['n']}")
        reply = yield replace(call, request={**call.request, "n": call.request["n"] + 1})
        order.append(f"{name} out")
        return replace(reply, value={"result": f"{name}({(reply.value or {})['result']})"})

    return intercept


def answering(call: Call) -> Generator[Call, Reply, Reply]:
    if call.request["n"] < 0:
        yield call
    return Reply(value={"result": "answered"})


def trying_twice(call: Call) -> Generator[Call, Reply, Reply]:
    first = yield call
    return first if first.error is None else (yield call)


async def run(interceptors: list[Interceptor], real: object, *, wait: bool) -> Reply:
    if wait:
        return chain(interceptors, real)(CALL)  # type: ignore[arg-type]

    async def awaited(call: Call) -> Reply:
        return real(call)  # type: ignore[operator, no-any-return]

    return await achain(interceptors, awaited)(CALL)


@pytest.mark.parametrize("wait", [True, False])
async def test_the_first_interceptor_is_the_outermost(*, wait: bool) -> None:
    order: list[str] = []
    interceptors = [counting(order, "one"), counting(order, "two")]
    reply = await run(interceptors, lambda call: Reply(value={"result": call.request["n"]}), wait=wait)
    assert reply.value == {"result": "one(two(2))"}
    assert order == ["one in 0", "two in 1", "two out", "one out"]


@pytest.mark.parametrize("wait", [True, False])
async def test_one_that_answers_itself_asks_nobody(*, wait: bool) -> None:
    asked: list[Call] = []
    reply = await run([answering], asked.append, wait=wait)
    assert reply.value == {"result": "answered"}
    assert asked == []


@pytest.mark.parametrize("wait", [True, False])
async def test_one_may_ask_again(*, wait: bool) -> None:
    replies = iter([Reply(error=OSError("busy")), Reply(value={"result": "second"})])
    reply = await run([trying_twice], lambda _: next(replies), wait=wait)
    assert reply.value == {"result": "second"}


@pytest.mark.parametrize("wait", [True, False])
async def test_without_interceptors_the_real_thing_answers(*, wait: bool) -> None:
    reply = Reply(value={"result": 1})
    assert await run([], lambda _: reply, wait=wait) is reply
