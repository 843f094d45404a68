"""Have a conversation go on that is over: who began it says one thing more, to the same agents as they are.

This is done where the conversation would return to the program, so that what it needs (clients, executors, an event
loop) is still there; the program gets the result of all of it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.adapters.patching import Patches
from harness.scopes import current

if TYPE_CHECKING:
    from harness.adapters.patching import Function

_MODULES = ("autogen", "autogen_agentchat", "ag2")
_KEPT = ("max_turns", "silent")


def say(texts: Mapping[int, str]) -> Callable[[], None]:
    """Let each of *texts* be said after the conversation of its number, of those the program begins, from 1.

    What is said so is the next conversation. Give what undoes it. A framework that is imported later is attended to
    then.
    """
    onward = _Onward(texts)
    for module in _MODULES:
        if module in sys.modules:
            onward.attend(module)
        else:
            import wrapt

            wrapt.register_post_import_hook(onward.imported, module)
    return onward.stop


class _Onward:
    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self._over = 0
        self._patches: Patches | None = Patches()

    def imported(self, module: ModuleType) -> None:
        """Attend to a framework that the program imports now."""
        self.attend(module.__name__)

    def stop(self) -> None:
        """Leave the frameworks as they were."""
        if self._patches is not None:
            self._patches.undo()
            self._patches = None

    def attend(self, module: str) -> None:
        """Watch the conversations of a framework."""
        if self._patches is None:
            return
        wrap = self._patches.wrap
        if module == "autogen" and hasattr(sys.modules[module], "ConversableAgent"):
            from autogen import ConversableAgent

            wrap(ConversableAgent, "initiate_chat", self._chat)
            wrap(ConversableAgent, "a_initiate_chat", self._a_chat)
        elif module == "autogen_agentchat":
            from autogen_agentchat.agents import BaseChatAgent
            from autogen_agentchat.teams import BaseGroupChat

            wrap(BaseGroupChat, "run_stream", self._stream)
            wrap(BaseChatAgent, "run_stream", self._stream)
            wrap(BaseChatAgent, "run", self._run)
        elif module == "ag2":
            from ag2.agent import Agent, AgentReply

            wrap(Agent, "ask", self._ask)
            wrap(AgentReply, "ask", self._ask)

    def _more(self, *, outermost: bool) -> str | None:
        """Give what is said after the conversation that is over, if anything; counted where the program began it."""
        self._over += outermost
        return self._texts.get(self._over) if outermost else None

    def _chat(self, original: Function) -> Function:
        def initiate_chat(agent: Any, recipient: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = current() is None
            result = original(agent, recipient, *args, **kwargs)
            more = self._more(outermost=outermost)
            if more is None:
                return result
            return agent.initiate_chat(recipient, message=more, clear_history=False, **_kept(kwargs))

        return initiate_chat

    def _a_chat(self, original: Function) -> Function:
        async def a_initiate_chat(agent: Any, recipient: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = current() is None
            result = await original(agent, recipient, *args, **kwargs)
            more = self._more(outermost=outermost)
            if more is None:
                return result
            return await agent.a_initiate_chat(recipient, message=more, clear_history=False, **_kept(kwargs))

        return a_initiate_chat

    def _stream(self, original: Function) -> Function:
        async def run_stream(whom: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            outermost = current() is None
            async for item in original(whom, *args, **kwargs):
                yield item
            more = self._more(outermost=outermost)
            if more is not None:
                async for item in whom.run_stream(task=more):
                    yield item

        return run_stream

    def _run(self, original: Function) -> Function:
        async def run(whom: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = current() is None
            result = await original(whom, *args, **kwargs)
            more = self._more(outermost=outermost)
            return result if more is None else await whom.run(task=more)

        return run

    def _ask(self, original: Function) -> Function:
        async def ask(whom: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = current() is None
            reply = await original(whom, *args, **kwargs)
            more = self._more(outermost=outermost)
            return reply if more is None else await reply.ask(more)

        return ask


def _kept(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kwargs[name] for name in _KEPT if name in kwargs}
