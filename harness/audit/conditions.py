"""After how many turns a termination condition ends a team at the latest, whatever the models say.

The rules are those of AgentChat 0.7.5 (``conditions/_terminations.py``, ``base/_termination.py``): a condition is asked
about the task and then after each turn. ``|`` ends with the first of its parts; ``&`` waits for the last, and each part
that was met stays met.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.audit import graphs
from harness.audit.bounds import Verdict
from harness.setups import Condition, Member, Team

_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How many turns are taken at most; ``bounded`` with a *most*, else nobody can say. *why* are the reasons."""

    verdict: Verdict
    most: int = 0
    why: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()


def turns(team: Team, condition: Condition | None, *, task: int) -> Turns:
    """Give the most turns that *condition* allows in *team*, which is given *task* messages that it sees."""
    if condition is None:
        return Turns(verdict=Verdict.UNBOUNDED, why=("no termination condition",))
    if condition.kind in {"any", "all"}:
        parts = [turns(team, part, task=task) for part in condition.parts]
        return _first(parts) if condition.kind == "any" else _last(parts)
    made = _SINGLE.get(condition.kind)
    return made(team, condition, task) if made else _never(condition)


def least(one: Turns, other: Turns) -> Turns:
    """Give what ends first."""
    return _first([one, other])


def _first(parts: list[Turns]) -> Turns:
    finite = [part for part in parts if part.verdict is Verdict.BOUNDED]
    if finite:
        return min(finite, key=lambda part: part.most)
    for verdict in (Verdict.HUMAN, Verdict.UNKNOWN):
        for part in parts:
            if part.verdict is verdict:
                return part
    return Turns(verdict=Verdict.UNBOUNDED, why=_together(parts))


def _last(parts: list[Turns]) -> Turns:
    for verdict in (Verdict.UNBOUNDED, Verdict.UNKNOWN, Verdict.HUMAN):
        found = [part for part in parts if part.verdict is verdict]
        if found:
            return Turns(verdict=verdict, why=_together(found))
    return max(parts, key=lambda part: part.most, default=Turns(verdict=Verdict.BOUNDED))


def _together(parts: list[Turns]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(why for part in parts for why in part.why))


def _after(most: int, condition: Condition, *loose: str) -> Turns:
    return Turns(verdict=Verdict.BOUNDED, most=max(0, most), why=(condition.why,), loose=loose)


def _never(condition: Condition) -> Turns:
    return Turns(verdict=Verdict.UNBOUNDED, why=(f"{condition.why} depends on what models do",))


def _messages(team: Team, condition: Condition, task: int) -> Turns:
    apart = condition.events and not all(member.plain for member in team.members)
    loose = ("tools that are called count as messages",) if apart else ()
    return _after(int(condition.limit or 0) - task, condition, *loose)


def _tokens(team: Team, condition: Condition, _task: int) -> Turns:
    """Count one token a turn, the least that a model takes: a prompt is never empty."""
    if condition.limit is None:
        return Turns(verdict=Verdict.UNBOUNDED, why=(f"{condition.why} counts answers alone, and they may be empty",))
    telling = [member for member in team.members if member.tells and not member.hushed]
    hushed = [member for member in team.members if member.tells and member.hushed]
    quiet = [member.name for member in team.members if member.tells is None]
    if len(telling) == len(team.members):
        most = int(condition.limit)
    elif len(telling) + len(hushed) == len(team.members) and not any(member.says for member in hushed):
        most = (int(condition.limit) + 1) * len(team.members)  # a team is silent about each message at most once
    elif len(hushed) == 1 and len(telling) + 1 == len(team.members):
        most = 2 * int(condition.limit) + 1  # each time it says nothing, another has told before
    elif telling and _in_turn(team) and not quiet:
        most = int(condition.limit) * len(team.members)
    elif quiet:
        return Turns(
            verdict=Verdict.UNKNOWN, why=(f"{condition.why} needs to be told tokens, and {quiet[0]} may not tell them",)
        )
    else:
        silent = next(member.name for member in team.members if member not in telling)
        said = f"{condition.why} counts what it is told, and nobody has to tell it {silent}'s tokens"
        return Turns(verdict=Verdict.UNBOUNDED, why=(said,))
    return _after(most, condition, "a turn takes more than one token")


def _source(team: Team, condition: Condition, task: int) -> Turns:
    if task and "user" in condition.sources:
        return _after(0, condition)
    return _speaks(team, condition, list(team.members))


def _text(team: Team, condition: Condition, task: int) -> Turns:
    if task and (not condition.sources or "user" in condition.sources):
        return _after(0, condition)
    return _speaks(team, condition, [member for member in team.members if member.plain])


def _speaks(team: Team, condition: Condition, able: list[Member]) -> Turns:
    """Give the turn in which one of the condition's sources must have spoken."""
    meant = {member.name for member in able if not condition.sources or member.name in condition.sources}
    if meant and all(member.name in meant for member in team.members) and team.order != "ledger":
        return _after(1, condition)
    if team.order == "graph":
        return _on_the_way(team, condition, meant)
    if meant and _in_turn(team):
        places = [place for place, member in enumerate(team.members, 1) if member.name in meant]
        return _after(places[0] if team.order == "turns" else len(team.members), condition)
    return _nobody(condition)


def _on_the_way(team: Team, condition: Condition, meant: set[str]) -> Turns:
    """Give the batch of a graph in which one of *meant* must have spoken, alone: of several only the last is seen."""
    walk = graphs.Walk(team.edges)
    try:
        states = walk.states(team.starts)
    except graphs.TooManyWaysError:
        return _nobody(condition)
    open_ways = {state: ways if set(state[0]) - meant or len(state[0]) > 1 else set() for state, ways in states.items()}
    first = walk.first(team.starts)
    if graphs.ring(open_ways, first) is not None:
        return _nobody(condition)
    return _after(graphs.batches(open_ways, first), condition)


def _nobody(condition: Condition) -> Turns:
    return Turns(verdict=Verdict.UNBOUNDED, why=(f"{condition.why}: nobody has to speak whom it waits for",))


def _in_turn(team: Team) -> bool:
    """Say whether everybody has to speak again and again: of two who may not repeat themselves each does."""
    return team.order == "turns" or (team.order == "model" and not team.repeats and len(team.members) == _PAIR)


def _said(team: Team, condition: Condition, _task: int) -> Turns:
    people = [
        member.name
        for member in team.members
        if member.human and (not condition.sources or member.name in condition.sources)
    ]
    if people and (_in_turn(team) or len(team.members) == len(people)):
        return Turns(
            verdict=Verdict.HUMAN, why=(f"{people[0]} is asked in turn, and may say what {condition.why} waits for",)
        )
    return _never(condition)


def _seconds(_team: Team, condition: Condition, _task: int) -> Turns:
    said = f"{condition.why} ends it in time, between two messages, and says nothing of how many or what they cost"
    return Turns(verdict=Verdict.UNBOUNDED, why=(said,))


def _outside(_team: Team, condition: Condition, _task: int) -> Turns:
    return Turns(verdict=Verdict.UNBOUNDED, why=(f"{condition.why} waits for the program to set it",))


def _hidden(_team: Team, condition: Condition, _task: int) -> Turns:
    return Turns(verdict=Verdict.UNKNOWN, why=(f"{condition.why} decides",))


_SINGLE = {
    "messages": _messages,
    "tokens": _tokens,
    "source": _source,
    "text": _text,
    "said": _said,
    "seconds": _seconds,
    "outside": _outside,
    "hidden": _hidden,
}
