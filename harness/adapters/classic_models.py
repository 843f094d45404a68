"""Where classic AutoGen asks a model: below its own cache, above any provider's client."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import classic_messages as native
from harness.adapters import openai_client, openai_replies
from harness.adapters.classic_seam import Asking, Watcher
from harness.adapters.seam import Value, at_it, capped, make_call, through, within
from harness.call import Reply, pieces
from harness.model import Operation
from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function
    from harness.model import Json


_asking: ContextVar[Asking | None] = ContextVar("harness_asking_model", default=None)


def attach(adapter: Watcher, wrapper: type) -> None:
    """Put hooks onto the framework's wrapper around model clients; the clients get theirs when they are used."""
    openai_client.attach(adapter.patches)
    wrap = adapter.patches.wrap
    wrap(wrapper, "create", lambda original: _create(adapter, original))
    wrap(wrapper, "_register_default_client", lambda original: _register_client(adapter, original))
    wrap(wrapper, "_separate_create_config", lambda original: _separate_config(adapter, original))


def let_go() -> None:
    """Let the framework let go of the clients it has asked.

    It says once for each client which cache it uses, for debugging, and keeps the last 128 of them to know: a megabyte
    each, for as long as the process lives.
    """
    told = getattr(sys.modules.get("autogen.oai.client"), "log_cache_seed_value", None)
    clear = getattr(told, "cache_clear", None)
    if clear is not None:
        clear()


def _create(adapter: Watcher, original: Function) -> Function:
    def create(wrapper: Any, **config: Any) -> Any:
        for client in getattr(wrapper, "_clients", ()):
            adapter.patches.wrap_all(type(client), "create", lambda method: _ask_model(adapter, method))
        asking = Asking(config.get("agent"), config)
        token = _asking.set(asking)
        try:
            response = original(wrapper, **config)
        finally:
            _asking.reset(token)
        if not asking.done:
            _from_cache(adapter, asking, response)
        return response

    return create


@safely
def _from_cache(adapter: Watcher, asking: Asking, response: Any) -> None:
    """Report a reply that the framework's own cache gave: no client was asked."""
    if not getattr(response, "choices", None):
        return
    asked = {name: asking.request[name] for name in ("messages", "tools") if name in asking.request}
    request = native.request({**asked, "model": getattr(response, "model", None)}, adapter.messages)
    adapter.trace.observed(
        make_call(Operation.CHAT, asking.agent, request), Reply(value=native.reply(response), cache_hit=True)
    )


