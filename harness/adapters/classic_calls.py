"""The calls of classic AutoGen: where it asks a model, a tool, an executor or a human, or has a speaker picked."""

from __future__ import annotations

import builtins
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel

from harness import semconv
from harness.adapters import classic_messages as native
from harness.call import Call, RecordedError, Reply
from harness.model import Json, Operation
from harness.trace import Scope, current, safely

if TYPE_CHECKING:
    from harness.adapters.classic import Classic
    from harness.adapters.patching import Function

Value = Mapping[str, Json]


class ToolNotRunError(Exception):
    """The framework refused a tool call before any function ran: an unknown name, or arguments that are not JSON."""


@dataclass(slots=True)
class Asking:
    """What a framework method wants of the outside, which is reached further down."""

    agent: Any
    request: Mapping[str, Any]
    done: bool = False


_asking_model: ContextVar[Asking | None] = ContextVar("harness_asking_model", default=None)
_asking_tool: ContextVar[Asking | None] = ContextVar("harness_asking_tool", default=None)


def attach(adapter: Classic, agent: type, group: type, wrapper: type) -> None:
    """Put hooks for the five kinds of call onto the framework's agent, group chat and model wrapper classes."""
    wrap = adapter.patches.wrap
    wrap(wrapper, "create", lambda original: _create(adapter, original))
    wrap(wrapper, "_register_default_client", lambda original: _register_client(adapter, original))
    wrap(wrapper, "_separate_create_config", lambda original: _separate_config(adapter, original))
    wrap(agent, "execute_function", lambda original: _execute_function(adapter, original))
    wrap(agent, "a_execute_function", lambda original: _a_execute_function(adapter, original))
    adapter.patches.watch(agent, "_function_map", lambda owner, functions: _functions(adapter, owner, functions))
    wrap(agent, "run_code", lambda original: _run_code(adapter, original))
    wrap(agent, "get_human_input", lambda original: _human(adapter, original))
    wrap(agent, "a_get_human_input", lambda original: _a_human(adapter, original))
    wrap(group, "select_speaker", lambda original: _select(adapter, original))
    wrap(group, "a_select_speaker", lambda original: _a_select(adapter, original))


@safely
def prepare(adapter: Classic, agent: Any) -> None:
    """Put hooks onto what an agent brings along: an executor of any class, a human input method of its own."""
    executor = getattr(agent, "_code_executor", None)
    wrap_all = adapter.patches.wrap_all
    if executor is not None:
        wrap_all(type(executor), "execute_code_blocks", lambda original: _execute_code(adapter, original))
    wrap_all(type(agent), "get_human_input", lambda original: _human(adapter, original))
    wrap_all(type(agent), "a_get_human_input", lambda original: _a_human(adapter, original))


# The way through the seam -----------------------------------------------------------------------------------------


def _through(
    adapter: Classic,
    asked: Callable[[], Call],
    run: Callable[[], Any],
    read: Callable[[Any], Value],
    rebuild: Callable[[Value], Any],
) -> Any:
    """Ask through the seam: *run* is the real thing, *read* its result as a neutral value, *rebuild* the way back."""
    call = safely(asked)()
    if call is None:
        return run()

    def real(_call: Call) -> Reply:
        try:
            result = run()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            return _failed(error)
        return Reply(value=safely(read)(result), native=result)

    return _outcome(adapter.recording.ask(call, real), rebuild)


async def _a_through(
    adapter: Classic,
    asked: Callable[[], Call],
    run: Callable[[], Awaitable[Any]],
    read: Callable[[Any], Value],
    rebuild: Callable[[Value], Any],
) -> Any:
    """Ask through the seam and await it."""
    call = safely(asked)()
    if call is None:
        return await run()

    async def real(_call: Call) -> Reply:
        try:
            result = await run()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            return _failed(error)
        return Reply(value=safely(read)(result), native=result)

    return _outcome(await adapter.recording.a_ask(call, real), rebuild)


def _failed(error: BaseException) -> Reply:
    """Nobody may speak next is an answer that the framework gives as an exception; any other exception is a failure."""
    nobody = type(error).__name__ in {"NoEligibleSpeaker", "NoEligibleSpeakerError"}
    return Reply(error=error, value={"choice": None} if nobody else None)


