"""See which classic agents a program makes and which chats it begins, and describe them. Nobody is asked anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.adapters.capturing import NO_KEY, UNKNOWN_MODEL, Captured, plain_key
from harness.adapters.classic_agents import bound
from harness.adapters.classic_audit import Plans, group_of, named
from harness.adapters.classic_setup import code_in_docker, models, sandboxed
from harness.adapters.containers import folder, unsafe
from harness.adapters.patching import Function, Patches
from harness.setups import Agent, Code, Group, Plan, Predicate, Talk, Voice

MODULE = "autogen"
_INTERNAL = frozenset({"checking_agent", "speaker_selection_agent"})
_ROLES = frozenset({"You are a helpful AI Assistant.", "You are a helpful AI Assistant", ""})


def attach(captured: Captured, patches: Patches) -> None:  # noqa: C901 - one hook a way to begin
    """Put the hooks in place. The framework is imported by now."""
    import autogen
    from autogen import ConversableAgent
    from autogen.agentchat import chat, conversable_agent
    from autogen.coding import docker_commandline_code_executor
    from autogen.oai import openai_utils

    def making(original: Function) -> Function:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
            captured.make(self)
            original(self, *args, **kwargs)

        return __init__

    def starting(original: Function) -> Function:
        def initiate_chat(self: Any, *args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: _begun(original, self, args, kwargs, asynchronous=False)):
                return original(self, *args, **kwargs)

        return initiate_chat

    def a_starting(original: Function) -> Function:
        async def a_initiate_chat(self: Any, *args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: _begun(original, self, args, kwargs, asynchronous=True)):
                return await original(self, *args, **kwargs)

        return a_initiate_chat

    def queueing(original: Function) -> Function:
        def initiate_chats(*args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: _queued(args, kwargs)):
                return original(*args, **kwargs)

        return initiate_chats

    def a_queueing(original: Function) -> Function:
        async def a_initiate_chats(*args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: _queued(args, kwargs, asynchronous=True)):
                return await original(*args, **kwargs)

        return a_initiate_chats

    def replying(original: Function) -> Function:
        def generate_reply(self: Any, *args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: _once(self)):
                return original(self, *args, **kwargs)

        return generate_reply

    patches.wrap(ConversableAgent, "__init__", making)
    patches.wrap(ConversableAgent, "initiate_chat", starting)
    patches.wrap(ConversableAgent, "a_initiate_chat", a_starting)
    patches.wrap(ConversableAgent, "initiate_chats", queueing)
    patches.wrap(ConversableAgent, "a_initiate_chats", a_queueing)
    patches.wrap(ConversableAgent, "generate_reply", replying)
    for module in (chat, autogen, autogen.agentchat):
        patches.wrap(module, "initiate_chats", queueing)
        patches.wrap(module, "a_initiate_chats", a_queueing)
    patches.wrap(docker_commandline_code_executor.DockerCommandLineCodeExecutor, "__init__", _contained)
    for module in (autogen, autogen.oai, openai_utils):
        patches.wrap(module, "config_list_from_json", _configured)
    # Nothing is run, so no Docker is needed to see that it would be.
    patches.wrap(conversable_agent, "check_can_use_docker_or_throw", lambda _original: lambda *_args, **_kwargs: None)


def _configured(original: Function) -> Function:
    """Give the models that are asked for where there is no list of them on this machine: nobody asks them anything."""

    def config_list_from_json(*args: Any, **kwargs: Any) -> Any:
        try:
            found = original(*args, **kwargs)
        except FileNotFoundError:
            found = []
        if found and any(entry.get("model") != UNKNOWN_MODEL for entry in found):
            return found
        models = (kwargs.get("filter_dict") or {}).get("model") or [UNKNOWN_MODEL]
        return [{"model": next(iter(models)), "api_key": NO_KEY}]

    return config_list_from_json


def _contained(original: Function) -> Function:
    """Keep how a Docker executor was made, and start no container."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        given = bound(original, self, args, kwargs)
        self._container_create_kwargs = given.get("container_create_kwargs")
        self._work_dir = Path(given.get("work_dir") or ".")
        self._bind_dir = Path(given.get("bind_dir") or self._work_dir)
        self._timeout = given.get("timeout", 60)
        self._cleanup = lambda: None

    return __init__


def _begun(
    original: Function, agent: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, asynchronous: bool
) -> Any:
    given = bound(original, agent, args, kwargs)
    settings = {key: given[key] for key in ("max_turns", "summary_method", "clear_history") if key in given}
    plans = Plans()
    return plans.chat(agent, given["recipient"], asynchronous=asynchronous, **settings), plans


def _queued(args: tuple[Any, ...], kwargs: Mapping[str, Any], *, asynchronous: bool = False) -> Any:
    plans = Plans()
    agent = args[0] if args and hasattr(args[0], "generate_reply") else None
    queue = kwargs.get("chat_queue") or args[-1]
    return plans.queue([{**chat, "asynchronous": asynchronous} for chat in queue], agent), plans


def _once(agent: Any) -> Any:
    plans = Plans()
    asks = Voice(name="whoever asks", limit=0)
    return Talk(starter=asks, recipient=plans.voice(agent, None, ()), max_turns=1), plans


