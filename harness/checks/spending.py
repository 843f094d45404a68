"""How a budget adds up what is used, and what a model call costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from harness import prices, semconv
from harness.check import CHATS_END, Check, Settings
from harness.model import CallRecord, Event, Finding, Operation, Severity

_MOST_AGENTS = 1024


def cost_usd(call: CallRecord, settings: Settings) -> float | None:
    """Read the recorded cost of one model call, or price it now; None where nobody knows."""
    usage = call.usage
    if usage.cost_usd is not None:
        return usage.cost_usd
    return prices.cost_usd(call.model, usage.input_tokens, usage.output_tokens, overrides=settings.prices)


class Budget(Check):
    """Adds up one thing and reports, once, the event with which it *passed* its limit."""

    limit: ClassVar[str]
    severity = Severity.ERROR

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._allowed = settings.limits.get(self.limit)
        self._used = 0.0
        self._by_agent: dict[str, float] = {}
        self.passed = False

    def see(self, event: Event) -> Iterable[Finding]:
        """Add what *event* used, and say when that passes the limit."""
        if self._allowed is None or self.passed:
            return ()
        used = self.used(event)
        if not used:
            return ()
        self._used += used
        agent = self.agent(event)
        if agent in self._by_agent or len(self._by_agent) < _MOST_AGENTS:
            self._by_agent[agent] = self._by_agent.get(agent, 0) + used
        if self._used <= self._allowed:
            return ()
        self.passed = True
        return (self._over(event, self._allowed),)

    def idle(self) -> bool:
        """Judge by nothing but a limit that was set."""
        return self._allowed is None

    def used(self, event: Event) -> float:
        """Measure what *event* adds; 0 for nothing."""
        raise NotImplementedError

    def show(self, amount: float) -> str:
        """Write an amount with its unit."""
        raise NotImplementedError

    def agent(self, event: Event) -> str:
        """Name who used it."""
        name = event.call.agent if event.call is not None else None
        name = name or event.span.attributes.get(semconv.GEN_AI_AGENT)
        return name if isinstance(name, str) else ""

    def _over(self, event: Event, allowed: float) -> Finding:
        shares = {
            name: self._by_agent[name]
            for name in sorted(self._by_agent, key=self._by_agent.__getitem__, reverse=True)
            if name
        }
        most = f"; most by {next(iter(shares))}" if len(shares) > 1 else f" by {next(iter(shares))}" if shares else ""
        return self.finding(
            f"{self.show(self._used)} used{most}, {self.show(allowed)} allowed ({self.limit})",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={"limit": self.limit, "allowed": allowed, "used": self._used, "by_agent": shares},
        )


class CallBudget(Budget):
    """Counts what model calls use that were really made: a framework's own cache answers for nothing."""

    watches = CHATS_END

    def used(self, event: Event) -> float:
        """Measure the model call that ends with *event*."""
        made = event.phase == "end" and event.span.operation is Operation.CHAT and event.call is not None
        if not made or event.call is None or event.span.attributes.get(semconv.HARNESS_CACHE_HIT) is True:
            return 0
        return self.used_by(event.call)

    def used_by(self, call: CallRecord) -> float:
        """Measure one model call."""
        raise NotImplementedError
