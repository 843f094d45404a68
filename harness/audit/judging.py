"""Judge a set-up: its certificate and its red lines. What is handed over may be objects, or what a program has made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import config
from harness.adapters import ag2_audit, ag2_capture, agentchat_audit, agentchat_capture, classic_capture
from harness.adapters.capturing import Captured
from harness.adapters.classic_audit import Plans
from harness.audit.certificate import certify
from harness.audit.lines import LINES
from harness.audit.subject import RedLine, Subject
from harness.audit.verdicts import Audit
from harness.check import Settings, choose, known_thresholds
from harness.errors import UsageError
from harness.model import Finding
from harness.setups import Place, Plan, Setup

_PAIR, _TRIPLE = 2, 3
_SHORTEST_KEY = 16


def audit(found: object, *, target: str = "set-up", captured: Captured | None = None) -> Audit:
    """Judge the object *found*: an agent, a team, a manager, ``(sender, recipient)``, or chats as a list of mappings.

    Raises UsageError for anything else.
    """
    captured = captured or Captured()
    setup = of_object(found, captured)
    return judged(target, setup, _keys(found, setup, captured))


def judged(target: str, setup: Setup, keys: Mapping[str, str], *, ended: str | None = None) -> Audit:
    """Judge *setup* by the project's settings."""
    settings = config.load()
    certificate = certify(setup, settings.prices)
    subject = Subject(setup=setup, certificate=certificate, limits=_limits(settings), keys=keys)
    chosen: Sequence[Any] = choose(LINES, (), settings.disabled & _codes())
    asked = Settings(thresholds=known_thresholds(settings.thresholds))
    findings: list[Finding] = []
    for kind in chosen:
        line: RedLine = kind(asked)
        findings.extend(line.judge(subject))
    return Audit(target=target, setup=setup, certificate=certificate, findings=findings, ended=ended)


def _limits(settings: config.Config) -> dict[str, float]:
    """Give the limits that hold for every run: the project's, and the dollars of a guard, which has its own."""
    guarded = {"max_cost_usd": 0.0} if settings.guard is not None else {}
    return {**guarded, **settings.limits}


def _codes() -> frozenset[str]:
    return frozenset(word for line in LINES for word in (line.code, line.name))


def of_object(found: Any, captured: Captured) -> Setup:  # noqa: ANN401, PLR0911 - one return a kind of object
    """Describe one object, or several that belong together. Raises UsageError for what is no set-up."""
    if isinstance(found, tuple) and found and hasattr(found[0], "_reply_func_list"):
        settings = found[_TRIPLE] if len(found) > _TRIPLE and isinstance(found[_TRIPLE], Mapping) else {}
        return _classic([{"sender": found[0], "recipient": found[1], **settings}], captured)
    if isinstance(found, tuple) and len(found) == _PAIR:
        return of_object(found[0], captured)
    if isinstance(found, Mapping) and "recipient" in found:
        return _classic([found], captured)
    if isinstance(found, list) and found and all(isinstance(each, Mapping) for each in found):
        return _classic(found, captured)
    if hasattr(found, "_reply_func_list"):
        plan, plans = classic_capture.alone(found)
        return _classic_setup([plan], [plans], captured)
    if hasattr(found, "_participants") or hasattr(found, "on_messages_stream"):
        members = agentchat_audit.inside(found)
        agents = tuple(agentchat_capture.describe(each, captured) for each in _once(members))
        return Setup(framework="autogen_agentchat", agents=agents, plans=(agentchat_audit.plan(found),))
    if hasattr(found, "_drive_scope"):
        agents = tuple(ag2_capture.describe(each, captured) for each in _once(ag2_audit.inside(found)))
        return Setup(framework="ag2", agents=agents, plans=(ag2_audit.plan(found),))
    raise UsageError(
        f"{type(found).__name__} is no agent, team or chat",
        hint="Name an agent, a team, a GroupChatManager, a pair (sender, recipient), or a function that gives one.",
    )


def of_program(captured: Captured, *, stopped: Place | None) -> Setup:
    """Describe what a program has made and begun. Raises UsageError if there is nothing of the kind."""
    framework = next((name for name, _ in captured.begun), None)
    if framework == "autogen" or (
        framework is None and any(hasattr(each, "_reply_func_list") for each in captured.made)
    ):
        made = [plan() for name, plan in captured.begun if name == "autogen"]
        if not made:
            managers = [each for each in captured.made if getattr(each, "groupchat", None) is not None]
            made = [classic_capture.alone(each) for each in managers]
        return _classic_setup([plan for plan, _ in made], [plans for _, plans in made], captured, stopped)
    if framework == "ag2" or (framework is None and any(hasattr(each, "_drive_scope") for each in captured.made)):
        found = [plan() for plan in captured.channels.values()] or [plan() for _, plan in captured.begun]
        members = ag2_capture.members(captured)
        plans = tuple(plan for plan in found if plan is not None) or tuple(map(ag2_audit.plan, members))
        agents = tuple(ag2_capture.describe(each, captured) for each in members)
        return Setup(framework="ag2", agents=agents, plans=plans, stopped=stopped)
    members = agentchat_capture.members(captured)
    if not members:
        raise UsageError("the program made no agent before it ended", hint="Name the file that makes the agents.")
    begun = tuple(plan() for _, plan in captured.begun)
    plans = begun or tuple(map(agentchat_audit.plan, agentchat_capture.roots(captured)))
    agents = tuple(agentchat_capture.describe(each, captured) for each in members)
    return Setup(framework="autogen_agentchat", agents=agents, plans=plans, stopped=stopped)


def keys_of(captured: Captured) -> dict[str, str]:
    """Find the keys of what was made in the program's own source, by the names of the agents that hold them."""
    found: dict[str, str] = {}
    for each in captured.made:
        place = captured.places.get(id(each))
        line = place and _written(_held(each), place.file)
        if place is not None and line:
            found[str(getattr(each, "name", ""))] = f"{Path(place.file).name}:{line}"
    return found


def _keys(found: object, setup: Setup, captured: Captured) -> dict[str, str]:
    return keys_of(captured) if setup.agents and found is not None else {}


def _held(found: object) -> list[str]:
    if hasattr(found, "_reply_func_list"):
        return classic_capture.secrets(found)
    return ag2_capture.secrets(found) if hasattr(found, "_drive_scope") else agentchat_capture.secrets(found)


def _written(keys: Iterable[str], file: str) -> int | None:
    """Give the line of *file* in which one of *keys* stands as it is, unless the environment gave it."""
    known = set(os.environ.values())
    wanted = [key for key in keys if len(key) >= _SHORTEST_KEY and key not in known and any(map(str.isdigit, key))]
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines() if wanted else []
    except OSError:
        return None
    return next((number for number, line in enumerate(lines, 1) if any(key in line for key in wanted)), None)


def _classic(chats: Sequence[Mapping[str, Any]], captured: Captured) -> Setup:
    plans = Plans()
    made: Plan = plans.queue(chats, None)
    return _classic_setup([made], [plans], captured)


def _classic_setup(
    found: Sequence[Plan], plans: Sequence[Any], captured: Captured, stopped: Place | None = None
) -> Setup:
    members = classic_capture.members(captured, plans)
    agents = tuple(classic_capture.describe(each, captured) for each in members)
    aside = tuple(dict.fromkeys(what for each in plans for what in each.aside))
    return Setup(framework="autogen", agents=agents, plans=tuple(found), aside=aside, stopped=stopped)


def _once(found: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in found}.values())
