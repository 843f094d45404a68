"""What a red line judges, and what it is; and the ways to go through the plans of a set-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.audit.certificate import Certificate
from harness.check import Check
from harness.model import Finding
from harness.setups import Agent, Chain, Condition, Group, Plan, Setup, Talk, Team, Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged: the set-up, its certificate, the *limits* of the project, and the agents whose code holds a key.

    *keys* gives, by the name of an agent, the line that a key stands in.
    """

    setup: Setup
    certificate: Certificate | None
    limits: Mapping[str, float] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


class RedLine(Check):
    """Base of the red lines: *judge* yields what it finds in a set-up. A run is never judged by one."""

    def judge(self, subject: Subject) -> Iterable[Finding]:  # noqa: ARG002 - for subclasses
        """Yield what is wrong."""
        return ()

    def idle(self) -> bool:
        """Say so: there is nothing in a run to judge."""
        return True

    def at(self, agent: Agent, text: str, **evidence: object) -> Finding:
        """Make a finding about *agent*."""
        return self.finding(text, evidence={"agent": agent.name, **evidence})


def walk(plans: Iterable[Plan]) -> Iterator[Plan]:
    """Yield *plans* and all that is within them."""
    for plan in plans:
        yield plan
        if isinstance(plan, Talk):
            yield from walk(inner for voice in (plan.starter, plan.recipient) for inner in _inner(voice))
        elif isinstance(plan, Group):
            yield from walk(inner for voice in (plan.starter, *plan.members) for inner in _inner(voice))
        elif isinstance(plan, Chain):
            yield from walk(plan.links)
        elif isinstance(plan, Team):
            yield from walk(member.inner for member in plan.members if member.inner is not None)


def _inner(voice: Voice) -> tuple[Plan, ...]:
    return (*voice.nested, *voice.besides)


def talks(plans: Iterable[Plan]) -> Iterator[Talk]:
    """Yield the chats of two."""
    return (plan for plan in walk(plans) if isinstance(plan, Talk))


def groups(plans: Iterable[Plan]) -> Iterator[Group]:
    """Yield the group chats."""
    return (plan for plan in walk(plans) if isinstance(plan, Group))


def teams(plans: Iterable[Plan]) -> Iterator[Team]:
    """Yield the teams."""
    return (plan for plan in walk(plans) if isinstance(plan, Team))


def pairs(plans: Iterable[Plan]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield who asks a predicate about whose words: both sides of a chat, the manager of a group."""
    for plan in walk(plans):
        if isinstance(plan, Talk):
            yield [plan.starter.name], [plan.recipient.name]
            yield [plan.recipient.name], [plan.starter.name]
        elif isinstance(plan, Group):
            yield [plan.manager], [voice.name for voice in plan.members]


def kinds(plan: Plan) -> Iterator[str]:
    """Yield the kinds of condition that a plan's teams end by."""
    for each in teams([plan]):
        waiting: list[Condition] = [each.condition] if each.condition is not None else []
        while waiting:
            condition = waiting.pop()
            yield condition.kind
            waiting.extend(condition.parts)


def by_model(plan: Plan) -> Iterator[str]:
    """Yield the names of those among whom a model picks."""
    for each in walk([plan]):
        if isinstance(each, Group) and each.attempts and each.selection == "auto":
            yield from (voice.name for voice in each.members)
        elif isinstance(each, Team) and each.order in {"model", "ledger"}:
            yield from (member.name for member in each.members)
