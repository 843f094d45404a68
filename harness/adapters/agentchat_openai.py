"""Where AgentChat's agents ask OpenAI past every model client: the two of ``autogen_ext.agents.openai``.

``OpenAIAgent`` asks the Responses API once a turn. ``OpenAIAssistantAgent`` leaves it to an assistant that OpenAI
keeps: it posts what is new to a thread, starts a run there and looks until that is over. This is recorded as one model
call; the functions that the assistant wants meanwhile are inside, and the tokens are those of the run as a whole:
nobody tells them apart. Only what it says is played back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.adapters import agentchat_messages, classic_messages
from harness.adapters.agentchat_models import Watcher
from harness.adapters.generators import closing
from harness.adapters.seam import Value, a_through, at_it, failed, make_call, outcome
from harness.call import Call, Reply
from harness.model import Json, Operation
from harness.trace import attempt, current, safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function

_PACKAGE = "autogen_ext.agents.openai"
_RUN = "assistant_run"
_LEFT_OUT = {"input", "tools", "previous_response_id"}  # the last is the provider's, and another each time
_CUT = {"max_output_tokens": "length", "content_filter": "content_filter"}


@safely
def watch(adapter: Watcher, cls: type) -> None:
    """Put hooks where *cls* asks, if it is one of the two."""
    if _is(cls, "OpenAIAgent"):
        from openai.resources.responses import AsyncResponses

        adapter.patches.wrap(AsyncResponses, "create", lambda original: _create(adapter, cls, original))
    elif _is(cls, "OpenAIAssistantAgent"):
        from openai.resources.beta.threads import AsyncRuns

        adapter.patches.wrap(AsyncRuns, "retrieve", _retrieve)


def answering(adapter: Watcher, cls: type, original: Function) -> Function:
    """Make *original*, the turn of an assistant's agent, one model call; any other's stays as it is."""
    return _answering(adapter, original) if _is(cls, "OpenAIAssistantAgent") else original


def _is(cls: type, name: str) -> bool:
    return cls.__name__ == name and cls.__module__.startswith(_PACKAGE)


# The Responses API ---------------------------------------------------------------------------------------------------


def _create(adapter: Watcher, cls: type, original: Function) -> Function:
    async def create(resource: Any, *args: Any, **kwargs: Any) -> Any:
        scope = current()
        if scope is None or scope.operation is not Operation.TURN or not isinstance(scope.notes.get("agent"), cls):
            return await original(resource, *args, **kwargs)
        asked = _amended(adapter.recording.amend(at_it()), kwargs)
        return await a_through(
            adapter,
            lambda: make_call(Operation.CHAT, None, _request(asked), adapter.about()),
            lambda: original(resource, *args, **asked),
            _response,
            _rebuilt,
        )

    return create


def _amended(changes: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Give the agent another model or system message, a shorter answer or a nudge, where the recording says so."""
    asked = dict(given)
    if "model" in changes:
        asked["model"] = changes["model"]
    if "prompt" in changes:
        others = [message for message in asked.get("input") or () if message.get("role") != "system"]
        asked["input"] = [{"role": "system", "content": changes["prompt"]}, *others]
    if "nudge" in changes:
        asked["input"] = [*(asked.get("input") or ()), {"role": "user", "content": changes["nudge"]}]
    if "max_tokens" in changes:
        most = changes["max_tokens"]
        asked["max_output_tokens"] = min(asked.get("max_output_tokens") or most, most)
    return asked


def _request(asked: Mapping[str, Any]) -> dict[str, Json]:
    others = {name: value for name, value in asked.items() if name not in _LEFT_OUT}
    told = {**others, "messages": list(asked.get("input") or ()), "tools": list(asked.get("tools") or ())}
    return classic_messages.request(told, classic_messages.Messages())


def _response(response: Any) -> dict[str, Json]:
    usage = response.usage
    counts = {
        "input_tokens": getattr(usage, "input_tokens", None),
        "output_tokens": getattr(usage, "output_tokens", None),
        "cached_tokens": getattr(getattr(usage, "input_tokens_details", None), "cached_tokens", None),
        "reasoning_tokens": getattr(getattr(usage, "output_tokens_details", None), "reasoning_tokens", None),
    }
    cut = getattr(response.incomplete_details, "reason", None)
    return {
        "message": {"role": "assistant", "parts": [{"type": "text", "content": response.output_text}]},
        "finish_reason": _CUT.get(cut or "", "stop"),
        "model": response.model,
        "id": response.id,
        "usage": {name: count for name, count in counts.items() if isinstance(count, int)},
    }


def _rebuilt(value: Value) -> Any:
    from openai.types.responses import Response, ResponseOutputMessage, ResponseOutputText

    text = ResponseOutputText.model_construct(type="output_text", text=_text(value), annotations=[])
    said = ResponseOutputMessage.model_construct(id="", type="message", role="assistant", content=[text])
    return Response.model_construct(id=value.get("id"), model=value.get("model"), output=[said])


def _text(value: Value) -> str:
    return "".join(part.get("content") or "" for part in agentchat_messages.parts_of(value, "text"))


# An assistant that OpenAI keeps --------------------------------------------------------------------------------------


def _answering(adapter: Watcher, original: Function) -> Function:
    async def on_messages_stream(agent: Any, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        real = _streaming(lambda: original(agent, messages, *args, **kwargs))
        call = attempt(_asked, adapter, agent, messages)
        async with closing(real(call) if call is None else adapter.recording.stream(call, real)) as answer:
            async for item in answer:
                if not isinstance(item, Reply):
                    yield item
                    continue
                result = outcome(item, lambda value: _said(agent, value))
                if result is not None:
                    yield result

    return on_messages_stream


def _streaming(ask: Callable[[], Any]) -> Callable[[Call | None], AsyncGenerator[Any, None]]:
    """Pass on what the agent tells on its way, and make its response the reply: whoever gets that reads no further."""

    async def real(_call: Call | None) -> AsyncGenerator[Any, None]:
        try:
            async with closing(ask()) as stream:
                async for item in stream:
                    if hasattr(item, "chat_message"):
                        yield Reply(value=attempt(_answer, item.chat_message), native=item)
                        return
                    yield item
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the program
            yield failed(error)

    return real


def _asked(adapter: Watcher, agent: Any, messages: Any) -> Call:
    system = {"role": "system", "parts": [{"type": "text", "content": agent._instructions}]}  # noqa: SLF001
    told = [agentchat_messages.neutral(message.to_model_message()) for message in messages]
    model, tools = agent._model, list(agent._api_tools)  # noqa: SLF001 - nothing else says so before it is asked
    request = {"model": model, "messages": [system, *told], "tools": tools, "parameters": {}}
    return make_call(Operation.CHAT, agent, request, adapter.about())


def _retrieve(original: Function) -> Function:
    async def retrieve(resource: Any, *args: Any, **kwargs: Any) -> Any:
        run = await original(resource, *args, **kwargs)
        scope = current()
        if scope is not None and scope.operation is Operation.CHAT:
            scope.notes[_RUN] = run
        return run

    return retrieve


def _answer(said: Any) -> dict[str, Json]:
    scope = current()
    run = scope.notes.get(_RUN) if scope is not None else None
    return {
        "message": {"role": "assistant", "parts": agentchat_messages.contents(said.content)},
        "finish_reason": "stop",
        "model": getattr(run, "model", None),
        "id": getattr(run, "id", None),
        "usage": classic_messages.tokens(getattr(run, "usage", None)),
    }


def _said(agent: Any, value: Value) -> Any:
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import TextMessage

    return Response(chat_message=TextMessage(content=_text(value), source=str(agent.name)))
