"""Models that misbehave: each is asked with a number and what it may call, and gives a text or the tools it calls."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CODE = "```python\nprint(1)\n```"
BAD_LEDGER = '{"is_request_satisfied": {"reason": "no", "answer": false}}'


@dataclass(frozen=True)
class Calls:
    """An answer that calls tools, each by its name."""

    names: tuple[str, ...]


Answer = str | Calls | None
Adversary = Callable[[int, Sequence[str], Sequence[str]], Answer]
"""Given how many calls came before, the tools it was told of, and the names of others, it gives an answer."""


def ledger(names: Sequence[str], *, progress: bool = True, satisfied: bool = False) -> str:
    """Write a ledger as Magentic-One wants it, that is never satisfied."""
    reason = {"reason": "so it is"}
    return json.dumps(
        {
            "is_request_satisfied": {**reason, "answer": satisfied},
            "is_progress_being_made": {**reason, "answer": progress},
            "is_in_loop": {**reason, "answer": False},
            "instruction_or_question": {**reason, "answer": "go on"},
            "next_speaker": {**reason, "answer": names[0] if names else "a"},
        }
    )


def text(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return "Let us go on."


def wrong_word(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return "I think we should say TERMINATED soon, shouldn't we?"


def empty(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return ""


def nothing(_number: int, tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return None


def tool(_number: int, tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return Calls((tools[0],)) if tools else "Let us go on."


def other_tool(_number: int, tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return Calls((tools[-1],)) if tools else "Let us go on."


def unknown_tool(_number: int, tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return Calls(("no_such_tool",)) if tools else "Let us go on."


def ping_pong(number: int, tools: Sequence[str], names: Sequence[str]) -> Answer:
    over = [each for each in tools if each.startswith("transfer_to_")]
    return Calls((over[number % len(over)],)) if over else names[number % len(names)] if names else "Let us go on."


def the_last(_number: int, _tools: Sequence[str], names: Sequence[str]) -> Answer:
    return names[-1] if names else "Let us go on."


def third_time(number: int, _tools: Sequence[str], names: Sequence[str]) -> Answer:
    return names[-1] if names and number % 3 == 2 else "Let us go on."


def code(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return CODE


def both_ways(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return "left right again LEFT RIGHT AGAIN yes no"


def first_way(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return "again left yes"


def only_again(_number: int, _tools: Sequence[str], _names: Sequence[str]) -> Answer:
    return "again"


def _ledger(names: Sequence[str], *, progress: bool) -> Answer:
    return ledger(names[1:], progress=progress) if names and names[0] == "ledger" else "Let us go on."


def on_track(_number: int, _tools: Sequence[str], names: Sequence[str]) -> Answer:
    return _ledger(names, progress=True)


def stalled(_number: int, _tools: Sequence[str], names: Sequence[str]) -> Answer:
    return _ledger(names, progress=False)


def hesitant(number: int, _tools: Sequence[str], names: Sequence[str]) -> Answer:
    return "no ledger" if names and names[0] == "ledger" and number % 10 else _ledger(names, progress=True)


CONSTANT: dict[str, Adversary] = {
    each.__name__: each
    for each in (
        text, wrong_word, empty, nothing, tool, other_tool, unknown_tool, ping_pong, the_last, third_time, code,
        both_ways, first_way, only_again, on_track, stalled, hesitant,
    )
}  # fmt: skip


def at_random(seed: int) -> Adversary:
    """Give one that picks another answer each time."""
    source = random.Random(seed)  # noqa: S311 - chance, not secrets
    ways = list(CONSTANT.values())

    def anything(number: int, tools: Sequence[str], names: Sequence[str]) -> Answer:
        return source.choice(ways)(number, tools, names)

    return anything


def everyone(seeds: int = 2) -> dict[str, Adversary]:
    """Give every adversary by its name."""
    return {**CONSTANT, **{f"random {seed}": at_random(seed) for seed in range(seeds)}}


@dataclass
class Seen:
    """What a drive came to. *passed*: it had gone on for too long and was ended. *asked*: a person was asked."""

    messages: int = 0
    calls: int = 0
    passed: bool = False
    asked: bool = False
    raised: str | None = None


class TooLongError(Exception):
    """It went on for longer than anything that ends does."""
