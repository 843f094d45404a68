"""The way of a framework's call through the seam, and back as what the framework expects."""

from __future__ import annotations

import asyncio
import builtins
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from harness import semconv
from harness.call import Call, RecordedError, Reply, StoppedError
from harness.model import Ending, EndingKind, Json, Operation
from harness.trace import Scope, attempt, current

if TYPE_CHECKING:
    from harness.adapters.patching import Patches
    from harness.recording import Recording
    from harness.trace import Trace

Value = Mapping[str, Json]
About = Callable[[Any], Value]


class ToolNotRunError(Exception):
    """The framework refused a tool call before any function ran: an unknown name, or arguments that are not JSON."""


class Adapter(Protocol):
    """What the hooks of any framework need of the adapter they report to."""

    recording: Recording
    trace: Trace
    patches: Patches


def through(  # noqa: PLR0913, PLR0917 - each is a station on the way
    adapter: Adapter,
    asked: Callable[[], Call],
    run: Callable[[], Any],
    read: Callable[[Any], Value],
    rebuild: Callable[[Value], Any],
    about: About | None = None,
) -> Any:
    """Ask through the seam: *run* is the real thing, *read* its result as a neutral value, *rebuild* the way back.

    *about* gives span attributes once it has run; its result is None if it failed.
    """
    call = attempt(asked)
    if call is None:
        return run()

    def real(_call: Call) -> Reply:
        try:
            result = run()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            return failed(error, _said(about, None))
        return Reply(value=attempt(read, result), native=result, attributes=_said(about, result))

    return outcome(adapter.recording.ask(call, real), rebuild)


async def a_through(  # noqa: PLR0913, PLR0917 - likewise
    adapter: Adapter,
    asked: Callable[[], Call],
    run: Callable[[], Awaitable[Any]],
    read: Callable[[Any], Value],
    rebuild: Callable[[Value], Any],
    about: About | None = None,
) -> Any:
    """Ask through the seam and await it."""
    call = attempt(asked)
    if call is None:
        return await run()

    async def real(_call: Call) -> Reply:
        try:
            result = await run()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            return failed(error, _said(about, None))
        return Reply(value=attempt(read, result), native=result, attributes=_said(about, result))

    return outcome(await adapter.recording.a_ask(call, real), rebuild)


def _said(about: About | None, result: Any) -> Value:
    return {} if about is None else attempt(about, result) or {}


def failed(error: BaseException, attributes: Value | None = None) -> Reply:
    """Nobody may speak next is an answer that the framework gives as an exception; any other exception is a failure."""
    nobody = type(error).__name__ in {"NoEligibleSpeaker", "NoEligibleSpeakerError"}
    return Reply(error=error, value={"choice": None} if nobody else None, attributes=attributes or {})


def outcome(reply: Reply, rebuild: Callable[[Value], Any]) -> Any:
    """Give the framework's own object for *reply*, made by *rebuild* where a cassette answered; raise what it says."""
    if isinstance(reply.error, StoppedError):
        note_stop(reply.error)
    if isinstance(reply.error, RecordedError):
        raise native_error(reply.error)
    if reply.error is not None:
        raise reply.error
    if reply.native is not None or reply.value is None:
        return reply.native
    return rebuild(reply.value)


def make_call(
    operation: Operation,
    agent: Any,
    request: Value,
    attributes: Value | None = None,
    *,
    price: tuple[float, float] | None = None,
) -> Call:
    """Make the call, in the conversation that is going on. *agent* is one or its name; None: the one who is at it."""
    conversation = up(Operation.CONVERSATION)
    named = agent if isinstance(agent, str) else str(getattr(agent, "name", "") or "")
    return Call(
        operation=operation,
        agent=(named or None) if agent is not None else at_it(),
        request=request,
        conversation=conversation.record["attributes"].get(semconv.GEN_AI_WORKFLOW, "") if conversation else "",
        attributes=attributes or {},
        price=price,
    )


