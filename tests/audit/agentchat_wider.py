"""More AgentChat set-ups: trees of conditions, clients that tell no tokens, code, people, teams within teams."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.audit import agentchat_grid as grid
from tests.audit.agentchat_arena import client

Built = Callable[[], Any]
_TREES, _DEPTH = 40, 3
_LEAVES = (
    "max 2", "max 5", "max 9", "word", "stop", "handoff", "call", "time", "outside", "from b", "from nobody",
    "text from a", "tokens 7", "answer 5",
)  # fmt: skip


def cases() -> Iterator[tuple[str, Built]]:
    """Yield each set-up by its name."""
    yield from _trees()
    yield from _tokens()
    yield from _code()
    yield from _events()
    yield from _ledgers()
    yield from _graphs()
    yield from _picked()
    yield from _handed()
    yield from _within()
    yield from _asked()


def _trees() -> Iterator[tuple[str, Built]]:
    source = random.Random(6)  # noqa: S311 - chance, not secrets
    for number in range(_TREES):
        text, make = _tree(source, _DEPTH)
        turns = source.choice((None, None, None, 4))
        order = ("turns", "picked", "handed over")[number % 3]
        limit = "" if turns is None else f", {turns} turns"
        yield f"{order} until {text}{limit}", lambda make=make, turns=turns, order=order: _ordered(order, make(), turns)


def _tree(source: random.Random, depth: int) -> tuple[str, Callable[[], Any]]:
    if not depth or (depth < _DEPTH and source.random() < 0.3):
        name = source.choice(_LEAVES)
        return name, grid._conditions()[name]
    (one, make_one), (other, make_other) = _tree(source, depth - 1), _tree(source, depth - 1)
    if source.random() < 0.5:
        return f"({one} or {other})", lambda: make_one() | make_other()
    return f"({one} and {other})", lambda: make_one() & make_other()


def _ordered(order: str, condition: Any, turns: int | None) -> Any:
    if order == "turns":
        return grid._rr(grid._agents(3), condition, turns)
    if order == "picked":
        return grid._select(grid._agents(3), condition, turns)
    return grid._swarm_of(condition, turns)


def _quiet(name: str, **more: Any) -> Any:
    """Give an agent whose server tells no tokens."""
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, model_client=client(base_url="http://127.0.0.1:9/v1"), **more)


def _streaming(name: str, *, usage: bool) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, model_client=client(usage=usage), model_client_stream=True)


def _tokens() -> Iterator[tuple[str, Built]]:
    from autogen_agentchat.conditions import TokenUsageTermination

    tokens = grid._conditions()["tokens 7"]
    yield "tokens of a server that tells none", lambda: grid._rr([_quiet("a"), _quiet("b")], tokens())
    yield "tokens, one server tells none", lambda: grid._rr([_quiet("a"), grid._agent("b")], tokens())
    yield "tokens, one server tells none, picked", lambda: grid._select([_quiet("a"), grid._agent("b")], tokens())
    yield (
        "tokens, one server tells none, anyone picked",
        lambda: grid._select([_quiet("a"), grid._agent("b")], tokens(), allow_repeated_speaker=True),
    )
    yield (
        "tokens, one server tells none, picked of three",
        lambda: grid._select([_quiet("a"), grid._agent("b"), grid._agent("c")], tokens()),
    )
    yield (
        "tokens of a team within, alone",
        lambda: grid._rr([grid._rr(grid._agents(2), None, 2, name="team")], tokens()),
    )
    yield (
        "tokens of a team within that may say nothing",
        lambda: grid._rr(
            [grid._rr([grid._agent(f"{name}1")], grid._conditions()["max 1"](), name=name) for name in ("x", "y")],
            tokens(),
        ),
    )
    yield "picked of two, from b", lambda: grid._select(grid._agents(2), grid._from("b"))
    yield "picked of two, text from a", lambda: grid._select(grid._agents(2), grid._conditions()["text from a"]())
    yield (
        "picked of two, a person's word",
        lambda: grid._select([grid._agent("a"), grid._person()], grid._conditions()["word"]()),
    )
    yield "tokens nobody tells, or max 5", lambda: grid._rr([_quiet("a")], tokens() | grid._conditions()["max 5"]())
    for usage in (False, True):
        yield (
            f"tokens of a stream, asked for {usage}",
            lambda usage=usage: grid._rr([_streaming("a", usage=usage), _streaming("b", usage=usage)], tokens()),
        )
    yield "tokens with tools", lambda: grid._rr(grid._agents(2, tools=[grid.look], max_tool_iterations=2), tokens())
    yield (
        "tokens of a society",
        lambda: grid._rr([_society(grid._rr(grid._agents(2), None, 2)), grid._agent("z")], tokens()),
    )
    for name in ("max 1", "max 2", "word"):
        yield (
            f"tokens of a society alone, inside until {name}",
            lambda name=name: grid._rr([_society(grid._rr(grid._agents(2), grid._conditions()[name](), 3))], tokens()),
        )
    for name in ("max 2", "max 5", "word", "time"):
        yield (
            f"tokens of a society picked or not, inside until {name}",
            lambda name=name: grid._select(
                [_society(grid._rr(grid._agents(2), grid._conditions()[name](), 3)), grid._agent("z")],
                TokenUsageTermination(max_total_token=2),
                allow_repeated_speaker=True,
            ),
        )
    yield (
        "tokens of two societies",
        lambda: grid._rr(
            [_society(grid._rr(grid._agents(2), grid._conditions()["max 2"](), 3), name) for name in ("x", "y")],
            tokens(),
        ),
    )
    yield "tokens of one who runs code", lambda: grid._rr([_coder()], tokens())
    yield "tokens of one who runs code, and another", lambda: grid._rr([_coder(), grid._agent("z")], tokens())


def _executor(code: int) -> Any:
    from autogen_core.code_executor import CodeExecutor, CodeResult

    class Told(CodeExecutor):
        async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> Any:
            return CodeResult(exit_code=code, output="done")

        async def start(self) -> None:
            return None

        async def stop(self) -> None:
            return None

        async def restart(self) -> None:
            return None

    return Told()


def _coder(code: int = 0, *, model: bool = True, **more: Any) -> Any:
    from autogen_agentchat.agents import CodeExecutorAgent

    return CodeExecutorAgent(
        "coder",
        code_executor=_executor(code),
        model_client=client() if model else None,
        **more,
    )


def _code() -> Iterator[tuple[str, Built]]:
    for retries, code in itertools.product((0, 1, 2), (0, 1)):
        yield (
            f"code that ends with {code}, {retries} more tries",
            lambda retries=retries, code=code: grid._rr([_coder(code, max_retries_on_error=retries)], None, 2),
        )
    yield "code of another", lambda: grid._rr([grid._agent("a"), _coder(model=False)], None, 4)
    yield (
        "code of another, max 5",
        lambda: grid._rr([grid._agent("a"), _coder(model=False)], grid._conditions()["max 5"]()),
    )
    yield (
        "code of another until the word",
        lambda: grid._rr([grid._agent("a"), _coder(model=False)], grid._conditions()["word"]()),
    )
    yield "code until it has spoken", lambda: grid._rr([grid._agent("a"), _coder()], grid._from("coder"))


def _events() -> Iterator[tuple[str, Built]]:
    from autogen_agentchat.conditions import MaxMessageTermination

    for limit, rounds in itertools.product((1, 2, 4, 7), (1, 3)):
        yield (
            f"events count, max {limit}, {rounds} rounds",
            lambda limit=limit, rounds=rounds: grid._rr(
                grid._agents(2, tools=[grid.look], max_tool_iterations=rounds),
                MaxMessageTermination(limit, include_agent_event=True),
            ),
        )
    yield (
        "events count, without tools",
        lambda: grid._rr(grid._agents(2), MaxMessageTermination(4, include_agent_event=True)),
    )
    yield (
        "who speaks is told",
        lambda: grid._select(
            grid._agents(3), MaxMessageTermination(4, include_agent_event=True), emit_team_events=True
        ),
    )
    yield (
        "who speaks is told in turns",
        lambda: grid._rr(grid._agents(2), grid._conditions()["max 5"](), emit_team_events=True),
    )


def _ledgers() -> Iterator[tuple[str, Built]]:
    for name in (None, "max 5", "word", "time"):
        yield (
            f"ledger without turns, until {name}",
            lambda name=name: grid._ledger(None, 1, grid._conditions()[name]() if name else None),
        )
    for turns, stalls in itertools.product((1, 4), (1, 2)):
        yield (
            f"ledger of one, {turns} turns, {stalls} stalls",
            lambda turns=turns, stalls=stalls: _lonely(turns, stalls),
        )
    yield "ledger with a person", lambda: _ledger_of([grid._agent("a"), grid._person()], 2)
    yield "ledger with code", lambda: _ledger_of([grid._agent("a"), _coder(1, max_retries_on_error=1)], 2)


def _lonely(turns: int, stalls: int) -> Any:
    return _ledger_of([grid._agent("a")], turns, max_stalls=stalls)


def _ledger_of(members: list[Any], turns: int, **more: Any) -> Any:
    from autogen_agentchat.teams import MagenticOneGroupChat

    return MagenticOneGroupChat(members, model_client=client(), max_turns=turns, **more)


def _graphs() -> Iterator[tuple[str, Built]]:
    of = grid._conditions
    loop: list[Any] = ["ab", "bc", ("ca", "again"), ("cd", "yes")]
    for name in ("max 2", "max 9", "tokens 7", "from b", "time", "text from a"):
        yield (
            f"graph with a loop, until {name}",
            lambda name=name: grid._graph(loop, condition=name, any_=True, start="a"),
        )
    for turns in (1, 3, 7):
        yield (
            f"graph with a loop, {turns} turns",
            lambda turns=turns: grid._graph(loop, max_turns=turns, any_=True, start="a"),
        )
    yield "graph with a loop and no limit", lambda: grid._graph(loop, condition="outside", any_=True, start="a")
    yield "graph with a loop, until from d", lambda: grid._graph(loop, condition=grid._from("d"), any_=True, start="a")
    yield (
        "graph with a loop, until from c or d",
        lambda: grid._graph(loop, condition=grid._from("c") | grid._from("d"), any_=True, start="a"),
    )
    yield (
        "graph with a loop, until from b and c",
        lambda: grid._graph(loop, condition=grid._from("b") & grid._from("c"), any_=True, start="a"),
    )
    yield (
        "graph that forks, until from d",
        lambda: grid._graph(["ab", "ac", ("bd", "yes"), ("cd", "left")], condition=grid._from("d"), any_=True),
    )
    yield "graph with groups that wait", lambda: _grouped("all")
    yield "graph with groups, any", lambda: _grouped("any")
    yield "graph with a loop of two groups, max 9", lambda: _regrouped(of()["max 9"]())
    yield "graph with a loop of two groups, until the word", lambda: _regrouped(of()["word"]())
    yield "graph with a person", lambda: _reviewed(None, 5)
    yield "graph that a person sends back, a function says when", lambda: _reviewed(of()["word"](), None)


def _grouped(every: str) -> Any:
    """Two ways that meet twice, each time in a group of its own."""
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    agents = {name: grid._agent(name) for name in "abcd"}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent, activation=every)
    for one, other, group in (("a", "b", "1"), ("a", "c", "1"), ("b", "d", "1"), ("c", "d", "2")):
        builder.add_edge(agents[one], agents[other], activation_group=group, activation_condition=every)
    return GraphFlow(list(agents.values()), graph=builder.build())


def _regrouped(condition: Any) -> Any:
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    agents = {name: grid._agent(name) for name in "abcd"}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent)
    builder.add_edge(agents["c"], agents["d"], condition="yes")
    builder.add_edge(agents["a"], agents["b"], activation_group="first")
    builder.add_edge(agents["b"], agents["c"])
    builder.add_edge(agents["c"], agents["b"], condition="again", activation_group="back")
    builder.set_entry_point(agents["a"])
    return GraphFlow(list(agents.values()), graph=builder.build(), termination_condition=condition)


def _reviewed(condition: Any, turns: int | None) -> Any:
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    writer, person, end = grid._agent("a"), grid._person(), grid._agent("c")
    builder = DiGraphBuilder()
    for agent in (writer, person, end):
        builder.add_node(agent, activation="any")
    builder.add_edge(writer, person, activation_condition="any")
    builder.add_edge(person, writer, condition=lambda m: "TERMINATE" not in m.to_text(), activation_condition="any")
    builder.add_edge(person, end, condition=lambda m: "TERMINATE" in m.to_text(), activation_condition="any")
    builder.set_entry_point(writer)
    return GraphFlow([writer, person, end], graph=builder.build(), termination_condition=condition, max_turns=turns)


def _picked() -> Iterator[tuple[str, Built]]:
    def others(messages: Any) -> list[str]:
        return [name for name in "abc" if name != messages[-1].source]

    of = grid._conditions
    for repeats in (False, True):
        yield (
            f"picked of the others, repeats {repeats}",
            lambda repeats=repeats: grid._select(
                grid._agents(3), of()["max 5"](), candidate_func=others, allow_repeated_speaker=repeats
            ),
        )
    yield (
        "picked of the others until the word",
        lambda: grid._select(grid._agents(3), of()["word"](), candidate_func=others),
    )
    yield "picked of one", lambda: grid._select(grid._agents(2), None, 4, candidate_func=lambda messages: ["a"])
    yield (
        "picked with tools",
        lambda: grid._select(
            grid._agents(3, tools=[grid.look], max_tool_iterations=2, reflect_on_tool_use=True), of()["max 5"]()
        ),
    )
    yield "picked by a stream", lambda: grid._select(grid._agents(3), None, 3, model_client_streaming=True)
    yield (
        "picked by a function, with candidates",
        lambda: grid._select(
            grid._agents(3), None, 4, selector_func=lambda messages: None, candidate_func=lambda messages: ["a", "b"]
        ),
    )
    yield (
        "picked, one has tools",
        lambda: grid._select(
            [grid._agent("a", tools=[grid.look], max_tool_iterations=3), grid._agent("b"), grid._agent("c")],
            None,
            4,
            allow_repeated_speaker=True,
        ),
    )


def _handed() -> Iterator[tuple[str, Built]]:
    of = grid._conditions
    for name in ("handoff", "max 5", "word"):
        yield f"handed to the user, until {name}", lambda name=name: _to_user(of()[name]())
    yield "handed to the user, 4 turns", lambda: _to_user(None, 4)
    yield "handed to a person", lambda: _to_person(of()["word"]())
    yield "handed to a person, 5 turns", lambda: _to_person(None, 5)
    yield "handed to a person, max 5", lambda: _to_person(of()["max 5"]())
    yield (
        "handed over or not, with tools, max 5",
        lambda: grid._swarm_of(of()["max 5"](), tools=[grid.look], max_tool_iterations=2, reflect_on_tool_use=True),
    )


def _to_user(condition: Any, turns: int | None = None) -> Any:
    from autogen_agentchat.teams import Swarm

    members = [grid._agent("a", handoffs=["b", "user"]), grid._agent("b", handoffs=["a", "user"])]
    return Swarm(members, termination_condition=condition, max_turns=turns)


def _to_person(condition: Any, turns: int | None = None) -> Any:
    from autogen_agentchat.agents import UserProxyAgent
    from autogen_agentchat.teams import Swarm

    from tests.audit.agentchat_arena import ask_person

    members = [grid._agent("a", handoffs=["person"]), UserProxyAgent("person", input_func=ask_person)]
    return Swarm(members, termination_condition=condition, max_turns=turns)


def _society(inner: Any, name: str = "society") -> Any:
    from autogen_agentchat.agents import SocietyOfMindAgent

    return SocietyOfMindAgent(name, team=inner, model_client=client())


def _within() -> Iterator[tuple[str, Built]]:
    of = grid._conditions
    yield (
        "society in a society",
        lambda: grid._rr(
            [_society(grid._rr([_society(grid._rr(grid._agents(2), None, 2), "inner"), grid._agent("c")], None, 2))],
            None,
            2,
        ),
    )
    yield (
        "society picked",
        lambda: grid._select(
            [_society(grid._rr(grid._agents(2), None, 2)), grid._agent("z")], None, 3, allow_repeated_speaker=True
        ),
    )
    yield "society in a swarm, max 5", lambda: _society_in_swarm(of()["max 5"]())
    yield "society in a graph", _society_in_graph
    yield "society of a swarm", lambda: grid._rr([_society(grid._swarm_of(None, 3)), grid._agent("z")], None, 3)
    yield (
        "society of those who are picked",
        lambda: grid._rr([_society(grid._select(grid._agents(2), of()["max 5"]())), grid._agent("z")], None, 2),
    )
    yield "society of a graph", lambda: grid._rr([_society(grid._graph(["ab", "bc"])), grid._agent("z")], None, 2)
    yield (
        "society of a graph that comes back",
        lambda: grid._rr([_society(grid._graph(grid._BACK, condition="word", any_=True))], None, 2),
    )
    yield (
        "society with tools",
        lambda: grid._rr(
            [_society(grid._rr(grid._agents(2, tools=[grid.look], max_tool_iterations=2), None, 2))], None, 2
        ),
    )
    yield (
        "team in a team in a team",
        lambda: grid._rr(
            [grid._rr([grid._rr(grid._agents(2), None, 2, name="x"), grid._agent("c")], None, 3, name="y")], None, 2
        ),
    )
    yield (
        "team within, tokens",
        lambda: grid._rr([grid._rr(grid._agents(2), None, 2, name="team"), grid._agent("z")], of()["tokens 7"]()),
    )
    yield (
        "team within, from b",
        lambda: grid._rr([grid._rr(grid._agents(2), None, 2, name="team"), grid._agent("z")], grid._from("z")),
    )
    yield (
        "society without end within, max 5 outside",
        lambda: grid._rr([_society(grid._rr(grid._agents(2), of()["time"]()))], of()["max 5"]()),
    )


def _society_in_swarm(condition: Any) -> Any:
    from autogen_agentchat.teams import Swarm

    return Swarm(
        [grid._agent("a", handoffs=["society"]), _society(grid._rr(grid._agents(2), None, 2))],
        termination_condition=condition,
    )


def _society_in_graph() -> Any:
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    one, other = _society(grid._rr(grid._agents(2), None, 2)), grid._agent("z")
    builder = DiGraphBuilder()
    builder.add_node(one).add_node(other)
    builder.add_edge(one, other)
    return GraphFlow([one, other], graph=builder.build())


def _asked() -> Iterator[tuple[str, Built]]:
    for rounds, reflects in itertools.product((1, 3), (False, True)):
        yield (
            f"one asked, with handoffs, {rounds} rounds, reflects {reflects}",
            lambda rounds=rounds, reflects=reflects: grid._agent(
                "a", handoffs=["b"], tools=[grid.look], max_tool_iterations=rounds, reflect_on_tool_use=reflects
            ),
        )
    yield "a person asked alone", grid._person
    yield "one who runs code, asked alone", _coder
