"""Where an AgentChat agent takes its turn: in a team, in another agent's hands, or asked by the program alone.

An agent that the program runs by itself has a conversation with whoever gave it the task.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.adapters import agentchat_messages, agentchat_openai
from harness.adapters.agentchat_models import Watcher
from harness.adapters.generators import closing, stepped
from harness.adapters.seam import end_here, up
from harness.call import StoppedError
from harness.model import Operation
from harness.trace import Scope, current, safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function

USER = "user"
"""Whom AgentChat takes a task to come from, where it was given as a text."""


class Talks(Watcher, Protocol):
    """What the hooks on agents need of the adapter they report to."""

    def talk(
        self, subject: str, pattern: str, member: Any, notes: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[Scope | None]:
        """Hold a conversation open, with *notes* of who is in it."""

    def spoken(self, scope: Scope, messages: Sequence[Any], recipients: Sequence[str]) -> None:
        """Write each message once, in the conversation *scope*."""


def attach(adapter: Talks, agent: type) -> None:
    """Put hooks onto every class of agents."""

    @safely
    def watch(cls: type) -> None:
        wrap = adapter.patches.wrap
        wrap(cls, "run", lambda original: _run(adapter, original))
        wrap(cls, "run_stream", lambda original: _run_stream(adapter, original))
        wrap(cls, "on_messages", lambda original: _on_messages(adapter, original))
        answering = agentchat_openai.answering
        wrap(
            cls, "on_messages_stream", lambda original: _on_messages_stream(adapter, answering(adapter, cls, original))
        )
        agentchat_openai.watch(adapter, cls)

    adapter.patches.each(agent, watch)


def _run(adapter: Talks, original: Function) -> Function:
    async def run(agent: Any, *args: Any, **kwargs: Any) -> Any:
        if _talks_to(agent):
            return await original(agent, *args, **kwargs)
        with _alone(adapter, agent, agentchat_messages.tasks(kwargs.get("task"))) as scope:
            result = await original(agent, *args, **kwargs)
            _answered(adapter, scope, result)
            return _told(scope, result)

    return run


def _run_stream(adapter: Talks, original: Function) -> Function:
    @stepped
    async def run_stream(agent: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        tasks = agentchat_messages.tasks(kwargs.get("task"))
        with contextlib.nullcontext() if _talks_to(agent) else _alone(adapter, agent, tasks) as scope:
            async with closing(original(agent, *args, **kwargs)) as stream:
                async for item in stream:
                    _answered(adapter, scope, item)
                    yield _told(scope, item)

    return run_stream


def _on_messages(adapter: Talks, original: Function) -> Function:
    async def on_messages(agent: Any, *args: Any, **kwargs: Any) -> Any:
        with _asked(adapter, agent, args, kwargs) as answered:
            try:
                end_here(adapter, str(agent.name))
                response = await original(agent, *args, **kwargs)
            except Exception as error:
                response = _stopped(agent, error)
                if response is None:
                    raise
            answered(response)
            return response

    return on_messages


def _on_messages_stream(adapter: Talks, original: Function) -> Function:
    @stepped
    async def on_messages_stream(agent: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        with _asked(adapter, agent, args, kwargs) as answered:
            try:
                end_here(adapter, str(agent.name))
                async with closing(original(agent, *args, **kwargs)) as stream:
                    async for item in stream:
                        answered(item)
                        yield item
            except Exception as error:
                response = _stopped(agent, error)
                if response is None:
                    raise
                answered(response)
                yield response

    return on_messages_stream


def _stopped(agent: Any, error: Exception) -> Any:
    """Make the response of an agent whose run was stopped; None if it was not that, or is to be raised.

    Some agents make an exception of their own of it: the turn knows better.
    """
    turn = up(Operation.TURN)
    noted = turn.notes.get("stopped") if turn is not None else None
    why = error if isinstance(error, StoppedError) else noted
    if not isinstance(why, StoppedError) or not why.ends:
        return None
    if turn is not None:
        turn.notes["stopped"] = why
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import StopMessage

    return Response(chat_message=StopMessage(content=str(why), source=str(agent.name)))


def _told(scope: Scope | None, item: Any) -> Any:
    """Give the result of an agent that was run alone the reason why it was stopped, if it was."""
    stopped = scope.notes.get("stopped") if scope is not None else None
    if stopped is not None and hasattr(item, "stop_reason") and item.stop_reason is None:
        item.stop_reason = str(stopped)
    return item


@contextlib.contextmanager
def _alone(adapter: Talks, agent: Any, tasks: Sequence[Any]) -> Iterator[Scope | None]:
    """Hold the conversation of one agent with whoever gives it the *tasks*."""
    name = str(agent.name)
    people = {name} if hasattr(agent, "input_func") else set()
    with adapter.talk(name, "agent", agent, {"speaker": name, "agent": agent, "people": people}) as scope:
        _task(adapter, scope, name, tasks)
        yield scope


@safely
def _answered(adapter: Talks, scope: Scope | None, item: Any) -> None:
    """Write what an agent that does not go the usual way answers; know a task again that it was given as a text."""
    if scope is None:
        return
    if hasattr(item, "stop_reason"):
        adapter.spoken(scope, item.messages[-1:], scope.notes["asking"])
    elif scope.notes["texts"] and getattr(item, "source", None) == USER:
        with contextlib.suppress(ValueError):
            scope.notes["texts"].remove(item.content)
            scope.notes["spoken"].add(item.id)


@safely
def _task(adapter: Talks, scope: Scope | None, name: str, tasks: Sequence[Any]) -> None:
    """Write the messages of a task, and note who gave it."""
    if scope is None:
        return
    for task in tasks:
        if isinstance(task, str):
            adapter.trace.spoken(USER, [name], {"role": "user", "parts": agentchat_messages.contents(task)})
        else:
            adapter.spoken(scope, [task], [name])
    given = [USER if isinstance(task, str) else task.source for task in tasks]
    scope.notes.update(
        asking=list(dict.fromkeys(given)) or [USER], texts=[task for task in tasks if isinstance(task, str)]
    )


@contextlib.contextmanager
def _asked(adapter: Talks, agent: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """Hold an agent's turn; and a conversation around it, where the program asks the agent by itself."""
    scope = current()
    turn = _nearest(scope, Operation.TURN)
    if turn is not None and (turn.notes.get("agent") is agent or turn.notes.get("name") == agent.name):
        yield _nothing
        return
    if scope is None or scope.up(Operation.CONVERSATION) is None:
        given = agentchat_messages.tasks(kwargs.get("messages", args[0] if args else ()))
        with _alone(adapter, agent, given), _turn(adapter, agent) as told:
            yield told
        return
    with _turn(adapter, agent) as told:
        yield told


