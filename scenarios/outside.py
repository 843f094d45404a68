"""Tell a fault of the world from one of the conversation: a model that could not be reached says nothing of agents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness import semconv
from harness.model import Operation, Status
from harness.text import named_secret, one_line

if TYPE_CHECKING:
    from harness.model import CallRecord, Run

_LACKS = re.compile(r"\bKeyError: '([A-Za-z_][A-Za-z0-9_]*)'")

_STATUSES = frozenset({401, 402, 403, 407, 408, 425, 429})
_SERVER_ERRORS = 500
# As the OpenAI SDK, httpx, requests, aiohttp and Python itself call them.
_ERRORS = frozenset(
    """APIConnectionError APITimeoutError AuthenticationError ClientConnectorError ConnectError ConnectTimeout
    ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError InternalServerError
    PermissionDeniedError PoolTimeout ProxyError RateLimitError ReadError ReadTimeout RemoteProtocolError
    ServerDisconnectedError TimeoutException gaierror""".split()
)


def fault(run: Run | None) -> str | None:
    """Say which model could not be reached, if that is what *run* ended with; None if it ended otherwise.

    A failure that a cassette or an injected fault gave is part of what is rehearsed, and no fault of the world.
    """
    asked = [call for call in run.calls if call.span.operation is Operation.CHAT] if run is not None else []
    if not asked or not _outside(asked[-1]):
        return None
    last = asked[-1]
    who = f" of {one_line(last.agent, 40)!r}" if last.agent else ""
    return f"the model{who} could not be asked: {one_line(last.error or 'it failed', 300)}"


def key_wanted(raised: str | None) -> str | None:
    """Say what helps a replayed program that ended for want of a key in its environment; None if it ended otherwise."""
    lacks = _LACKS.search(raised or "")
    if lacks is None or not named_secret(lacks[1]):
        return None
    return f"It insists on {lacks[1]}; in a replay any value will do: `{lacks[1]}=none harness run`."


def _outside(call: CallRecord) -> bool:
    attributes = call.span.attributes
    if call.span.status is not Status.ERROR or attributes.get(semconv.HARNESS_REPLAYED):
        return False
    status = attributes.get(semconv.HTTP_STATUS)
    if isinstance(status, int):
        return status in _STATUSES or status >= _SERVER_ERRORS
    return attributes.get(semconv.ERROR_TYPE) in _ERRORS
