"""See what the OpenAI client does below the seam: how often it asks again, and what it is told chunk by chunk.

That is lost by the time a framework answers. Those that ask through it share these hooks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function, Patches
    from harness.model import Json


@dataclass(slots=True, kw_only=True)
class Wire:
    """What was seen of one model call on its way through the client.

    *lengths* are how many characters of the first choice's text each chunk brought, of those that brought any; *usage*
    is what a stream said of its tokens at its end, and *model* who says that it answers.
    """

    requests: int = 0
    first_chunk_ns: int | None = None
    usage: Any = None
    model: str | None = None
    lengths: list[int] = field(default_factory=list)
    _began_ns: int = field(default_factory=time.perf_counter_ns)

    def chunk(self, chunk: Any) -> None:
        """Note that *chunk* came."""
        if self.first_chunk_ns is None:
            self.first_chunk_ns = time.perf_counter_ns() - self._began_ns
            self.model = getattr(chunk, "model", None)
        self.usage = getattr(chunk, "usage", None) or self.usage
        choice = next(iter(getattr(chunk, "choices", None) or ()), None)
        text = getattr(getattr(choice, "delta", None), "content", None)
        if isinstance(text, str) and text and getattr(choice, "index", 0) == 0:
            self.lengths.append(len(text))

    @property
    def attributes(self) -> dict[str, Json]:
        """Say it as span attributes; nothing of what did not happen."""
        found: dict[str, Json] = {}
        if self.requests > 1:
            found[semconv.HARNESS_RETRIES] = self.requests - 1
        if self.first_chunk_ns is not None:
            found[semconv.GEN_AI_TIME_TO_FIRST_CHUNK] = self.first_chunk_ns / 1e9
        return found


_wire: ContextVar[Wire | None] = ContextVar("harness_openai_wire", default=None)
_OURS = "__harness_sees__"


class watching:  # noqa: N801 - reads as a statement
    """Watch the model call made in this block, also where it is awaited, and note it on the *wire* that it gives."""

    __slots__ = ("_token", "_wire")

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire or Wire()

    def __enter__(self) -> Wire:
        self._token = _wire.set(self._wire)
        return self._wire

    def __exit__(self, *_error: object) -> None:
        _wire.reset(self._token)


def attach(patches: Patches) -> bool:
    """Put the hooks onto the OpenAI client, unless another adapter has done so; False where it is not loaded yet."""
    openai = sys.modules.get("openai")
    if openai is None:
        return False
    _put(patches, openai.OpenAI, "_prepare_request", _prepare)
    _put(patches, openai.AsyncOpenAI, "_prepare_request", _prepare)
    # Each makes its chunks when it is made itself, whether they are then read by a loop or one by one.
    _put(patches, openai.Stream, "__stream__", _stream)
    _put(patches, openai.AsyncStream, "__stream__", _a_stream)
    return True


def _put(patches: Patches, cls: type, name: str, make: Any) -> None:
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    if owner is not None and not hasattr(vars(owner)[name], _OURS):
        patches.wrap(owner, name, make)
        setattr(vars(owner)[name], _OURS, True)


def _prepare(original: Function) -> Function:
    def _prepare_request(client: Any, request: Any) -> Any:  # called for each attempt; one that is awaited is returned
        wire = _wire.get()
        if wire is not None:
            wire.requests += 1
        return original(client, request)

    return _prepare_request


def _stream(original: Function) -> Function:
    def __stream__(stream: Any) -> Any:  # noqa: N807 - it takes that method's place
        wire = _wire.get()
        chunks = original(stream)
        return chunks if wire is None else _noting(wire, chunks)

    return __stream__


def _noting(wire: Wire, chunks: Generator[Any, None, None]) -> Generator[Any, None, None]:
    note = safely(wire.chunk)
    with closing(chunks):
        for chunk in chunks:
            note(chunk)
            yield chunk


def _a_stream(original: Function) -> Function:
    def __stream__(stream: Any) -> Any:  # noqa: N807 - likewise
        wire = _wire.get()
        chunks = original(stream)
        return chunks if wire is None else _a_noting(wire, chunks)

    return __stream__


async def _a_noting(wire: Wire, chunks: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    note = safely(wire.chunk)
    async with aclosing(chunks):
        async for chunk in chunks:
            note(chunk)
            yield chunk
