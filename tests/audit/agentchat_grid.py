"""AgentChat set-ups from a grid of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tests.audit.agentchat_arena import ask_person, client

Built = Callable[[], Any]


def cases() -> Iterator[tuple[str, Built]]:
    """Yield each set-up by its name."""
    yield from _round_robin()
    yield from _combined()
    yield from _tools()
    yield from _selector()
    yield from _swarm()
    yield from _inside()
    yield from _graphs()
    yield from _magentic()
    yield from _people()
    yield from _hidden()


def look() -> str:
    """Look it up."""
    return "nothing there"


def _agent(name: str, **more: Any) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, model_client=client(), **more)


def _person(name: str = "person") -> Any:
    from autogen_agentchat.agents import UserProxyAgent

    return UserProxyAgent(name, input_func=ask_person)


def _agents(count: int, **more: Any) -> list[Any]:
    return [_agent("abcdef"[n], **more) for n in range(count)]


def _rr(members: list[Any], condition: Any = None, max_turns: int | None = None, **more: Any) -> Any:
    from autogen_agentchat.teams import RoundRobinGroupChat

    return RoundRobinGroupChat(members, termination_condition=condition, max_turns=max_turns, **more)


def _conditions() -> dict[str, Callable[[], Any]]:
    from autogen_agentchat import conditions as c

    return {
        "max 1": lambda: c.MaxMessageTermination(1),
        "max 2": lambda: c.MaxMessageTermination(2),
        "max 5": lambda: c.MaxMessageTermination(5),
        "max 9": lambda: c.MaxMessageTermination(9),
        "word": lambda: c.TextMentionTermination("TERMINATE"),
        "stop": c.StopMessageTermination,
        "handoff": lambda: c.HandoffTermination("user"),
        "call": lambda: c.FunctionCallTermination("look"),
        "time": lambda: c.TimeoutTermination(36_000),
        "outside": c.ExternalTermination,
        "from b": lambda: c.SourceMatchTermination(["b"]),
        "from nobody": lambda: c.SourceMatchTermination(["nobody"]),
        "text": c.TextMessageTermination,
        "text from a": lambda: c.TextMessageTermination("a"),
        "tokens 7": lambda: c.TokenUsageTermination(max_total_token=7),
        "prompt 5": lambda: c.TokenUsageTermination(max_prompt_token=5),
        "answer 5": lambda: c.TokenUsageTermination(max_completion_token=5),
    }


def _round_robin() -> Iterator[tuple[str, Built]]:
    for name, make in _conditions().items():
        for count in (1, 3):
            yield f"turns of {count} until {name}", lambda make=make, count=count: _rr(_agents(count), make())
    for limit, count in itertools.product((1, 2, 4, 7), (1, 2, 3)):
        yield f"turns of {count}, {limit} of them", lambda limit=limit, count=count: _rr(_agents(count), None, limit)
    yield "turns without end", lambda: _rr(_agents(2))
    for name in ("max 5", "word", "from b"):
        yield f"turns, 3 of them or {name}", lambda name=name: _rr(_agents(2), _conditions()[name](), 3)


def _combined() -> Iterator[tuple[str, Built]]:
    pairs = [
        ("max 5", "word"), ("max 2", "max 9"), ("word", "stop"), ("from b", "max 9"), ("max 5", "time"),
        ("max 5", "tokens 7"), ("from b", "word"), ("outside", "max 5"), ("text from a", "from b"),
        ("tokens 7", "from b"),
    ]  # fmt: skip
    for one, other in pairs:
        yield (
            f"{one} or {other}",
            lambda one=one, other=other: _rr(_agents(3), _conditions()[one]() | _conditions()[other]()),
        )
        yield (
            f"{one} and {other}",
            lambda one=one, other=other: _rr(_agents(3), _conditions()[one]() & _conditions()[other]()),
        )
    of = _conditions
    yield "(max 5 or word) and from b", lambda: _rr(_agents(3), (of()["max 5"]() | of()["word"]()) & of()["from b"]())
    yield "(max 5 and word) or max 9", lambda: _rr(_agents(3), (of()["max 5"]() & of()["word"]()) | of()["max 9"]())
    yield "(max 5 and from b) or word", lambda: _rr(_agents(3), (of()["max 5"]() & of()["from b"]()) | of()["word"]())
    yield "(word or stop) and max 5", lambda: _rr(_agents(3), (of()["word"]() | of()["stop"]()) & of()["max 5"]())
    yield (
        "(word and max 2) or (stop and max 2)",
        lambda: _rr(_agents(3), (of()["word"]() & of()["max 2"]()) | (of()["stop"]() & of()["max 2"]())),
    )
    yield (
        "(max 2 or from b) and (max 5 or word)",
        lambda: _rr(_agents(3), (of()["max 2"]() | of()["from b"]()) & (of()["max 5"]() | of()["word"]())),
    )
    yield "word and max 2, at most 4 turns", lambda: _rr(_agents(2), of()["word"]() & of()["max 2"](), 4)


def _tools() -> Iterator[tuple[str, Built]]:
    for rounds, reflects in itertools.product((1, 2, 4), (False, True)):
        yield (
            f"one asked, {rounds} rounds, reflects {reflects}",
            lambda rounds=rounds, reflects=reflects: _agent(
                "a", tools=[look], max_tool_iterations=rounds, reflect_on_tool_use=reflects
            ),
        )
        yield (
            f"turns with tools, {rounds} rounds, reflects {reflects}",
            lambda rounds=rounds, reflects=reflects: _rr(
                _agents(2, tools=[look], max_tool_iterations=rounds, reflect_on_tool_use=reflects), None, 3
            ),
        )
    yield "one asked without tools", lambda: _agent("a", max_tool_iterations=5, reflect_on_tool_use=True)
    for name in ("max 5", "call", "text from a", "text"):
        yield f"turns with tools until {name}", lambda name=name: _rr(_agents(2, tools=[look]), _conditions()[name]())
    yield "events count as messages", _events
    yield (
        "one with tools, one without",
        lambda: _rr([_agent("a", tools=[look], max_tool_iterations=3), _agent("b")], None, 5),
    )
    yield "an agent as a tool, one at a time", lambda: _agent_tool(parallel=False)
    yield "a team as a tool, one at a time", _team_tool


def _events() -> Any:
    from autogen_agentchat.conditions import MaxMessageTermination

    return _rr(_agents(2, tools=[look]), MaxMessageTermination(6, include_agent_event=True))


def _agent_tool(*, parallel: bool) -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.tools import AgentTool

    inner = AssistantAgent("ask_inner", model_client=client(), description="Inner.")
    return AssistantAgent("a", model_client=client(parallel=parallel), tools=[AgentTool(inner)], max_tool_iterations=3)


def _team_tool() -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.tools import TeamTool

    tool = TeamTool(_rr(_agents(2), None, 3), name="ask_team", description="Ask the team.")
    return AssistantAgent("z", model_client=client(parallel=False), tools=[tool], max_tool_iterations=2)


def _selector() -> Iterator[tuple[str, Built]]:
    for count, turns, attempts, repeats in itertools.product((2, 3), (1, 4), (1, 3), (False, True)):
        yield (
            f"picked of {count}, {turns} turns, {attempts} attempts, repeats {repeats}",
            lambda count=count, turns=turns, attempts=attempts, repeats=repeats: _select(
                _agents(count), None, turns, max_selector_attempts=attempts, allow_repeated_speaker=repeats
            ),
        )
    for name in ("max 5", "word", "from b", "max 1", "tokens 7"):
        yield f"picked until {name}", lambda name=name: _select(_agents(3), _conditions()[name]())
    yield "picked without end", lambda: _select(_agents(2))
    yield "picked by a function", lambda: _select(_agents(3), None, 4, selector_func=lambda messages: "b")
    yield (
        "picked by a function that leaves it",
        lambda: _select(_agents(3), None, 4, selector_func=lambda messages: None),
    )
    yield (
        "picked by a function, until the word",
        lambda: _select(_agents(3), _conditions()["word"](), selector_func=lambda messages: "b"),
    )
    yield "picked of candidates", lambda: _select(_agents(3), None, 4, candidate_func=lambda messages: ["a", "b"])


def _select(members: list[Any], condition: Any = None, max_turns: int | None = None, **more: Any) -> Any:
    from autogen_agentchat.teams import SelectorGroupChat

    return SelectorGroupChat(
        members, model_client=client(), termination_condition=condition, max_turns=max_turns, **more
    )


def _swarm() -> Iterator[tuple[str, Built]]:
    for name in ("max 5", "word", "handoff", "from b", "time"):
        yield f"handed over until {name}", lambda name=name: _swarm_of(_conditions()[name]())
    for turns in (1, 3, 6):
        yield f"handed over, {turns} turns", lambda turns=turns: _swarm_of(None, turns)
    yield "handed over with tools", lambda: _swarm_of(None, 3, tools=[look], max_tool_iterations=3)
    yield "handed over without end", lambda: _swarm_of(None)
    yield "max 5 and word, handed over", lambda: _swarm_of(_conditions()["max 5"]() & _conditions()["word"]())
    yield "max 5 or word, handed over", lambda: _swarm_of(_conditions()["max 5"]() | _conditions()["word"]())


def _swarm_of(condition: Any, max_turns: int | None = None, **more: Any) -> Any:
    from autogen_agentchat.teams import Swarm

    members = [_agent("a", handoffs=["b"], **more), _agent("b", handoffs=["a"], **more)]
    return Swarm(members, termination_condition=condition, max_turns=max_turns)


def _inside() -> Iterator[tuple[str, Built]]:
    from autogen_agentchat.agents import SocietyOfMindAgent

    def society(inner: Any) -> Any:
        return SocietyOfMindAgent("society", team=inner, model_client=client())

    for inner, outer in itertools.product(("max 2", "max 5", "word"), ("max 5", "word")):
        yield (
            f"society until {inner}, outside until {outer}",
            lambda inner=inner, outer=outer: _rr(
                [society(_rr(_agents(2), _conditions()[inner]())), _agent("z")], _conditions()[outer]()
            ),
        )
    for inner, outer in itertools.product((1, 3), (1, 4)):
        yield (
            f"society of {inner} turns, {outer} outside",
            lambda inner=inner, outer=outer: _rr([society(_rr(_agents(2), None, inner)), _agent("z")], None, outer),
        )
        yield (
            f"team of {inner} turns within {outer}",
            lambda inner=inner, outer=outer: _rr([_rr(_agents(2), None, inner, name="team"), _agent("z")], None, outer),
        )
    yield (
        "team within until the word",
        lambda: _rr([_rr(_agents(2), _conditions()["word"](), name="team"), _agent("z")], None, 3),
    )
    yield (
        "team within, outside max 9",
        lambda: _rr([_rr(_agents(2), None, 2, name="team"), _agent("z")], _conditions()["max 9"]()),
    )
    yield "society asked alone", lambda: society(_rr(_agents(2), None, 3))
    yield "filtered", _filtered
    yield "team picked", lambda: _select([_rr(_agents(2), None, 2, name="team"), _agent("z")], None, 3)


def _filtered() -> Any:
    from autogen_agentchat.agents import MessageFilterAgent, MessageFilterConfig, PerSourceFilter

    only = MessageFilterConfig(per_source=[PerSourceFilter(source="user", position="first", count=1)])
    return _rr([MessageFilterAgent(name="f", wrapped_agent=_agent("f"), filter=only), _agent("z")], None, 4)


def _graphs() -> Iterator[tuple[str, Built]]:
    yield "graph in a line", lambda: _graph(["ab", "bc"])
    yield "graph that forks", lambda: _graph(["ab", "ac", "bd", "cd"])
    yield "graph that forks, any", lambda: _graph(["ab", "ac", "bd", "cd"], any_=True)
    yield "graph that forks, 2 turns", lambda: _graph(["ab", "ac", "bd", "cd"], max_turns=2)
    yield "graph that forks, max 3", lambda: _graph(["ab", "ac", "bd", "cd"], condition="max 5")
    yield "graph that forks unevenly, any", lambda: _graph(["ab", "ac", "bd", "cd", "de", "ae"], any_=True)
    yield "graph with two ways", lambda: _graph([("ab", "left"), ("ac", "right")])
    yield "graph that comes back, until the word", lambda: _graph(_BACK, condition="word", any_=True)
    yield "graph that comes back, max 5", lambda: _graph(_BACK, condition="max 5", any_=True)
    yield "graph that comes back, 4 turns", lambda: _graph(_BACK, max_turns=4, any_=True)
    yield "graph that waits for itself", lambda: _graph(_BACK, condition="word", start="a")
    yield "graph that comes back if a function says so", lambda: _graph(_ASKED, condition="word", any_=True, start="a")
    yield (
        "graph that comes back if a function says so, 4 turns",
        lambda: _graph(_ASKED, max_turns=4, any_=True, start="a"),
    )
    yield "graph with tools", lambda: _graph(["ab", "bc"], tools=[look], max_tool_iterations=2)
    yield "graph of one", lambda: _graph([], nodes="a")
    yield (
        "graph that comes back twice",
        lambda: _graph(
            ["ab", "bc", ("ca", "again"), ("cb", "left"), ("cd", "yes")], condition="word", any_=True, start="a"
        ),
    )
    yield "graph of two beginnings", lambda: _graph(["ac", "bc"])


_ASKED = ["ab", ("ba", lambda message: "again" in message.to_text()), ("bc", lambda message: True)]
_BACK = ["ab", ("ba", "again"), ("bc", "yes")]


def _graph(
    ways: list[Any],
    *,
    condition: Any = None,
    max_turns: int | None = None,
    any_: bool = False,
    start: str | None = None,
    nodes: str = "",
    **more: Any,
) -> Any:
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    pairs = [way if isinstance(way, tuple) else (way, None) for way in ways]
    agents = {name: _agent(name, **more) for name in sorted({*nodes, *"".join(pair for pair, _ in pairs)})}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent, activation="any" if any_ else "all")
    for (one, other), when in pairs:
        builder.add_edge(agents[one], agents[other], condition=when, activation_condition="any" if any_ else "all")
    if start or any(other == "a" for (_, other), _ in pairs):
        builder.set_entry_point(agents[start or "a"])
    return GraphFlow(
        list(agents.values()),
        graph=builder.build(),
        termination_condition=_conditions()[condition]() if isinstance(condition, str) else condition,
        max_turns=max_turns,
    )


def _magentic() -> Iterator[tuple[str, Built]]:
    for turns, stalls in itertools.product((1, 3), (1, 3)):
        yield f"ledger, {turns} turns, {stalls} stalls", lambda turns=turns, stalls=stalls: _ledger(turns, stalls)
    yield "ledger, max 5", lambda: _ledger(2, 3, _conditions()["max 5"]())
    yield "ledger with tools", lambda: _ledger(2, 3, tools=[look], max_tool_iterations=3, reflect_on_tool_use=True)


def _ledger(turns: int | None, stalls: int, condition: Any = None, **more: Any) -> Any:
    from autogen_agentchat.teams import MagenticOneGroupChat

    return MagenticOneGroupChat(
        _agents(2, **more), model_client=client(), max_turns=turns, max_stalls=stalls, termination_condition=condition
    )


def _people() -> Iterator[tuple[str, Built]]:
    yield "a person who may say the word", lambda: _rr([_agent("a"), _person()], _conditions()["word"]())
    yield (
        "a person who may say the word, max 5",
        lambda: _rr([_agent("a"), _person()], _conditions()["word"]() | _conditions()["max 5"]()),
    )
    yield "a person whose word does not count", lambda: _rr([_agent("a"), _person()], _word_of("a"))
    yield "a person whose word alone counts", lambda: _rr([_agent("a"), _person()], _word_of("person"))
    yield (
        "a person who is picked or not",
        lambda: _select([_agent("a"), _person(), _agent("b")], _conditions()["word"]()),
    )
    yield "a person in 4 turns", lambda: _rr([_agent("a"), _person()], None, 4)
    yield "a person without a word", lambda: _rr([_agent("a"), _person()])
    yield "a person has spoken", lambda: _rr([_agent("a"), _agent("b"), _person()], _from("person"))
    yield "a person and tokens", lambda: _rr([_agent("a"), _person()], _conditions()["tokens 7"]())
    yield (
        "the word and max 2, with a person",
        lambda: _rr([_agent("a"), _person()], _conditions()["word"]() & _conditions()["max 2"]()),
    )
    yield "a person alone", lambda: _rr([_person()], _conditions()["word"]())


def _word_of(source: str) -> Any:
    from autogen_agentchat.conditions import TextMentionTermination

    return TextMentionTermination("TERMINATE", sources=[source])


def _from(source: str) -> Any:
    from autogen_agentchat.conditions import SourceMatchTermination

    return SourceMatchTermination([source])


def _hidden() -> Iterator[tuple[str, Built]]:
    yield "a function ends it", lambda: _rr(_agents(2), _after(6))
    yield "a function never ends it", lambda: _rr(_agents(2), _after(10**9))
    yield "a function ends it, or max 5", lambda: _rr(_agents(2), _after(9) | _conditions()["max 5"]())
    yield "a function ends it, and max 5", lambda: _rr(_agents(2), _after(6) & _conditions()["max 5"]())
    yield "a function ends it, and the word", lambda: _rr(_agents(2), _after(6) & _conditions()["word"]())
    yield "an agent of one's own, 3 turns", lambda: _rr([_own(), _agent("a")], None, 3)
    yield "a condition of one's own", lambda: _rr(_agents(2), _own_condition())


def _after(count: int) -> Any:
    from autogen_agentchat.conditions import FunctionalTermination

    heard: list[Any] = []

    def enough(messages: Any) -> bool:
        heard.extend(messages)
        return len(heard) >= count

    return FunctionalTermination(enough)


def _own() -> Any:
    from autogen_agentchat.agents import BaseChatAgent
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import TextMessage

    class Own(BaseChatAgent):
        @property
        def produced_message_types(self) -> Any:
            return (TextMessage,)

        async def on_messages(self, messages: Any, cancellation_token: Any) -> Any:
            return Response(chat_message=TextMessage(content="mine", source=self.name))

        async def on_reset(self, cancellation_token: Any) -> None:
            return None

    return Own("own", "One's own.")


def _own_condition() -> Any:
    from autogen_agentchat.base import TerminationCondition

    class Never(TerminationCondition):
        @property
        def terminated(self) -> bool:
            return False

        async def __call__(self, messages: Any) -> None:
            return None

        async def reset(self) -> None:
            return None

    return Never()
