"""The red lines: what of a set-up should not go into production. Each is a check of its set-up, not of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.audit.bounds import Verdict
from harness.audit.certificate import Certificate
from harness.check import Check
from harness.model import Finding, Severity
from harness.setups import Agent, Chain, Condition, Group, Plan, Setup, Talk, Team, Voice
from harness.text import one_line


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


class NoTermination(RedLine):
    """Nothing ends the conversation: with a model that says the wrong thing it goes on for ever.

    Why: a termination word is a wish. A model that misses it, misspells it or calls one more tool keeps every agent
    talking, and each message costs more than the one before.

    Fix: add something that counts: `max_turns` or `MaxMessageTermination` for a team (join them with `|`, not `&`),
    `max_turns` or `max_consecutive_auto_reply` for a classic chat, and a guard for an AG2 1.x agent with tools.
    """

    code = "A701"
    name = "no-termination"
    severity = Severity.ERROR

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield the path that has no end."""
        certificate = subject.certificate
        if certificate is not None and certificate.verdict is Verdict.UNBOUNDED:
            path = list(certificate.bound.path)
            yield self.finding(f"nothing ends it: {'; '.join(path)}", evidence={"path": path})


class NoTurnLimit(RedLine):
    """No limit of turns was set: only the framework's own hundred answers end the chat.

    Why: two hundred messages with a growing history are rarely what was meant, and a bill is written for each.

    Fix: give `initiate_chat` a `max_turns`, or the agents a `max_consecutive_auto_reply` that fits the task.
    """

    code = "A702"
    name = "no-turn-limit"
    severity = Severity.WARNING
    thresholds = {"usual": 100}  # noqa: RUF012 - as its base declares it

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each chat that only a default ends."""
        for plan in talks(subject.setup.plans):
            limits = [voice.limit for voice in (plan.starter, plan.recipient) if voice.limit is not None]
            if plan.max_turns is None and limits and min(limits) >= self.threshold("usual"):
                pair = f"{plan.starter.name} and {plan.recipient.name}"
                yield self.finding(
                    f"the chat of {pair} ends after {min(limits)} answers in a row at the earliest",
                    evidence={"agent": plan.recipient.name, "limit": min(limits)},
                )


class NoCostLimit(RedLine):
    """Nothing limits what a run may cost.

    Why: turns bound the number of calls, not their size, and a price per call is not known beforehand.

    Fix: set `max_cost_usd` or `max_tokens` in `[tool.harness.limits]` and run under the guard, or give an AgentChat
    team a `TokenUsageTermination`.
    """

    code = "A703"
    name = "no-cost-limit"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield once where models are asked and nothing limits them."""
        asks = any(agent.models for agent in subject.setup.agents)
        limited = {"max_cost_usd", "max_tokens", "max_model_calls"} & set(subject.limits)
        counted = any(kind == "tokens" for plan in subject.setup.plans for kind in kinds(plan))
        if asks and not limited and not counted:
            yield self.finding("no limit of cost or tokens is set for a run")


class CodeWithoutSandbox(RedLine):
    """Code that a model writes runs on this machine, with all that its user may do.

    Why: one wrong command deletes files or sends secrets away, and a text that an agent reads can ask for it.

    Fix: run code in Docker (`DockerCommandLineCodeExecutor`) or another sandbox, with a folder of its own.
    """

    code = "A704"
    name = "code-without-sandbox"
    severity = Severity.ERROR

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent whose code is not kept apart."""
        for agent in subject.setup.agents:
            if agent.code is not None and agent.code.sandboxed is False:
                yield self.at(agent, f"{agent.name} runs code on {agent.code.executor}", executor=agent.code.executor)


class UnsafeDocker(RedLine):
    """A sandbox is open: its options give the container the machine.

    Why: a privileged container, the host's network, Docker's socket or the root folder undo what Docker is used for.

    Fix: leave these options out; bind one folder made for the purpose.
    """

    code = "A705"
    name = "unsafe-docker"
    severity = Severity.ERROR

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent with an open sandbox."""
        for agent in subject.setup.agents:
            if agent.code is not None and agent.code.unsafe:
                options = list(agent.code.unsafe)
                yield self.at(agent, f"the container of {agent.name} is given {', '.join(options)}", options=options)


_RISKY = re.compile(
    r"(?:^|_)(?:delete|remove|drop|exec|execute|run_code|shell|bash|command|write|send|pay|payment|refund|deploy|"
    r"purchase|buy|cancel|book|kill)(?:_|$)",
    re.IGNORECASE,
)


