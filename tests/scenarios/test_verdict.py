from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Exit
from harness.model import Ending, EndingKind, Finding, Message, Operation, Severity
from scenarios.replaying import Account
from scenarios.scenario import Expect, Saying, Scenario
from scenarios.verdict import Verdict, decide, exit_code, unmet
from tests.scenarios.samples import record, run_of, said, span

LOOP = Finding(code="L101", name="repeated-message", severity=Severity.ERROR, text="ada says it 5 times")
HINT = Finding(code="N001", name="a-note", severity=Severity.NOTE, text="only so you know")


def message(number, sender, text):
    return Message(
        run_id="run1",
        seq=number,
        at_ns=number,
        span_id=str(number),
        conversation_id=None,
        sender=sender,
        recipients=(),
        role="user",
        body=said("user", text),
    )


def a_run(*texts, ending="max_turns", tools=()):
    calls = [replace(record(span(Operation.TOOL), {"name": name}, {"result": ""}), name=name) for name in tools]
    run = run_of(*calls)
    return replace(
        run,
        summary=replace(run.summary, ending=ending, messages=len(texts)),
        messages=[message(number, "ada", text) for number, text in enumerate(texts)],
        endings={"s": Ending(kind=EndingKind(ending), detail="6")},
    )


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        (Expect(), []),
        (Expect(ending="max_turns"), []),
        (
            Expect(ending="termination_message"),
            ["expected the ending termination_message, but it ended by max_turns (6)"],
        ),
        (Expect(said=(Saying(text="hello"), Saying(text="^he.*o$", regex=True))), []),
        (Expect(said=(Saying(text="Hello"),)), ["nobody said 'Hello'"]),
        (Expect(said=(Saying(text="^x", regex=True),)), ["nobody said what matches '^x'"]),
        (Expect(not_said=(Saying(text="bye"),)), ["ada said 'bye' (message 2), which nobody should"]),
        (Expect(tools=("add", "add")), []),
        (Expect(tools=("add",)), ["expected the tools add to be called, but it was add, add"]),
        (Expect(tools=()), ["expected the tools none to be called, but it was add, add"]),
        (Expect(messages=2), []),
        (Expect(messages=3), ["expected 3 messages, but there were 2"]),
    ],
)
def test_what_was_expected_and_did_not_come_is_told(expect, told):
    assert unmet(expect, a_run("hello", "good bye", tools=["add", "add"]), []) == told


def test_findings_must_be_exactly_the_expected_ones_but_notes_are_forgiven():
    run = a_run()
    assert unmet(Expect(findings=("L101",)), run, [LOOP, HINT]) == []
    assert unmet(Expect(findings=("repeated-message", "N001")), run, [LOOP, HINT]) == []
    assert unmet(Expect(findings=("L101",)), run, []) == ["the finding L101 was expected and did not come"]
    assert unmet(Expect(), run, [LOOP, HINT]) == ["unexpected finding L101 repeated-message: ada says it 5 times"]


SCENARIO = Scenario(path=Path("x.scenario.yaml"), name="x", cassette=Path("x.cassette.jsonl"), factory="a:b")


def verdict(*, scenario=SCENARIO, run=None, **known):
    how = {
        "findings": (),
        "account": None,
        "misses": (),
        "raised": None,
        "recorded": False,
        "seconds": 0.0,
        "output": "",
    }
    return decide(scenario, run=run, **{**how, **known})


def test_a_run_that_does_what_is_expected_passes():
    passed = verdict(run=a_run("hello"), account=Account(hits=1, misses=0, unused=0))
    assert (passed.outcome, passed.code, passed.lines()) == ("passed", Exit.CLEAN, [])


def test_a_divergence_is_told_first_and_alone():
    diverged = verdict(run=a_run(), misses=["model call 1 …", "model call 2 …"], raised="it raised X", findings=[LOOP])
    assert (diverged.outcome, diverged.code) == ("failed", Exit.DIVERGED)
    assert diverged.reasons == ("model call 1 …", "after that, 1 more request was not in the cassette either")


def test_an_exception_fails_unless_an_error_is_the_expected_ending():
    raised = {"run": a_run(ending="error"), "raised": "it raised ValueError: no"}
    assert verdict(**raised).reasons == ("it raised ValueError: no",)
    expecting = replace(SCENARIO, expect=Expect(ending="error"))
    assert verdict(scenario=expecting, **raised).outcome == "passed"


def test_nothing_that_happened_is_never_a_pass():
    assert verdict().outcome == "inconclusive"
    silent = verdict(run=a_run("hello"), account=Account(hits=0, misses=0, unused=3))
    assert (silent.outcome, silent.code) == ("inconclusive", Exit.FINDINGS)
    assert silent.reasons == ("nothing was asked of the cassette, which holds 3 exchanges",)


def test_left_over_exchanges_are_a_remark():
    left = verdict(run=a_run("hello"), account=Account(hits=2, misses=0, unused=1))
    assert (left.outcome, left.remarks) == ("passed", ("1 recorded exchange was not asked for",))


@pytest.mark.parametrize(
    ("codes", "chosen"),
    [
        ([], Exit.CLEAN),
        ([Exit.CLEAN, Exit.FINDINGS], Exit.FINDINGS),
        ([Exit.FINDINGS, Exit.DIVERGED], Exit.DIVERGED),
        ([Exit.FINDINGS, Exit.USAGE], Exit.USAGE),
        ([Exit.DIVERGED, Exit.ENVIRONMENT, Exit.FINDINGS], Exit.ENVIRONMENT),
    ],
)
def test_of_several_codes_the_gravest_is_the_commands(codes, chosen):
    assert exit_code([Verdict(name="x", path=Path("x"), outcome="", code=code) for code in codes]) is chosen


def test_time_is_not_judged_in_a_replay_and_that_is_said():
    timed = replace(SCENARIO, expect=Expect(limits={"max_seconds": 1.0}))
    replayed = verdict(scenario=timed, run=a_run(), account=Account(hits=1, misses=0, unused=0))
    assert (replayed.outcome, replayed.remarks) == ("passed", ("max_seconds is not judged in a replay",))
    assert verdict(scenario=timed, run=a_run()).remarks == ()
