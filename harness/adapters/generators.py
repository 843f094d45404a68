"""Let an async generator keep the operations it opens to itself.

What a generator puts into the context stays there while it waits, in the task of whoever reads it. So two streams that
are read in turn would be taken for parts of each other. Here each step is taken inside, and the reader is left outside.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from harness.trace import current, swap

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
                outside = swap(inside)
                try:
                    item = await stream.__anext__()
                except StopAsyncIteration:
                    return
                finally:
                    inside = swap(outside)
                yield item
        finally:
            outside = swap(inside)
            try:
                await stream.aclose()
            finally:
                swap(outside)

    return steps


@asynccontextmanager
async def closing(stream: Any) -> AsyncIterator[Any]:
    """Close *stream* at the end of the block, as far as it can be closed: not every async iterator is a generator."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