def _outcome(reply: Reply, rebuild: Callable[[Value], Any]) -> Any:
    if isinstance(reply.error, RecordedError):
        raise native_error(reply.error)
    if reply.error is not None:
        raise reply.error
    if reply.native is not None or reply.value is None:
        return reply.native
    return rebuild(reply.value)


def _call(operation: Operation, agent: Any, request: Value, attributes: Value | None = None) -> Call:
    """Make the call, in the conversation that is going on; without an *agent*, it is the one whose turn it is."""
    turn = _up(Operation.TURN)
    conversation = _up(Operation.CONVERSATION)
    speaker = turn.record["attributes"].get(semconv.GEN_AI_AGENT) if turn else None
    return Call(
        operation=operation,
        agent=(str(getattr(agent, "name", "") or "") or None) if agent is not None else speaker,
        request=request,
        conversation=conversation.record["attributes"].get(semconv.GEN_AI_WORKFLOW, "") if conversation else "",
        attributes=attributes or {},
    )


def _up(operation: Operation) -> Scope | None:
    scope = current()
    return scope.up(operation) if scope else None


def _within(operation: Operation) -> bool:
    """Say whether such a call is being made already: where hooks nest, the outermost wins."""
    scope = current()
    return scope is not None and scope.operation is operation


def native_error(error: RecordedError) -> BaseException:
    """Rebuild the OpenAI client's exception, or the built-in one, that a cassette plays back; else give *error*."""
    import openai

    known = getattr(openai, error.kind, None) or getattr(builtins, error.kind, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        return error
    if not issubclass(known, openai.OpenAIError):
        return _built_in(known, error)
    rebuilt = known.__new__(known, str(error))
    rebuilt.args = (str(error),)
    for name in ("code", "param", "type", "body", "request", "response", "request_id", "status_code"):
        if not hasattr(rebuilt, name):
            setattr(rebuilt, name, None)
    rebuilt.message = str(error)  # type: ignore[attr-defined]
    return rebuilt


def _built_in(known: type[Exception], error: RecordedError) -> Exception:
    """Make the built-in exception, unless it would read otherwise than when it was recorded."""
    try:
        rebuilt = known(str(error))
    except TypeError:
        return error
    return rebuilt if str(rebuilt) == str(error) else error


# Models -----------------------------------------------------------------------------------------------------------


def _create(adapter: Classic, original: Function) -> Function:
    def create(wrapper: Any, **config: Any) -> Any:
        for client in getattr(wrapper, "_clients", ()):
            adapter.patches.wrap_all(type(client), "create", lambda method: _ask_model(adapter, method))
        asking = Asking(config.get("agent"), config)
        token = _asking_model.set(asking)
        try:
            response = original(wrapper, **config)
        finally:
            _asking_model.reset(token)
        if not asking.done:
            _from_cache(adapter, asking, response)
        return response

    return create


@safely
def _from_cache(adapter: Classic, asking: Asking, response: Any) -> None:
    """Report a reply that the framework's own cache gave: no client was asked."""
    if not getattr(response, "choices", None):
        return
    asked = {name: asking.request[name] for name in ("messages", "tools") if name in asking.request}
    request = native.request({**asked, "model": getattr(response, "model", None)}, adapter.messages)
    adapter.trace.observed(
        _call(Operation.CHAT, asking.agent, request), Reply(value=native.reply(response), cache_hit=True)
    )


def _ask_model(adapter: Classic, original: Function) -> Function:
    def create(client: Any, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        asking = _asking_model.get()
        if asking is None or _within(Operation.CHAT):
            return original(client, params, *args, **kwargs)
        asking.done = True
        return _through(
            adapter,
            lambda: _call(Operation.CHAT, asking.agent, native.request(params, adapter.messages)),
            lambda: original(client, params, *args, **kwargs),
            native.reply,
            completion,
        )

    return create


def completion(value: Value) -> Any:
    """Rebuild the OpenAI client's response object from a neutral reply."""
    from openai.types.chat import ChatCompletion

    return ChatCompletion.model_validate(native.completion(value))


# Shaped like a key: AutoGen warns, on stdout, about one that is not.
_NO_KEY = "sk-" + "replayed-without-a-key-".ljust(48, "0")


def _register_client(adapter: Classic, original: Function) -> Function:
    """Let a program without a key be replayed: the client insists on one when it is built, and is never asked."""

    def _register_default_client(wrapper: Any, config: Value, openai_config: Value) -> Any:
        keys = (config.get("api_key"), openai_config.get("api_key"), os.environ.get("OPENAI_API_KEY"))
        if adapter.recording.offline and not any(keys):
            openai_config = {**openai_config, "api_key": _NO_KEY}
            config = {name: value for name, value in config.items() if name != "api_key"}
        return original(wrapper, config, openai_config)

    return _register_default_client


def _separate_config(adapter: Classic, original: Function) -> Function:
    """Switch the framework's own response cache off while recording and replaying: it would answer instead."""

    def _separate_create_config(wrapper: Any, config: Value) -> Any:
        create_config, extra = original(wrapper, config)
        if adapter.recording.uncached:
            extra = {**extra, "cache": None, "cache_seed": None}
        return create_config, extra

    return _separate_create_config


# Tools ------------------------------------------------------------------------------------------------------------


def _execute_function(adapter: Classic, original: Function) -> Function:
    def execute_function(agent: Any, func_call: Any, *args: Any, **kwargs: Any) -> Any:
        asking, token = _begin_tool(agent, func_call, args, kwargs)
        try:
            result = original(agent, func_call, *args, **kwargs)
        finally:
            _asking_tool.reset(token)
        _check_tool(adapter, asking, result)
        return result

    return execute_function


def _a_execute_function(adapter: Classic, original: Function) -> Function:
    async def a_execute_function(agent: Any, func_call: Any, *args: Any, **kwargs: Any) -> Any:
        asking, token = _begin_tool(agent, func_call, args, kwargs)
        try:
            result = await original(agent, func_call, *args, **kwargs)
        finally:
            _asking_tool.reset(token)
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
        "arguments": native.arguments(wanted.get("arguments")),
        "call_id": call_id or wanted.get("id"),
    }
    asking = Asking(agent, request)
    return asking, _asking_tool.set(asking)


@safely
def _check_tool(adapter: Classic, asking: Asking, result: Any) -> None:
    """Report a call that no function was run for."""
    if asking.done or not isinstance(result, tuple) or not result or result[0]:
        return
    said = result[1].get("content") if isinstance(result[1], Mapping) else result[1]
    adapter.trace.observed(_call(Operation.TOOL, asking.agent, asking.request), Reply(error=ToolNotRunError(str(said))))


def _functions(adapter: Classic, agent: Any, functions: Any) -> Any:
    """Give an agent its function map; while it executes a call, with that one function passing the seam."""
    asking = _asking_tool.get()
    if asking is None or asking.done or asking.agent is not agent or not isinstance(functions, dict):
        return functions
    name = asking.request["name"]
    function = functions.get(name)
    return {**functions, name: _seamed(adapter, asking, function)} if callable(function) else functions


def _seamed(adapter: Classic, asking: Asking, function: Callable[..., Any]) -> Callable[..., Any]:
    here = otel.get_current()  # the framework may run an async function on another thread, without its context

    def asked(arguments: Value) -> Call:
        return _call(Operation.TOOL, asking.agent, {**asking.request, "arguments": dict(arguments)})

    if inspect.iscoroutinefunction(function):

        async def awaited(**arguments: Any) -> Any:
            asking.done = True
            token = otel.attach(here)
            try:
                return await _a_through(
                    adapter, lambda: asked(arguments), lambda: function(**arguments), _result, _tool_result
                )
            finally:
                otel.detach(token)

        return awaited

    def called(**arguments: Any) -> Any:
        asking.done = True
        return _through(adapter, lambda: asked(arguments), lambda: function(**arguments), _result, _tool_result)

    return called


def _result(value: object) -> Value:
    return {"result": value if _is_json(value) else str(value)}


def _tool_result(value: Value) -> Json:
    return value.get("result")


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, int, float, bool))


