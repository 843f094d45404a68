"""The judge: which checks run, what happens if one breaks, and what they must say of themselves."""

from __future__ import annotations

import inspect
import re
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import check
from harness.errors import EnvironmentProblem, UsageError
from harness.model import Operation, Severity
from tests.checks.talks import talk

LOOP = ["ann: Go on."] * 3


class Broken(check.Check):
    """Breaks."""

    code: ClassVar = "Z901"
    name: ClassVar = "broken"
    severity: ClassVar = Severity.NOTE

    def see(self, event):
        raise ZeroDivisionError(event.phase)


class BrokenFromTheStart(Broken):
    """Cannot even be made."""

    code: ClassVar = "Z902"

    def __init__(self, settings):
        raise KeyError(settings)


class BrokenAtTheEnd(Broken):
    """Breaks when all is over."""

    code: ClassVar = "Z903"

    def see(self, event):
        return ()

    def finish(self):
        raise ValueError("over")


def judged(events, **more):
    judging = check.Judge(**more)
    return [finding for event in events for finding in judging.see(event)] + judging.finish(), judging


@pytest.mark.parametrize("kind", [Broken, BrokenFromTheStart, BrokenAtTheEnd])
def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(kind):
    found, judging = judged(talk(LOOP), checks=[kind, *check.installed()])
    assert sorted(finding.code for finding in found) == ["L101", "X001"]
    crash = next(finding for finding in found if finding.code == "X001")
    assert crash.evidence["check"] == kind.code
    assert crash.severity is Severity.ERROR
    assert kind.code not in judging.judged()


class Remembers(check.Check):
    """Remembers all and speaks when a conversation ends."""

    code: ClassVar = "Z904"
    name: ClassVar = "remembers"
    severity: ClassVar = Severity.NOTE
    finds: ClassVar = check.TALKS_END
    breaks: ClassVar = False

    def __init__(self, settings):
        super().__init__(settings)
        self.seen = []

    def see(self, event):
        self.seen.append((event.seq, event.phase))
        if self.breaks and event.message is not None:
            raise ValueError("no")
        if event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            yield self.finding(f"{len(self.seen)} events", evidence={"seen": list(self.seen)})

    def finish(self):
        return [self.finding(f"{len(self.seen)} events")]


def test_what_a_check_only_remembers_is_shown_to_it_in_order_before_it_may_find_something():
    events = talk([f"ann: Word {number}." for number in range(200)])
    all_of_them = [(event.seq, event.phase) for event in events]
    ends = next(at for at, event in enumerate(events) if (event.phase, event.span.operation) in check.TALKS_END)
    judging = check.Judge(checks=[Remembers])
    found = [judging.see(event) for event in events]
    assert [at for at, each in enumerate(found) if each] == [ends]
    assert found[ends][0].evidence["seen"] == all_of_them[: ends + 1]
    assert [finding.text for finding in judging.finish()] == [f"{len(events)} events"]


def test_no_more_than_16_events_wait_for_a_check_that_only_remembers_them():
    seen = []
    kind = type("Notes", (Remembers,), {"see": lambda _self, event: seen.append(event) or ()})
    judging = check.Judge(checks=[kind])
    for number, event in enumerate(talk([f"ann: Word {number}." for number in range(200)]), start=1):
        judging.see(event)
        assert number - len(seen) < 16


def test_a_check_that_breaks_while_it_remembers_is_a_finding_at_the_event_that_broke_it():
    events = talk(LOOP)
    found, judging = judged(events, checks=[type("Forgets", (Remembers,), {"breaks": True})])
    first = next(event for event in events if event.message is not None)
    assert [(finding.code, finding.seq, finding.span_id) for finding in found] == [
        ("X001", first.number, first.span.span_id)
    ]
    assert judging.judged() == frozenset()


