"""What a project sets: the numbers that checks judge by, and the findings it does not hold against a run."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import check
from harness.config import Config
from harness.errors import UsageError
from harness.model import Finding, Severity
from harness.suppressing import Suppressing, Suppression
from tests.checks.talks import Talk, talk

LOOP = ["ann: Go on."] * 3


class Long(check.Check):
    """Counts messages."""

    code: ClassVar = "Z910"
    name: ClassVar = "long"
    severity: ClassVar = Severity.ERROR
    thresholds: ClassVar = {"messages": 3, "at_most": 1}

    def see(self, event):
        if event.message and event.number + 1 == self.threshold("messages"):
            yield self.finding("long", evidence={"senders": [event.message.sender]})


def judged(events, **asked):
    judging = check.Judge(check.Settings(**asked), checks=[Long])
    return [finding for event in events for finding in judging.see(event)] + judging.finish(), judging


@pytest.mark.parametrize("word", ["Z910", "z910", "long", "Long"])
def test_a_check_judges_by_the_numbers_that_were_set_for_its_code_or_name(word):
    assert judged(talk(LOOP), thresholds={word: {"messages": 4}})[0] == []
    assert len(judged(talk(LOOP), thresholds={word: {"at_most": 4}})[0]) == 1


def test_a_scenario_s_numbers_go_before_the_project_s_and_leave_its_others():
    project = Config(store=None, thresholds={"Z910": {"messages": 9, "at_most": 8}})
    asked = check.Settings.of(project, thresholds={"Z910": {"messages": 3}})
    assert asked.thresholds == {"Z910": {"messages": 3, "at_most": 8}}


def test_a_number_nobody_judges_by_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Z910 long has no threshold 'mesages'") as caught:
        judged([], thresholds={"Z910": {"mesages": 1}})
    assert caught.value.hint == "Did you mean 'messages'?"


def test_a_suppressed_finding_is_marked_with_the_first_reason_that_fits():
    whys = [Suppression(code="Z9", reason="bob's", agent="bob"), Suppression(code="long", reason="meant")]
    (found,), judging = judged(talk(LOOP), suppressions=[*whys, Suppression(code="Z910", reason="late")])
    assert (found.suppressed, found.severity) == ("meant", Severity.NOTE)
    assert judging.needed() == {whys[1]}
    assert [each.reason for each in judging.unused()] == ["bob's", "late"]


def test_a_suppression_of_a_check_that_does_not_judge_is_not_said_to_be_unused():
    judging = check.Judge(
        check.Settings(suppressions=[Suppression(code="L", reason="meant")]),
        checks=[Long, *check.installed()],
        select=["Z"],
    )
    for event in talk(LOOP):
        judging.see(event)
    assert judging.unused() == []


@pytest.mark.parametrize(
    ("run", "fits"),
    [
        (None, True),
        ("run", True),
        ("nightly", True),
        ("night*", True),
        ("daily", False),
        ("source-7", True),
        ("ru", False),
    ],
)
def test_a_suppression_names_runs_by_id_name_or_source(run, fits):
    whole = Talk()
    whole.conversation(*LOOP, HARNESS_RUN_NAME="nightly", HARNESS_RUN_SOURCE_ID="source-7")
    (found,), judging = judged(whole.events(), suppressions=[Suppression(code="Z910", reason="meant", run=run)])
    assert (found.suppressed == "meant") is fits
    assert judging.unused() == []


FINDINGS = st.builds(
    Finding,
    code=st.sampled_from(["L101", "L102", "T301"]),
    name=st.just("some-name"),
    severity=st.sampled_from(Severity),
    text=st.just("text"),
    evidence=st.dictionaries(st.sampled_from(["agent", "senders"]), st.sampled_from(["ann", ["ann"], 3, None])),
)
SUPPRESSIONS = st.builds(
    Suppression,
    code=st.sampled_from(["L", "L101", "some-name", "T3"]),
    reason=st.sampled_from(["one", "two"]),
    agent=st.sampled_from([None, "ann", "bob"]),
    run=st.none(),
)


@given(st.lists(FINDINGS, max_size=6), st.lists(SUPPRESSIONS, max_size=4, unique=True))
def test_suppressing_marks_and_never_drops_and_each_suppression_was_used_or_was_not(findings, suppressions):
    suppressing = Suppressing(suppressions)
    marked = suppressing.mark(findings)
    assert [(each.code, each.evidence) for each in marked] == [(each.code, each.evidence) for each in findings]
    assert {*suppressing.used, *suppressing.unused()} == set(suppressions)
    assert not suppressing.used & set(suppressing.unused())
    assert {each.reason for each in suppressing.used} == {each.suppressed for each in marked if each.suppressed}
