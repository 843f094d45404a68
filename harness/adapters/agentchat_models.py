"""Where AgentChat asks a model: ``create`` and ``create_stream`` of every model client, the user's own included.

Clients nest (a cache around a provider's client): the outermost wins.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from harness import semconv
from harness.adapters import agentchat_messages as native
from harness.adapters import openai_client
from harness.adapters.generators import closing, stepped
from harness.adapters.seam import Adapter, Value, at_it, capped, failed, make_call, outcome, within
from harness.call import Call, Reply, pieces
from harness.model import Json, Operation
from harness.trace import current, safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function

_NO_KEY = "replayed-without-a-key"
_SHAPING = {"add_name_prefixes": False, "include_name_in_message": True}
"""How an OpenAI client words the messages, which it keeps beside its settings; told where it is not as here."""
_PLAYS_A_SCRIPT = "ReplayChatCompletionClient"
"""A client that says of all its answers that they are cached."""


class Watcher(Adapter, Protocol):
    """What the hooks need of the adapter they report to."""

    messages: native.Messages

    def about(self) -> Value:
        """Give the attributes that a span has where it is the first of its run."""


def attach(adapter: Watcher, base: type, logged: type) -> None:
    """Put hooks onto every class derived from *base*, and onto *logged*, the event that tells a provider's response."""
    adapter.patches.each(base, lambda cls: watch(adapter, cls))
    adapter.patches.wrap(logged, "__init__", _logged)


@safely
def watch(adapter: Watcher, cls: type) -> None:
    """Put hooks onto one class of model clients."""
    wrap = adapter.patches.wrap
    for name, make in (("create", _create), ("create_stream", _create_stream)):
        wrap(cls, name, partial(make, adapter))
    wrap(cls, "_check_cache", lambda original: _check_cache(adapter, original))
    if cls.__module__.startswith("autogen_ext.models.openai"):
        openai_client.attach(adapter.patches)
        for name in ("_openai_client_from_config", "_azure_openai_client_from_config"):
            wrap(sys.modules[cls.__module__], name, lambda original: _keyless(adapter, original))


def _create(adapter: Watcher, original: Function) -> Function:
    names = _names(original)

    async def create(client: Any, *args: Any, **kwargs: Any) -> Any:
        if within(Operation.CHAT):
            return await original(client, *args, **kwargs)
        args, kwargs = _amended(adapter, client, names, args, kwargs)
        call = _asked(adapter, names, client, args, kwargs)
        if call is None:
            return await original(client, *args, **kwargs)

        async def real(call: Call) -> Reply:
            with openai_client.watching() as wire:
                try:
                    result = await original(client, *args, **kwargs)
                except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
                    return failed(error, wire.attributes)
            return _answered(call, client, result, wire.attributes, wire) or Reply(native=result)

        return outcome(await adapter.recording.a_ask(call, real), lambda value: _completion(client, value))

    return create


