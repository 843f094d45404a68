from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Exit
from harness.model import Ending, EndingKind, Finding, Message, Operation, Severity
from scenarios.expecting import Item, Sequence
from scenarios.parting import Divergence, Kind, Owner
from scenarios.rehearsal import Rehearsal
from scenarios.replaying import Account
from scenarios.scenario import Expect, Saying, Scenario
from scenarios.stage import Performance
from scenarios.unmet import unmet
from scenarios.verdict import Verdict, decide, exit_code
from tests.scenarios.samples import record, run_of, said, span

LOOP = Finding(code="L101", name="repeated-message", severity=Severity.ERROR, text="ada says it 5 times")
ADD = Item(name="add")
ENDED = Finding(
    code="T307", name="ended-by-error", severity=Severity.WARNING, text="the conversation ended with ValueError"
)
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
        (Expect(tools=Sequence(exactly=(ADD, ADD))), []),
        (Expect(tools=Sequence(exactly=(ADD,))), ["expected the tools add to be called, but it was add, add"]),
        (Expect(tools=Sequence(exactly=())), ["expected no tool to be called, but it was add, add"]),
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


DIVERGENCE = Divergence(
    kind=Kind.PROMPT,
    owner=Owner.PROGRAM,
    agent="coder",
    call="model call 1 of 'coder'",
    change="message 1 of 2, the system message",
    old="You write Python.",
    new="You write Rust.",
    line=4,
    misses=1,
    unused=2,
)


def played(divergence=None, **counts):
    return Rehearsal(account=Account(**counts), divergence=divergence)


def verdict(*, scenario=SCENARIO, run=None, **known):
    how = {
        "findings": (),
        "replayed": None,
        "recorded": False,
        "seconds": 0.0,
    }
    went = Performance(raised=known.pop("raised", None))
    return decide(scenario, run=run, went=went, **{**how, **known})


def test_a_run_that_does_what_is_expected_passes():
    passed = verdict(run=a_run("hello"), replayed=played(hits=1, misses=0, unused=0))
    assert (passed.outcome, passed.code, passed.lines()) == ("passed", Exit.CLEAN, [])


def test_a_divergence_is_told_first_and_alone():
    replayed = played(DIVERGENCE, misses=2, unused=2)
    diverged = verdict(run=a_run(), replayed=replayed, raised="it raised X", findings=[LOOP])
    assert (diverged.outcome, diverged.code, diverged.remarks) == ("failed", Exit.DIVERGED, ())
    assert diverged.reasons == (
        f"model call 1 of 'coder' parts from the recording: what it is told to do changed ({DIVERGENCE.change})",
        "  - You write Python.",
        "  + You write Rust.",
        "class: prompt · changed by the program · recorded on line 4 of x.cassette.jsonl",
        "as a consequence: 1 more request without an answer and 2 recorded exchanges not asked for",
    )
    assert diverged.hints == (
        "Meant, and the recorded answers still serve: `harness accept x.scenario.yaml`.",
        "Meant, and the answers must be asked for again: `harness run --record all x.scenario.yaml`.",
        "Not meant: undo it in the program at 'coder'.",
    )


def test_what_is_found_of_a_replay_because_it_parted_is_not_told_again():
    parted = replace(ENDED, text="the conversation ended with CassetteMissError: model call 1 of 'coder' …")
    diverged = verdict(run=a_run(), replayed=played(DIVERGENCE, misses=1), findings=[LOOP, parted])
    assert diverged.findings == (LOOP,)


def test_a_difference_that_was_served_is_a_remark_and_says_so():
    served = verdict(run=a_run(), replayed=played(replace(DIVERGENCE, served=True), hits=1, changed=1))
    assert (served.outcome, served.hints) == ("passed", ())
    assert served.remarks[0] == "1 request was not as recorded, and answered by number; the first:"
    assert served.remarks[1].startswith("model call 1 of 'coder' differs: what it is told to do changed")


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        (Owner.CASSETTE, "restore the cassette: `git checkout -- x.cassette.jsonl`."),
        (Owner.TOOL, "look at the tool, whose calls are made for real here."),
    ],
)
def test_what_to_mend_is_where_it_was_changed(owner, told):
    assert verdict(replayed=played(replace(DIVERGENCE, owner=owner))).hints[2] == f"Not meant: {told}"


