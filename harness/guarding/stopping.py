"""Where a run is stopped: the interceptor that asks each guard of the run, and the switch that another process throws.

It stands before the trace: a call that is not made is no call of the run, and is counted nowhere.

The switch is a file in the store, named after the run. It is looked for at most a few times a second, before a call and
where a turn begins, in every process that is recorded; nothing else of this costs anything where no guard was set.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.call import Call, Reply, StoppedError
from harness.scopes import RunState, current, given_guards, given_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.contents import Link, Part
    from harness.scopes import Scope
    from harness.trace import Trace

FOLDER = "stops"
LOOK_EVERY_S = 0.25
_OLD_S = 86_400
KILLED = "it was stopped by `harness stop`"


class Guarding(Protocol):
    """What a guard does for a run, of which it knows the *state* that it began with."""

    active: bool

    def begin(self, run: RunState) -> Any:  # noqa: ANN401 - its own
        """Begin to guard *run*, and give what shall be known of it."""

    def killed(self, state: Any, reason: str) -> StoppedError:  # noqa: ANN401
        """Take in that the run was stopped from outside, and say so its own way."""

    def stopped(self, state: Any, agent: str | None) -> StoppedError | None:  # noqa: ANN401
        """Say why the run may not go on, if so."""

    def admit(self, state: Any, call: Call) -> Any:  # noqa: ANN401
        """Let *call* pass, and give what was promised to it; or give a StoppedError."""

    def release(self, state: Any, ticket: Any) -> None:  # noqa: ANN401
        """Take back what was promised to a call that is not made."""

    def settle(self, state: Any, ticket: Any, call: Call, reply: Reply | None) -> None:  # noqa: ANN401
        """Take in what became of a call; without a *reply* nobody knows."""

    def see(self, state: Any, scope: Scope, contents: Sequence[Part], links: Sequence[Link]) -> None:  # noqa: ANN401
        """Take in the record of *scope* that the trace has written."""

    def changes(self, state: Any, agent: str | None) -> Mapping[str, Any]:  # noqa: ANN401
        """Say what the next model request of *agent* shall have: ``max_tokens``, a ``nudge``, or nothing."""


class Stops:
    """Asks the guards of each run; the outermost interceptor."""

    def __init__(self, trace: Trace, store: Path) -> None:
        """*trace* shows its records where a guard is set, and *store* is the folder with the switches."""
        self._trace = trace
        self._folder = store / FOLDER
        self._everywhere: tuple[Guarding, ...] = ()
        self._looked = 0.0
        self._killed: frozenset[str] = frozenset()
        self._guarded = False
        self._latest: tuple[RunState | None, object, Sequence[tuple[Guarding, Any]]] = None, None, ()
        """The run that was asked about last, in which blocks, and the guards it had."""

    def guard(self, guard: Guarding) -> None:
        """Let *guard* guard every run of this process, from now on."""
        self._everywhere = (*self._everywhere, guard)
        self._latest = None, None, ()
        self.watch()

    def watch(self) -> None:
        """Look at what is written: somewhere in this process a guard is set."""
        self._guarded = True
        self._trace.watch = self._see

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Refuse *call* if its run is stopped or a guard does not let it pass; else let it pass, and settle."""
        run = _run()
        killed = self._switched(run)
        if killed is not None:
            return Reply(error=killed)
        if run is None or not self._guarded:
            reply = yield call
            return reply
        admitted: list[tuple[Guarding, Any, Any]] = []
        for guard, state in self._of(run):
            ticket = guard.admit(state, call)
            if isinstance(ticket, StoppedError):
                for other, known, given in admitted:
                    other.release(known, given)
                return Reply(error=ticket)
            admitted.append((guard, state, ticket))
        answer = None
        try:
            answer = yield call
        finally:
            for guard, state, ticket in admitted:
                guard.settle(state, ticket, call, answer)
        return answer

    def stopped(self, agent: str | None = None) -> StoppedError | None:
        """Say why the run that is going on here may not go on, if so: asked where *agent* begins a turn."""
        run = _run()
        killed = self._switched(run)
        if killed is not None or run is None or not self._guarded:
            return killed
        for guard, state in self._of(run):
            stopped = guard.stopped(state, agent)
            if stopped is not None:
                return stopped
        return None

    def changes(self, agent: str | None) -> Mapping[str, Any]:
        """Say what the next model request of *agent* shall have, as the guards of the run ask."""
        run = _run() if self._guarded else None
        if run is None:
            return {}
        return {name: value for guard, state in self._of(run) for name, value in guard.changes(state, agent).items()}

    def _see(self, scope: Scope, _line: str, contents: Sequence[Part], links: Sequence[Link]) -> None:
        for guard, state in self._of(scope.run):
            guard.see(state, scope, contents, links)

    def _of(self, run: RunState) -> Sequence[tuple[Guarding, Any]]:
        """List the guards of *run*: everybody's, and those of a block it is, or was, in. Those that are over go."""
        given, (of, before, found) = given_guards(), self._latest
        if of is run and before is given and len(found) == len(run.guards):
            for guard, _ in found:
                if not guard.active:
                    break
            else:
                return found
        known = run.guards
        for guard in (*self._everywhere, *given):
            if guard not in known:
                known.setdefault(guard, guard.begin(run))  # of threads that come at once, one begins it
        for guard in tuple(known):
            if not guard.active:
                known.pop(guard, None)
        found = tuple(known.items())
        self._latest = run, given, found
        return found

    def _switched(self, run: RunState | None) -> StoppedError | None:
        """Look whether somebody has stopped *run* from outside."""
        if run is None:
            return None
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            with contextlib.suppress(OSError):
                self._killed |= frozenset(os.listdir(self._folder))  # noqa: PTH208 - the names alone
        if not self._killed or switch(run.run_id) not in self._killed:
            return None
        guarded = self._of(run) if self._guarded else []
        for guard, state in guarded:
            return guard.killed(state, KILLED)
        return StoppedError(KILLED)


def switch(run_id: str) -> str:
    """Name the file that stops the run: any id is safe as one."""
    return hashlib.blake2b(run_id.encode(errors="replace"), digest_size=16).hexdigest()


def throw(store: Path, run_id: str) -> None:
    """Stop the run in whichever processes it goes on. Raises OSError.

    Switches that nobody took away again, as their processes had died, go after a day.
    """
    folder = store / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > _OLD_S:
            old.unlink(missing_ok=True)
    (folder / switch(run_id)).touch(mode=0o600)


def reset(store: Path, run_id: str) -> None:
    """Take the switch of a run that is over away."""
    with contextlib.suppress(OSError):
        (store / FOLDER / switch(run_id)).unlink()


def _run() -> RunState | None:
    scope = current()
    return scope.run if scope is not None else given_run()
