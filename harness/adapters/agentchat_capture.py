"""See which AgentChat agents and teams a program makes and runs, and describe them. Nothing is asked of anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.adapters import agentchat_audit as audit
from harness.adapters.agentchat_models import model_of
from harness.adapters.agentchat_setup import _each
from harness.adapters.capturing import Captured, plain_key
from harness.adapters.classic_agents import bound
from harness.adapters.containers import unsafe
from harness.adapters.patching import Function, Patches
from harness.setups import Agent, Code

MODULE = "autogen_agentchat"
_DOCKER = "autogen_ext.code_executors.docker._docker_code_executor"
_APART = frozenset({"DockerCommandLineCodeExecutor", "ACADynamicSessionsCodeExecutor", "DockerJupyterCodeExecutor"})


def attach(captured: Captured, patches: Patches) -> None:
    """Put the hooks in place. The framework is imported by now."""
    import wrapt
    from autogen_agentchat.agents import BaseChatAgent
    from autogen_agentchat.teams import BaseGroupChat

    def making(original: Function) -> Function:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
            captured.make(self)
            original(self, *args, **kwargs)

        return __init__

    def running(original: Function) -> Function:
        async def run_stream(self: Any, *args: Any, **kwargs: Any) -> Any:
            task = bound(original, self, args, kwargs).get("task")
            with captured.conversation(MODULE, lambda: audit.plan(self, _count(task)), self):
                async for item in original(self, *args, **kwargs):
                    yield item

        return run_stream

    def asking(original: Function) -> Function:
        async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            task = bound(original, self, args, kwargs).get("task")
            with captured.conversation(MODULE, lambda: audit.plan(self, _count(task)), self):
                return await original(self, *args, **kwargs)

        return run

    def see(kind: type) -> None:
        patches.wrap(kind, "on_messages", _answering(captured))

    wrapt.register_post_import_hook(
        lambda module: patches.wrap(module.DockerCommandLineCodeExecutor, "start", _started), _DOCKER
    )
    for base in (BaseChatAgent, BaseGroupChat):
        patches.wrap(base, "__init__", making)
        patches.wrap(base, "run_stream", running)
        patches.wrap(base, "run", asking)
    patches.each(BaseChatAgent, see)


def _started(_original: Function) -> Function:
    async def start(self: Any) -> None:
        """Start no container: nothing is run in it."""

    return start


def _answering(captured: Captured) -> Any:
    def answering(original: Function) -> Function:
        async def on_messages(self: Any, *args: Any, **kwargs: Any) -> Any:
            with captured.conversation(MODULE, lambda: audit.plan(self), self):
                return await original(self, *args, **kwargs)

        return on_messages

    return answering


def _count(task: Any) -> int:
    return len(task) if isinstance(task, Sequence) and not isinstance(task, str) else 0 if task is None else 1


def roots(captured: Captured) -> list[Any]:
    """List the teams that are within no other, and that nobody was asked yet."""
    found = [each for each in captured.made if hasattr(each, "_participants")]
    within = {id(inner) for each in captured.made for inner in audit.inside(each) if inner is not each}
    within |= {id(inner) for begun in captured.begun if begun.who is not None for inner in audit.inside(begun.who)}
    return [each for each in found if id(each) not in within]


def members(captured: Captured) -> list[Any]:
    """List every agent and team that was made."""
    every = {id(one): one for each in captured.made if _ours(each) for one in audit.inside(each)}
    return list(every.values())


def _ours(found: Any) -> bool:
    return hasattr(found, "_participants") or hasattr(found, "on_messages_stream")


def describe(found: Any, captured: Captured) -> Agent:
    """Describe an agent, or a team as its manager."""
    client, executor = getattr(found, "_model_client", None), getattr(found, "_code_executor", None)
    messages = getattr(found, "_system_messages", None) or []
    role = str(getattr(messages[0], "content", "") or "") if messages else ""
    description = str(getattr(found, "description", "") or "")
    offered = [str(tool.name) for bench in _each(getattr(found, "_workbench", None)) for tool in _tools(bench)]
    team = hasattr(found, "_participants")
    settings = getattr(client, "_create_args", None)
    written = settings.get("max_tokens") if isinstance(settings, Mapping) else None
    return Agent(
        name=str(getattr(found, "name", "")),
        kind=type(found).__name__,
        place=captured.places.get(id(found)),
        role=role or None,
        default_role=role.startswith("You are a helpful AI assistant. Solve tasks using your tools."),
        description=description or None,
        default_description=description == "An agent that provides assistance with ability to use tools.",
        models=(model_of(client),) if client is not None else _asked_by_itself(found),
        max_tokens=written if isinstance(written, int) else None,
        offered=tuple(sorted(offered)),
        runs=tuple(sorted(offered)),
        code=_code(executor, found) if executor is not None else None,
        human="ALWAYS" if hasattr(found, "input_func") else None,
        approval=getattr(found, "_approval_func", None) is not None,
        manager=team,
    )


def _asked_by_itself(found: Any) -> tuple[str, ...]:
    """Name the model of an agent that asks OpenAI without AgentChat's client."""
    model = getattr(found, "_model", None)
    return (model,) if isinstance(model, str) else ()


def secrets(found: Any) -> list[str]:
    """Give the keys that the model client of *found* holds. For comparison alone: they are never shown."""
    raw = getattr(getattr(found, "_model_client", None), "_raw_config", None)
    key = raw.get("api_key") if isinstance(raw, Mapping) else None
    key = plain_key(key)
    return [key] if isinstance(key, str) and key else []


def _tools(bench: Any) -> list[Any]:
    tools = getattr(bench, "_tools", None)
    return tools if isinstance(tools, list) else []


def _code(executor: Any, found: Any) -> Code:
    names = {cls.__name__ for cls in type(executor).__mro__}
    apart = True if names & _APART else False if "LocalCommandLineCodeExecutor" in names else None
    return Code(
        executor=type(executor).__name__,
        sandboxed=apart,
        unsafe=tuple(unsafe(executor)),
        approved=getattr(found, "_approval_func", None) is not None,
    )