# Code -------------------------------------------------------------------------------------------------------------


def _execute_code(adapter: Classic, original: Function) -> Function:
    def execute_code_blocks(executor: Any, code_blocks: Any, *args: Any, **kwargs: Any) -> Any:
        if _within(Operation.CODE):
            return original(executor, code_blocks, *args, **kwargs)

        def asked() -> Call:
            blocks = [{"language": block.language, "code": block.code} for block in code_blocks]
            named = {semconv.HARNESS_CODE_EXECUTOR: type(executor).__name__}
            return _call(Operation.CODE, None, {"blocks": blocks}, named)

        return _through(
            adapter,
            asked,
            lambda: original(executor, code_blocks, *args, **kwargs),
            lambda result: {"exit_code": result.exit_code, "output": result.output},
            _code_result,
        )

    return execute_code_blocks


def _code_result(value: Value) -> Any:
    from autogen.coding.base import CodeResult

    return CodeResult(exit_code=value.get("exit_code") or 0, output=value.get("output") or "")


def _run_code(adapter: Classic, original: Function) -> Function:
    def run_code(agent: Any, code: Any, *args: Any, **kwargs: Any) -> Any:
        def asked() -> Call:
            blocks = [{"language": kwargs.get("lang") or "python", "code": code}]
            named = {semconv.HARNESS_CODE_EXECUTOR: "docker" if kwargs.get("use_docker") else "local"}
            return _call(Operation.CODE, agent, {"blocks": blocks}, named)

        return _through(
            adapter,
            asked,
            lambda: original(agent, code, *args, **kwargs),
            lambda result: {"exit_code": result[0], "output": result[1]},
            lambda value: (value.get("exit_code") or 0, value.get("output") or "", None),
        )

    return run_code