class NobodyApproves(RedLine):
    """What can do harm happens without asking anybody.

    Why: code, and tools that delete, send or pay, act on the word of a model, which may repeat what it has read.

    Fix: set `human_input_mode="ALWAYS"` on the agent that runs them, or give it an approval (`approval_func` of
    AgentChat's executor agent, `ApprovalRequired` in AG2 1.x).
    """

    code = "A706"
    name = "nobody-approves"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent that acts unasked."""
        for agent in subject.setup.agents:
            if agent.human == "ALWAYS" or agent.approval:
                continue
            risky = [name for name in agent.runs if _RISKY.search(name)]
            if agent.code is not None and not agent.code.approved and agent.code.sandboxed is not True:
                yield self.at(agent, f"{agent.name} runs code, and nobody is asked first")
            elif risky:
                tools = ", ".join(one_line(name, 60) for name in risky)
                yield self.at(agent, f"{agent.name} runs {tools}, and nobody is asked first", tools=risky)


class RoleMissing(RedLine):
    """An agent that a model speaks for has no role of its own.

    Why: without a system message of its own it answers everything, for everybody, in any form.

    Fix: write what it does, what it does not do, and when it is done, as its `system_message` (AG2 1.x: its prompt).
    """

    code = "A707"
    name = "role-missing"
    severity = Severity.NOTE

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent without a role."""
        for agent in subject.setup.agents:
            if agent.models and not agent.manager and (agent.role is None or agent.default_role):
                yield self.at(agent, f"{agent.name} has no role of its own")


class DescriptionMissing(RedLine):
    """A model picks who speaks, and does not know what an agent is for.

    Why: the choice is made by names and descriptions. Without one the wrong agent speaks, or one speaks all the time.

    Fix: give each agent of the group a `description` that says when it should speak.
    """

    code = "A708"
    name = "description-missing"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent that is picked without a description."""
        picked = {name for plan in subject.setup.plans for name in by_model(plan)}
        for agent in subject.setup.agents:
            if agent.name in picked and (agent.description is None or agent.default_description):
                yield self.at(agent, f"a model picks {agent.name} without a description of it")


class CapabilitiesTooBroad(RedLine):
    """Every agent has every tool.

    Why: who may do everything is not held to a role, and a text that one agent reads can use the tools of all.

    Fix: give each agent the tools of its own role.
    """

    code = "A709"
    name = "capabilities-too-broad"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield once where several agents share one set of several tools."""
        asking = [agent for agent in subject.setup.agents if agent.models and not agent.manager]
        sets = {frozenset(agent.offered) for agent in asking}
        if len(asking) > 1 and len(sets) == 1 and len(next(iter(sets))) > 1:
            names = [agent.name for agent in asking]
            tools = sorted(next(iter(sets)))
            told = f"{', '.join(names)} may all use {', '.join(one_line(name, 60) for name in tools)}"
            yield self.finding(told, evidence={"agent": names[0], "agents": names, "tools": tools})


class KeyInCode(RedLine):
    """A key stands in the source.

    Why: whoever reads the repository, its history or a traceback has the key.

    Fix: read it from the environment or a secret store, and withdraw the one that was written down.
    """

    code = "A710"
    name = "key-in-code"
    severity = Severity.ERROR

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent whose key is in the code."""
        for agent in subject.setup.agents:
            if agent.name in subject.keys:
                yield self.at(agent, f"the api_key of {agent.name} stands in {subject.keys[agent.name]}")


class WordNotHeard(RedLine):
    """A prompt asks for a termination word, and the predicate hears it only when it stands alone.

    Why: models write it at the end of an answer. The framework's own predicate (`content == "TERMINATE"`) missed 77 %
    of the real messages that carry the word.

    Fix: set `is_termination_msg=lambda m: (m.get("content") or "").rstrip().endswith("TERMINATE")`.
    """

    code = "A711"
    name = "word-not-heard"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each agent that will not hear the word."""
        agents = {agent.name: agent for agent in subject.setup.agents}
        for hearers, speakers in pairs(subject.setup.plans):
            asked = [name for name in speakers if name in agents and "TERMINATE" in (agents[name].role or "")]
            deaf = [agents[name] for name in hearers if name in agents]
            for agent in deaf:
                others = [name for name in asked if name != agent.name]
                if others and agent.predicate is not None and agent.predicate.exact:
                    told = f"{others[0]} is told to say TERMINATE, and {agent.name} hears it only as a whole message"
                    yield self.at(agent, told, speakers=others)


