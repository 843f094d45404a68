"""The red lines of harm: what a set-up may spend, run, or do unasked, and who may do it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.audit.subject import RedLine, Subject, by_model
from harness.model import Finding, Severity
from harness.setups import Chain, Choice, Condition, Plan, Team
from harness.text import one_line

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ACTS = frozenset({
    "bash", "delete", "deploy", "destroy", "drop", "erase", "exec", "execute", "kill", "overwrite", "publish", "remove",
    "send", "shell", "shutdown", "sudo", "transfer", "truncate", "uninstall", "wipe", "withdraw", "write",
})  # fmt: skip
_ACTS_OR_THINGS = frozenset({"book", "buy", "cancel", "command", "pay", "payment", "purchase", "refund"})
"""Words that a tool may do, or be about: one that only reads is about them."""
_READS = frozenset({
    "check", "count", "describe", "fetch", "find", "get", "history", "info", "is", "list", "lookup", "read", "search",
    "show", "status", "view",
})  # fmt: skip
_RUNS = frozenset({"code", "python", "script", "sql"})


def risky(name: str) -> bool:
    """Say whether a tool of this *name* can do harm: it deletes, sends, pays or runs what it is given."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or not _ACTS.isdisjoint(words):
        return bool(words)
    if words[0] == "run" and not _RUNS.isdisjoint(words):
        return True
    return not _ACTS_OR_THINGS.isdisjoint(words) and _READS.isdisjoint((words[0], words[-1]))


_COST = re.compile(r"(?:(?:run|day|month)\.)?max_(?:cost_usd|tokens|model_calls)")
"""The limits, by name, that keep the cost of all agents together down."""


class NoCostLimit(RedLine):
    """Nothing limits what a run may cost.

    Why: turns bound the number of calls, not their size, and a price per call is not known beforehand.

    Fix: run it inside `with harness.guard({"max_cost_usd": 2}):`, or set `max_cost_usd` or `max_tokens` in
    `[tool.harness.guard]`; or give an AgentChat team a `TokenUsageTermination`.
    """

    code = "A703"
    name = "no-cost-limit"
    severity = Severity.WARNING

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield once where models are asked and nothing limits them."""
        asks = any(agent.models for agent in subject.setup.agents)
        limited = any(_COST.fullmatch(name) for name in subject.limits)
        plans = subject.setup.plans
        if asks and not limited and not (plans and all(map(_counted, plans))):
            yield self.finding("no limit of cost or tokens is set for a run")


def _counted(plan: Plan) -> bool:
    """Say whether *plan* is a team that ends by its tokens, or conversations that all are."""
    if isinstance(plan, (Chain, Choice)):
        return all(map(_counted, plan.links if isinstance(plan, Chain) else plan.ways))
    told = isinstance(plan, Team) and any(member.tells for member in plan.members)
    return isinstance(plan, Team) and told and _by_tokens(plan.condition)


def _by_tokens(condition: Condition | None) -> bool:
    if condition is None or condition.kind not in {"any", "all"}:
        return condition is not None and condition.kind == "tokens"
    return (any if condition.kind == "any" else all)(map(_by_tokens, condition.parts))


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
            doing = [name for name in agent.runs if risky(name)]
            if agent.code is not None and not agent.code.approved and agent.code.sandboxed is not True:
                yield self.at(agent, f"{agent.name} runs code, and nobody is asked first")
            elif doing:
                tools = ", ".join(one_line(name, 60) for name in doing)
                yield self.at(agent, f"{agent.name} runs {tools}, and nobody is asked first", tools=doing)


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