def alone(found: Any) -> tuple[Plan, Plans]:
    """Plan a chat that somebody begins with *found*, an agent or a group's manager, and goes on with for ever."""
    plans = Plans()
    somebody = Voice(name="whoever talks to it", limit=None, human=True)
    if getattr(found, "groupchat", None) is not None:
        group = plans.chat(found, found)
        if isinstance(group, Group):
            return replace(group, starter=somebody), plans
    return Talk(starter=somebody, recipient=plans.voice(found, None, ())), plans


def describe(found: Any, captured: Captured) -> Agent:
    """Describe a classic agent."""
    role = str(getattr(found, "system_message", "") or "")
    description = str(getattr(found, "description", "") or "")
    standard = {*_ROLES, *(str(getattr(kind, "DEFAULT_SYSTEM_MESSAGE", "")) for kind in type(found).__mro__)}
    standing = {
        str(text)
        for kind in type(found).__mro__
        for text in _texts(getattr(kind, "DEFAULT_USER_PROXY_AGENT_DESCRIPTIONS", None))
    }
    config = getattr(found, "llm_config", None)
    default = getattr(found, "_default_auto_reply", None)
    return Agent(
        name=str(found.name),
        kind=type(found).__name__,
        place=captured.places.get(id(found)),
        role=role or None,
        default_role=role in standard,
        description=description or None,
        default_description=description in standing or (description == role and role in standard),
        models=tuple(models(config)),
        max_tokens=_max_tokens(config),
        offered=tuple(_offered(config)),
        runs=tuple(sorted(getattr(found, "_function_map", None) or ())),
        code=_code(found),
        human=str(found.human_input_mode),
        predicate=_predicate(found),
        reply_limit=getattr(found, "_max_consecutive_auto_reply", None),
        default_reply=default if isinstance(default, str) else None,
        manager=getattr(found, "groupchat", None) is not None,
    )


def members(captured: Captured, plans: Iterable[Plans]) -> list[Any]:
    """List the agents of the conversations that were begun, then all others that were made."""
    met = [agent for each in plans for agent in each.met.values()]
    made = [found for found in captured.made if hasattr(found, "_reply_func_list")]
    every = {id(agent): agent for agent in group_of([*met, *made])}
    return [agent for agent in every.values() if agent.name not in _INTERNAL]


def secrets(found: Any) -> list[str]:
    """Give the keys that an agent holds. For comparison alone: they are never shown."""
    config = getattr(found, "llm_config", None)
    held = []
    for entry in (config, *_entries(config)):
        key = entry.get("api_key") if hasattr(entry, "get") else getattr(entry, "api_key", None)
        key = plain_key(key)
        if isinstance(key, str) and key:
            held.append(key)
    return held


def _entries(config: Any) -> list[Any]:
    if not config:
        return []
    entries = config.get("config_list") if hasattr(config, "get") else getattr(config, "config_list", None)
    return list(entries or [])


def _max_tokens(config: Any) -> int | None:
    for entry in (config, *_entries(config)):
        value = entry.get("max_tokens") if hasattr(entry, "get") else getattr(entry, "max_tokens", None)
        if isinstance(value, int):
            return value
    return None


def _offered(config: Any) -> list[str]:
    if not config or not hasattr(config, "get"):
        return []
    tools = [tool.get("function", {}).get("name") for tool in config.get("tools") or ()]
    return sorted(
        {str(name) for name in (*tools, *(each.get("name") for each in config.get("functions") or ())) if name}
    )


def _code(found: Any) -> Code | None:
    executor = getattr(found, "_code_executor", None)
    settings = getattr(found, "_code_execution_config", None)
    if executor is not None:
        return Code(executor=type(executor).__name__, sandboxed=sandboxed(executor), unsafe=tuple(unsafe(executor)))
    if settings:
        docker = code_in_docker(settings)
        bound = settings.get("work_dir") if docker and isinstance(settings, Mapping) else None
        open_to = folder(bound) if bound else None
        return Code(
            executor="docker" if docker else "this machine",
            sandboxed=docker,
            unsafe=() if open_to is None else (open_to,),
        )
    return None


def _predicate(found: Any) -> Predicate | None:
    function = vars(found).get("_is_termination_msg")
    if function is None:
        return None
    name = str(getattr(function, "__qualname__", None) or type(function).__qualname__)
    standard = str(getattr(function, "__module__", None) or "").startswith("autogen.") and "<lambda>" in name
    fails = None
    try:
        function({"content": None, "role": "assistant"})
    except Exception as error:  # noqa: BLE001 - whether it can be asked is the question
        fails = type(error).__name__
    return Predicate(
        name="the framework's own" if standard else named(function),
        default=standard,
        fails=fails,
        exact=_exact(function),
    )


def _exact(function: Any) -> bool:
    try:
        bare = function({"content": "TERMINATE", "role": "assistant"})
        within = function({"content": "That is all. TERMINATE", "role": "assistant"})
    except Exception:  # noqa: BLE001 - told already
        return False
    return bool(bare) and not within


def _texts(found: Any) -> list[str]:
    return [str(text) for text in found.values() if text] if isinstance(found, Mapping) else []
