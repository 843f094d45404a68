"""How long AgentChat teams go on: the turns that their limit and their condition allow, and what a turn may take.

The rules are those of AgentChat 0.7.5 (``teams/_group_chat``): a turn is one member's answer. A model that picks the
speaker is asked up to ``max_selector_attempts`` times, once there are two to pick from. In a graph all who are ready
answer in one turn, and its condition sees the last answer alone. Magentic-One plans in two calls, asks for its ledger
up to ten times a step, takes one step more than ``max_turns``, and its condition sees none of the orchestrator's own.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.audit import graphs
from harness.audit.bounds import Bound, Verdict, both, bounded, open_ended, times, total, worst_of
from harness.audit.conditions import Turns, least, turns
from harness.setups import Member, Plan, Team

_LEDGER_ATTEMPTS = 10
_PLAN_CALLS = 2
_MOST_BATCHES = 2_000

Judge = Callable[[Plan], Bound]


def team(plan: Team, judge: Judge) -> Bound:
    """Bound one run of a team, its task included."""
    ends = _ends(plan)
    if plan.order == "graph":
        return _graph(plan, ends, judge)
    if plan.order == "ledger":
        return _ledger(plan, judge)
    if ends.verdict is not Verdict.BOUNDED:
        return open_ended(ends.verdict, *_path(plan, ends))
    most = ends.most
    given = "what it is given may be more than one message" if plan.told < plan.task and most != plan.max_turns else ""
    start = bounded(plan.told, 0, *ends.why, loose=(*ends.loose, given, _nothing_given(plan, most)))
    if plan.order == "turns":
        count = len(plan.members)
        shares = [(most - place + count - 1) // count for place in range(count)]
        taken = [times(share, turn(member, judge)) for share, member in zip(shares, plan.members, strict=True)]
        return total([start, *taken, _crowd(plan, most)])
    each = [turn(member, judge) for member in plan.members]
    picks = most if plan.repeats or len(plan.members) > 2 else min(1, most)  # noqa: PLR2004 - then one is left
    picks = 0 if len(plan.members) == 1 else picks
    loose = ["who speaks is up to a function"] if plan.chooser else []
    if len({(one.messages, one.calls) for one in each}) > 1 and (not plan.repeats or plan.order == "handoff"):
        loose.append("the most expensive speaker is not always the one who may speak")
    selection = bounded(0, plan.attempts * picks, loose=loose)
    return total([start, selection, times(most, worst_of(each)), _crowd(plan, most)])


def turn(member: Member, judge: Judge) -> Bound:
    """Bound one turn of *member*, its answer included."""
    if member.hidden is not None:
        return open_ended(Verdict.UNKNOWN, f"{member.name}: how long {member.hidden} takes is not known")
    if member.calls is None:
        return open_ended(Verdict.UNBOUNDED, member.why or f"{member.name} goes on as long as its model asks for tools")
    loose = "tool calls, their results and other events count as messages, too" if member.events else ""
    one = bounded(member.says + member.events, member.calls, loose=(loose, member.loose))
    return both(one, judge(member.inner)) if member.inner is not None else one


def _nothing_given(plan: Team, most: int) -> str:
    """Say why a team inside may not go on: it fails where it follows itself, and is given no message."""
    repeats = len(plan.members) == 1 or plan.order == "handoff" or (plan.order == "model" and plan.repeats)
    inside = any(not member.says for member in plan.members)
    return "a team inside that follows itself is given nothing, and fails" if inside and repeats and most > 1 else ""


def _crowd(plan: Team, most: int) -> Bound:
    """Say that the bound is loose where a turn brings more than the one message that conditions were taken to count."""
    if not most or plan.max_turns == most or all(member.says for member in plan.members):
        return bounded(0, 0)
    return bounded(0, 0, loose=("a team inside brings more than one message a turn",))


def _ends(plan: Team) -> Turns:
    allowed = turns(plan, plan.condition, task=plan.task)
    if plan.max_turns is None:
        return allowed
    limit = Turns(verdict=Verdict.BOUNDED, most=plan.max_turns, why=(f"max_turns={plan.max_turns} of {plan.kind}",))
    return least(limit, allowed)


def _path(plan: Team, ends: Turns) -> list[str]:
    names = [member.name for member in plan.members]
    ways = {
        "turns": " → ".join([*names, names[0]]) + " → …" if names else "",
        "model": f"the model that picks a speaker may pick {names[0] if names else 'anyone'} again and again",
        "handoff": f"{names[0] if names else 'the first'} goes on speaking as long as nobody hands over",
    }
    return [*([ways[plan.order]] if ends.verdict is Verdict.UNBOUNDED and plan.order in ways else []), *ends.why]


def _graph(plan: Team, ends: Turns, judge: Judge) -> Bound:
    """Bound a graph: by the ways through it, by the turns that are allowed, or both."""
    batches = ends.most if ends.verdict is Verdict.BOUNDED else None
    each = {member.name: turn(member, judge) for member in plan.members}
    problems = total(each[name] for name in each)
    if problems.verdict is not Verdict.BOUNDED:
        return problems
    walk = graphs.Walk(plan.edges)
    first = walk.first(plan.starts)
    try:
        states = walk.states(plan.starts)
    except graphs.TooManyWaysError:
        return _wide(plan, ends, each)
    if batches is None:
        round_and_round = graphs.ring(states, first)
        if round_and_round is not None:
            return _round(plan, ends, round_and_round)
    if batches is not None and batches > _MOST_BATCHES:
        return _wide(plan, ends, each)
    messages = graphs.longest(states, first, {name: one.messages or 0 for name, one in each.items()}, batches)
    calls = graphs.longest(states, first, {name: one.calls or 0 for name, one in each.items()}, batches)
    free = graphs.ring(states, first) is None and (batches is None or batches >= len(states))
    why = ("the graph has no way back",) if free else ends.why
    conditional = any(edge.condition is not None for edges in plan.edges.values() for edge in edges)
    loose = ("which conditions of the graph can hold together is not looked into",) if conditional else ()
    return bounded(plan.told + messages, calls, *why, loose=(*loose, *ends.loose))


def _round(plan: Team, ends: Turns, ring: list[str]) -> Bound:
    """Say how a graph goes on for ever, or which function may keep it from doing so."""
    path = " → ".join(ring)
    if ends.verdict in {Verdict.HUMAN, Verdict.UNKNOWN}:
        return open_ended(ends.verdict, f"the graph may go round: {path}", *ends.why)
    plain = graphs.Walk(plan.edges, opaque=False)
    if any(edge.opaque for edges in plan.edges.values() for edge in edges) and (
        graphs.ring(plain.states(plan.starts), plain.first(plan.starts)) is None
    ):
        hidden = next(edge.condition for edges in plan.edges.values() for edge in edges if edge.opaque)
        return open_ended(Verdict.UNKNOWN, f"the graph goes round as long as {hidden} says so: {path}", *ends.why)
    return open_ended(Verdict.UNBOUNDED, f"the graph may go round: {path}", *ends.why)


def _wide(plan: Team, ends: Turns, each: dict[str, Bound]) -> Bound:
    """Bound a graph with too many ways to walk by what all its members may take in each batch."""
    if ends.verdict is not Verdict.BOUNDED:
        return open_ended(ends.verdict, "the graph has too many ways through it to walk them all", *ends.why)
    groups = dict.fromkeys(each, 1)
    for name in groups:
        into = {edge.group for edges in plan.edges.values() for edge in edges if edge.target == name}
        groups[name] = max(1, len(into))
    batch = total(times(count, each[name]) for name, count in groups.items())
    whole = times(ends.most, batch)
    loose = ("the graph has too many ways through it to walk them all",)
    return total([bounded(plan.told, 0, *ends.why, loose=loose), whole])


def _ledger(plan: Team, judge: Judge) -> Bound:
    """Bound Magentic-One."""
    if plan.max_turns is None:
        return open_ended(
            Verdict.UNBOUNDED,
            "the orchestrator may plan anew again and again: without max_turns no condition sees that",
        )
    steps = plan.max_turns + 1
    each = worst_of([turn(member, judge) for member in plan.members])
    if each.verdict is not Verdict.BOUNDED:
        return each
    loose = ("the ledger has to fail nine times in each step, and the most expensive member to speak",)
    fixed = bounded(
        plan.told + 2,
        _PLAN_CALLS + _LEDGER_ATTEMPTS * steps + 1,
        f"max_turns={plan.max_turns} of {plan.kind}: {steps} steps, each with up to {_LEDGER_ATTEMPTS} ledgers",
        loose=loose,
    )
    step = bounded(1 + (each.messages or 1), max(each.calls or 0, _PLAN_CALLS), *each.why, loose=each.loose)
    return both(fixed, times(steps, step))
