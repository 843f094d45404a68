"""Judge a set-up: its certificate and its red lines. What is handed over may be objects, or what a program has made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import config, scopes
from harness.adapters import ag2_audit, ag2_capture, agentchat_audit, agentchat_capture, classic_capture
from harness.adapters.capturing import Captured
from harness.adapters.classic_audit import Plans
from harness.audit.certificate import certificates, together
from harness.audit.lines import LINES
from harness.audit.programs import classic, joined
from harness.audit.reaching import Unreached
from harness.audit.subject import RedLine, Subject
from harness.audit.verdicts import Audit
from harness.check import Settings, choose, known_thresholds
from harness.errors import UsageError
from harness.guarding import budgets, written
from harness.guarding.guards import Guard
from harness.model import Finding
from harness.setups import Origin, Setup
from harness.suppressing import Suppressing, Suppression

_PAIR, _TRIPLE = 2, 3
_SHORTEST_KEY = 16


def audit(found: object, *, target: str = "set-up", captured: Captured | None = None) -> Audit:
    """Judge the object *found*: an agent, a team, a manager, ``(sender, recipient)``, or a list of such.

    A list of mappings is chats one after another.

    Raises UsageError for anything else.
    """
    captured = captured or Captured()
    setup = of_object(found, captured)
    return judged(target, setup, _keys(found, setup, captured))


def judged(  # noqa: PLR0913 - what a look at a program has found
    target: str,
    setup: Setup,
    keys: Mapping[str, str],
    *,
    ended: str | None = None,
    limits: Mapping[str, float] | None = None,
    suppressions: Sequence[Suppression] = (),
    unreached: Sequence[Unreached] = (),
) -> Audit:
    """Judge *setup* by the project's settings, and by the *limits* and *suppressions* that hold for it besides.

    A suppression of certain runs is of this set-up if it names the *target*.
    """
    settings = config.load()
    each = certificates(setup, settings.prices)
    certificate = together(each, setup)
    held = {**limits_of(settings), **(limits or {})}
    subject = Subject(setup=setup, certificate=certificate, each=each, limits=held, keys=keys)
    chosen: Sequence[Any] = choose(LINES, (), settings.disabled & _codes())
    asked = Settings(thresholds=known_thresholds(settings.thresholds))
    findings: list[Finding] = []
    for kind in chosen:
        line: RedLine = kind(asked)
        findings.extend(line.judge(subject))
    suppressing = Suppressing((*suppressions, *settings.suppressions), ("", target))
    findings = suppressing.mark(findings)
    idle = [each for each in suppressing.unused() if any(each.of_check(kind.code, kind.name) for kind in chosen)]
    return Audit(
        target=target,
        setup=setup,
        certificate=certificate,
        each=each,
        findings=findings,
        ended=ended,
        unreached=unreached,
        remarks=tuple(each.in_vain() for each in dict.fromkeys(idle)),
    )


def limits_of(settings: config.Config, held: Iterable[Guard] = ()) -> dict[str, float]:
    """Give the limits that hold for every run: the project's, and those of guards.

    Guards are the one that ``HARNESS_GUARD`` or the project asks for, those of the ``with harness.guard()`` that this
    is called in, and *held*.
    """
    asked = written.from_environment() or (None if settings.guard is None else written.told(settings.guard))
    found = [*held, *scopes.given_guards(), *([asked] if asked is not None else [])]
    return {**settings.limits, **{name: most for guard in found for name, most in budgets.named(guard.limits).items()}}


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
    if isinstance(found, list) and found:
        return joined([of_object(each, captured) for each in found])
    if hasattr(found, "_reply_func_list"):
        return classic([(classic_capture.alone(found), _made(found, captured))], captured)
    if hasattr(found, "_participants") or hasattr(found, "on_messages_stream"):
        members = agentchat_audit.inside(found)
        agents = tuple(agentchat_capture.describe(each, captured) for each in _once(members))
        plans = (agentchat_audit.plan(found),)
        return Setup(framework="autogen_agentchat", agents=agents, plans=plans, origins=(_made(found, captured),))
    if hasattr(found, "_drive_scope"):
        agents = tuple(ag2_capture.describe(each, captured) for each in _once(ag2_audit.inside(found)))
        plans = (ag2_audit.plan(found),)
        return Setup(framework="ag2", agents=agents, plans=plans, origins=(_made(found, captured),))
    raise UsageError(
        f"{type(found).__name__} is no agent, team or chat",
        hint="Name an agent, a team, a GroupChatManager, a pair (sender, recipient), or a function that gives one.",
    )


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
    return classic([((plans.queue(chats, None), plans), _made(chats[0]["recipient"], captured))], captured)


def _made(found: object, captured: Captured) -> Origin:
    return Origin(place=captured.places.get(id(found)), begun=False)


def _once(found: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in found}.values())
