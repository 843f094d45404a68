"""Where AG2 1.x asks a model: below all its middleware, at the provider's client, for turns and for upkeep alike."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ag2.config import ModelConfig
from ag2.events import ModelMessage, ModelMessageChunk, ModelReasoning, ModelRequest, ModelResponse, TextInput
from ag2.utils import MODEL_CONFIG_CONTEXT_DEPENDENCY_KEY

from harness import semconv
from harness.adapters import ag2_events as native
from harness.adapters import openai_client
from harness.adapters.ag2_inputs import error_again
from harness.adapters.seam import at_it, capped, failed, make_call, up, within
from harness.call import Call, RecordedError, Reply, StoppedError, pieces
from harness.model import Json, Operation
from harness.trace import current, safely

if TYPE_CHECKING:
    from harness.adapters.ag2 import Ag2
    from harness.adapters.patching import Function

_NO_KEY = "replayed-without-a-key"
_OURS = "__harness_asks__"


def attach(adapter: Ag2) -> None:
    """Put hooks onto every kind of model config, those to come included; clients get theirs when they are made."""
    adapter.patches.each(ModelConfig, lambda kind: _watch_config(adapter, kind))
    adapter.sees_wire = openai_client.attach(adapter.patches)


@safely
def prepare(adapter: Ag2, config: object) -> None:
    """Put hooks onto the kind of the *config* of a turn, whatever it is derived from, and onto what it has loaded."""
    if type(config) not in adapter.seen:
        _watch_config(adapter, type(config))
        adapter.seen.add(type(config))
    if not adapter.sees_wire:
        adapter.sees_wire = openai_client.attach(adapter.patches)


@safely
def _watch_config(adapter: Ag2, kind: type) -> None:
    adapter.patches.wrap_all(kind, "create", lambda original: _create(adapter, original))


def watched(adapter: Ag2, client: Any) -> Any:
    """Put hooks onto the kind of *client*; where that cannot be, give one that asks it through the seam."""
    if _watch(adapter, client):
        return client
    ask = _ask(adapter, lambda inner, *args, **kwargs: inner(*args, **kwargs))

    async def asked(messages: Any, context: Any, **kwargs: Any) -> Any:
        return await ask(client, messages, context, **kwargs)

    setattr(asked, _OURS, True)
    return asked


@safely
def _watch(adapter: Ag2, client: object) -> bool:
    """Put hooks onto the class that answers for *client*, if that answers for nothing else: no functions, no mocks."""
    if getattr(client, _OURS, None) is True:
        return True
    owner = next((cls for cls in type(client).__mro__ if "__call__" in vars(cls)), None)
    if owner is None or not inspect.iscoroutinefunction(inspect.unwrap(vars(owner)["__call__"])):
        return False
    adapter.patches.wrap(owner, "__call__", lambda original: _ask(adapter, original))
    return True


def _create(adapter: Ag2, original: Function) -> Function:
    def create(config: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            client = original(config, *args, **kwargs)
        except Exception:
            # A provider's client insists on a key when it is built; one that is replayed is never asked.
            keyless = _with_key(config) if adapter.recording.offline else None
            if keyless is None:
                raise
            client = original(keyless, *args, **kwargs)
        _watch(adapter, client)
        return client

    return create


def _with_key(config: Any) -> Any:
    if not dataclasses.is_dataclass(config) or getattr(config, "api_key", "given") is not None:
        return None
    return dataclasses.replace(config, api_key=_NO_KEY)  # type: ignore[type-var]


def _ask(adapter: Ag2, original: Function) -> Function:
    async def __call__(client: Any, messages: Any, context: Any, **kwargs: Any) -> Any:  # noqa: N807 - it takes its place
        if within(Operation.CHAT):
            return await original(client, messages, context, **kwargs)
        client, messages, context = _amended(adapter, client, messages, context)
        kwargs["tools"] = tuple(kwargs.get("tools") or ())
        call = safely(_asked)(adapter, client, messages, context, kwargs)
        if call is None:
            return await original(client, messages, context, **kwargs)

        async def real(_call: Call) -> Reply:
            with openai_client.watching() as wire:
                try:
                    response = await original(client, messages, context, **kwargs)
                except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
                    return failed(error, _about(wire))
            return Reply(value=_read(adapter, response), native=response, attributes=_about(wire) or {})

        reply = await adapter.recording.a_ask(call, real)
        if isinstance(reply.error, RecordedError):
            raise error_again(reply.error)
        if isinstance(reply.error, StoppedError) and reply.error.ends:
            return _halted(reply.error)
        if reply.error is not None:
            raise reply.error
        if reply.native is not None or reply.value is None:
            return reply.native
        return await _play(call, adapter.messages().ids.show(reply.value), context)

    return __call__


def _halted(error: StoppedError) -> ModelResponse:
    """Answer as the framework itself does for a turn that an observer has halted."""
    turn = up(Operation.TURN)
    if turn is not None:
        turn.notes["halted"] = str(error)
    return ModelResponse(message=ModelMessage(content=f"HALTED: {error}"))


def _asked(adapter: Ag2, client: Any, messages: Any, context: Any, kwargs: Mapping[str, Any]) -> Call:
    known = adapter.messages()
    schema = kwargs.get("response_schema")
    adapter.known.prompt("\n".join(context.prompt))
    prompt = [*context.prompt, *([schema.system_prompt] if schema and schema.system_prompt else [])]
    options = getattr(client, "_create_options", None)
    options = options if isinstance(options, Mapping) else {}
    parameters = native.parameters(options, schema)
    if getattr(client, "_streaming", False) is True:
        parameters["stream"] = True
    request: dict[str, Json] = {
        "model": options.get("model") or _model(context),
        "messages": known.history(prompt, messages),
        "tools": known.definitions(kwargs["tools"]),
        "parameters": parameters,
    }
    return make_call(Operation.CHAT, None, request, {semconv.GEN_AI_PROVIDER: _provider(client), **adapter.framework()})


def _amended(adapter: Ag2, client: Any, messages: Any, context: Any) -> tuple[Any, Any, Any]:
    """Give the agent another model or prompt, a shorter answer or a nudge for once, where the recording says so."""
    changes = adapter.recording.amend(at_it())
    options = getattr(client, "_create_options", None)
    if isinstance(options, Mapping) and changes.keys() & {"model", "max_tokens"}:
        options = {**options, **({"model": changes["model"]} if "model" in changes else {})}
        if "max_tokens" in changes:
            options |= capped({"model": _model(context), **options}, changes["max_tokens"])
        client = copy.copy(client)
        client._create_options = options  # noqa: SLF001 - where all its clients have it
    if "prompt" in changes:
        context = dataclasses.replace(context, prompt=[changes["prompt"], *context.prompt[1:]])
    if "nudge" in changes:
        messages = [*messages, ModelRequest([TextInput(changes["nudge"])])]
    return client, messages, context


def _model(context: Any) -> str | None:
    """Name the model of the config whose turn it is; a config may refuse to name one."""
    try:
        return str(context.dependencies[MODEL_CONFIG_CONTEXT_DEPENDENCY_KEY].model)
    except (KeyError, AttributeError, NotImplementedError):
        return None


def _provider(client: object) -> str | None:
    """Name the provider as AG2's clients do on their responses: by the folder of ``ag2.config`` they come from."""
    where = type(client).__module__.split(".")
    return where[2] if where[:2] == ["ag2", "config"] and len(where) > 3 else None  # noqa: PLR2004 - ag2.config.X.module


@safely
def _read(adapter: Ag2, response: ModelResponse) -> Json:
    scope = current()
    found = native.reply(response, scope.notes.get("published", ()) if scope else ())
    return adapter.messages().ids.hide(found)


@safely
def _about(wire: openai_client.Wire) -> dict[str, Json]:
    """Say how often the client asked, and when the first chunk came: on the wire, or else on the stream of events."""
    scope = current()
    elapsed = scope.notes.get("first_chunk_ns") if scope else None
    seen: dict[str, Json] = {} if elapsed is None else {semconv.GEN_AI_TIME_TO_FIRST_CHUNK: elapsed / 1e9}
    return {**seen, **wire.attributes}


async def _play(call: Call, value: Mapping[str, Json], context: Any) -> ModelResponse:
    """Give a recorded response, after publishing what the provider's client did: thoughts, chunks, the message."""
    response = native.response(value, call.attributes.get(semconv.GEN_AI_PROVIDER))
    for thought in native.thoughts(value):
        await context.send(ModelReasoning(thought))
    said = response.content
    if said:
        chunks = value.get("chunks") or ()
        for piece in pieces(said, chunks) if chunks else ():
            await context.send(ModelMessageChunk(piece))
        await context.send(ModelMessage(said))
    return response