def test_every_check_has_a_code_a_name_and_says_why_and_how_to_fix():
    checks = check.explained()
    assert {"B201", "B202", "B203", "B204", "B205", "L101", "T301", "T302", "X001"} <= {kind.code for kind in checks}
    for kind in checks:
        assert re.fullmatch(r"[A-Z]\d{3}", kind.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.name)
        title, why, fix = inspect.getdoc(kind).split("\n\n")
        assert title.endswith(".")
        assert "\n" not in title
        assert why.startswith("Why: ")
        assert fix.startswith("Fix: ")
    assert len({kind.name for kind in checks}) == len(checks)


@pytest.mark.parametrize(
    ("select", "codes"),
    [
        (["L"], {"L101", "L102", "L103", "L104"}),
        (["B2"], {"B201", "B202", "B203", "B204", "B205", "B206", "B207"}),
        (["t301", "cost-over-budget"], {"T301", "B202"}),
    ],
)
def test_checks_are_selected_by_code_by_its_beginning_or_by_name(select, codes):
    assert {kind.code for kind in check.choose(check.installed(), select)} == codes


def test_a_disabled_check_does_not_run_unless_it_is_asked_for_by_name():
    assert check.judge(talk(LOOP), disabled=["L"]) == []
    assert len(check.judge(talk(LOOP), disabled=["L"], select=["L101"])) == 1


def test_a_selector_that_selects_nothing_is_an_error_and_names_the_nearest():
    with pytest.raises(UsageError, match="no check answers to 'repeated-mesage'") as caught:
        check.judge([], select=["repeated-mesage"])
    assert "L101 repeated-message" in caught.value.hint


def test_a_limit_nobody_knows_is_an_error_and_names_the_nearest():
    with pytest.raises(UsageError, match="no limit is called 'max_cost'") as caught:
        check.judge([], limits={"max_cost": 1})
    assert "max_cost_usd" in caught.value.hint


def test_idle_and_blind_checks_are_not_said_to_have_judged():
    _, judging = judged(talk(LOOP), settings=check.Settings(limits={"max_tokens": 5}))
    assert judging.judged() >= {"B201", "L101", "T301"}
    assert not judging.judged() & {"B202", "B203", "B204", "B205"}


def test_a_check_is_looked_up_by_code_or_name_in_any_case():
    assert check.lookup("l101") is check.lookup("Repeated-Message")
    with pytest.raises(UsageError, match="L199") as caught:
        check.lookup("L199")
    assert "L101" in caught.value.hint


def test_a_check_that_cannot_be_loaded_is_one_clear_line(monkeypatch):
    from harness import plugins

    def load(group, name):
        raise ImportError(f"no module {name} in {group}")

    monkeypatch.setattr(plugins, "load", load)
    check.installed.cache_clear()
    with pytest.raises(EnvironmentProblem, match="cannot be loaded: ImportError"):
        check.installed()
    check.installed.cache_clear()


SAID = st.lists(
    st.sampled_from(["ann: Go on.", "ben: Go on.", "ann: ", "ben: TERMINATE.", "ann: 1", "ben: 2"]), max_size=30
)


@given(SAID, st.sampled_from(["max_turns", "termination_message", "unknown"]))
def test_findings_are_the_same_whoever_else_judges_and_whenever_one_looks(said, ending):
    """A check sees each event once and nothing ahead: cutting the run short only takes findings away from the end."""
    events = talk(said, ending=ending)
    whole = check.judge(events, limits={"max_seconds": 5})
    assert whole == check.judge(events, limits={"max_seconds": 5})
    alone = [finding for letter in "LBT" for finding in check.judge(events, limits={"max_seconds": 5}, select=[letter])]
    assert sorted(alone, key=str) == sorted(whole, key=str)
    for cut in range(len(events)):
        judging = check.Judge(check.Settings(limits={"max_seconds": 5}))
        early = [finding for event in events[:cut] for finding in judging.see(event)]
        assert early == whole[: len(early)]