def at_it() -> str | None:
    """Name who is at it: whose turn it is, who picks a speaker, or whom the conversation notes as ``speaker``."""
    scope = current()
    while scope is not None and scope.operation is not Operation.CONVERSATION:
        if scope.operation in {Operation.TURN, Operation.SELECTION}:
            agent: str | None = scope.record["attributes"].get(semconv.GEN_AI_AGENT)
            return agent
        scope = scope.parent
    return scope.notes.get("speaker") if scope is not None else None


def up(operation: Operation) -> Scope | None:
    """Find the nearest open scope of *operation*."""
    scope = current()
    return scope.up(operation) if scope else None


def within(operation: Operation) -> bool:
    """Say whether such a call is being made already: where hooks nest, the outermost wins."""
    scope = current()
    return scope is not None and scope.operation is operation


def note_stop(error: StoppedError) -> None:
    """Note for the turn, or else the conversation, that is going on here that its run was stopped.

    What a framework makes of an exception in a tool, the turn that called it knows all the same.
    """
    scope = up(Operation.TURN) or up(Operation.CONVERSATION)
    if scope is not None:
        scope.notes["stopped"] = error


def end_here(adapter: Adapter, agent: str) -> None:
    """Raise StoppedError if the run that is going on here may not go on: where *agent* begins a turn."""
    stopped = adapter.recording.stops.stopped(agent)
    if stopped is not None:
        raise stopped


def ending_of(error: StoppedError) -> Ending:
    """Say how a conversation ended that was stopped."""
    return Ending(kind=EndingKind.STOPPED, detail=str(error))


_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-5)")
"""Models of OpenAI's that know ``max_completion_tokens`` alone."""


def capped(parameters: Mapping[str, Any], most: int) -> dict[str, int]:
    """Say which parameter of a model request keeps its answer to *most* tokens, and what it is then."""
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(parameters.get(name), int):
            return {name: min(parameters[name], most)}
    reasons = _REASONS.search(str(parameters.get("model") or ""))
    return {"max_completion_tokens" if reasons else "max_tokens": most}


def broken_off(error: BaseException) -> Ending:
    """Say how a conversation ended that *error* broke off."""
    if isinstance(error, StoppedError):
        return ending_of(error)
    kind = EndingKind.ERROR if isinstance(error, Exception) else EndingKind.INTERRUPTED
    return Ending(kind=kind, detail=type(error).__qualname__)


def native_error(error: RecordedError) -> BaseException:
    """Rebuild the OpenAI client's exception, or the built-in one, that a cassette plays back; else give *error*."""
    if error.kind == "CancelledError":
        return asyncio.CancelledError(str(error))
    known = getattr(builtins, error.kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        return _built_in(known, error)
    try:
        import openai
    except ImportError:
        return error
    known = getattr(openai, error.kind, None)
    if not (isinstance(known, type) and issubclass(known, openai.OpenAIError) and issubclass(known, Exception)):
        return error
    if issubclass(known, openai.APIStatusError) and error.status is not None:
        return _refusal(known, error)
    rebuilt = known.__new__(known, str(error))
    rebuilt.args = (str(error),)
    for name in ("code", "param", "type", "body", "request", "response", "request_id", "status_code"):
        if not hasattr(rebuilt, name):
            setattr(rebuilt, name, None)
    rebuilt.message = str(error)  # type: ignore[attr-defined]
    return rebuilt


def _refusal(known: Any, error: RecordedError) -> BaseException:
    """Make the exception as the client does, from a response of the recorded status."""
    import openai

    # The client brings httpx or, in newer versions, httpx2.
    http = sys.modules[type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0]]
    response = http.Response(error.status, request=http.Request("POST", "http://replayed.invalid"))
    rebuilt: BaseException = known(str(error), response=response, body=error.body)
    return rebuilt


def _built_in(known: type[Exception], error: RecordedError) -> Exception:
    """Make the built-in exception, unless it would read otherwise than when it was recorded."""
    try:
        rebuilt = known(str(error))
    except TypeError:
        return error
    return rebuilt if str(rebuilt) == str(error) else error
