"""Classic set-ups from a grid of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tests.audit.classic_arena import CONFIG, Chat, has_module

Built = Callable[[], Chat]


def cases() -> Iterator[tuple[str, Built]]:
    """Yield each set-up by its name."""
    yield from _talks()
    yield from _turns()
    yield from _groups()
    yield from _nested()
    yield from _chains()
    yield from _hidden()
    yield from _swarms()


def _agent(name: str, limit: int | None = 3, mode: str = "NEVER", *, model: bool = True, **more: Any) -> Any:
    import autogen

    return autogen.ConversableAgent(
        name,
        llm_config=CONFIG if model else False,
        max_consecutive_auto_reply=limit,
        human_input_mode=mode,
        code_execution_config=False,
        **more,
    )


def _talks() -> Iterator[tuple[str, Built]]:
    for one, other in itertools.product((0, 1, 2, 5), repeat=2):
        yield f"talk {one}-{other}", lambda one=one, other=other: Chat(_agent("a", one), _agent("b", other))
    for model in ((True, False), (False, True)):
        yield (
            f"talk models {model}",
            lambda model=model: Chat(
                _agent("a", 3, model=model[0], default_auto_reply="go on"), _agent("b", 4, model=model[1])
            ),
        )
    yield "talk default limit", lambda: Chat(_agent("a", None), _agent("b", 4))
    yield "talk class limit", lambda: Chat(_Short("a", CONFIG), _agent("b", 90))
    for modes in itertools.product(("NEVER", "TERMINATE", "ALWAYS"), repeat=2):
        if modes != ("NEVER", "NEVER"):
            yield (
                f"talk people {modes[0]}-{modes[1]}",
                lambda modes=modes: Chat(_agent("a", 2, modes[0]), _agent("b", 3, modes[1])),
            )
    yield "talk summary", lambda: Chat(_agent("a", 2), _agent("b", 3), {"summary_method": "reflection_with_llm"})
    yield "talk without clearing", lambda: Chat(_agent("a", 2), _agent("b", 3), {"clear_history": False})
    yield "talk updated limit", _updated
    yield "talk with tools", _with_tools
    yield "talk asynchronous", lambda: Chat(_agent("a", 4), _agent("b", 5), asynchronous=True)
    yield "talk that knows the word", _knows


def _turns() -> Iterator[tuple[str, Built]]:
    for turns, limits in itertools.product((1, 2, 4, 7), ((100, 100), (1, 100), (100, 1), (2, 3), (0, 5), (5, 0))):
        yield (
            f"turns {turns} of {limits[0]}-{limits[1]}",
            lambda turns=turns, limits=limits: Chat(
                _agent("a", limits[0]), _agent("b", limits[1]), {"max_turns": turns}
            ),
        )
    for mode in ("TERMINATE", "ALWAYS"):
        yield (
            f"turns with people {mode}",
            lambda mode=mode: Chat(_agent("a", 1, mode), _agent("b", 1, mode), {"max_turns": 3}),
        )


def _group(members: list[Any], rounds: int, method: Any = "auto", *, model: bool = True, **more: Any) -> Any:
    import autogen

    group = autogen.GroupChat(agents=members, messages=[], max_round=rounds, speaker_selection_method=method, **more)
    return autogen.GroupChatManager(groupchat=group, llm_config=CONFIG if model else False, name="manager")


def _groups() -> Iterator[tuple[str, Built]]:
    for rounds, method, count in itertools.product((1, 2, 5, 9), ("auto", "round_robin", "random"), (2, 3)):
        yield (
            f"group {method} of {count}, {rounds} rounds",
            lambda rounds=rounds, method=method, count=count: _entered(
                [_agent(f"m{n}", 100) for n in range(count)], rounds, method
            ),
        )
    for limit, method in itertools.product((1, 2), ("auto", "round_robin")):
        yield (
            f"group {method} of shy ones, {limit}",
            lambda limit=limit, method=method: _entered([_agent(f"m{n}", limit) for n in range(3)], 12, method),
        )
    for retries in (0, 1, 4):
        yield (
            f"group with {retries} retries",
            lambda retries=retries: _entered(
                [_agent(f"m{n}", 100) for n in range(3)], 4, "auto", max_retries_for_selecting_speaker=retries
            ),
        )
    yield (
        "group nobody twice",
        lambda: _entered([_agent(f"m{n}", 100) for n in range(3)], 5, "auto", allow_repeat_speaker=False),
    )
    yield (
        "group of two, nobody twice",
        lambda: _entered([_agent(f"m{n}", 100) for n in range(2)], 5, "auto", allow_repeat_speaker=False),
    )
    yield "group with a function", lambda: _entered([_agent(f"m{n}", 100) for n in range(3)], 5, _next_speaker)
    yield (
        "group with a function that leaves it to a model",
        lambda: _entered([_agent(f"m{n}", 100) for n in range(3)], 5, _leave_it),
    )
    yield (
        "group without a model to pick",
        lambda: _entered([_agent(f"m{n}", 100) for n in range(3)], 5, "round_robin", model=False),
    )
    yield "group with people", lambda: _entered([_agent("m0", 2, "ALWAYS"), _agent("m1", 100)], 6, "round_robin")
    yield (
        "group with one who has no model",
        lambda: _entered(
            [_agent("m0", 100, model=False, default_auto_reply="go on"), _agent("m1", 100), _agent("m2", 100)],
            6,
            "round_robin",
        ),
    )
    yield "group that may not go back", _one_way
    for turns in (1, 2, 3):
        yield (
            f"group entered {turns} times",
            lambda turns=turns: _entered(
                [_agent(f"m{n}", 100) for n in range(3)], 4, "round_robin", settings={"max_turns": turns}
            ),
        )
    yield (
        "group with a summary",
        lambda: _entered(
            [_agent(f"m{n}", 100) for n in range(3)], 4, "auto", settings={"summary_method": "reflection_with_llm"}
        ),
    )
    yield "group within", _group_within
    yield "group whose starter is in it", _starter_inside


def _entered(
    members: list[Any], rounds: int, method: Any, *, settings: Any = None, model: bool = True, **more: Any
) -> Chat:
    return Chat(_agent("user", 5), _group(members, rounds, method, model=model, **more), settings or {})


def _nested() -> Iterator[tuple[str, Built]]:
    for turns, limit in itertools.product((1, 2, 3, None), (1, 2, 4)):
        yield f"nested {turns} in {limit}", lambda turns=turns, limit=limit: _nest(turns, limit)
    yield "nested twice", lambda: _nest(2, 2, chats=2)
    yield "nested with a summary", lambda: _nest(2, 2, summary_method="reflection_with_llm")
    yield "nested for one other", lambda: _nest(2, 2, trigger="somebody else")
    yield "nested by name", lambda: _nest(2, 2, trigger="a")
    yield "nested by a function", lambda: _nest(2, 2, trigger=lambda sender: sender.name == "a")
    yield "nested in a group", _nest_in_group
    yield "a group nested", _group_nested
    yield "nested with people", lambda: _nest(None, 3, inner_mode="ALWAYS", agent_mode="ALWAYS")
    yield "nested where a person may stop it", lambda: _nest(None, 3, inner_mode="NEVER", agent_mode="TERMINATE")
    yield "nested in nested", _deeper
    yield "nested in turns", lambda: _nest(1, 9, settings={"max_turns": 3})


def _nest(
    turns: int | None,
    limit: int,
    *,
    chats: int = 1,
    trigger: Any = None,
    inner_mode: str = "NEVER",
    agent_mode: str = "NEVER",
    settings: Any = None,
    **more: Any,
) -> Chat:
    first, second = _agent("a", 9), _agent("b", limit, agent_mode)
    queue = [
        {"recipient": _agent(f"c{n}", 2, inner_mode), "max_turns": turns, "message": "Look into it.", **more}
        for n in range(chats)
    ]
    second.register_nested_chats(queue, trigger=first if trigger is None else trigger)
    return Chat(first, second, settings or {})


def _nest_in_group() -> Chat:
    import autogen

    inner = _agent("inner", 2)
    members = [_agent(f"m{n}", 100) for n in range(3)]
    members[1].register_nested_chats(
        [{"recipient": inner, "max_turns": 2, "message": "?"}], trigger=autogen.GroupChatManager
    )
    return Chat(_agent("user", 5), _group(members, 6, "round_robin"))


def _group_nested() -> Chat:
    first, second = _agent("a", 9), _agent("b", 2)
    manager = _group([_agent(f"m{n}", 100) for n in range(3)], 4, "round_robin")
    second.register_nested_chats([{"recipient": manager, "message": "?"}], trigger=first)
    return Chat(first, second)


def _group_within() -> Chat:
    inner = _group([_agent(f"i{n}", 100) for n in range(2)], 3, "round_robin")
    return Chat(_agent("user", 5), _group([_agent("m0", 100), inner], 6, "round_robin"))


def _deeper() -> Chat:
    first, second, third = _agent("a", 9), _agent("b", 2), _agent("c", 2)
    third.register_nested_chats([{"recipient": _agent("d", 1), "max_turns": 1, "message": "?"}], trigger=second)
    second.register_nested_chats([{"recipient": third, "max_turns": 2, "message": "?"}], trigger=first)
    return Chat(first, second)


def _chains() -> Iterator[tuple[str, Built]]:
    for turns in ((1, 2), (2, None), (None, 1, 3)):
        yield f"chain {turns}", lambda turns=turns: _chain(turns)
    yield "chain with a group", _chain_group
    yield "chain with people", lambda: _chain((None, 1), "ALWAYS")


def _chain(turns: tuple[int | None, ...], mode: str = "NEVER") -> Chat:
    sender = _agent("a", 3, mode)
    queue = tuple(
        {"recipient": _agent(f"b{n}", 2, mode), "message": "Hello.", "max_turns": each} for n, each in enumerate(turns)
    )
    return Chat(sender, None, queue=queue)


def _chain_group() -> Chat:
    manager = _group([_agent(f"m{n}", 100) for n in range(3)], 4, "auto")
    return Chat(
        _agent("a", 3),
        None,
        queue=(
            {"recipient": manager, "message": "Hello."},
            {"recipient": _agent("b", 2), "message": "Hello.", "summary_method": "reflection_with_llm"},
        ),
    )


def _hidden() -> Iterator[tuple[str, Built]]:
    yield "hidden on both sides", lambda: Chat(_own("a"), _own("b"))
    yield "hidden on one side", lambda: Chat(_own("a"), _agent("b", 3))
    yield "hidden in turns", lambda: Chat(_own("a"), _own("b"), {"max_turns": 4})
    yield "hidden in a group", lambda: _entered([_own(f"m{n}") for n in range(3)], 6, "round_robin")
    yield "own reply that is counted", lambda: Chat(_own("a", 2), _own("b", 2))
    yield "overridden on both sides", lambda: Chat(_overriding("a"), _overriding("b"))


def _own(name: str, position: int = 0) -> Any:
    agent = _agent(name, 3)
    import autogen

    agent.register_reply([autogen.Agent, None], _says_so, position=position)
    return agent


def _says_so(recipient: Any, messages: Any = None, sender: Any = None, config: Any = None) -> tuple[bool, str]:
    return True, "as ever"


def _overriding(name: str) -> Any:
    import autogen

    class Stubborn(autogen.ConversableAgent):
        def generate_reply(self, *args: Any, **kwargs: Any) -> Any:
            return "never mind"

    return Stubborn(
        name, llm_config=False, human_input_mode="NEVER", max_consecutive_auto_reply=2, code_execution_config=False
    )


def _updated() -> Chat:
    first, second = _agent("a", 9), _agent("b", 9)
    second.update_max_consecutive_auto_reply(2, first)
    return Chat(first, second)


def _with_tools() -> Chat:
    import autogen

    first, second = _agent("a", 4), _agent("b", 5)
    autogen.register_function(_look, caller=second, executor=first, name="look", description="Look it up.")
    return Chat(first, second)


def _look() -> str:
    return "nothing there"


def _knows() -> Chat:
    return Chat(_agent("a", 3, is_termination_msg=lambda m: "FINISHED" in (m.get("content") or "")), _agent("b", 3))


def _next_speaker(last: Any, group: Any) -> Any:
    return group.agents[len(group.messages) % len(group.agents)]


def _leave_it(last: Any, group: Any) -> Any:
    return "auto"


def _one_way() -> Chat:
    members = [_agent(f"m{n}", 100) for n in range(3)]
    ways = {members[0]: [members[1]], members[1]: [members[2]], members[2]: []}
    return _entered(
        members, 8, "auto", allowed_or_disallowed_speaker_transitions=ways, speaker_transitions_type="allowed"
    )


def _starter_inside() -> Chat:
    user = _agent("user", 5)
    return Chat(user, _group([user, _agent("m1", 100), _agent("m2", 100)], 6, "round_robin"))


def _Short(name: str, config: Any) -> Any:  # noqa: N802 - it stands for a class
    import autogen

    class Short(autogen.ConversableAgent):
        MAX_CONSECUTIVE_AUTO_REPLY = 2

    return Short(name, llm_config=config, human_input_mode="NEVER", code_execution_config=False)


def _swarms() -> Iterator[tuple[str, Built]]:
    """Yield the group patterns, which pyautogen 0.2 does not have."""
    if not has_module("autogen.agentchat.group"):
        return
    for rounds in (1, 4, 7):
        yield f"swarm in turns, {rounds} rounds", lambda rounds=rounds: _swarm("RoundRobinPattern", rounds)
        yield f"swarm that hands over, {rounds} rounds", lambda rounds=rounds: _swarm("DefaultPattern", rounds)
        yield f"swarm picked by a model, {rounds} rounds", lambda rounds=rounds: _swarm("AutoPattern", rounds)
    yield "swarm with a person", lambda: _swarm("RoundRobinPattern", 5, person=True)


def _swarm(pattern: str, rounds: int, *, person: bool = False) -> Chat:
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group import AgentTarget, OnCondition, StayTarget, StringLLMCondition, patterns

    one, other = _agent("a", None), _agent("b", None)
    for here, there in ((one, other), (other, one)):
        over = OnCondition(target=AgentTarget(there), condition=StringLLMCondition("Whenever you like."))
        here.handoffs.add_llm_conditions([over])
        if pattern == "DefaultPattern":
            here.handoffs.set_after_work(StayTarget())
    more = {"user_agent": _agent("user", None, "ALWAYS", model=False)} if person else {}
    made = getattr(patterns, pattern)(
        initial_agent=one, agents=[one, other], group_manager_args={"llm_config": CONFIG}, **more
    )
    return Chat(None, None, way=lambda: initiate_group_chat(pattern=made, messages="Hello.", max_rounds=rounds))
