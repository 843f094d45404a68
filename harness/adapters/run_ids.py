"""Read the run id that a program sends to its model's endpoint, as AgentWall's users do: in the body or in a header."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from harness.scopes import RunState, current, given_run
from harness.trace import Trace, safely

BODY = "agentwall_run_id"
HEADER = "x-agentwall-run-id"
_BODIES = ("extra_body",)
_HEADERS = ("default_headers", "extra_headers")
_LONGEST = 200


def find(settings: Any) -> str | None:
    """Find the run id in the *settings* of a model client: a mapping or an object, or one with a ``config_list``.

    The body goes before the headers, and the first entry that has one before the others.
    """
    if not settings:
        return None
    for entry in (settings, *_each(_get(settings, "config_list"))):
        named = [_get(entry, BODY), *(_get(_get(entry, name), BODY) for name in _BODIES)]
        named += [_header(_get(entry, name)) for name in _HEADERS]
        for value in named:
            if isinstance(value, str) and value.strip():
                return value.strip()[:_LONGEST]
    return None


def named(trace: Trace, settings: Iterable[Any]) -> contextlib.AbstractContextManager[None]:
    """Let a conversation that begins in the block belong to the run that the *settings* of its agents name, if any.

    The first that names one counts. Nothing changes inside of another conversation, nor where the program or its
    environment has said already which run this is.
    """
    run = _run(trace, settings)
    return contextlib.nullcontext() if run is None else trace.within(run)


@safely
def _run(trace: Trace, settings: Iterable[Any]) -> RunState | None:
    if current() is not None or given_run() is not None or os.environ.get("HARNESS_RUN_ID"):
        return None
    name = next((found for each in settings if (found := find(each))), None)
    return None if name is None else trace.named_run(name)


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return None if holder is None or isinstance(holder, (str, bool)) else getattr(holder, name, None)


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _header(headers: Any) -> Any:
    if not isinstance(headers, Mapping):
        return None
    return next((value for name, value in headers.items() if str(name).lower() == HEADER), None)
