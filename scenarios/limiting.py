"""Stop a run that has used what its scenario allows: the interceptor that holds the ``limits``.

What is allowed is looked at before each question to a model or a human, so a run ends at the first one that is too
many. A limit of seconds is held by the clock as well (``stage``), for who asks nobody.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import prices, semconv
from harness.call import Reply, StoppedError
from harness.model import Operation
from harness.scopes import current, given_run
from harness.text import one_line

if TYPE_CHECKING:
    from harness.call import Call

    from .scenario import Scenario

VARIABLE = "HARNESS_LIMITS"
_ASKS = frozenset({Operation.CHAT, Operation.HUMAN})
_TOLD = {
    "messages": "{:,.0f} messages",
    "model_calls": "{:,.0f} model calls",
    "tokens": "{:,.0f} tokens",
    "cost_usd": "${:g}",
    "seconds": "{:g} s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a run may use, by the names of ``limits``, and what each of its agents may."""

    run: Mapping[str, float] = field(default_factory=dict)
    agents: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.run or self.agents)


def allowed(scenario: Scenario) -> Allowed:
    """Read what *scenario* allows."""
    agents = {str(one["name"]): one["limits"] for one in scenario.agents if one.get("limits")}
    return Allowed(run=scenario.limits, agents=agents)


def environment(what: Allowed) -> dict[str, str]:
    """Write what :func:`from_environment` reads, for a program in a process of its own."""
    return {VARIABLE: json.dumps({"run": dict(what.run), "agents": dict(what.agents)})} if what else {}


def from_environment() -> Limits | None:
    """Make the limits that the environment asks for, if any. Each process of a program holds them by itself."""
    told = os.environ.get(VARIABLE)
    return Limits(Allowed(**json.loads(told))) if told else None


class Limits:
    """An interceptor that lets no question pass any more once a limit is reached; safe for threads and tasks."""

    def __init__(self, what: Allowed, *, own_prices: Mapping[str, tuple[float, float]] | None = None) -> None:
        """*own_prices* are a project's, as for ``prices.cost_usd``."""
        self.reason: str | None = None
        """Why the run was stopped, if it was."""
        self.unpriced = 0
        """How many answers had no known price: money is not held where it is not known."""
        self._what = what
        self._prices = own_prices
        self._lock = threading.Lock()
        self._used: defaultdict[tuple[str | None, str], float] = defaultdict(float)
        self._began = time.monotonic()

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Refuse *call* if what is allowed is used up, else let it pass and count it."""
        if call.operation not in _ASKS:
            reply = yield call
            return reply
        with self._lock:
            self.reason = self.reason or self._reached(call.agent)
            if self.reason is None and call.operation is Operation.CHAT:
                self._count(call.agent, "model_calls", 1)
        if self.reason is not None:
            return Reply(error=StoppedError(self.reason, hint="It is stopped by its own `limits`."))
        reply = yield call
        if call.operation is Operation.CHAT:
            with self._lock:
                self._spent(call, reply)
        return reply

    def _reached(self, agent: str | None) -> str | None:
        run = given_run() or (scope.run if (scope := current()) is not None else None)
        now = {"messages": run.messages if run else 0, "seconds": time.monotonic() - self._began}
        for name, most in self._what.run.items():
            if now.get(name, self._used[None, name]) >= most:
                return f"the limit of {_TOLD[name].format(most)} was reached"
        for name, most in self._what.agents.get(agent or "", {}).items():
            if self._used[agent, name] >= most:
                return f"the limit of {_TOLD[name].format(most)} was reached by {one_line(agent, 40)!r}"
        return None

    def _count(self, agent: str | None, name: str, amount: float) -> None:
        for whose in dict.fromkeys((None, agent)):
            self._used[whose, name] += amount

    def _spent(self, call: Call, reply: Reply) -> None:
        value = reply.value or {}
        usage = value.get("usage") or {}
        given, taken = usage.get("input_tokens"), usage.get("output_tokens")
        self._count(call.agent, "tokens", (given or 0) + (taken or 0))
        cost = reply.attributes.get(semconv.GEN_AI_COST)
        if cost is None:
            model = value.get("model") or call.request.get("model")
            cached = usage.get("cached_tokens") or 0
            cost = prices.cost_usd(model, given, taken, cached_tokens=cached, overrides=self._prices)
        if cost is None:
            self.unpriced += bool(reply.value)
        else:
            self._count(call.agent, "cost_usd", cost)