def _ask_model(adapter: Watcher, original: Function) -> Function:
    def create(client: Any, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        asking = _asking.get()
        if asking is None or within(Operation.CHAT):
            return original(client, params, *args, **kwargs)
        asking.done = True
        params = _amended(adapter, asking, params)
        wire = openai_client.Wire()

        def real() -> Any:
            with openai_client.watching(wire):
                return original(client, params, *args, **kwargs)

        return through(
            adapter,
            lambda: make_call(
                Operation.CHAT, asking.agent, native.request(params, adapter.messages), price=asking.price
            ),
            real,
            lambda response: _answered(adapter, response, wire, streamed=bool(params.get("stream"))),
            lambda value: _streamed(params, value),
            lambda response: {**wire.attributes, **_priced(client, asking.price, response)},
        )

    return create


def _answered(adapter: Watcher, response: Any, wire: openai_client.Wire, *, streamed: bool) -> Value:
    """Read *response*; off the *wire* what the framework leaves out of one that it put together from a stream.

    Of a stream, both counts of tokens being 0 is how it says that it was told none.
    """
    value = dict(adapter.messages.answered(response))
    if wire.lengths:
        value["chunks"] = wire.lengths
    counts = value.get("usage") or {}
    if streamed and not counts.get("input_tokens") and not counts.get("output_tokens"):
        counts = {}
    value["usage"] = {**native.tokens(wire.usage), **counts}
    return value


def _amended(adapter: Watcher, asking: Asking, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the agent another model or system message, a shorter answer or a nudge, where the recording says so."""
    changes = adapter.recording.amend(str(getattr(asking.agent, "name", None) or at_it() or ""))
    if not changes:
        return params
    found = {**params, "model": changes["model"]} if "model" in changes else dict(params)
    if "max_tokens" in changes:
        found.update(capped(found, changes["max_tokens"]))
    messages = list(params.get("messages") or ())
    if "nudge" in changes:
        messages.append({"role": "user", "content": changes["nudge"]})
        found["messages"] = messages
    if "prompt" not in changes:
        return found
    told = {"role": "system", "content": changes["prompt"]}
    if messages and messages[0].get("role") in {"system", "developer"}:
        told = {**messages.pop(0), "content": changes["prompt"]}
    return {**found, "messages": [told, *messages]}


def _priced(client: Any, price: tuple[float, float] | None, response: Any) -> dict[str, Json]:
    """Say what the framework itself is going to make of *response* in US dollars, where it knows a price.

    *price* is that of the program's ``config_list``. Nothing of the program is called, and nothing that warns.
    """
    cost = _said_cost(response)
    usage = getattr(response, "usage", None)
    given, taken = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None) or 0
    if given is not None and price is not None:
        return {semconv.HARNESS_COST_FRAMEWORK: (given * price[0] + taken * price[1]) / 1000}
    if given is not None and not isinstance(cost, (int, float)) and type(client).__name__ == "OpenAIClient":
        from autogen.oai.openai_utils import OAI_PRICE1K

        listed = OAI_PRICE1K.get(getattr(response, "model", None))
        if isinstance(listed, tuple):
            cost = (listed[0] * given + listed[1] * taken) / 1000
        else:
            cost = None if listed is None else listed * (given + taken) / 1000
    return {semconv.HARNESS_COST_FRAMEWORK: float(cost)} if isinstance(cost, (int, float)) else {}


def _said_cost(response: Any) -> Any:
    """Read what the client of another provider has worked out by now; to miss an attribute takes pydantic long."""
    beyond = getattr(response, "__pydantic_extra__", None)
    missing = beyond is not None and "cost" not in beyond and "cost" not in vars(response)
    return None if missing else getattr(response, "cost", None)


def _streamed(params: Mapping[str, Any], value: Value) -> Any:
    """Rebuild the response, after the chunks of its text came out as they did when it was recorded."""
    response = openai_replies.completion(value)
    if value.get("chunks") and params.get("stream"):
        safely(_say_again)(pieces(response.choices[0].message.content or "", value["chunks"]))
    return response


def _say_again(texts: Sequence[str]) -> None:
    from autogen.io.base import IOStream

    stream = IOStream.get_default()
    try:
        from autogen.events.client_events import StreamEvent
    except ImportError:  # before there were events, it printed in green
        stream.print("\033[32m", end="")
        for text in texts:
            stream.print(text, end="", flush=True)
        stream.print("\033[0m\n")
        return
    for text in texts:
        stream.send(StreamEvent(content=text))


# Shaped like a key: AutoGen warns, on stdout, about one that is not.
_NO_KEY = "sk-" + "replayed-without-a-key-".ljust(48, "0")


def _register_client(adapter: Watcher, original: Function) -> Function:
    """Let a program without a key be replayed: the client insists on one when it is built, and is never asked."""

    def _register_default_client(wrapper: Any, config: Value, openai_config: Value) -> Any:
        keys = (config.get("api_key"), openai_config.get("api_key"), os.environ.get("OPENAI_API_KEY"))
        if adapter.recording.offline and not any(keys):
            openai_config = {**openai_config, "api_key": _NO_KEY}
            config = {name: value for name, value in config.items() if name != "api_key"}
        return original(wrapper, config, openai_config)

    return _register_default_client


def _separate_config(adapter: Watcher, original: Function) -> Function:
    """Switch the framework's own response cache off while recording and replaying: it would answer instead."""

    def _separate_create_config(wrapper: Any, config: Value) -> Any:
        create_config, extra = original(wrapper, config)
        asking = _asking.get()
        if asking is not None:
            price = extra.get("price")
            asking.price = None if price is None else _rates(price)
        if adapter.recording.uncached:
            extra = {**extra, "cache": None, "cache_seed": None}
        return create_config, extra

    return _separate_create_config


@safely
def _rates(price: Any) -> tuple[float, float] | None:
    """Read a price for a thousand tokens: one for those given and those taken, or one each."""
    given, taken = (price, price) if isinstance(price, (int, float)) else price
    return float(given), float(taken)
