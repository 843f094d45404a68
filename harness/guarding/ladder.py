"""What a guard does about what it was told: note it, have it told to an agent, or stop the run.

A warning is noted, an error stops; so do a limit that leaves no room and somebody who stops the run from outside.
Everything it does is written into the run, and a run is stopped for one reason, the first.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness import faults, semconv
from harness.call import StoppedError
from harness.guarding.refusing import BUDGET, KILLED, LIMIT, LOOP, Why, refusal
from harness.model import Event, Finding, Json, Severity
from harness.text import one_line, printable
from harness.trace import attempt

if TYPE_CHECKING:
    from harness.guarding.budgets import Reached
    from harness.scopes import RunState
    from harness.trace import Trace

log = logging.getLogger("harness")

MOST_KEPT: Final = 1000
MONEY: Final = frozenset({"cost_usd", "tokens"})
_LONGEST = 300
_SAID = {False: "was stopped", True: "would be stopped"}
_HINT = "It is stopped by its guard."
_NUDGE = "A note from the program that runs this conversation: {} Do something else, or say that you are done."

_PER = {"run": "per_run", "agent": "per_agent", "day": "daily", "month": "monthly"}
_NUDGED = ("L", "T", "R", "C")
"""The families of checks whose findings an agent can do something about."""
_PASSED = frozenset({"B201", "B202"})
"""The checks of what was reserved before a call: an answer that nobody could foresee has passed the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A run that was stopped, by its id."""

    run_id: str
    why: Why


@dataclass(slots=True, eq=False, kw_only=True)
class Standing:
    """How a run stands: *why* it is stopped, whether that was only *noted*, and what its agents are to be told."""

    run: RunState
    lock: Any = field(default_factory=threading.RLock)
    why: Why | None = None
    noted: bool = False
    nudges: dict[str, str] = field(default_factory=dict)


class Ladder:
    """Notes, nudges and stops, as a guard was told to; see ``guards.Guard`` for its settings."""

    def __init__(self, *, on_stop: str, nudge: bool, fail_closed: bool) -> None:
        self._on_stop = on_stop
        self._nudge = nudge
        self._fail_closed = fail_closed
        self.stops: deque[Stop] = deque(maxlen=MOST_KEPT)
        self.findings: deque[tuple[str, Finding]] = deque(maxlen=MOST_KEPT)
        self.trace: Trace | None = None

    def holds(self, run: Standing) -> bool:
        """Say whether limits are still looked at: one that is only noted is noted once."""
        return self._on_stop != "note" or not run.noted

    def error(self, run: Standing) -> StoppedError | None:
        """Give what the program gets in place of a call; None if the run may go on."""
        if run.why is None:
            return None
        if self._on_stop != "raise":
            return StoppedError(run.why.reason, hint=_HINT)
        return refusal(run.why, run.run.run_id)

    def found(self, run: Standing, event: Event, finding: Finding) -> None:
        """Stop the run for an error; note a warning, or have it told to the agent that spoke."""
        self.findings.append((run.run.run_id, finding))
        said = f"{finding.code} {finding.name}: {one_line(finding.text, _LONGEST)}"
        ours = finding.code.startswith("X")  # what of the harness itself failed is no fault of the agents'
        if finding.severity is Severity.ERROR and (self._fail_closed or not ours):
            if finding.code in _PASSED:
                said += "; one answer came on top of it, for nothing kept it short (max_tokens, cap_output)"
            kind = LOOP if finding.code.startswith("L") else BUDGET if finding.code.startswith("B") else LIMIT
            # AgentWall guesses how sure it is; a check has found what it says.
            more: dict[str, Json] = {"loop_type": finding.name, "confidence": 1.0} if kind == LOOP else {}
            self.stop(run, Why(kind=kind, reason=said, code=finding.code, more=more))
            return
        agent = event.message.sender if event.message is not None else event.call.agent if event.call else None
        if self._nudge and agent and finding.severity is Severity.WARNING and finding.code.startswith(_NUDGED):
            run.nudges[agent] = _NUDGE.format(one_line(finding.text, _LONGEST).rstrip(".") + ".")
        else:
            self.note(run, "note", said, code=finding.code)

    def reached(self, run: Standing, reached: Reached) -> StoppedError | None:
        """Stop the run for a limit."""
        limit = reached.limit
        more: dict[str, Json] = {
            "limit": limit.most,
            "current_cost" if limit.kind == "cost_usd" else "used": reached.used,
        }
        if limit.kind in MONEY or limit.span in {"day", "month"}:
            kind, more = BUDGET, {"exceeded_limit": _PER[limit.span], **more}
        elif limit.kind == "model_calls":
            kind, more = LIMIT, {"step": int(reached.used), **more}
        else:
            kind = LIMIT
        return self.stop(run, Why(kind=kind, reason=str(reached), limit=limit.name, more=more))

    def stop(self, run: Standing, why: Why) -> StoppedError | None:
        """Stop the run for *why*, unless something has before; or only note it, where that is what is asked for."""
        noting = self._on_stop == "note" and why.kind != KILLED
        with run.lock:
            first = not run.noted if noting else run.why is None
            run.noted = run.noted or noting
            if not noting and run.why is None:
                run.why = why
            if first:
                self.stops.append(Stop(run_id=run.run.run_id, why=why))
        if first:
            log.warning("run %s %s: %s", printable(run.run.run_id), _SAID[noting], printable(why.reason))
            self.note(run, "note" if noting else "stop", why.reason, code=why.code, limit=why.limit)
        return self.error(run)

    def changes(self, run: Standing, agent: str | None) -> Mapping[str, Any]:
        """Give the ``nudge`` that *agent* is to be told in its next request, once; or nothing."""
        nudge = run.nudges.pop(agent or "", None) if run.nudges else None
        if nudge is None:
            return {}
        self.note(run, "nudge", nudge)
        return {"nudge": nudge}

    def note(self, run: Standing, what: str, text: str, *, code: str | None = None, limit: str | None = None) -> None:
        """Write what the guard did into the run."""
        if self.trace is None:
            return
        said = {
            semconv.HARNESS_GUARD: what,
            semconv.HARNESS_GUARD_CODE: code,
            semconv.HARNESS_GUARD_LIMIT: limit,
            semconv.HARNESS_GUARD_TEXT: text,
        }
        about = {name: value for name, value in said.items() if value is not None}
        attempt(self.trace.note, run.run, f"guard {what}", about)

    def broke(self, run: Standing, error: Exception) -> StoppedError | None:
        """Go on without the guard, or, where it is to fail closed, with no call any more."""
        faults.note("harness.guarding.guards.Guard", error)
        if self._fail_closed:
            said = f"the guard itself has failed: {type(error).__name__}: {one_line(str(error), _LONGEST)}"
            return self.stop(run, Why(kind=LIMIT, reason=said))
        if "PYTEST_CURRENT_TEST" in os.environ:
            raise error
        if self.trace is not None:
            self.trace.failed(f"the guard: {type(error).__name__}")
        return None