class PredicateFails(RedLine):
    """A termination predicate fails on a message without content.

    Why: a tool call is such a message (`content` is None), and the error ends the run instead of the predicate.

    Fix: write `(m.get("content") or "")` instead of `m["content"]` or `m.get("content", "")`.
    """

    code = "A712"
    name = "predicate-fails"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each predicate that raises."""
        for agent in subject.setup.agents:
            if agent.predicate is not None and agent.predicate.fails is not None:
                error = agent.predicate.fails
                told = f"{agent.predicate.name} of {agent.name} raises {error} where a message has no content"
                yield self.at(agent, told, error=error)


class PredicateOnWrongSide(RedLine):
    """A group chat is ended by its manager's predicate, and only a member has one.

    Why: the manager asks its own predicate about each message. The one of a user proxy is never asked there.

    Fix: give `is_termination_msg` to the `GroupChatManager`.
    """

    code = "A713"
    name = "predicate-on-wrong-side"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each manager that has none while a member has."""
        agents = {agent.name: agent for agent in subject.setup.agents}
        for plan in groups(subject.setup.plans):
            manager = agents.get(plan.manager)
            own = manager.predicate if manager is not None else None
            names = [plan.starter.name, *(voice.name for voice in plan.members)]
            holders = [name for name in dict.fromkeys(names) if name in agents and _has_own(agents[name])]
            if manager is not None and own is not None and own.default and holders:
                told = (
                    f"{manager.name} has no predicate of its own, and that of {', '.join(holders)} is not asked there"
                )
                yield self.at(manager, told, members=holders)


class ConditionNeverDecides(RedLine):
    """A limit ends a team before its condition can.

    Why: it looks as if the condition ended the run, and raising it changes nothing.

    Fix: drop one of the two, or raise `max_turns`.
    """

    code = "A714"
    name = "condition-never-decides"
    severity = Severity.NOTE

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each team whose count of messages is out of reach."""
        for plan in teams(subject.setup.plans):
            found = plan.condition
            if plan.max_turns is None or found is None or found.kind != "messages" or plan.order == "graph":
                continue
            if (found.limit or 0) - plan.task > plan.max_turns and all(member.says for member in plan.members):
                told = f"{found.why} never decides: max_turns={plan.max_turns} ends {plan.name} first"
                yield self.finding(told, evidence={"agent": plan.name, "max_turns": plan.max_turns})


class AnswersWithNothing(RedLine):
    """An agent without a model answers everything that is not code with an empty message.

    Why: the other side apologises or says good-bye, is answered with nothing again, and both go on until a limit.

    Fix: give it a `default_auto_reply` that says what to do ("Reply TERMINATE if you are done."), and a predicate.
    """

    code = "A715"
    name = "answers-with-nothing"
    severity = Severity.NOTE

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield each such agent that is asked by nobody."""
        speaking = {voice.name for plan in talks(subject.setup.plans) for voice in (plan.starter, plan.recipient)}
        for agent in subject.setup.agents:
            empty = agent.default_reply is not None and not agent.default_reply.strip()
            if agent.name in speaking and empty and not agent.models and agent.human == "NEVER" and not agent.manager:
                yield self.at(agent, f"{agent.name} has no model and answers with an empty message")


class EndNotKnown(RedLine):
    """A function of the program's own decides whether the conversation ends.

    Why: nobody can say how long it goes on, or what it may cost.

    Fix: add a limit that counts beside it: it ends what the function does not.
    """

    code = "A716"
    name = "end-not-known"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield the function."""
        certificate = subject.certificate
        if certificate is not None and certificate.verdict is Verdict.UNKNOWN:
            path = list(certificate.bound.path)
            yield self.finding(f"nobody can say when it ends: {'; '.join(path)}", evidence={"path": path})


class OnlyAPersonEnds(RedLine):
    """Only a person ends the conversation.

    Why: where nobody sits at a terminal it waits, fails, or goes on for as long as empty answers are given.

    Fix: add a limit that counts (`max_turns`), and `human_input_mode="NEVER"` where it runs by itself.
    """

    code = "A717"
    name = "only-a-person-ends"
    severity = Severity.NOTE

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield who it is."""
        certificate = subject.certificate
        if certificate is not None and certificate.verdict is Verdict.HUMAN:
            yield self.finding("; ".join(certificate.bound.path), evidence={"path": list(certificate.bound.path)})


LINES: Sequence[type[RedLine]] = (
    NoTermination, NoTurnLimit, NoCostLimit, CodeWithoutSandbox, UnsafeDocker, NobodyApproves, RoleMissing,
    DescriptionMissing, CapabilitiesTooBroad, KeyInCode, WordNotHeard, PredicateFails, PredicateOnWrongSide,
    ConditionNeverDecides, AnswersWithNothing, EndNotKnown, OnlyAPersonEnds,
)  # fmt: skip
"""Every red line, by code."""

CHECKLIST: Mapping[str, tuple[str, ...]] = {
    "It ends by itself": ("A701", "A711", "A712", "A713", "A716", "A717"),
    "Its turns are limited": ("A702", "A714", "A715"),
    "Its cost is limited": ("A703",),
    "Code runs in a sandbox": ("A704", "A705"),
    "A person approves what can do harm": ("A706",),
    "Roles and capabilities are drawn": ("A707", "A708", "A709", "A710"),
}
"""The six points of the production checklist, and the red lines that each stands for."""


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


def _has_own(agent: Agent) -> bool:
    return agent.predicate is not None and not agent.predicate.default
