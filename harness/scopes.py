"""Know which operation is open here: it travels in the OpenTelemetry context, into threads and tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel

from harness import bridging
from harness.canonical import encode
from harness.journal import SILENCE_NS
from harness.model import Json, Operation

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_SCOPE = otel.create_key("harness.scope")
_RUN = otel.create_key("harness.run")
_GUARDS = otel.create_key("harness.guards")


@dataclass(slots=True, kw_only=True, eq=False)
class RunState:
    """What this process knows of one run: its identity, and which parts of it are written already."""

    run_id: str
    attributes: Mapping[str, Json] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    """The ids of its spans that this process has begun and not ended."""
    messages: int = 0
    """How many were spoken in this process."""
    process: str = ""
    seen_ns: int = 0
    """When the last of them ended, in nanoseconds since the Unix epoch."""
    turns: int = 0
    """How many turns began in this process."""
    guards: dict[Any, Any] = field(default_factory=dict)
    """What each guard of this run knows of it."""
    quoted: str = field(init=False)
    """Its id as JSON."""

    def __post_init__(self) -> None:
        """Write the id once."""
        self.quoted = encode(self.run_id)

    def doubt(self, process: str) -> None:
        """Forget what is written where it may be gone by now: in a forked child, and after a silence.

        A run in which something is open, or was a while ago, is not removed from a store while its process lives.
        """
        forked = self.process != process
        if forked:
            self.process = process
            self.open.clear()
        if forked or (not self.open and abs(time.time_ns() - self.seen_ns) > SILENCE_NS):
            self.known.clear()


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """One open span. *notes* belong to the adapter: what it learns on the way, such as why a chat ends.

    *outside* is the program's own span around it, and *span* what it is itself in the program's provider, if anything.
    """

    run: RunState
    operation: Operation
    parent: Scope | None
    record: dict[str, Json]
    started: int
    outside: Span | None = None
    span: Span | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    told: str = ""
    """The name and the attributes of its record as they were written last; empty where they have changed since."""
    begun: str = ""
    """What else of its record stays the same, as it was written."""
    contexts: tuple[otel.Context, otel.Context] | None = None
    """The OpenTelemetry context that it was begun in, and the one it was made the innermost operation of."""

    def up(self, operation: Operation) -> Scope | None:
        """Find the nearest scope of *operation*, this one included."""
        scope: Scope | None = self
        while scope is not None and scope.operation is not operation:
            scope = scope.parent
        return scope


def _directly() -> tuple[Callable[[], otel.Context], Callable[[otel.Context], object]]:
    """Give what reads the OpenTelemetry context and what sets it: its own variable's, which is twice as fast."""
    variable = getattr(getattr(otel, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return (variable.get, variable.set) if isinstance(variable, ContextVar) else (otel.get_current, otel.attach)


_read, _set = _directly()


def current() -> Scope | None:
    """Give the innermost open operation of this thread or task, if any."""
    scope: Scope | None = _read().get(_SCOPE)  # type: ignore[assignment]  # nobody else knows the key
    return scope


def swap(scope: Scope | None, span: Span | None = None) -> Scope | None:
    """Make *scope* the innermost open operation of this thread or task, and give the one it was.

    *span*, if any, becomes the program's current one; by default that of *scope*, where it has one.

    What else the context holds stays as it is, and no token has to find its way back: so a scope may be left in
    another task than it was entered in, as that of a generator that somebody else finishes.
    """
    before = current()
    if before is not scope:
        put(scope, span)
    return before


def put(scope: Scope | None, span: Span | None = None) -> None:
    """Make *scope* the innermost open operation as :func:`swap` does, where it is known not to be."""
    span = span or (scope.span if scope is not None else None)
    context = otel.Context({**_read(), _SCOPE: scope})
    _set(context if span is None else bridging.inside(span, context))


def enter(scope: Scope) -> None:
    """Make *scope* the innermost open operation, inside the one that was; :func:`leave` puts that back."""
    before = _read()
    put(scope)
    scope.contexts = before, _read()


def leave(scope: Scope) -> None:
    """Put back what was before *scope* was entered; what else has come into the context since stays."""
    if scope.contexts is not None and _read() is scope.contexts[1]:
        _set(scope.contexts[0])
    else:
        put(scope.parent, None if scope.span is None else scope.outside)


def given_run() -> RunState | None:
    """Give the run that a block around this asked for, if any."""
    run = _read().get(_RUN)
    return run if isinstance(run, RunState) else None


@contextmanager
def within(run: RunState) -> Iterator[None]:
    """Let everything that starts inside belong to *run*."""
    token = otel.attach(otel.set_value(_SCOPE, None, otel.set_value(_RUN, run)))
    try:
        yield
    finally:
        otel.detach(token)


def given_guards() -> tuple[Any, ...]:
    """Give the guards of the blocks around this, outermost first."""
    guards = _read().get(_GUARDS)
    return guards if isinstance(guards, tuple) else ()


@contextmanager
def guarded(guard: Any) -> Iterator[None]:  # noqa: ANN401 - whatever guards
    """Let *guard* guard what starts inside."""
    token = otel.attach(otel.set_value(_GUARDS, (*given_guards(), guard)))
    try:
        yield
    finally:
        otel.detach(token)
