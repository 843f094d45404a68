from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import semconv
from harness.errors import Exit
from harness.model import Operation
from scenarios.outside import fault, key_wanted
from scenarios.scenario import Expect, Scenario
from scenarios.stage import Performance
from scenarios.verdict import decide
from tests.scenarios.samples import record, run_of, span

ANSWERED = record(span(Operation.CHAT), {}, {"message": {}})


def failing(error_type: str, **attributes):
    made = span(Operation.CHAT, error=error_type, **{semconv.ERROR_TYPE: error_type, **attributes})
    return record(made, {}, None, error=f"{error_type}: no")


@pytest.mark.parametrize("error_type", ["APIConnectionError", "APITimeoutError", "RateLimitError", "gaierror"])
def test_a_model_that_could_not_be_reached_is_a_fault_of_the_world(error_type):
    told = fault(run_of(ANSWERED, failing(error_type)))
    assert told == f"the model of 'coder' could not be asked: {error_type}: no"


@pytest.mark.parametrize(
    ("status", "outside"), [(401, True), (429, True), (500, True), (503, True), (400, False), (404, False)]
)
def test_the_status_of_a_refusal_says_whose_fault_it_is(status, outside):
    run = run_of(failing("SomeError", **{semconv.HTTP_STATUS: status}))
    assert (fault(run) is not None) == outside


def test_what_agents_raise_what_was_overcome_and_what_a_cassette_gives_are_no_faults_of_the_world():
    assert fault(run_of(failing("ValueError"))) is None
    assert fault(run_of(failing("APITimeoutError"), ANSWERED)) is None
    assert fault(run_of(failing("APITimeoutError", **{semconv.HARNESS_REPLAYED: True}))) is None
    assert fault(run_of()) is None
    assert fault(None) is None


def verdict_on(run, expect=None):
    scenario = Scenario(
        path=Path("x.scenario.yaml"), name="x", cassette=Path("c"), factory="a:b", expect=expect or Expect()
    )
    return decide(
        scenario,
        run=run,
        findings=[],
        replayed=None,
        went=Performance(raised="it raised APIConnectionError"),
        recorded=False,
        seconds=0.0,
    )


def test_such_a_run_is_an_error_and_no_failure_unless_the_scenario_is_about_it():
    run = run_of(failing("APIConnectionError"))
    run = replace(run, summary=replace(run.summary, ending="error"))
    verdict = verdict_on(run)
    assert (verdict.outcome, verdict.code) == ("error", Exit.ENVIRONMENT)
    assert verdict_on(run, Expect(ending="error")).outcome == "passed"
    assert verdict_on(run_of(failing("ValueError"))).outcome == "failed"


@pytest.mark.parametrize("raised", ["it exited with 1: KeyError: 'OPENAI_API_KEY'", "it raised KeyError: 'MY_TOKEN'"])
def test_a_program_that_ended_for_want_of_a_key_is_helped(raised):
    assert "in a replay any value will do" in key_wanted(raised)


@pytest.mark.parametrize(
    "raised", [None, "it exited with 1: KeyError: 'color'", "it raised ValueError: OPENAI_API_KEY"]
)
def test_what_ended_otherwise_is_told_nothing_of_keys(raised):
    assert key_wanted(raised) is None