# Humans -----------------------------------------------------------------------------------------------------------


def _human(adapter: Classic, original: Function) -> Function:
    def get_human_input(agent: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        if _within(Operation.HUMAN):
            return original(agent, prompt, *args, **kwargs)
        answer = _through(
            adapter,
            lambda: _call(Operation.HUMAN, agent, {"prompt": prompt}),
            lambda: original(agent, prompt, *args, **kwargs),
            lambda typed: {"input": typed},
            lambda value: _typed_again(agent, value),
        )
        _note_typed(answer)
        return answer

    return get_human_input


def _a_human(adapter: Classic, original: Function) -> Function:
    async def a_get_human_input(agent: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        if _within(Operation.HUMAN):
            return await original(agent, prompt, *args, **kwargs)
        answer = await _a_through(
            adapter,
            lambda: _call(Operation.HUMAN, agent, {"prompt": prompt}),
            lambda: original(agent, prompt, *args, **kwargs),
            lambda typed: {"input": typed},
            lambda value: _typed_again(agent, value),
        )
        _note_typed(answer)
        return answer

    return a_get_human_input


def _typed_again(agent: Any, value: Value) -> Json:
    """Give what was typed when it was recorded; the agent keeps it, as it keeps what is typed live."""
    kept = getattr(agent, "_human_input", None)
    if isinstance(kept, list):
        kept.append(value.get("input"))
    return value.get("input")


def _note_typed(answer: object) -> None:
    """Let the turn know what the person typed: it may end the conversation."""
    turn = _up(Operation.TURN)
    if turn is not None:
        turn.notes["human"] = answer


# Speakers ---------------------------------------------------------------------------------------------------------


def _select(adapter: Classic, original: Function) -> Function:
    def select_speaker(group: Any, last: Any, selector: Any, *args: Any, **kwargs: Any) -> Any:
        adapter.heard()
        with _nobody():
            return _through(
                adapter,
                lambda: _selection(group, last, selector),
                lambda: original(group, last, selector, *args, **kwargs),
                lambda chosen: {"choice": getattr(chosen, "name", None)},
                lambda value: group.agent_by_name(value.get("choice")),
            )

    return select_speaker


def _a_select(adapter: Classic, original: Function) -> Function:
    async def a_select_speaker(group: Any, last: Any, selector: Any, *args: Any, **kwargs: Any) -> Any:
        adapter.heard()
        with _nobody():
            return await _a_through(
                adapter,
                lambda: _selection(group, last, selector),
                lambda: original(group, last, selector, *args, **kwargs),
                lambda chosen: {"choice": getattr(chosen, "name", None)},
                lambda value: group.agent_by_name(value.get("choice")),
            )

    return a_select_speaker


class _nobody:  # noqa: N801 - reads as a statement
    """Note for the conversation that nobody may speak next."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        conversation = _up(Operation.CONVERSATION)
        if error is not None and conversation is not None and _failed(error).value is not None:
            conversation.notes["no_speaker"] = str(error) or "no eligible speaker"


def _selection(group: Any, last: Any, selector: Any) -> Call:
    method = getattr(group, "speaker_selection_method", None)
    request = {
        "method": method.lower() if isinstance(method, str) else "custom",
        "candidates": [agent.name for agent in group.agents],
        "last": getattr(last, "name", None),
    }
    return _call(Operation.SELECTION, selector, request)
