"""The seam: what a framework asks of the outside world, and who may answer.

A *call* is an event whose outcome is not deterministic: ask a model, call a tool, run code, ask a
human, let chance or a model pick the speaker. It passes a chain of *interceptors*, outermost first
(guard, trace, faults, record or replay), and comes back as a *reply*.

An interceptor is a generator function: it is given the call, yields it (or a changed one) to go on,
is sent the reply, and returns a reply. One that answers itself returns without yielding. So each is
written once and serves frameworks that wait and frameworks that await.

Requests and replies are neutral JSON. By kind:

=========  ================================================================  ==========================================
kind       request                                                           reply value
=========  ================================================================  ==========================================
chat       model, messages: [message], tools: [definition], parameters: {…}  message, finish_reason, model, id?, usage,
                                                                             choices?, chunks?
tool       name, arguments: {…} or str, call_id?                             result: JSON
code       blocks: [{language, code}]                                        exit_code, output
human      prompt                                                            input
selection  method, candidates: [name], last?                                 choice
=========  ================================================================  ==========================================

A *message* is an OpenTelemetry GenAI message: ``{"role", "parts": [{"type": "text", "content"} |
{"type": "tool_call", "id"?, "name", "arguments"} | {"type": "tool_call_response", "id"?, "response"} | …], "name"?}``.
*usage* is ``{"input_tokens"?, "output_tokens"?, "cached_tokens"?, "reasoning_tokens"?}``. *choices* are those beyond
the first, each ``{"message", "finish_reason"?}``. *chunks* are how many characters of the text each chunk of a stream
brought; ``pieces`` cuts a text that way again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import Exit, HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model import Json, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the outside world, on its way through the seam.

    *native* is the framework's own request, for the adapter that made the call. *attributes* are
    further span attributes that describe it. *conversation* names the conversation the call belongs to
    (stable from run to run: the scope of matching). *price* is what the program itself says that the model costs, in
    US dollars for a thousand tokens: given, and taken.
    """

    operation: Operation
    agent: str | None
    request: Mapping[str, Json]
    conversation: str = ""
    native: Any = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    price: tuple[float, float] | None = None

    def stated_usd(self, given: int, taken: int) -> float | None:
        """Price so many tokens, *given* and *taken*, as the program says; None where it says nothing."""
        return None if self.price is None else (given * self.price[0] + taken * self.price[1]) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: a neutral *value*, or an *error*.

    *native* is the framework's own object where the real thing answered; an adapter rebuilds it from
    *value* where a cassette did. *error* is the exception to raise in the program. *replayed* says a
    cassette answered, *cache_hit* that the framework's own cache did. *attributes* go onto the span.
    """

    value: Mapping[str, Json] | None = None
    error: BaseException | None = None
    native: Any = None
    replayed: bool = False
    cache_hit: bool = False
    attributes: Mapping[str, Json] = field(default_factory=dict)


class RecordedError(Exception):
    """An error a cassette plays back: the *type* name and text of the exception that was raised when it was recorded.

    An adapter turns it into its framework's own exception of that name where it can.
    """

    def __init__(
        self, kind: str, text: str, *, status: int | None = None, body: Mapping[str, Json] | None = None
    ) -> None:
        """*status* is the HTTP status of a provider's refusal, and *body* its error as JSON."""
        super().__init__(text)
        self.kind = kind
        self.status = status
        self.body = body


class StoppedError(HarnessError):
    """An interceptor has stopped the run, for the reason it says. Every later call of the run gets it, too.

    With *ends* an adapter turns it into its framework's own normal ending; else it is raised in the program. Either way
    the conversation it ends is told as stopped.
    """

    code = Exit.FINDINGS

    def __init__(self, message: str, *, hint: str = "", ends: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.ends = ends


def pieces(text: str, chunks: Sequence[int]) -> list[str]:
    """Cut *text* into pieces of so many characters; the last takes what is left. Together they are the text.

    A text without *chunks* is one piece, and an empty one none.
    """
    found, start = [], 0
    for length in chunks[:-1]:
        found.append(text[start : start + length])
        start += length
    return [piece for piece in (*found, text[start:]) if piece]


Interceptor = Callable[[Call], Generator[Call, Reply, Reply]]
"""A generator function from a call to its reply; see the module."""


def chain(interceptors: Sequence[Interceptor], real: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    """Put *interceptors* (outermost first) around *real*."""
    return lambda call: answered(interceptors, call, real)


def answered(interceptors: Sequence[Interceptor], call: Call, real: Callable[[Call], Reply], at: int = 0) -> Reply:
    """Send *call* through the *interceptors* from number *at* on (outermost first), and give the reply."""
    if at == len(interceptors):
        return real(call)
    steps = interceptors[at](call)
    try:
        onward = next(steps)
        while True:
            onward = steps.send(answered(interceptors, onward, real, at + 1))
    except StopIteration as done:
        return _reply(done)


def achain(
    interceptors: Sequence[Interceptor], real: Callable[[Call], Awaitable[Reply]]
) -> Callable[[Call], Awaitable[Reply]]:
    """Put *interceptors* (outermost first) around an awaitable *real*."""
    return lambda call: a_answered(interceptors, call, real)


async def a_answered(
    interceptors: Sequence[Interceptor], call: Call, real: Callable[[Call], Awaitable[Reply]], at: int = 0
) -> Reply:
    """Send *call* through the *interceptors* from number *at* on (outermost first), and await the reply."""
    if at == len(interceptors):
        return await real(call)
    steps = interceptors[at](call)
    try:
        onward = next(steps)
        while True:
            onward = steps.send(await a_answered(interceptors, onward, real, at + 1))
    except StopIteration as done:
        return _reply(done)


Stream = Callable[[Call], AsyncGenerator[Any, None]]
"""Gives the chunks of an answer as they come, and then its Reply."""


def stream_chain(interceptors: Sequence[Interceptor], real: Stream) -> Stream:
    """Put *interceptors* (outermost first) around a *real* that answers in chunks: they pass by, the reply does not."""
    if not interceptors:
        return real
    inner = stream_chain(interceptors[1:], real)

    async def passing(call: Call) -> AsyncGenerator[Any, None]:
        steps = interceptors[0](call)
        answer: Any = None
        try:
            onward = next(steps)
            while True:
                async with contextlib.aclosing(inner(onward)) as chunks:
                    async for chunk in chunks:
                        if isinstance(chunk, Reply):
                            answer = chunk
                        else:
                            yield chunk
                onward = steps.send(answer)
        except StopIteration as done:
            answer = _reply(done)
        finally:
            steps.close()
        yield answer

    return passing


def _reply(done: StopIteration) -> Reply:
    reply: Reply = done.value
    return reply
