"""What a red line judges, and what it is; and the ways to go through the plans of a set-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.audit.bounds import Verdict
from harness.audit.certificate import Certificate
from harness.check import Check
from harness.model import Finding
from harness.setups import (
    Agent,
    Ask,
    Chain,
    Choice,
    Group,
    Plan,
    Recursion,
    Setup,
    Talk,
    Team,
    Untold,
    Voice,
    Workflow,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged: the set-up, its certificate, the *limits* that hold, and the agents whose code holds a key.

    *each* are the certificates of the set-up's conversations, in order; none if there is but one. *keys* gives, by the
    name of an agent, the line that a key stands in.
    """

    setup: Setup
    certificate: Certificate | None
    each: Sequence[Certificate] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def agents(self) -> dict[str, Agent]:
        """Give the agents by name: of those with one name the first, who is in the conversation that was begun."""
        return {agent.name: agent for agent in reversed(self.setup.agents)}

    def ending(self, verdict: Verdict) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the path of each conversation with that *verdict*."""
        every = self.each or ([self.certificate] if self.certificate is not None else [])
        for number, certificate in enumerate(every):
            if certificate.verdict is verdict:
                yield number, list(certificate.bound.path)


class RedLine(Check):
    """Base of the red lines: *judge* yields what it finds in a set-up. A run is never judged by one."""

    def judge(self, subject: Subject) -> Iterable[Finding]:  # noqa: ARG002 - for subclasses
        """Yield what is wrong."""
        return ()

    def idle(self) -> bool:
        """Say so: there is nothing in a run to judge."""
        return True

    def at(self, agent: Agent, text: str, **evidence: object) -> Finding:
        """Make a finding about *agent*; the line that makes it tells it from others of its name."""
        made = {"line": agent.place.line} if agent.place is not None else {}
        return self.finding(text, evidence={"agent": agent.name, **made, **evidence})


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


def by_model(plan: Plan) -> Iterator[str]:
    """Yield the names of those among whom a model picks."""
    for each in walk([plan]):
        if isinstance(each, Group) and each.attempts and each.selection == "auto":
            yield from (voice.name for voice in each.members)
        elif isinstance(each, Team) and each.order in {"model", "ledger"}:
            yield from (member.name for member in each.members)


def titled(plan: Plan) -> str:  # noqa: C901, PLR0911 - one return a kind
    """Say in a few words which conversation *plan* is of."""
    match plan:
        case Talk():
            return f"the chat of {plan.starter.name} and {plan.recipient.name}"
        case Group():
            return f"the group chat of {plan.manager}"
        case Chain() if len(plan.links) == 1:
            return titled(plan.links[0])
        case Chain():
            return f"{len(plan.links)} chats one after another"
        case Choice():
            return " or ".join(map(titled, plan.ways))
        case Team():
            return f"the team {plan.name}"
        case Ask():
            return f"a question to {plan.member.name}"
        case Workflow():
            return f"the channel {plan.name}"
        case Recursion():
            return f"the chat of {plan.path[0]}"
        case Untold():
            return plan.what
