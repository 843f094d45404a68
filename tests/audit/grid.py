"""Every set-up of the grid: what it comes to when it is driven, and what the audit says of it, each without the other.

The drive knows nothing of the audit. What passes CAP messages or model calls goes on for ever: nothing in the grid that
ends comes near a tenth of it.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.audit.adversaries import Adversary, Seen, everyone

CAP = 720
SEED = 20
_LEDGERS = frozenset({"on_track", "stalled", "hesitant"})
_PER_FAMILY = {
    "classic": ("text", "empty", "nothing", "tool", "unknown_tool", "ping_pong", "the_last", "wrong_word"),
    "agentchat": (
        "text", "empty", "tool", "other_tool", "unknown_tool", "ping_pong", "the_last", "third_time", "both_ways",
        "first_way", "only_again", "wrong_word", "code",
    ),
    "ag2": ("text", "empty", "tool", "other_tool", "unknown_tool"),
}  # fmt: skip
_MODULES = {"classic": "autogen", "agentchat": "autogen_agentchat", "ag2": "ag2"}
_PARTS = {
    "classic": ("classic_grid", "classic_wider"),
    "agentchat": ("agentchat_grid", "agentchat_wider"),
    "ag2": ("ag2_grid",),
}
_SLOW = ("a conversation", "a discussion")
_WORDS = {"classic": "exit", "agentchat": "TERMINATE", "ag2": ""}


@dataclass(frozen=True)
class Case:
    """One set-up: *build* makes it anew each time."""

    family: str
    name: str
    build: Callable[[], Any]

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


@dataclass(frozen=True)
class Truth:
    """What a set-up came to under every adversary: the verdict, and the most messages and model calls seen."""

    verdict: str
    messages: int
    calls: int


def families() -> list[str]:
    """List the families whose framework is installed."""
    return [family for family, module in _MODULES.items() if importlib.util.find_spec(module) is not None]


def cases(family: str) -> Iterator[Case]:
    """Yield the set-ups of *family*."""
    for part in _PARTS[family]:
        for name, build in importlib.import_module(f"tests.audit.{part}").cases():
            yield Case(family, name, build)


def sample(family: str, count: int) -> list[Case]:
    """Pick *count* set-ups, the same each time, and none that takes a minute."""
    every = [case for case in cases(family) if not case.name.startswith(_SLOW)]
    return sorted(random.Random(SEED).sample(every, min(count, len(every))), key=str)  # noqa: S311 - chance, not secrets


def driven(case: Case, seeds: int = 1) -> Truth:
    """Drive *case* with every adversary, and say what it came to. A person says nothing, something, or the word."""
    drive = importlib.import_module(f"tests.audit.{case.family}_arena").drive
    adversaries = _adversaries(case, seeds)
    seen: list[Seen] = []
    for adversary in adversaries.values():
        seen.append(drive(case.build, adversary, "go on", CAP))
        if seen[-1].asked and not seen[-1].passed:
            seen.append(drive(case.build, adversary, "", CAP))
        if seen[-1].passed:
            break
    most = Truth("bounded", max(each.messages for each in seen), max(each.calls for each in seen))
    if not seen[-1].passed:
        return most
    if not seen[-1].asked:
        return Truth("unbounded", most.messages, most.calls)
    ends = all(not drive(case.build, each, _WORDS[case.family], CAP).passed for each in adversaries.values())
    return Truth("by a human" if ends else "unbounded", most.messages, most.calls)


def _adversaries(case: Case, seeds: int) -> dict[str, Adversary]:
    wanted = {*_PER_FAMILY[case.family], *(_LEDGERS if "ledger" in case.name else ())}
    return {name: each for name, each in everyone(seeds).items() if name in wanted or name.startswith("random")}


def certified(case: Case) -> Any:
    """Say what the audit says of *case*: a bound."""
    from harness.audit.certificate import judge

    return judge(_plan(case))


def _plan(case: Case) -> Any:
    if case.family == "classic":
        from harness.adapters.classic_audit import Plans
        from tests.audit.classic_arena import captured, cheap

        with cheap():
            found = case.build()
        if found.way is not None:
            return captured(found)
        plans = Plans()
        if found.queue:
            return plans.queue(found.queue, found.sender)
        return plans.chat(found.sender, found.recipient, asynchronous=found.asynchronous, **found.settings)
    found = case.build()
    if case.family == "agentchat":
        from harness.adapters import agentchat_audit

        return agentchat_audit.plan(found)
    from harness.adapters import ag2_audit
    from tests.audit import ag2_arena

    if not isinstance(found, ag2_arena.Channel):
        return ag2_audit.plan(found)
    graph, ids, agents = ag2_arena.registered(found)
    planned = ag2_audit.channel(found.kind, graph, ids, agents, ids[0]) if graph else None
    return planned or ag2_audit.talk(found.kind, ids, agents)


def wrong(truth: Truth, bound: Any) -> str | None:  # noqa: PLR0911 - one return a fault
    """Say what is wrong with *bound*, if anything is; a verdict that is unknown is counted elsewhere."""
    said = bound.verdict.value
    if said == "unknown":
        return None
    if said != truth.verdict:
        return f"it is {truth.verdict}, and was said to be {said}"
    if said != "bounded":
        return None
    if truth.messages > bound.messages or truth.calls > bound.calls:
        return f"{truth.messages} messages and {truth.calls} calls exceed {bound.messages} and {bound.calls}"
    if max(bound.messages, bound.calls) * 10 > CAP:
        return f"{bound.messages} messages or {bound.calls} calls are too near to what passes for endless"
    if bound.tight and (truth.messages, truth.calls) != (bound.messages, bound.calls):
        return f"{bound.messages} and {bound.calls} were said to be tight, and {truth.messages} and {truth.calls} came"
    return None
