"""How long one agent that is asked goes on, and agents on a hub that speak one after another.

AG2 1.x lets an agent's turn go on as long as its model asks for tools (``agent.py``, ``_execute_turn``), and nothing it
brings counts them. A workflow's graph ends after its ``max_turns``, or where it says so (``network/transitions.py``);
a conversation and a discussion go on until somebody closes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.audit.bounds import Bound, Verdict, bounded, open_ended, times, total, worst_of
from harness.audit.teams import turn
from harness.setups import Ask, Plan, Workflow

Judge = Callable[[Plan], Bound]


def ask(plan: Ask, judge: Judge) -> Bound:
    """Bound the answer to one question, both included."""
    if plan.loops:
        tools = ", ".join(plan.loops)
        return open_ended(
            Verdict.UNBOUNDED,
            f"{plan.member.name} → {tools} → {plan.member.name} → …: nothing counts its model's calls",
        )
    return total([bounded(1, 0, f"{plan.member.name} answers once"), turn(plan.member, judge)])


def workflow(plan: Workflow, judge: Judge) -> Bound:
    """Bound a channel whose graph says who is next."""
    each = {asked.member.name: ask(asked, judge) for asked in plan.members}
    problems = total(each.values())
    if problems.verdict is not Verdict.BOUNDED:
        return problems
    following = _following(plan, (*each, *plan.people))
    path = _ring(following, plan.first)
    if path is not None and plan.max_turns is None:
        people = [name for name in path if name in plan.people]
        verdict = Verdict.HUMAN if people else Verdict.UNBOUNDED
        asked = (f"{people[0]} is a person, and may answer for ever",) if people else ()
        return open_ended(verdict, " → ".join(path) + " → …", *asked, f"nothing counts the turns of the {plan.name}")
    turns = _longest(following, plan.first) if path is None else plan.max_turns or 0
    counted = f"max_turns={plan.max_turns} of {plan.name}"
    counted = "a question and its answer (consulting)" if plan.name == "consulting" else counted
    why = "its graph has no way back" if path is None else counted
    if plan.max_turns is not None and plan.max_turns < turns:
        turns, why = plan.max_turns, counted
    worst = worst_of(bounded(1, one.calls or 0) for one in each.values())
    loose = ("who speaks is up to conditions",) if any(not rule.certain for rule in plan.rules) else ()
    # The first turn is the task, which no model says.
    return total([bounded(min(1, turns), 0, why, loose=loose), times(turns - 1, worst)])


def _following(plan: Workflow, names: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Say who may follow whom, by the first rule that surely fires and those before it that may.

    Nobody is told of what they said themselves, so who should follow on oneself does not speak.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        onward: list[str] = []
        for rule in plan.rules:
            if rule.speaker not in {None, name}:
                continue
            onward += [rule.target] if rule.target is not None else []
            if rule.certain:
                break
        else:
            onward += [plan.default] if plan.default is not None else []
        found[name] = [each for each in onward if each != name]
    return found


def _ring(following: Mapping[str, list[str]], first: str, path: tuple[str, ...] = ()) -> list[str] | None:
    if first in path:
        return [*path[path.index(first) :], first]
    for name in following.get(first, ()):
        found = _ring(following, name, (*path, first))
        if found is not None:
            return found
    return None


def _longest(following: Mapping[str, list[str]], first: str) -> int:
    return 1 + max((_longest(following, name) for name in following.get(first, ())), default=0)
