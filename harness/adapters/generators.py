"""Let an async generator keep the operations it opens to itself.

What a generator puts into the context stays there while it waits, in the task of whoever reads it. So two streams that
are read in turn would be taken for parts of each other. Here each step is taken inside, and the reader is left outside.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel
from opentelemetry.trace import get_current_span

from harness.trace import Scope, current, swap

if TYPE_CHECKING:
    from opentelemetry.context import Context

Stream = Callable[..., AsyncGenerator[Any, None]]


def stepped(make: Stream) -> Stream:
    """Make *make*, an async generator function, one whose open operations are seen by none but itself.

    It may be read in one task and closed in another.
    """

    @functools.wraps(make)
    async def steps(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        inside = current()
        stream = make(*args, **kwargs)
        try:
            while True:
                around, outside = otel.get_current(), swap(inside)
                try:
                    item = await stream.__anext__()
                except StopAsyncIteration:
                    return
                finally:
                    inside = _leave(outside, around)
                yield item
        finally:
            around, outside = otel.get_current(), swap(inside)
            try:
                await stream.aclose()
            finally:
                _leave(outside, around)

    return steps


def _leave(outside: Scope | None, around: Context) -> Scope | None:
    """Let the reader be *outside* again; and in its own span of *around*, where ours are spans of the program, too."""
    inside = current()
    return swap(outside, None if inside is None or inside.span is None else get_current_span(around))


@asynccontextmanager
async def closing(stream: Any) -> AsyncIterator[Any]:
    """Close *stream* at the end of the block, as far as it can be closed: not every async iterator is a generator."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
