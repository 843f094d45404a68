"""Where classic AutoGen calls a tool: exactly the function passes the seam, while the framework formats and prints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel

from harness.adapters import classic_messages as native
from harness.adapters.classic_seam import Asking, Watcher
from harness.adapters.seam import ToolNotRunError, Value, a_through, make_call, through
from harness.call import Call, Reply
from harness.model import Json, Operation
from harness.trace import attempt, safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function


_asking: ContextVar[Asking | None] = ContextVar("harness_asking_tool", default=None)


def attach(adapter: Watcher, agent: type) -> None:
    """Put hooks onto the framework's agent class."""
    wrap = adapter.patches.wrap
    wrap(agent, "execute_function", lambda original: _execute_function(adapter, original))
    wrap(agent, "a_execute_function", lambda original: _a_execute_function(adapter, original))
    adapter.patches.watch(agent, "_function_map", lambda owner, functions: _functions(adapter, owner, functions))


def _execute_function(adapter: Watcher, original: Function) -> Function:
    def execute_function(agent: Any, func_call: Any, *args: Any, **kwargs: Any) -> Any:
        asking, token = _begin_tool(agent, func_call, args, kwargs)
        try:
            result = original(agent, func_call, *args, **kwargs)
        finally:
            _asking.reset(token)
        _check_tool(adapter, asking, result)
        return result

    return execute_function


def _a_execute_function(adapter: Watcher, original: Function) -> Function:
    async def a_execute_function(agent: Any, func_call: Any, *args: Any, **kwargs: Any) -> Any:
        asking, token = _begin_tool(agent, func_call, args, kwargs)
        try:
            result = await original(agent, func_call, *args, **kwargs)
        finally:
            _asking.reset(token)
        _check_tool(adapter, asking, result)
        return result

    return a_execute_function


def _begin_tool(
    agent: object,
    func_call: Any,
    args: tuple[Any, ...],
    kwargs: Value,
) -> tuple[Asking, Token[Asking | None]]:
    """Note which function is wanted; from 0.9 on, the call's id comes along."""
    wanted = func_call if isinstance(func_call, Mapping) else {}
    call_id = kwargs.get("call_id") or next((arg for arg in args[:1] if isinstance(arg, str)), None)
    request = {
        "name": wanted.get("name", ""),
        "arguments": attempt(native.arguments, wanted.get("arguments")),
        "call_id": call_id or wanted.get("id"),
    }
    asking = Asking(agent, request)
    return asking, _asking.set(asking)


@safely
def _check_tool(adapter: Watcher, asking: Asking, result: Any) -> None:
    """Report a call that no function was run for."""
    if asking.done or not isinstance(result, tuple) or not result or result[0]:
        return
    said = result[1].get("content") if isinstance(result[1], Mapping) else result[1]
    adapter.trace.observed(
        make_call(Operation.TOOL, asking.agent, asking.request), Reply(error=ToolNotRunError(str(said)))
    )


def _functions(adapter: Watcher, agent: Any, functions: Any) -> Any:
    """Give an agent its function map; while it executes a call, with that one function passing the seam."""
    asking = _asking.get()
    if asking is None or asking.done or asking.agent is not agent or not isinstance(functions, dict):
        return functions
    name = asking.request["name"]
    function = functions.get(name)
    return {**functions, name: _seamed(adapter, asking, function)} if callable(function) else functions


def _seamed(adapter: Watcher, asking: Asking, function: Callable[..., Any]) -> Callable[..., Any]:
    here = otel.get_current()  # the framework may run an async function on another thread, without its context

    def asked(arguments: Value) -> Call:
        return make_call(Operation.TOOL, asking.agent, {**asking.request, "arguments": dict(arguments)})

    if inspect.iscoroutinefunction(function):

        async def awaited(**arguments: Any) -> Any:
            asking.done = True
            token = otel.attach(here)
            try:
                return await a_through(
                    adapter, lambda: asked(arguments), lambda: function(**arguments), _result, _tool_result
                )
            finally:
                otel.detach(token)

        return awaited

    def called(**arguments: Any) -> Any:
        asking.done = True
        return through(adapter, lambda: asked(arguments), lambda: function(**arguments), _result, _tool_result)

    return called


def _result(value: object) -> Value:
    if _is_json(value):
        return {"result": value}
    # A handoff or a change of the shared context acts by its type: its text cannot stand in for it.
    return {"result": str(value), "acts": type(value).__module__.partition(".")[0] == "autogen"}


def _tool_result(value: Value) -> Json:
    return value.get("result")


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, int, float, bool))
