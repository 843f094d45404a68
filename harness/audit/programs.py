"""The set-up of a program: every conversation that it has begun, or has made ready, by the time it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from harness.adapters import ag2_audit, ag2_capture, agentchat_audit, agentchat_capture, classic_capture
from harness.adapters.capturing import Captured
from harness.errors import UsageError
from harness.setups import Origin, Place, Plan, Setup

Found = tuple[Any, Origin]
"""A plan, or what a framework's adapter makes of one, with where it comes from."""


def of_program(captured: Captured, *, stopped: Place | None) -> Setup:
    """Describe what a program has made and begun, with every framework. Raises UsageError if there is nothing."""
    begun = [each.framework for each in captured.begun]
    order = sorted(_DESCRIBED, key=lambda name: begun.index(name) if name in begun else len(begun))
    found = [setup for setup in (_DESCRIBED[name](captured) for name in order) if setup.agents]
    if not found:
        raise UsageError("the program made no agent before it ended", hint="Name the file that makes the agents.")
    return joined(found, stopped=stopped)


def joined(found: Sequence[Setup], *, stopped: Place | None = None) -> Setup:
    """Make one set-up of several."""
    return Setup(
        framework=", ".join(dict.fromkeys(each.framework for each in found)),
        agents=tuple(dict.fromkeys(agent for each in found for agent in each.agents)),
        plans=tuple(plan for each in found for plan in each.plans),
        origins=tuple(origin for each in found for origin in each.origins),
        aside=tuple(dict.fromkeys(what for each in found for what in each.aside)),
        stopped=stopped,
    )


def classic(found: Sequence[Found], captured: Captured) -> Setup:
    """Describe classic chats: each a plan, and what else was met when it was made."""
    members = classic_capture.members(captured, [plans for (_, plans), _ in found])
    agents = tuple(classic_capture.describe(each, captured) for each in members)
    aside = tuple(dict.fromkeys(what for (_, plans), _ in found for what in plans.aside))
    return _setup("autogen", agents, [(plan, origin) for (plan, _), origin in found], aside=aside)


def _classic(captured: Captured) -> Setup:
    found = _begun(captured, "autogen")
    met = {key for (_, plans), _ in found for key in plans.met}
    managers = [each for each in captured.made if getattr(each, "groupchat", None) is not None and id(each) not in met]
    return classic([*found, *_ready(captured, managers, classic_capture.alone)], captured)


def _ag2(captured: Captured) -> Setup:
    channels = [(plan(), Origin(place=None, begun=True)) for plan in captured.channels.values()]
    found = channels or _begun(captured, "ag2")
    ready = [] if captured.channels else _ready(captured, ag2_capture.roots(captured), ag2_audit.plan)
    agents = tuple(ag2_capture.describe(each, captured) for each in ag2_capture.members(captured))
    return _setup("ag2", agents, [*found, *ready])


def _agentchat(captured: Captured) -> Setup:
    ready = _ready(captured, agentchat_capture.roots(captured), agentchat_audit.plan)
    agents = tuple(agentchat_capture.describe(each, captured) for each in agentchat_capture.members(captured))
    return _setup("autogen_agentchat", agents, [*_begun(captured, "autogen_agentchat"), *ready])


_DESCRIBED: Final[Mapping[str, Callable[[Captured], Setup]]] = {
    "autogen": _classic,
    "autogen_agentchat": _agentchat,
    "ag2": _ag2,
}


def _begun(captured: Captured, framework: str) -> list[Found]:
    of_it = [begun for begun in captured.begun if begun.framework == framework]
    return [(begun.plan(), Origin(place=begun.place, begun=True)) for begun in of_it]


def _ready(captured: Captured, made: Iterable[Any], plan: Any) -> list[Found]:  # noqa: ANN401 - one a framework
    return [(plan(each), Origin(place=captured.places.get(id(each)), begun=False)) for each in made]


def _setup(framework: str, agents: Any, found: Sequence[tuple[Plan, Origin]], **more: Any) -> Setup:  # noqa: ANN401
    plans, origins = tuple(plan for plan, _ in found), tuple(origin for _, origin in found)
    return Setup(framework=framework, agents=agents, plans=plans, origins=origins, **more)
