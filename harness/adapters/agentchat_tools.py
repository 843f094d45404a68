"""Where AgentChat calls a tool: a workbench's, a handoff, or one that an agent of the user's own calls directly.

A workbench calls its tool and a streaming tool may run a whole team: the outermost call wins, what a team inside it
asks is recorded on its own.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import agentchat_messages as native
from harness.adapters.agentchat_models import Watcher
from harness.adapters.classic_messages import arguments
from harness.adapters.generators import closing, stepped
from harness.adapters.seam import ToolNotRunError, Value, a_through, failed, make_call, outcome, within
from harness.call import Call, RecordedError, Reply, StoppedError
from harness.errors import HarnessError
from harness.model import Json, Operation
from harness.trace import current, safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function


@dataclass(slots=True)
class _Wanted:
    """The call that an agent's model asked for; *done* once a tool is run for it."""

    agent: str | None
    request: Value
    done: bool = False


_wanted: ContextVar[_Wanted | None] = ContextVar("harness_wanted_tool", default=None)


class ToolFailedError(Exception):
    """A tool gave an error, and the framework made a text of it for the agent: *native* is the result that says so."""

    def __init__(self, text: str, native: Any) -> None:
        super().__init__(text)
        self.native = native


def attach(adapter: Watcher, agent: type, workbench: type, tool: type) -> None:
    """Put hooks onto the assistant agent, and onto every class of workbenches and tools."""
    patches = adapter.patches
    patches.wrap(agent, "_execute_tool_call", lambda original: _execute_tool_call(adapter, original))
    patches.each(
        workbench, lambda cls: _watch(adapter, cls, {"call_tool": _call_tool, "call_tool_stream": _call_stream})
    )
    patches.each(tool, lambda cls: _watch(adapter, cls, {"run_json": _run_json, "run_json_stream": _run_json_stream}))


@safely
def _watch(adapter: Watcher, cls: type, hooks: Mapping[str, Callable[[Watcher, Function], Function]]) -> None:
    for name, make in hooks.items():
        adapter.patches.wrap(cls, name, partial(make, adapter))


def _execute_tool_call(adapter: Watcher, original: Function) -> Function:
    """Note who calls which tool, and report a call that no tool was run for."""

    async def _execute_tool_call(*args: Any, **kwargs: Any) -> Any:
        wanted = _read(original, args, kwargs)
        token = _wanted.set(wanted)
        try:
            result = await original(*args, **kwargs)
        finally:
            _wanted.reset(token)
        if wanted is not None and not wanted.done:
            _refused(adapter, wanted, result)
        return result

    return _execute_tool_call


@safely
def _read(original: Function, args: tuple[Any, ...], kwargs: Value) -> _Wanted:
    given = inspect.signature(original).bind_partial(*args, **kwargs).arguments
    call = given["tool_call"]
    request = {"name": call.name, "arguments": arguments(call.arguments), "call_id": call.id or None}
    return _Wanted(given.get("agent_name"), request)


@safely
def _refused(adapter: Watcher, wanted: _Wanted, result: Any) -> None:
    said = str(getattr(result[1], "content", ""))
    adapter.trace.observed(make_call(Operation.TOOL, wanted.agent, wanted.request), Reply(error=ToolNotRunError(said)))


def _call(adapter: Watcher, name: str, given: Any, call_id: Any) -> Call:
    wanted, agent = _wanted.get(), None
    if wanted is not None and not wanted.done and wanted.request["name"] == name:
        wanted.done = True
        agent, call_id = wanted.agent, wanted.request["call_id"]
    request = {"name": name, "arguments": native.plain(given or {}), "call_id": call_id}
    return make_call(Operation.TOOL, agent, request, adapter.about())


# Workbenches ---------------------------------------------------------------------------------------------------------


def _call_tool(adapter: Watcher, original: Function) -> Function:
    async def call_tool(bench: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.TOOL):
            return await original(bench, *args, **kwargs)

        async def run() -> Any:
            return _checked(await original(bench, *args, **kwargs))

        call = _benched(adapter, original, bench, args, kwargs)
        if call is None:
            return await original(bench, *args, **kwargs)
        name = call.request["name"]
        try:
            return await a_through(adapter, lambda: call, run, _told, lambda value: _tool_result(name, value))
        except ToolFailedError as error:
            return error.native
        except RecordedError as error:
            return _failed_before(name, error)
        except HarnessError as error:
            return _not_run(name, error)

    return call_tool


