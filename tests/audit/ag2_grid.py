"""AG2 1.x set-ups from a grid of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tests.audit.ag2_arena import Channel, config

Built = Callable[[], Any]


def cases() -> Iterator[tuple[str, Built]]:
    """Yield each set-up by its name."""
    yield "agent", lambda: _agent("a")
    yield "agent with a tool", lambda: _agent("a", tools=[look])
    yield "agent that asks another", lambda: _agent("a", tools=[_agent("b").as_tool(description="Ask b.")])
    yield "agent with sub-tasks", _with_tasks
    yield "agent with the framework's own observer", _observed
    yield "agent with middleware of one's own", _own_middleware
    for turns, count in itertools.product((1, 2, 5, 8), (2, 3)):
        yield f"in turns of {count}, {turns} turns", lambda turns=turns, count=count: _in_turns(count, turns)
    yield "in turns without end", lambda: _in_turns(2, None)
    yield "in turns with the network's tools", lambda: _in_turns(2, 3, plugin=True)
    yield "in turns with a tool", lambda: _in_turns(2, 4, tools=[look])
    yield "one after another", lambda: _line(3, None)
    yield "one after another, 2 turns", lambda: _line(3, 2)
    yield "the same again and again", lambda: _channel(2, lambda ids, t: t.StayTarget(), None)
    yield "the same again and again, 3 turns", lambda: _channel(2, lambda ids, t: t.StayTarget(), 3)
    yield "back to the first, 6 turns", lambda: _channel(3, lambda ids, t: t.RevertToInitiatorTarget(), 6)
    yield "over at once", lambda: _channel(2, lambda ids, t: t.TerminateTarget(), None)
    yield "if a tool is called", _if_called
    yield "a conversation", lambda: Channel(_agents(2), kind="conversation")
    yield "a conversation with a tool", lambda: Channel(_agents(2, tools=[look]), kind="conversation")
    for count in (2, 3):
        yield f"a discussion of {count}", lambda count=count: Channel(_agents(count), kind="discussion")
    yield "one is consulted", lambda: Channel(_agents(2), kind="consulting")
    yield "one with a tool is consulted", lambda: Channel(_agents(2, tools=[look]), kind="consulting")
    for turns in (2, 4):
        yield f"by what the channel knows, {turns} turns", lambda turns=turns: _knowing(turns)
    for turns in (2, 4, None):
        yield f"handed on by a tool, {turns} turns", lambda turns=turns: _handed_on(turns)
        yield f"a line that may go back, {turns} turns", lambda turns=turns: _back(turns)
    yield (
        "an agent that asks one with a tool",
        lambda: _agent("a", tools=[_agent("b", tools=[look]).as_tool(description="Ask b.")]),
    )
    yield "an agent with two observers", _watched


def look() -> str:
    """Look it up."""
    return "nothing there"


def _agent(name: str, **more: Any) -> Any:
    import ag2

    return ag2.Agent(name, config=config(), **more)


def _with_tasks() -> Any:
    import ag2

    return _agent("a", tasks=ag2.TaskConfig())


def _observed() -> Any:
    from ag2.observers import LoopDetector

    return _agent("a", tools=[look], observers=[LoopDetector()])


def _own_middleware() -> Any:
    from ag2.middleware import BaseMiddleware

    class Nothing(BaseMiddleware):
        pass

    return _agent("a", tools=[look], middleware=[Nothing])


def _agents(count: int, **more: Any) -> tuple[Any, ...]:
    return tuple(_agent("abc"[n], **more) for n in range(count))


def _in_turns(count: int, turns: int | None, *, plugin: bool = False, **more: Any) -> Channel:
    from ag2.network import TransitionGraph

    return Channel(_agents(count, **more), lambda ids: TransitionGraph.round_robin(ids, max_turns=turns), plugin=plugin)


def _line(count: int, turns: int | None) -> Channel:
    from ag2.network import AgentTarget, FromSpeaker, Transition, TransitionGraph

    def make(ids: list[str]) -> Any:
        pairs = itertools.pairwise(ids)
        transitions = [Transition(when=FromSpeaker(one), then=AgentTarget(other)) for one, other in pairs]
        return TransitionGraph(initial_speaker=ids[0], transitions=transitions, max_turns=turns)

    return Channel(_agents(count), make)


def _channel(count: int, target: Callable[[list[str], Any], Any], turns: int | None) -> Channel:
    from ag2 import network
    from ag2.network import Always, Transition, TransitionGraph

    def make(ids: list[str]) -> Any:
        return TransitionGraph(
            initial_speaker=ids[0], transitions=[Transition(when=Always(), then=target(ids, network))], max_turns=turns
        )

    return Channel(_agents(count), make)


def _if_called() -> Channel:
    from ag2.network import AgentTarget, ToolCalled, Transition, TransitionGraph

    def make(ids: list[str]) -> Any:
        transitions = [Transition(when=ToolCalled("look"), then=AgentTarget(ids[1]))]
        return TransitionGraph(initial_speaker=ids[0], transitions=transitions)

    return Channel(_agents(2), make)


def _handed_on(turns: int | None) -> Channel:
    from ag2.network import Handoff, TransitionGraph

    def pass_on() -> Handoff:
        """Pass it on."""
        return Handoff(target="b")

    return Channel(_agents(2, tools=[pass_on]), lambda ids: TransitionGraph.round_robin(ids, max_turns=turns))


def _knowing(turns: int) -> Channel:
    from ag2.network import AgentTarget, ContextEquals, FromSpeaker, Transition, TransitionGraph

    def make(ids: list[str]) -> Any:
        transitions = [
            Transition(when=ContextEquals(key="done", value=True), then=AgentTarget(ids[0])),
            Transition(when=FromSpeaker(ids[0]), then=AgentTarget(ids[1])),
        ]
        return TransitionGraph(initial_speaker=ids[0], transitions=transitions, max_turns=turns)

    return Channel(_agents(2), make)


def _back(turns: int | None) -> Channel:
    from ag2.network import AgentTarget, FromSpeaker, Transition, TransitionGraph

    def make(ids: list[str]) -> Any:
        ways = [(0, 1), (1, 2), (2, 1)]
        transitions = [Transition(when=FromSpeaker(ids[one]), then=AgentTarget(ids[other])) for one, other in ways]
        return TransitionGraph(initial_speaker=ids[0], transitions=transitions, max_turns=turns)

    return Channel(_agents(3), make)


def _watched() -> Any:
    from ag2.observers import LoopDetector, TokenMonitor

    return _agent("a", tools=[look], observers=[LoopDetector(), TokenMonitor()])
