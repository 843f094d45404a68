"""Guard a live run: what a guard is told, and what the seam asks of it.

A guard judges with the same checks as ``harness check``, fed by what the trace writes (``watching``), and holds limits
before a call is made (``budgets``, ``ledger``). What comes of it is the ``ladder``'s: a note, a nudge or a stop.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness import semconv
from harness.call import Call, Reply, StoppedError
from harness.check import Check, Judge, Settings, choose, installed
from harness.errors import UsageError
from harness.guarding import budgets
from harness.guarding.budgets import Bounds, Budget, Limit, Reached, Ticket
from harness.guarding.ladder import MONEY, MOST_KEPT, Ladder, Standing, Stop
from harness.guarding.ledger import Ledger, Promise
from harness.guarding.refusing import BUDGET, KILLED, Why
from harness.guarding.watching import Watching
from harness.model import Event, Finding, Json, Operation
from harness.scopes import RunState
from harness.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from harness.config import Config
    from harness.contents import Link, Part
    from harness.scopes import Scope
    from harness.trace import Trace

VARIABLE: Final = "HARNESS_GUARD"
ON_STOP: Final = ("end", "raise", "note")
DEFAULTS: Final[Mapping[str, float]] = {"max_model_calls": 30, "max_cost_usd": 2.0, "max_seconds": 180}
"""The limits of a guard that says nothing about them. None in their place takes one away."""
RESERVE_OUTPUT_TOKENS: Final = 4096


@dataclass(slots=True, eq=False, kw_only=True)
class _Guarded(Standing):
    """What a guard knows of one run."""

    budget: Budget
    bounds: Bounds
    judge: Judge
    events: Watching
    began: float = field(default_factory=time.monotonic)


class Guard:
    """Keeps runs within limits and out of loops. Give it to ``instrument``, or use ``harness.guard`` for a block."""

    def __init__(  # noqa: PLR0913 - each as a program may want to set it
        self,
        limits: Mapping[str, Json] | None = None,
        *,
        on_stop: str = "end",
        nudge: bool = False,
        fail_closed: bool = False,
        checks: Sequence[str] = (),
        cap_output: bool = False,
        reserve_output_tokens: int = RESERVE_OUTPUT_TOKENS,
    ) -> None:
        """Hold *limits* (over the DEFAULTS), and judge by *checks* (codes, their beginnings or names; default: all).

        With *on_stop* ``end`` a conversation ends its framework's own normal way; with ``raise`` the program gets the
        OpenAI client's RateLimitError with AgentWall's body, and with ``note`` it is only noted. With *nudge* a warning
        is told to the agent. With *fail_closed* nothing is asked of a model whose price nobody knows while dollars are
        limited, nor once the guard itself has failed. With *cap_output* no answer may be longer than
        *reserve_output_tokens*. Raises UsageError for a limit or a setting that is none.
        """
        if on_stop not in ON_STOP:
            raise UsageError(f"on_stop must be one of {', '.join(ON_STOP)}, not {on_stop!r}")
        if reserve_output_tokens < 1:
            raise UsageError(f"reserve_output_tokens must be at least 1, not {reserve_output_tokens!r}")
        self._hold(budgets.limits(_over_defaults(limits or {})), reserving=True)
        self.on_stop = on_stop
        self.nudge = nudge
        self.fail_closed = fail_closed
        self.cap_output = cap_output
        self._ladder = Ladder(on_stop=on_stop, nudge=nudge, fail_closed=fail_closed)
        self.stops: deque[Stop] = self._ladder.stops
        """The last thousand runs that were stopped, in order; with ``note`` those that would have been."""
        self.findings: deque[tuple[str, Finding]] = self._ladder.findings
        """What the checks found, with the id of the run: the last thousand."""
        self.active = True
        self._states: deque[_Guarded] = deque(maxlen=0)
        self._checks = tuple(checks)
        self._reserve_output = reserve_output_tokens
        self._settings = Settings()
        self._kinds: tuple[type[Check], ...] = ()
        self._ledger: Ledger | None = None

    @classmethod
    def holding(cls, limits: Sequence[Limit]) -> Guard:
        """Hold exactly *limits*, and judge nothing: a call is let through as long as nothing of them is used up."""
        guard = cls(dict.fromkeys(DEFAULTS))
        guard._hold(limits, reserving=False)
        guard._watches = False
        return guard

    def _hold(self, limits: Sequence[Limit], *, reserving: bool) -> None:
        self.limits = tuple(limits)
        self._reserving = reserving
        self._watches = True
        self._dollars = any(limit.kind == "cost_usd" for limit in self.limits)

    def environment(self) -> dict[str, str]:
        """Write what ``written.from_environment`` reads, for a process of its own."""
        limits = budgets.named(self.limits)
        if not self._watches:
            return {VARIABLE: json.dumps({"holding": limits})}
        settings = {
            "on_stop": self.on_stop,
            "nudge": self.nudge,
            "fail_closed": self.fail_closed,
            "checks": self._checks,
            "cap_output": self.cap_output,
            "reserve_output_tokens": self._reserve_output,
        }
        return {VARIABLE: json.dumps({"limits": {**dict.fromkeys(DEFAULTS), **limits}, **settings})}

    @property
    def reason(self) -> str | None:
        """Why the first of the runs that were stopped, or would have been, was; None if none was."""
        return self.stops[0].why.reason if self.stops else None

    def attach(self, trace: Trace, store: Path, project: Config) -> None:
        """Work for *trace* from now on, with the *project*'s prices, thresholds and disabled checks."""
        self._ladder.trace = trace
        # What can be passed all the same, by the last answer, is judged as well.
        passed = {
            f"max_{limit.kind}": limit.most for limit in self.limits if limit.span == "run" and limit.kind in MONEY
        }
        self._settings = Settings.of(project, limits=passed)
        if self._watches:
            chosen = choose(installed(), self._checks, project.disabled)
            self._kinds = tuple(kind for kind in chosen if kind.live and not kind(self._settings).idle())
        self._ledger = Ledger(store, self.limits) or None

    # What the seam asks -------------------------------------------------------------------------------------------

    def begin(self, run: RunState) -> _Guarded:
        """Begin to guard *run*."""
        judge = Judge(self._settings, checks=self._kinds)
        state = _Guarded(
            run=run,
            budget=Budget(self.limits, reserving=self._reserving),
            bounds=Bounds(self._reserve_output, self._settings.prices),
            judge=judge,
            events=Watching(run.messages, wanted=judge.wants),
        )
        self._states.append(state)
        return state

    def keep(self) -> None:
        """Keep what is known of the last thousand runs, so that ``finish`` can tell what shows only then."""
        self._states = deque(self._states, maxlen=MOST_KEPT)

    def finish(self) -> None:
        """Take every run that was kept for over: what shows only then is among the findings, and stops nothing."""
        self.active = False
        for state in self._states:
            with state.lock:
                found = state.judge.finish()
            self.findings.extend((state.run.run_id, finding) for finding in found)
        self._states.clear()

    def stopped(self, state: _Guarded, agent: str | None) -> StoppedError | None:
        """Say why the run may not go on, if so."""
        try:
            return self._stopped(state, agent)
        except Exception as error:  # noqa: BLE001 - a guard that breaks says so
            return self._ladder.broke(state, error)

    def admit(self, state: _Guarded, call: Call) -> Ticket | StoppedError | None:
        """Promise *call* what it may use; or say why it is not made."""
        try:
            # Nobody is asked a question whose answer no model may be told any more.
            stopped = self._stopped(state, call.agent, spent=call.operation is Operation.HUMAN)
            return stopped if stopped is not None else self._reserved(state, call)
        except Exception as error:  # noqa: BLE001 - likewise
            return self._ladder.broke(state, error)

    def release(self, state: _Guarded, ticket: Ticket | None) -> None:
        """Take back what was promised to a call that is not made."""
        if ticket is not None:
            self._settled(state, ticket, {}, kept={})

    def settle(self, state: _Guarded, ticket: Ticket | None, call: Call, reply: Reply | None) -> None:
        """Put what *call* really used in place of what was promised to it."""
        if ticket is None:
            return
        try:
            used = budgets.used(call, reply, ticket.bound, self._settings.prices)
            # A replay is held to the run's limits as the run was; of the day's money it takes nothing.
            self._settled(state, ticket, used, kept={} if reply is not None and reply.replayed else used)
        except Exception as error:  # noqa: BLE001 - likewise
            self._ladder.broke(state, error)

    def killed(self, state: _Guarded, reason: str) -> StoppedError:
        """Take in that the run was stopped from outside."""
        stopped = self._ladder.stop(state, Why(kind=KILLED, reason=reason, more={"kill_reason": "user"}))
        return StoppedError(reason) if stopped is None else stopped

    def changes(self, state: _Guarded, agent: str | None) -> Mapping[str, Any]:
        """Say what the next model request of *agent* shall have: ``max_tokens``, a ``nudge``, or nothing."""
        found: dict[str, Any] = {"max_tokens": self._reserve_output} if self.cap_output else {}
        return {**found, **self._ladder.changes(state, agent)} if state.nudges else found

    def see(self, state: _Guarded, scope: Scope, contents: Sequence[Part], links: Sequence[Link]) -> None:
        """Judge what the trace has written."""
        if not self._watches or semconv.HARNESS_GUARD in scope.record["attributes"]:
            return
        try:
            found: list[tuple[Event, Finding]] = []
            with state.lock:
                for event in state.events.see(scope, contents, links):
                    if findings := state.judge.see(event):
                        found.extend((event, finding) for finding in findings)
            for event, finding in found:
                self._ladder.found(state, event, finding)
        except Exception as error:  # noqa: BLE001 - likewise
            self._ladder.broke(state, error)

    # What it does -------------------------------------------------------------------------------------------------

    def _stopped(self, state: _Guarded, agent: str | None, *, spent: bool = False) -> StoppedError | None:
        if state.why is None and self._ladder.holds(state):
            run = state.run
            now = {"messages": run.messages, "turns": run.turns, "seconds": time.monotonic() - state.began}
            reached = state.budget.reached(agent, now, spent=spent)
            if reached is not None:
                return self._ladder.reached(state, reached)
        return self._ladder.error(state)

    def _reserved(self, state: _Guarded, call: Call) -> Ticket | StoppedError | None:
        if call.operation not in {Operation.CHAT, Operation.TOOL} or not self.limits or not self._ladder.holds(state):
            return None
        most = state.bounds.of(call)
        if self.fail_closed and self._dollars and call.operation is Operation.CHAT and "cost_usd" not in most.most:
            model = one_line(str(call.request.get("model")), 60)
            return self._ladder.stop(
                state, Why(kind=BUDGET, reason=f"nobody knows the price of {model!r}, and dollars are limited")
            )
        ticket = state.budget.reserve(call.agent, most)
        if isinstance(ticket, Reached):
            return self._ladder.reached(state, ticket)
        return ticket if self._ledger is None else self._written(state, ticket, self._ledger)

    def _written(self, state: _Guarded, ticket: Ticket, ledger: Ledger) -> Ticket | StoppedError | None:
        """Reserve for the day and the month as well. Where that fails, the limits of the run hold all the same."""
        try:
            promise = ledger.reserve(ticket.bound)
        except Exception as error:  # noqa: BLE001 - a disk that is full, a folder that is another user's
            refused = self._ladder.broke(state, error)
        else:
            refused = self._ladder.reached(state, promise) if isinstance(promise, Reached) else None
            ticket.kept = promise
        if refused is None:
            return ticket
        state.budget.settle(ticket, {})
        return refused

    def _settled(
        self, state: _Guarded, ticket: Ticket, used: Mapping[str, float], *, kept: Mapping[str, float]
    ) -> None:
        state.budget.settle(ticket, used)
        if self._ledger is not None and isinstance(ticket.kept, Promise):
            self._ledger.settle(ticket.kept, kept)


def _over_defaults(told: Mapping[str, Json]) -> dict[str, Json]:
    """Put *told* over the defaults, by what each limits and not by how that is written."""
    named = {name: limit for name in told for limit in budgets.limits({name: 0}) if limit.span == "run"} if told else {}
    said = {f"max_{limit.kind}" for limit in named.values()}
    return {**{name: most for name, most in DEFAULTS.items() if name not in said}, **told}