def _call_stream(adapter: Watcher, original: Function) -> Function:
    @stepped
    async def call_tool_stream(bench: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        call = None if within(Operation.TOOL) else _benched(adapter, original, bench, args, kwargs)
        if call is None:
            async with closing(original(bench, *args, **kwargs)) as stream:
                async for item in stream:
                    yield item
            return
        real = _streaming(lambda: original(bench, *args, **kwargs))
        async with closing(adapter.recording.stream(call, real)) as answer:
            async for item in answer:
                yield _benched_result(call.request["name"], item) if isinstance(item, Reply) else item

    return call_tool_stream


def _streaming(run: Callable[[], Any]) -> Callable[[Call], AsyncGenerator[Any, None]]:
    """Pass on what a tool tells on its way, and make its result the reply. One that tells is run in a replay, too."""

    async def real(_call: Call) -> AsyncGenerator[Any, None]:
        from autogen_core.tools import ToolResult

        told, result = False, None
        try:
            async with closing(run()) as stream:
                async for item in stream:
                    if isinstance(item, ToolResult):
                        result = item
                    else:
                        told = True
                        yield item
            reply = Reply(value={**_told(_checked(result)), "acts": told}, native=result)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            reply = failed(error)
        yield reply

    return real


def _benched_result(name: str, reply: Reply) -> Any:
    try:
        return outcome(reply, lambda value: _tool_result(name, value))
    except ToolFailedError as error:
        return error.native
    except RecordedError as error:
        return _failed_before(name, error)
    except HarnessError as error:
        return _not_run(name, error)


def _not_run(name: str, error: HarnessError) -> Any:
    """Give the result of a tool that is not run: the run was stopped, or its cassette does not hold the call.

    An agent that calls tools for its model waits for ever for one that raises. What it asks next ends the run then.
    """
    if _wanted.get() is None and not (isinstance(error, StoppedError) and error.ends):
        raise error
    return _tool_result(name, {"result": str(error)}, is_error=True)


def _failed_before(name: str, error: RecordedError) -> Any:
    """Give the result of a tool that failed when it was recorded; any other exception is the workbench's own."""
    if error.kind != ToolFailedError.__name__:
        raise error
    return _tool_result(name, {"result": str(error)}, is_error=True)


@safely
def _benched(adapter: Watcher, original: Function, bench: Any, args: tuple[Any, ...], kwargs: Value) -> Call:
    given = inspect.signature(original).bind_partial(bench, *args, **kwargs).arguments
    return _call(adapter, str(given.get("name") or ""), given.get("arguments"), given.get("call_id"))


def _checked(result: Any) -> Any:
    """Raise for a result that says the tool failed, with what the tool raised if that is known."""
    if getattr(result, "is_error", False):
        text = result.to_text()
        _note_text(text)
        raise ToolFailedError(text, result)
    return result


def _note_text(text: str) -> None:
    """Keep what the agent is told of a failure, whole: a replay tells it again."""
    scope = current()
    if scope is not None and scope.operation is Operation.TOOL:
        scope.notes.setdefault("end", {})[semconv.ERROR_MESSAGE] = text


def _told(result: Any) -> Value:
    return {"result": result.to_text() if result is not None else None}


def _tool_result(name: str, value: Value, *, is_error: bool = False) -> Any:
    from autogen_core.tools import TextResultContent, ToolResult

    text = value.get("result")
    content = TextResultContent(content=text if isinstance(text, str) else str(text))
    return ToolResult(name=name, result=[content], is_error=is_error)


# Tools without a workbench -------------------------------------------------------------------------------------------


def _run_json(adapter: Watcher, original: Function) -> Function:
    async def run_json(tool: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.TOOL):
            return await original(tool, *args, **kwargs)
        try:
            return await a_through(
                adapter,
                lambda: _direct(adapter, original, tool, args, kwargs),
                lambda: original(tool, *args, **kwargs),
                _result,
                lambda value: value.get("result"),
            )
        except HarnessError as error:
            if _wanted.get() is None:
                raise
            return str(error)

    return run_json


def _run_json_stream(adapter: Watcher, original: Function) -> Function:
    @stepped
    async def run_json_stream(tool: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        call = None if within(Operation.TOOL) else safely(_direct)(adapter, original, tool, args, kwargs)
        if call is None:
            async with closing(original(tool, *args, **kwargs)) as stream:
                async for item in stream:
                    yield item
            return
        real = _telling(lambda: original(tool, *args, **kwargs))
        async with closing(adapter.recording.stream(call, real)) as answer:
            async for item in answer:
                if not isinstance(item, Reply):
                    yield item
                elif outcome(item, lambda value: value) is not item.native:
                    yield (item.value or {}).get("result")

    return run_json_stream


def _telling(run: Callable[[], Any]) -> Callable[[Call], AsyncGenerator[Any, None]]:
    """Pass on what a tool tells, its result last; it is run in a replay, too."""

    async def real(_call: Call) -> AsyncGenerator[Any, None]:
        last = None
        try:
            async with closing(run()) as stream:
                async for item in stream:
                    last = item
                    yield item
            reply = Reply(value={"result": str(last), "acts": True}, native=last)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            reply = failed(error)
        yield reply

    return real


def _direct(adapter: Watcher, original: Function, tool: Any, args: tuple[Any, ...], kwargs: Value) -> Call:
    given = inspect.signature(original).bind_partial(tool, *args, **kwargs).arguments
    return _call(adapter, str(tool.name), given.get("args"), given.get("call_id"))


def _result(value: Any) -> Value:
    if _is_json(value):
        return {"result": value}
    # Who called the tool goes on with the object itself: its text cannot stand in for it.
    return {"result": str(value), "acts": True}


def _is_json(value: Json) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, int, float, bool))
