"""More classic set-ups: people of every mode, chats that are begun again, queues, and groups with more in them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tests.audit import classic_grid as grid
from tests.audit.classic_arena import CONFIG, Chat, has_module

Built = Callable[[], Chat]
_MODES = ("NEVER", "TERMINATE", "ALWAYS")


def cases() -> Iterator[tuple[str, Built]]:
    """Yield each set-up by its name."""
    yield from _people()
    yield from _again()
    yield from _queues()
    yield from _groups()
    yield from _nested()
    yield from _tools()
    yield from _alone()
    yield from _swarms()


def _people() -> Iterator[tuple[str, Built]]:
    for modes in itertools.product(_MODES, repeat=2):
        yield (
            f"2 turns with people {modes[0]}-{modes[1]}",
            lambda modes=modes: Chat(grid._agent("a", 1, modes[0]), grid._agent("b", 1, modes[1]), {"max_turns": 2}),
        )
        yield (
            f"group with people {modes[0]}-{modes[1]}",
            lambda modes=modes: grid._entered(
                [grid._agent("m0", 1, modes[0]), grid._agent("m1", 100, modes[1]), grid._agent("m2", 100)],
                5,
                "round_robin",
            ),
        )
    for mode in _MODES:
        yield (
            f"a person without a model {mode}",
            lambda mode=mode: Chat(grid._agent("a", 3, mode, model=False), grid._agent("b", 4)),
        )
        yield (
            f"a group that a person picks for, {mode}",
            lambda mode=mode: grid._entered([grid._agent(f"m{n}", 100, mode) for n in range(3)], 4, "auto"),
        )
    yield (
        "a group entered by a person",
        lambda: Chat(
            grid._agent("user", 1, "ALWAYS"),
            grid._group([grid._agent(f"m{n}", 100) for n in range(2)], 3, "round_robin"),
        ),
    )
    yield (
        "a group entered by a person, 2 turns",
        lambda: Chat(
            grid._agent("user", 1, "ALWAYS"),
            grid._group([grid._agent(f"m{n}", 100) for n in range(2)], 3, "round_robin"),
            {"max_turns": 2},
        ),
    )


def _again() -> Iterator[tuple[str, Built]]:
    for clear in (True, False):
        yield f"the same chat again, cleared {clear}", lambda clear=clear: _twice(clear=clear)
        yield f"the same chat again in turns, cleared {clear}", lambda clear=clear: _twice(2, clear=clear)
        yield f"the same group again, cleared {clear}", lambda clear=clear: _group_twice(clear=clear)
        yield (
            f"a group, cleared {clear}",
            lambda clear=clear: grid._entered(
                [grid._agent(f"m{n}", 2) for n in range(3)], 5, "round_robin", settings={"clear_history": clear}
            ),
        )
        yield (
            f"turns, cleared {clear}",
            lambda clear=clear: Chat(
                grid._agent("a", 3), grid._agent("b", 2), {"clear_history": clear, "max_turns": 4}
            ),
        )


def _twice(turns: int | None = None, *, clear: bool) -> Chat:
    first, second = grid._agent("a", 2), grid._agent("b", 3)
    chat = {"recipient": second, "message": "Hello.", "clear_history": clear, "max_turns": turns}
    return Chat(first, None, queue=(chat, dict(chat), dict(chat)))


def _group_twice(*, clear: bool) -> Chat:
    manager = grid._group([grid._agent(f"m{n}", 2) for n in range(3)], 4, "round_robin")
    chat = {"recipient": manager, "message": "Hello.", "clear_history": clear}
    return Chat(grid._agent("user", 3), None, queue=(chat, dict(chat)))


def _queues() -> Iterator[tuple[str, Built]]:
    yield "queue with carryover", lambda: _queue(carryover="Know this.")
    yield "queue that leaves carryover out", lambda: _queue(finished_chat_indexes_to_exclude_from_carryover=[0])
    yield "queue with summaries", lambda: _queue(summary_method="reflection_with_llm")
    yield "queue with a function's summary", lambda: _queue(summary_method=lambda sender, recipient, given: "Done.")
    for waits in (False, True):
        yield f"queue at the same time, waits {waits}", lambda waits=waits: _together(waits=waits)
    yield "queue at the same time, with a group", lambda: _together(group=True)
    yield "queue of senders", _senders


def _queue(**more: Any) -> Chat:
    sender = grid._agent("a", 2)
    queue = tuple({"recipient": grid._agent(f"b{n}", 2), "message": "Hello.", **more} for n in range(2))
    return Chat(sender, None, queue=queue)


def _senders() -> Chat:
    import autogen

    queue = [
        {"sender": grid._agent(f"a{n}", 1), "recipient": grid._agent(f"b{n}", 2), "message": "Hello."} for n in range(2)
    ]
    return Chat(None, None, way=lambda: autogen.initiate_chats(queue))


def _together(*, waits: bool = False, group: bool = False) -> Chat:
    sender = grid._agent("a", 2)
    manager = grid._group([grid._agent(f"m{n}", 100) for n in range(2)], 3, "round_robin")
    queue = [
        {
            "chat_id": n,
            "recipient": manager if group and n else grid._agent(f"b{n}", 2),
            "message": "Hello.",
            "max_turns": 2,
            **({"prerequisites": [n - 1]} if waits and n else {}),
        }
        for n in range(2)
    ]
    return Chat(None, None, way=lambda: asyncio.run(sender.a_initiate_chats(queue)))


def _groups() -> Iterator[tuple[str, Built]]:
    three = lambda limit=100: [grid._agent(f"m{n}", limit) for n in range(3)]  # noqa: E731 - made anew each time
    yield "group that is introduced", lambda: grid._entered(three(), 4, "round_robin", send_introductions=True)
    yield "group some may repeat", _some_repeat
    yield "group with ways that are closed", _closed
    yield "group of one", lambda: grid._entered([grid._agent("m0", 100)], 4, "auto")
    yield "group of one, round robin", lambda: grid._entered([grid._agent("m0", 100)], 4, "round_robin")
    yield "group picked by hand", lambda: grid._entered(three(), 4, "manual")
    yield (
        "group of shy and bold",
        lambda: grid._entered([grid._agent("m0", 1), grid._agent("m1", 100), grid._agent("m2", 2)], 9, "auto"),
    )
    yield (
        "group of shy and bold, round robin",
        lambda: grid._entered([grid._agent("m0", 1), grid._agent("m1", 100), grid._agent("m2", 2)], 9, "round_robin"),
    )
    yield "group of those who answer nothing", lambda: grid._entered(three(0), 5, "auto")
    yield "group begun by one who says nothing", lambda: Chat(grid._agent("user", 0), grid._group(three(), 4, "auto"))
    yield (
        "group at the same time",
        lambda: Chat(grid._agent("user", 3), grid._group(three(), 4, "round_robin"), asynchronous=True),
    )
    yield (
        "group at the same time, auto",
        lambda: Chat(grid._agent("user", 3), grid._group(three(), 4, "auto"), asynchronous=True),
    )
    yield (
        "group that knows the word",
        lambda: grid._entered(
            [grid._agent(f"m{n}", 100, is_termination_msg=lambda m: "x" in str(m)) for n in range(2)], 5, "round_robin"
        ),
    )
    if has_module("autogen.agentchat.contrib.society_of_mind_agent"):
        yield "group in one mind", lambda: Chat(grid._agent("a", 2), _mind())


def _some_repeat() -> Chat:
    members = [grid._agent(f"m{n}", 100) for n in range(3)]
    return grid._entered(members, 5, "auto", allow_repeat_speaker=[members[0]])


def _closed() -> Chat:
    members = [grid._agent(f"m{n}", 100) for n in range(3)]
    ways = {members[0]: [members[2]], members[1]: [members[0]], members[2]: [members[1]]}
    return grid._entered(
        members, 6, "auto", allowed_or_disallowed_speaker_transitions=ways, speaker_transitions_type="disallowed"
    )


def _mind() -> Any:
    from autogen.agentchat.contrib.society_of_mind_agent import SocietyOfMindAgent

    return SocietyOfMindAgent(
        "mind",
        chat_manager=grid._group([grid._agent(f"m{n}", 100) for n in range(2)], 3, "round_robin"),
        llm_config=CONFIG,
        max_consecutive_auto_reply=2,
        human_input_mode="NEVER",
        code_execution_config=False,
    )


def _nested() -> Iterator[tuple[str, Built]]:
    for rounds, turns in itertools.product((3, 5), (1, 2)):
        yield (
            f"everyone nested in a group, {rounds} rounds of {turns}",
            lambda rounds=rounds, turns=turns: _all_nested(rounds, turns),
        )
    yield "a queue nested", lambda: grid._nest(2, 2, chats=3, carryover="Know this.")
    yield "a group nested in a group", _group_in_group
    yield "nested at the same time", _nested_together
    yield "nested with a summary in a group", lambda: _all_nested(3, 1, summary_method="reflection_with_llm")
    for mode in _MODES:
        yield f"nested, asked {mode}", lambda mode=mode: grid._nest(2, 2, agent_mode=mode)


def _all_nested(rounds: int, turns: int, **more: Any) -> Chat:
    import autogen

    members = [grid._agent(f"m{n}", 100) for n in range(2)]
    for n, member in enumerate(members):
        queue = [{"recipient": grid._agent(f"inner{n}", 2), "max_turns": turns, "message": "?", **more}]
        member.register_nested_chats(queue, trigger=autogen.GroupChatManager)
    return Chat(grid._agent("user", 5), grid._group(members, rounds, "round_robin"))


def _group_in_group() -> Chat:
    import autogen

    inner = grid._group([grid._agent(f"i{n}", 100) for n in range(2)], 3, "round_robin")
    members = [grid._agent(f"m{n}", 100) for n in range(2)]
    members[0].register_nested_chats([{"recipient": inner, "message": "?"}], trigger=autogen.GroupChatManager)
    return Chat(grid._agent("user", 5), grid._group(members, 4, "round_robin"))


def _nested_together() -> Chat:
    first, second = grid._agent("a", 9), grid._agent("b", 2)
    queue = [{"chat_id": 1, "recipient": grid._agent("c", 2), "max_turns": 2, "message": "Look into it."}]
    second.register_nested_chats(queue, trigger=first, use_async=True)
    return Chat(first, second, asynchronous=True)


def _tools() -> Iterator[tuple[str, Built]]:
    for turns in (None, 3):
        yield f"tools in turns, {turns}", lambda turns=turns: _calling(turns)
    yield "tools in a group", _calling_group
    yield "tools that a person allows", lambda: _calling(None, "ALWAYS")


def _calling(turns: int | None, mode: str = "NEVER") -> Chat:
    import autogen

    first, second = grid._agent("a", 4, mode, model=False), grid._agent("b", 5)
    autogen.register_function(grid._look, caller=second, executor=first, name="look", description="Look it up.")
    return Chat(first, second, {"max_turns": turns} if turns else {})


def _calling_group() -> Chat:
    import autogen

    members = [grid._agent(f"m{n}", 100) for n in range(3)]
    autogen.register_function(
        grid._look, caller=members[0], executor=members[1], name="look", description="Look it up."
    )
    return Chat(grid._agent("user", 5), grid._group(members, 6, "auto"))


def _alone() -> Iterator[tuple[str, Built]]:
    yield "asked for one answer", lambda: _asked_alone(grid._agent("a", 3))
    yield "asked for one answer, nested", lambda: _asked_alone(_carrying())


def _carrying() -> Any:
    agent = grid._agent("a", 3)
    queue = [{"recipient": grid._agent("c", 2), "max_turns": 2, "message": "Look into it."}]
    agent.register_nested_chats(queue, trigger=lambda sender: True)
    return agent


def _asked_alone(agent: Any) -> Chat:
    question = [{"role": "user", "content": "Hello."}]
    return Chat(None, None, way=lambda: agent.generate_reply(messages=question), spoken=2)


def _swarms() -> Iterator[tuple[str, Built]]:
    if not has_module("autogen.agentchat.contrib.swarm_agent"):
        return
    for rounds in (2, 5):
        yield f"old swarm, {rounds} rounds", lambda rounds=rounds: _old_swarm(rounds)


def _old_swarm(rounds: int) -> Chat:
    from autogen.agentchat.contrib import swarm_agent

    one, other = grid._agent("a", None), grid._agent("b", None)
    for here, there in ((one, other), (other, one)):
        swarm_agent.register_hand_off(here, [swarm_agent.OnCondition(there, "Whenever you like.")])
        swarm_agent.register_hand_off(here, [swarm_agent.AfterWork(swarm_agent.AfterWorkOption.STAY)])
    return Chat(
        None,
        None,
        way=lambda: swarm_agent.initiate_swarm_chat(
            initial_agent=one, messages="Hello.", agents=[one, other], max_rounds=rounds
        ),
    )
