"""The red lines of endings: what keeps a conversation from ending, or from ending as it was meant to."""

from __future__ import annotations

from collections.abc import Iterable

from harness.audit.bounds import Verdict
from harness.audit.subject import RedLine, Subject, groups, pairs, talks, teams
from harness.model import Finding, Severity
from harness.setups import Agent


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
        """Yield the path of each conversation that has no end."""
        for number, path in subject.ending(Verdict.UNBOUNDED):
            yield self.finding(f"nothing ends it: {'; '.join(path)}", evidence={"path": path, "conversation": number})


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
        agents = subject.agents()
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
        agents = subject.agents()
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
        """Yield the function, for each conversation that one decides."""
        for number, path in subject.ending(Verdict.UNKNOWN):
            told = f"nobody can say when it ends: {'; '.join(path)}"
            yield self.finding(told, evidence={"path": path, "conversation": number})


class OnlyAPersonEnds(RedLine):
    """Only a person ends the conversation.

    Why: where nobody sits at a terminal it waits, fails, or goes on for as long as empty answers are given.

    Fix: add a limit that counts (`max_turns`), and `human_input_mode="NEVER"` where it runs by itself.
    """

    code = "A717"
    name = "only-a-person-ends"
    severity = Severity.NOTE

    def judge(self, subject: Subject) -> Iterable[Finding]:
        """Yield who it is, for each conversation."""
        for number, path in subject.ending(Verdict.HUMAN):
            yield self.finding("; ".join(path), evidence={"path": path, "conversation": number})


def _has_own(agent: Agent) -> bool:
    return agent.predicate is not None and not agent.predicate.default
