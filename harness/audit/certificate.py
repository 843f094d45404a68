"""The termination certificate: the bound of every conversation of a set-up, and what it can cost at worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness import prices
from harness.adapters.capturing import UNKNOWN_MODEL
from harness.audit import asks, bounds, chats, teams
from harness.audit.bounds import Bound, Verdict, open_ended
from harness.setups import Agent, Ask, Chain, Choice, Group, Plan, Recursion, Setup, Talk, Team, Untold, Workflow
from harness.windows import longest_answer, window


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is proved. *cost_usd* is the worst case, None where a price or a window is not known (*unpriced*).

    *bound* holds for each conversation alone where the set-up has several.
    """

    bound: Bound
    cost_usd: float | None = None
    unpriced: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.bound.verdict


def certify(setup: Setup, own_prices: Mapping[str, tuple[float, float]] | None = None) -> Certificate | None:
    """Prove what can be proved of *setup*; None if it holds no conversation. *own_prices* are the project's."""
    return together(certificates(setup, own_prices), setup)


def certificates(setup: Setup, own_prices: Mapping[str, tuple[float, float]] | None = None) -> tuple[Certificate, ...]:
    """Prove what can be proved of each conversation of *setup*, in the order of its plans."""
    return tuple(_certificate(judge(plan), setup, own_prices or {}) for plan in setup.plans)


def together(each: Sequence[Certificate], setup: Setup) -> Certificate | None:
    """Give what holds for whichever of several conversations takes place; None where there is none."""
    if len(each) < 2:  # noqa: PLR2004 - then it is that one's
        return each[0] if each else None
    bound = bounds.worst_of(one.bound for one in each)
    costs = [one.cost_usd for one in each]
    known = [cost for cost in costs if cost is not None]
    unpriced = tuple(dict.fromkeys(why for one in each for why in one.unpriced))
    worst = max(known) if len(known) == len(costs) else None
    return Certificate(bound=bound, cost_usd=worst, unpriced=unpriced, aside=setup.aside)


def _certificate(bound: Bound, setup: Setup, own: Mapping[str, tuple[float, float]]) -> Certificate:
    cost, unpriced = (None, ()) if bound.calls is None else _cost(bound.calls, setup.agents, own)
    return Certificate(bound=bound, cost_usd=cost, unpriced=unpriced, aside=setup.aside)


def judge(plan: Plan) -> Bound:  # noqa: PLR0911 - one return a kind
    """Bound *plan*."""
    match plan:
        case Talk():
            return chats.talk(plan, judge)
        case Group():
            return chats.group(plan, judge)
        case Chain():
            return bounds.total(judge(link) for link in plan.links)
        case Choice():
            return bounds.worst_of(judge(way) for way in plan.ways)
        case Team():
            return teams.team(plan, judge)
        case Ask():
            return asks.ask(plan, judge)
        case Workflow():
            return asks.workflow(plan, judge)
        case Recursion():
            return open_ended(Verdict.UNBOUNDED, f"{' → '.join(plan.path)}: each answer begins the same chat again")
        case Untold():
            return open_ended(Verdict.UNKNOWN, f"{plan.what}: {plan.function} is the program's own and not looked into")


def _cost(
    calls: int, agents: Iterable[Agent], own: Mapping[str, tuple[float, float]]
) -> tuple[float | None, tuple[str, ...]]:
    """Take every call to be the most expensive one: a full window read, and as much written as is allowed."""
    if not calls:
        return 0.0, ()
    worst, unpriced = 0.0, []
    for agent in agents:
        for model in agent.models:
            price, read, longest = _price(model, own), window(model), longest_answer(model)
            if price is None or read is None or longest is None:
                missing = "no price" if price is None else "no context window"
                named = f"{model}: {missing} is known"
                unpriced.append("nothing here says which model is meant" if model == UNKNOWN_MODEL else named)
                continue
            written = min(agent.max_tokens or longest, longest)
            worst = max(worst, (read * price[0] + written * price[1]) / prices.MILLION)
    if unpriced or not worst:
        return None, tuple(dict.fromkeys(unpriced)) or ("no model is named",)
    return calls * worst, ()


def _price(model: str, own: Mapping[str, tuple[float, float]]) -> tuple[float, float] | None:
    if model in own:
        return own[model]
    listed = prices.price(model)
    return None if listed is None else (listed.input_usd, listed.output_usd)
