"""What a scenario's file cannot say of classic AutoGen: programs as people write them, found beside the scenario."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import autogen

CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def ends(message: dict[str, Any]) -> bool:
    """Say whether a message ends the chat."""
    return "TERMINATE" in str(message.get("content") or "")


def assistant(name: str, prompt: str, **more: Any) -> Any:
    """An assistant that is told *prompt*."""
    return autogen.AssistantAgent(name, system_message=prompt, **{"llm_config": CONFIG, **more})


def user(**more: Any) -> Any:
    """A user whom nobody asks."""
    settings = {"human_input_mode": "NEVER", "code_execution_config": False, "is_termination_msg": ends}
    return autogen.UserProxyAgent("user", **{**settings, **more})


def later() -> Any:
    """Talk on an event loop, with a tool that is a coroutine."""
    helper, person = assistant("helper", "You help."), user()

    @person.register_for_execution()
    @helper.register_for_llm(description="Double, later.")
    async def double(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    return person.a_initiate_chat(helper, message="Double 4.")


def streamed() -> Any:
    """Talk with a model that streams."""
    streams = {**CONFIG, "config_list": [{"model": "gpt-4o-mini", "stream": True}]}
    helper = assistant("helper", "You help.", llm_config=streams)
    return user(), helper, "Tell me."


def background() -> None:
    """Let the framework run the chat on a thread of its own, and read its events."""
    response = user().run(assistant("helper", "You help."), message="Go.")
    response.process()


def chosen() -> Any:
    """Have a function choose who speaks, in a group where one has a tool and another runs it."""
    coder, runner, person = assistant("coder", "You code."), user(), user()
    runner._name = "runner"

    @runner.register_for_execution()
    @coder.register_for_llm(description="Compile.")
    def compiled(text: str) -> str:
        return f"{len(text)} bytes"

    upcoming = iter([coder, runner, coder])
    group = autogen.GroupChat(
        [person, coder, runner],
        messages=[],
        max_round=8,
        speaker_selection_method=lambda _last, _group: next(upcoming, None),
    )
    return person, autogen.GroupChatManager(group, llm_config=False, is_termination_msg=ends), "Write it."


def allowed() -> Any:
    """A group in which each may be followed by one other alone."""
    person, coder, reviewer = user(), assistant("coder", "You code."), assistant("reviewer", "You review.")
    group = autogen.GroupChat(
        [person, reviewer, coder],
        messages=[],
        max_round=8,
        allowed_or_disallowed_speaker_transitions={person: [coder], coder: [reviewer], reviewer: [coder]},
        speaker_transitions_type="allowed",
    )
    return person, autogen.GroupChatManager(group, llm_config=CONFIG, is_termination_msg=ends), "Write it."


def afterwards() -> Any:
    """Hold one chat after another on an event loop, where the second waits for the first."""
    chats = [
        {"chat_id": 1, "recipient": assistant("planner", "You plan."), "message": "Plan.", "max_turns": 1},
        {
            "chat_id": 2,
            "recipient": assistant("writer", "You write."),
            "message": "Write.",
            "max_turns": 1,
            "prerequisites": [1],
        },
    ]
    return user().a_initiate_chats([{**chat, "summary_method": "last_msg"} for chat in chats])


def together() -> Any:
    """Hold four chats at once on an event loop, of agents that are called the same."""

    async def one(number: int) -> Any:
        return await user().a_initiate_chat(assistant("helper", "You help."), message=f"Question {number}", max_turns=1)

    async def all_of_them() -> Any:
        return await asyncio.gather(*map(one, range(4)))

    return all_of_them()


def threads() -> None:
    """Hold four chats at once, each on a thread."""

    def one(number: int) -> None:
        user().initiate_chat(assistant("helper", "You help."), message=f"Question {number}", max_turns=1)

    workers = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def forgiving() -> Any:
    """Catch what the provider says, and ask with less."""
    helper, person = assistant("helper", "You help."), user()
    try:
        person.initiate_chat(helper, message="A very long question.", max_turns=1)
    except Exception:  # noqa: BLE001 - whatever the provider says
        return person, helper, "A short question. TERMINATE"
    return None


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def explode(a: int) -> str:
    """Fail."""
    raise LookupError(f"no {a}")
