"""The open operation shares the OpenTelemetry context with the program's own values, and takes none of them away."""

from __future__ import annotations

import contextvars

from opentelemetry import context as otel

from harness.model import Operation
from harness.scopes import RunState, Scope, current, enter, leave


def begun(parent: Scope | None) -> Scope:
    return Scope(run=RunState(run_id="r"), operation=Operation.TURN, parent=parent, record={}, started=0)


def nested() -> None:
    untouched = otel.get_current()
    outer = begun(None)
    enter(outer)
    around = otel.get_current()
    inner = begun(outer)
    enter(inner)
    assert current() is inner
    leave(inner)
    assert current() is outer
    assert otel.get_current() is around
    leave(outer)
    assert otel.get_current() is untouched


def test_leaving_an_operation_puts_back_the_context_that_it_was_entered_from() -> None:
    contextvars.copy_context().run(nested)


def with_a_value_of_the_programs() -> None:
    outer = begun(None)
    enter(outer)
    inner = begun(outer)
    enter(inner)
    otel.attach(otel.set_value("theirs", "kept"))
    leave(inner)
    assert current() is outer
    assert otel.get_value("theirs") == "kept"
    leave(outer)
    assert current() is None
    assert otel.get_value("theirs") == "kept"


def test_what_the_program_has_put_into_the_context_meanwhile_stays() -> None:
    contextvars.copy_context().run(with_a_value_of_the_programs)