def test_what_matched_only_without_volatile_values_and_what_was_accepted_is_told():
    replayed = replace(played(hits=1, normalised=2), accepted=1)
    assert verdict(run=a_run(), replayed=replayed).remarks == (
        "2 requests were as recorded but for volatile values",
        "1 recorded exchange was given to an older request, which was changed and accepted since",
    )


def test_an_exception_fails_unless_an_error_is_the_expected_ending():
    raised = {"run": a_run(ending="error"), "raised": "it raised ValueError: no"}
    assert verdict(**raised).reasons == ("it raised ValueError: no",)
    expecting = replace(SCENARIO, expect=Expect(ending="error"))
    assert verdict(scenario=expecting, **raised).outcome == "passed"


def test_the_finding_of_an_error_adds_nothing_where_the_error_is_told_or_expected_and_fails_a_run_where_it_is_not():
    found = {"run": a_run(ending="error"), "findings": [ENDED]}
    assert verdict(raised="it raised ValueError: no", **found).reasons == ("it raised ValueError: no",)
    assert verdict(scenario=replace(SCENARIO, expect=Expect(ending="error")), **found).outcome == "passed"
    assert verdict(scenario=replace(SCENARIO, expect=Expect(findings=("T307",))), **found).outcome == "passed"
    caught = verdict(**found)
    assert caught.reasons == ("unexpected finding T307 ended-by-error: the conversation ended with ValueError",)


def test_nothing_that_happened_is_never_a_pass():
    assert verdict().outcome == "inconclusive"
    silent = verdict(run=a_run("hello"), replayed=played(hits=0, misses=0, unused=3))
    assert (silent.outcome, silent.code) == ("inconclusive", Exit.FINDINGS)
    assert silent.reasons == ("nothing was asked of the cassette, which holds 3 exchanges",)


def test_left_over_exchanges_are_a_remark():
    left = verdict(run=a_run("hello"), replayed=played(hits=2, misses=0, unused=1))
    assert (left.outcome, left.remarks) == ("passed", ("1 recorded exchange was not asked for",))


def test_the_first_of_those_left_over_is_named_with_what_would_fail_on_it():
    rows = [
        {"kind": "chat", "agent": "coder", "line": line, "verdict": what} for line, what in ((4, "hit"), (6, "unused"))
    ]
    replayed = replace(played(hits=1, unused=1), exchanges=tuple(rows))
    (one,) = verdict(run=a_run("hello"), replayed=replayed).remarks
    assert one.partition(":")[0] == "1 recorded exchange was not asked for, a model call of 'coder' on line 6"
    assert "`matching: strict`" in one
    replayed = replace(played(hits=1, unused=2), exchanges=(*rows, {**rows[1], "agent": None, "line": 8}))
    (both,) = verdict(run=a_run("hello"), replayed=replayed).remarks
    assert both.startswith("2 recorded exchanges were not asked for, the first a model call of 'coder' on line 6")


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({"kind": Kind.MODEL}, False),
        ({"kind": Kind.FLOW, "line": None, "unused": 0}, False),
        ({"kind": Kind.FLOW, "line": None, "unused": 1}, True),
        ({"kind": Kind.FLOW, "line": 4, "unused": 0}, True),
    ],
)
def test_to_accept_is_no_way_out_where_no_recorded_answer_can_serve(changes, may):
    hints = verdict(replayed=played(replace(DIVERGENCE, **changes))).hints
    assert any("harness accept" in hint for hint in hints) is may
    assert hints[-2:][0].startswith("Meant, and the answers must be asked for again")


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
    replayed = verdict(scenario=timed, run=a_run(), replayed=played(hits=1, misses=0, unused=0))
    assert (replayed.outcome, replayed.remarks) == ("passed", ("max_seconds is not judged in a replay",))
    assert verdict(scenario=timed, run=a_run()).remarks == ()
