"""What a scenario allows, as a guard that holds it.

It is looked at before each question to a model or a human and where a turn begins, so a run ends at the first one that
is too many. A limit of seconds is held by the clock as well (``stage``), for who asks nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guarding.budgets import Limit
from harness.guarding.guards import Guard

if TYPE_CHECKING:
    from .scenario import Scenario


def guard(scenario: Scenario) -> Guard | None:
    """Make the guard of *scenario*, if it has limits."""
    run = [Limit(kind=kind, most=most) for kind, most in scenario.limits.items()]
    agents = [
        Limit(span="agent", agent=str(one["name"]), kind=kind, most=most)
        for one in scenario.agents
        for kind, most in (one.get("limits") or {}).items()
    ]
    return Guard.holding([*run, *agents]) if run or agents else None


def environment(scenario: Scenario) -> dict[str, str]:
    """Tell a program in a process of its own, and its children; each holds the limits by itself."""
    made = guard(scenario)
    return {} if made is None else made.environment()