def _create_stream(adapter: Watcher, original: Function) -> Function:
    names = _names(original)

    @stepped
    async def create_stream(client: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        inside = within(Operation.CHAT)
        args, kwargs = (args, kwargs) if inside else _amended(adapter, client, names, args, kwargs)
        call = None if inside else _asked(adapter, names, client, args, kwargs, stream=True)
        if call is None:
            async with closing(original(client, *args, **kwargs)) as stream:
                async for chunk in stream:
                    yield chunk
            return
        real = _streaming(client, lambda: original(client, *args, **kwargs))
        async with closing(adapter.recording.stream(call, real)) as answer:
            async for chunk in answer:
                if not isinstance(chunk, Reply):
                    yield chunk
                    continue
                result = outcome(chunk, lambda value: _completion(client, value))
                if chunk.native is None and isinstance(getattr(result, "content", None), str):
                    for piece in pieces(result.content, (chunk.value or {}).get("chunks") or ()):
                        yield piece
                if result is not None:
                    yield result

    return create_stream


def _amended(
    adapter: Watcher, client: Any, names: Sequence[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the agent another model or system message, a shorter answer or a nudge, where the recording says so."""
    changes = adapter.recording.amend(at_it())
    if not changes:
        return args, kwargs
    given = dict(zip(names, args, strict=False)) | kwargs
    if "max_tokens" in changes:
        extra = given.get("extra_create_args") or {}
        asked = {"model": model_of(client), **settings_of(client), **extra}
        given["extra_create_args"] = {**extra, **capped(asked, changes["max_tokens"])}
    if "nudge" in changes:
        from autogen_core.models import UserMessage

        given["messages"] = [*(given.get("messages") or ()), UserMessage(content=changes["nudge"], source="harness")]
    if "model" in changes:
        given["extra_create_args"] = {**(given.get("extra_create_args") or {}), "model": changes["model"]}
    if "prompt" in changes:
        from autogen_core.models import SystemMessage

        messages = list(given.get("messages") or ())
        others = messages[1:] if messages and isinstance(messages[0], SystemMessage) else messages
        given["messages"] = [SystemMessage(content=changes["prompt"]), *others]
    return (), given


def _streaming(client: Any, ask: Callable[[], Any]) -> Callable[[Call], AsyncGenerator[Any, None]]:
    """Pass the texts of a stream on, and make the result at its end the reply."""

    async def real(call: Call) -> AsyncGenerator[Any, None]:
        lengths: list[int] = []
        began, result = time.perf_counter(), None
        found: dict[str, Json] = {}
        wire = openai_client.Wire()
        try:
            async with closing(ask()) as stream:
                # What is asked is asked by the first step; the others may be taken in another task.
                with openai_client.watching(wire):
                    chunk = await anext(stream, None)
                while chunk is not None:
                    if isinstance(chunk, str):
                        found.setdefault(semconv.GEN_AI_TIME_TO_FIRST_CHUNK, time.perf_counter() - began)
                        lengths.append(len(chunk))
                        yield chunk
                    else:
                        result = chunk
                    chunk = await anext(stream, None)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            yield failed(error, found | wire.attributes)
            return
        found |= wire.attributes
        answered = None if result is None else _answered(call, client, result, found, wire, lengths)
        yield answered or Reply(native=result)

    return real


@safely
def _asked(  # noqa: PLR0913 - a method's own arguments come apart
    adapter: Watcher, names: Sequence[str], client: Any, args: tuple[Any, ...], kwargs: Value, *, stream: bool = False
) -> Call:
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    request = native.request(model_of(client), given, settings_of(client), adapter.messages)
    if stream:
        request["parameters"]["stream"] = True
    return make_call(Operation.CHAT, None, request, adapter.about())


def _names(original: Function) -> list[str]:
    return [name for name in inspect.signature(original).parameters if name != "self"]


@safely
def _answered(  # noqa: PLR0913, PLR0917 - what is known of an answer comes from all sides
    call: Call, client: Any, result: Any, found: Value, wire: openai_client.Wire, lengths: Sequence[int] = ()
) -> Reply:
    scope = current()
    response = scope.notes.pop("response", {}) if scope is not None else {}
    if wire.usage is not None:  # the client logs less of a stream than its last chunk said
        response = {"model": wire.model, "usage": wire.usage.model_dump()}
    value = native.reply(result, str(call.request.get("model") or ""), response)
    if lengths and sum(lengths) == len(result.content if isinstance(result.content, str) else ""):
        value["chunks"] = list(lengths)
    scripted = any(cls.__name__ == _PLAYS_A_SCRIPT for cls in type(client).__mro__)
    return Reply(value=value, native=result, cache_hit=bool(result.cached) and not scripted, attributes=found)


def _logged(original: Function) -> Function:
    """Note what the provider's own response says beyond what a client hands on: cached tokens, the model, its id."""

    def __init__(event: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        original(event, *args, **kwargs)
        scope = current()
        if scope is not None and scope.operation is Operation.CHAT and isinstance(kwargs.get("response"), Mapping):
            scope.notes["response"] = kwargs["response"]

    return __init__


def _check_cache(adapter: Watcher, original: Function) -> Function:
    """Switch the framework's own response cache off while recording and replaying: it would answer instead."""

    def _check_cache(client: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(client, *args, **kwargs)
        return (None, found[1]) if adapter.recording.uncached else found

    return _check_cache


def _keyless(adapter: Watcher, original: Function) -> Function:
    """Let a program without a key be replayed: the client insists on one when it is built, and is never asked."""

    def client_from_config(config: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        given = ("api_key", "azure_ad_token", "azure_ad_token_provider")
        known = any(config.get(name) for name in given) or os.environ.get("OPENAI_API_KEY")
        if adapter.recording.offline and not known:
            config = {**config, "api_key": _NO_KEY}
        return original(config, *args, **kwargs)

    return client_from_config


def _completion(client: Any, value: Value) -> Any:
    """Rebuild a CreateResult from a neutral reply, and let the client account for it."""
    from autogen_core import FunctionCall
    from autogen_core.models import CreateResult, RequestUsage

    calls = [
        FunctionCall(id=part.get("id") or "", name=part.get("name") or "", arguments=native.native_arguments(part))
        for part in native.parts_of(value, "tool_call")
    ]
    texts = [part.get("content") or "" for part in native.parts_of(value, "text")]
    thoughts = [part.get("content") or "" for part in native.parts_of(value, "reasoning")]
    counts = value.get("usage") or {}
    usage = RequestUsage(counts.get("input_tokens") or 0, counts.get("output_tokens") or 0)
    reason = value.get("finish_reason") or "unknown"
    for name in ("_total_usage", "_actual_usage"):
        total = getattr(client, name, None)
        if isinstance(total, RequestUsage):
            added = (total.prompt_tokens + usage.prompt_tokens, total.completion_tokens + usage.completion_tokens)
            setattr(client, name, RequestUsage(*added))
    return CreateResult(
        finish_reason=native.finish_reason(reason),
        content=calls or "".join(texts),
        usage=usage,
        cached=False,
        thought="".join(thoughts) or None,
    )


def model_of(client: Any) -> str:
    """Name the model *client* asks: as it was told, else its family, else its class."""
    for _ in range(8):
        for name in ("_create_args", "_raw_config"):
            settings = getattr(client, name, None)
            if isinstance(settings, Mapping) and settings.get("model"):
                return str(settings["model"])
        named = getattr(client, "_model_name", None) or getattr(client, "model", None)
        if isinstance(named, str) and named:
            return named
        inner = getattr(client, "client", None)
        if not hasattr(inner, "create"):
            break
        client = inner
    family = (getattr(client, "model_info", None) or {}).get("family")
    return str(family) if family and family != "unknown" else type(client).__name__


def settings_of(client: Any) -> Mapping[str, Any]:
    """Give the settings that *client* adds to each request, as far as it shows them."""
    for _ in range(8):
        settings = getattr(client, "_create_args", None)
        if isinstance(settings, Mapping):
            shaping = {name: getattr(client, f"_{name}", usual) for name, usual in _SHAPING.items()}
            unusual = {name: value for name, value in shaping.items() if value != _SHAPING[name]}
            return {**settings, **unusual} if unusual else settings
        inner = getattr(client, "client", None)
        if not hasattr(inner, "create"):
            break
        client = inner
    return {}
