"""Where AG2 1.x calls a tool or asks a human: exactly the function passes the seam, below all middleware."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ag2.events import ClientToolCallEvent, HumanMessage, ToolCallEvent, ToolErrorEvent, ToolResultEvent
from ag2.tools import executor
from ag2.tools.final import ClientTool
from ag2.tools.tool import Tool

from harness.adapters import ag2_inputs as native
from harness.adapters.seam import ToolNotRunError, Value, a_through, failed, make_call
from harness.call import Call, RecordedError, Reply, StoppedError
from harness.model import Json, Operation
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.ag2 import Ag2
    from harness.adapters.patching import Function

_ACTING = ("ag2.network.", "ag2.agent", "ag2.tools.subagents.")
"""Modules of the framework's own tools that post, delegate or keep something: a text cannot stand in for that."""


@dataclass(slots=True)
class _Wanted:
    """A tool call that the framework has begun; *run* once a function was reached."""

    run: bool = False


_wanted: ContextVar[_Wanted | None] = ContextVar("harness_ag2_tool", default=None)


def attach(adapter: Ag2) -> None:
    """Put hooks onto the framework's executor and every kind of tool that runs something, those to come included."""
    adapter.patches.wrap(executor, "_execute_call", lambda original: _execute_call(adapter, original))
    adapter.patches.each(Tool, lambda kind: _watch(adapter, kind))


@safely
def _watch(adapter: Ag2, kind: type) -> None:
    if kind is not ClientTool and inspect.iscoroutinefunction(inspect.unwrap(vars(kind).get("__call__", _read))):
        adapter.patches.wrap(kind, "__call__", lambda original: _call_tool(adapter, original))


def _execute_call(adapter: Ag2, original: Function) -> Function:
    async def _execute_call(context: Any, call: ToolCallEvent) -> Any:
        wanted = _Wanted()
        token = _wanted.set(wanted)
        try:
            outcome = await original(context, call)
        finally:
            _wanted.reset(token)
        if not wanted.run:
            _not_run(adapter, call, outcome)
        return outcome

    return _execute_call


@safely
def _not_run(adapter: Ag2, call: ToolCallEvent, outcome: Any) -> None:
    """Report a call that no function was run for: nobody knows the tool, or middleware answered, or a client shall."""
    asked = _asked(adapter, call)
    if isinstance(outcome, ClientToolCallEvent):
        adapter.trace.observed(asked, Reply())
        return
    said = native.failure(outcome.error) if isinstance(outcome, ToolErrorEvent) else str(native.result(outcome.result))
    adapter.trace.observed(asked, Reply(error=ToolNotRunError(said)))


def _asked(adapter: Ag2, call: ToolCallEvent) -> Call:
    arguments = adapter.messages().ids.hide(_arguments(call))
    return make_call(Operation.TOOL, None, {"name": call.name, "arguments": arguments, "call_id": call.id})


def _arguments(call: ToolCallEvent) -> Json:
    try:
        return dict(call.serialized_arguments)
    except (ValueError, TypeError):
        return call.arguments


def _call_tool(adapter: Ag2, original: Function) -> Function:
    async def __call__(tool: Any, event: ToolCallEvent, context: Any) -> Any:  # noqa: N807 - it takes its place
        wanted = _wanted.get()
        if wanted is not None:
            wanted.run = True
        call = safely(_asked)(adapter, event)
        if call is None:
            return await original(tool, event, context)

        async def real(_call: Call) -> Reply:
            try:
                outcome = await original(tool, event, context)
            except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
                return failed(error)
            if isinstance(outcome, ToolErrorEvent):
                return Reply(error=outcome.error, native=outcome)
            return Reply(value=_read(adapter, tool, outcome), native=outcome)

        return _outcome(adapter, event, await adapter.recording.a_ask(call, real))

    return __call__


@safely
def _read(adapter: Ag2, tool: Any, outcome: ToolResultEvent) -> Value:
    result, acts = native.result(outcome.result), native.acts(outcome.result)
    if _module(tool).startswith(_ACTING):
        acts = True
        adapter.known.result(result)
    return {"result": adapter.messages().ids.hide(result), "acts": acts}


def _module(tool: Any) -> str:
    """Name the module of the function behind *tool*."""
    model = getattr(tool, "model", None)
    return str(getattr(getattr(model, "call", None), "__module__", None) or "")


def _outcome(adapter: Ag2, event: ToolCallEvent, reply: Reply) -> Any:
    """Give the event that stands for what the tool gave; one that failed is an event too."""
    if reply.native is not None:
        return reply.native
    if isinstance(reply.error, RecordedError):
        error = native.error_again(reply.error)
        if isinstance(error, Exception):
            return ToolErrorEvent.from_call(event, error)
        raise error
    if isinstance(reply.error, StoppedError):
        return ToolErrorEvent.from_call(event, reply.error)
    if reply.error is not None:
        raise reply.error
    value = adapter.messages().ids.show((reply.value or {}).get("result"))
    return ToolResultEvent.from_call(event, native.tool_result(value))


class Humans:
    """A middleware, innermost of a turn's, that has people's answers pass the seam and leaves all else alone."""

    def __init__(self, adapter: Ag2) -> None:
        self._adapter = adapter

    def __call__(self, _event: object, _context: object) -> Humans:
        """Stand in a turn as its own factory: nothing here belongs to one turn."""
        return self

    async def on_turn(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        """Go on."""
        return await call_next(event, context)

    async def on_llm_call(self, call_next: Callable[..., Awaitable[Any]], events: Any, context: Any) -> Any:
        """Go on."""
        return await call_next(events, context)

    async def on_tool_execution(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        """Go on."""
        return await call_next(event, context)

    async def on_human_input(self, call_next: Callable[..., Awaitable[Any]], event: Any, context: Any) -> Any:
        """Ask the human through the seam."""
        return await a_through(
            self._adapter,
            lambda: make_call(Operation.HUMAN, None, {"prompt": event.content}),
            lambda: call_next(event, context),
            lambda message: {"input": message.content},
            lambda value: HumanMessage(str(value.get("input") or ""), parent_id=event.id),
        )
