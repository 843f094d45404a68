"""What an audit comes to, and its form as data: the same for the command, for reports and for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.audit.certificate import Certificate
from harness.audit.lines import CHECKLIST
from harness.audit.reaching import Unreached
from harness.audit.subject import titled
from harness.model import Finding, Json, Severity
from harness.setups import Agent, Origin, Place, Setup
from harness.text import one_line

_LONGEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Everything that is said of one set-up. *ended* says what ended the program, if anything did.

    *certificate* holds for all its conversations, and *each* for one, in order. *unreached* are the lines of the target
    that nothing can be said of, and *remarks* what else is to be told, such as suppressions of nothing.
    """

    target: str
    setup: Setup
    certificate: Certificate | None
    findings: Sequence[Finding]
    each: Sequence[Certificate] = ()
    ended: str | None = None
    unreached: Sequence[Unreached] = ()
    remarks: Sequence[str] = ()

    def document(self) -> dict[str, Json]:
        """Give it as JSON: the public form of ``audit --format json``."""
        agents = self.setup.agents
        return {
            "target": self.target,
            "framework": self.setup.framework,
            "certificate": None if self.certificate is None else certificate(self.certificate),
            "conversations": list(self._conversations()),
            "checklist": checklist(self.findings, proved=self.certificate is not None),
            "findings": [finding(each, agents, self.setup.origins) for each in self.findings],
            "agents": [described(agent) for agent in self.setup.agents],
            "ended": self.ended,
            "ended_at": _place(self.setup.stopped),
            "not_judged": [{"line": one.line, "what": one.what, "function": one.function} for one in self.unreached],
            "remarks": list(self.remarks),
        }

    def _conversations(self) -> Iterator[dict[str, Json]]:
        for number, (plan, proved) in enumerate(zip(self.setup.plans, self.each, strict=True)):
            origin = self.setup.origins[number] if number < len(self.setup.origins) else None
            yield {
                "what": one_line(titled(plan), _LONGEST),
                "begun": origin is not None and origin.begun,
                **((_place(origin.place) if origin is not None else None) or {"file": None, "line": None}),
                "certificate": certificate(proved),
            }


def certificate(found: Certificate) -> dict[str, Json]:
    """Give a certificate as JSON. Numbers are null where they are not known."""
    bound = found.bound
    return {
        "verdict": bound.verdict.value,
        "messages": bound.messages,
        "model_calls": bound.calls,
        "cost_usd": found.cost_usd,
        "tight": bound.tight,
        "why": _texts(bound.why),
        "path": _texts(bound.path),
        "loose": _texts(bound.loose),
        "unpriced": _texts(found.unpriced),
        "not_counted": _texts(found.aside),
    }


def checklist(findings: Sequence[Finding], *, proved: bool = True) -> list[dict[str, Json]]:
    """Hold *findings* against the six points: a note is told with its point, and fails it not.

    Where no conversation was found (*proved* is false), nobody knows of those about its end: they are None, unless they
    are failed.
    """
    found = {each.code for each in findings}
    bad = {each.code for each in findings if each.severity is not Severity.NOTE}
    return [
        {
            "point": point,
            "passed": None if "A701" in codes and not proved and not bad & set(codes) else not bad & set(codes),
            "codes": sorted(found & set(codes)),
        }
        for point, codes in CHECKLIST.items()
    ]


def finding(found: Finding, agents: Sequence[Agent], origins: Sequence[Origin] = ()) -> dict[str, Json]:
    """Give a finding as JSON, with the line that makes the agent it is about, or begins the conversation."""
    name, line, number = (found.evidence.get(key) for key in ("agent", "line", "conversation"))
    named = [agent for agent in agents if agent.name == name]
    agent = next((one for one in named if one.place is not None and one.place.line == line), next(iter(named), None))
    place = _place(agent.place) if agent is not None else None
    if isinstance(number, int) and number < len(origins):
        place = _place(origins[number].place)
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity.value,
        "text": one_line(found.text, _LONGEST),
        "agent": name,
        **(place or {"file": None, "line": None}),
        "evidence": dict(found.evidence),
        **({"suppressed": one_line(found.suppressed, _LONGEST)} if found.suppressed else {}),
    }


def described(agent: Agent) -> dict[str, Json]:
    """Give an agent as JSON; neither its prompt nor any key."""
    return {
        "name": agent.name,
        "type": agent.kind,
        **(_place(agent.place) or {"file": None, "line": None}),
        "models": list(agent.models),
        "human_input_mode": agent.human,
        "tools": sorted({*agent.offered, *agent.runs}),
        "code_execution": agent.code.executor if agent.code is not None else None,
        "sandboxed": agent.code.sandboxed if agent.code is not None else None,
    }


def _place(place: Place | None) -> dict[str, Json] | None:
    return None if place is None else {"file": place.file, "line": place.line}


def _texts(found: Sequence[str]) -> list[str]:
    return [one_line(each, _LONGEST) for each in found]