@contextlib.contextmanager
def _turn(adapter: Talks, agent: Any) -> Iterator[Any]:
    with adapter.trace.operation(Operation.TURN, str(agent.name)) as turn:
        if turn is None:
            yield _nothing
            return
        turn.notes.update(agent=agent, name=agent.name)
        talk = turn.up(Operation.CONVERSATION)
        hears = None if talk is None or turn.parent is not talk else _hears(talk, agent)

        def told(item: Any) -> None:
            """Write what the agent does on its way, of which nobody is told, and what it answers."""
            response = hasattr(item, "chat_message")
            inner = (item.inner_messages or ()) if response else [item]
            if talk is not None:
                adapter.spoken(talk, [each for each in inner if agentchat_messages.told(each)], ())
            if talk is not None and hears is not None and response:
                adapter.spoken(talk, [item.chat_message], hears)

        try:
            yield told
        finally:
            if talk is not None and "stopped" in turn.notes:
                talk.notes["stopped"] = turn.notes["stopped"]


def _nothing(_item: object) -> None:
    """Take no notice."""


def others(scope: Scope, name: str) -> list[str]:
    """List who hears *name*: the other members, and the manager where it reads along or nobody else does."""
    notes = scope.notes
    others = [member for member in notes["members"] if member != name]
    reads = name != notes["manager"] and (notes["decides"] or not others)
    return [*others, notes["manager"]] if reads else others


def _hears(talk: Scope, agent: Any) -> Sequence[str] | None:
    """List who hears what *agent* answers in its turn; None if it is no part of the conversation itself."""
    if talk.notes.get("agent") is agent:
        asking: Sequence[str] | None = talk.notes.get("asking")
        return asking
    return others(talk, agent.name) if agent.name in talk.notes.get("members", ()) else None


def _nearest(scope: Scope | None, operation: Operation) -> Scope | None:
    """Find the nearest scope of *operation* within the innermost conversation, itself included."""
    while scope is not None and scope.operation is not operation:
        scope = None if scope.operation is Operation.CONVERSATION else scope.parent
    return scope


def _talks_to(agent: Any) -> bool:
    """Say whether the conversation with this very agent has begun, and nothing else has since."""
    scope = current()
    return scope is not None and scope.notes.get("agent") is agent and scope.operation is Operation.CONVERSATION
