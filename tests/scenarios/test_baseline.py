from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Exit, UsageError
from harness.model import Operation
from scenarios import identity
from scenarios.baseline import ALLOWED, Baseline, Change, Entry, compare, read, update
from scenarios.casting import Stage
from scenarios.identity import Identity
from scenarios.rehearsal import Rehearsal
from scenarios.repeating import together
from scenarios.replaying import Account
from scenarios.scenario import Expect, Scenario
from scenarios.verdict import Verdict
from tests.scenarios.samples import run_of


@pytest.fixture
def scenario(tmp_path):
    """A scenario with its files."""
    path = tmp_path / "talks" / "chat.scenario.yaml"
    path.parent.mkdir()
    path.write_text("program: app.py\n")
    cassette = path.with_name("chat.cassette.jsonl")
    cassette.write_text('{"cassette": {"harness": "0.1.0"}}\n{"exchange": {}}\n')
    return Scenario(path=path, name="chat", program=("app.py",), cassette=cassette)


def rehearsed(scenario, *, live=False, seconds=1.0, outcome="passed", **figures):
    """A verdict whose run has these figures; a replay, unless it is *live*."""
    about = replace(
        run_of().summary,
        **{"messages": 4, "turns": 4, "model_calls": 2, "input_tokens": 100, "cost_usd": 0.5, **figures},
    )
    return Verdict(
        name=scenario.name,
        path=scenario.path,
        outcome=outcome,
        summary=about,
        seconds=seconds,
        replayed=None if live else Rehearsal(account=Account(hits=2)),
        scenario=scenario,
    )


def baseline_of(scenario, *verdicts):
    path = scenario.path.parent.parent / "baseline.json"
    made, _ = update(Baseline(path=path), verdicts)
    made.write()
    return read(path)


def several(scenario, count, **how):
    return together([rehearsed(scenario, live=True, **how) for _ in range(count)])


def test_what_stayed_the_same_passes_and_time_is_not_judged_in_a_replay(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    verdict = compare(kept, rehearsed(scenario, seconds=99.0))
    assert (verdict.outcome, verdict.compared.state) == ("passed", "compared")
    assert not any(change.worse for change in verdict.compared.changes)
    assert {change.name for change in verdict.compared.changes} == set(ALLOWED) - {"seconds"}


def test_growth_beyond_what_is_allowed_fails_and_says_by_how_much(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    verdict = compare(kept, rehearsed(scenario, input_tokens=125))
    assert (verdict.outcome, verdict.code) == ("failed", Exit.FINDINGS)
    assert verdict.reasons == ("against the baseline: tokens 100 → 125 (+25.0%), and may grow by 10%",)
    assert "--update-baseline" in verdict.hints[-1]
    assert compare(kept, rehearsed(scenario, input_tokens=125), {"tokens": 0.25}).outcome == "passed"


def test_what_a_replay_costs_less_than_before_is_told_and_is_no_failure(scenario):
    verdict = compare(baseline_of(scenario, rehearsed(scenario)), rehearsed(scenario, cost_usd=0.25))
    assert verdict.outcome == "passed"
    assert "cost $0.5 → $0.25 (-50.0%)" in [change.told() for change in verdict.compared.changes]


def test_a_tool_that_was_never_called_before_is_growth_though_it_has_no_share(scenario):
    verdict = compare(baseline_of(scenario, rehearsed(scenario)), rehearsed(scenario, tool_calls=1))
    assert verdict.reasons == ("against the baseline: tool calls 0 → 1, and may grow by 10%",)


def test_a_cost_that_is_unknown_is_not_judged_and_not_taken_for_nothing(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    verdict = compare(kept, rehearsed(scenario, cost_usd=None))
    assert verdict.outcome == "passed"
    assert "cost not judged: unknown now" in verdict.remarks


def test_a_scenario_that_changed_is_not_compared_and_so_in_doubt(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    other = replace(scenario, expect=Expect(messages=4))
    verdict = compare(kept, rehearsed(other))
    assert (verdict.outcome, verdict.code) == ("inconclusive", Exit.FINDINGS)
    assert verdict.reasons == (
        "the scenario says something else than in the baseline: it passed, and cannot be compared",
    )
    assert verdict.compared.changes == ()


def test_a_cassette_that_was_recorded_anew_is_not_compared_but_its_header_does_not_count(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    scenario.cassette.write_text('{"cassette": {"harness": "9.9.9"}}\n{"exchange": {}}\n')
    assert compare(kept, rehearsed(scenario)).outcome == "passed"
    scenario.cassette.write_text('{"cassette": {"harness": "0.1.0"}}\n{"exchange": {"agent": "x"}}\n')
    assert "the cassette is another one" in compare(kept, rehearsed(scenario)).reasons[0]


def test_a_verdict_that_failed_stays_failed_and_an_error_is_left_as_it_is(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    changed = replace(scenario, expect=Expect(messages=4))
    failed = compare(kept, rehearsed(changed, outcome="failed"))
    assert (failed.outcome, failed.reasons) == ("failed", ())
    error = rehearsed(changed, outcome="error")
    assert compare(kept, error) is error


def test_a_scenario_that_the_baseline_does_not_know_is_remarked_and_passes(scenario):
    verdict = compare(Baseline(path=scenario.path.parent / "b.json"), rehearsed(scenario))
    assert (verdict.outcome, verdict.compared.state) == ("passed", "new")
    assert verdict.remarks == ("not in the baseline: nothing to compare with",)


def test_one_live_attempt_is_no_measure_and_three_are(scenario):
    one = compare(baseline_of(scenario, rehearsed(scenario, live=True)), rehearsed(scenario, live=True, messages=40))
    assert one.outcome == "passed"
    assert "live figures are not judged: 1 attempts that passed, and it takes 3" in one.remarks
    kept = baseline_of(scenario, several(scenario, 3))
    assert compare(kept, several(scenario, 3)).outcome == "passed"
    slow = compare(kept, several(scenario, 3, seconds=1.6))
    assert slow.reasons == ("against the baseline: time in seconds 1 → 1.6 (+60.0%), and may grow by 50%",)


def test_live_medians_are_compared_so_that_one_odd_attempt_decides_nothing(scenario):
    kept = baseline_of(scenario, several(scenario, 3))
    attempts = [rehearsed(scenario, live=True, input_tokens=tokens) for tokens in (100, 101, 9000)]
    assert compare(kept, together(attempts)).outcome == "passed"


def test_passing_less_often_than_before_fails_only_if_chance_does_it_rarely(scenario):
    kept = baseline_of(scenario, several(scenario, 10))

    def now(passes):
        attempts = [rehearsed(scenario, live=True)] * passes
        attempts += [rehearsed(scenario, live=True, outcome="failed")] * (10 - passes)
        return replace(compare(kept, replace(together(attempts), outcome="passed", reasons=())))

    assert now(8).outcome == "passed"
    assert now(4).outcome == "failed"
    assert "passed 10 of 10 times, and now 4 of 10" in now(4).reasons[0]


def test_replays_that_are_repeated_leave_the_baseline_as_it_is(scenario):
    once = baseline_of(scenario, rehearsed(scenario, seconds=1.0))
    thrice = baseline_of(scenario, together([rehearsed(scenario, seconds=float(number)) for number in range(3)]))
    (one,), (three,) = once.entries.values(), thrice.entries.values()
    assert three.figures == one.figures
    assert three.figures["seconds"] == (None,)


def test_an_update_takes_in_what_passed_keeps_the_others_and_forgets_what_is_gone(scenario):
    kept = baseline_of(scenario, rehearsed(scenario))
    gone = Entry(identity=Identity(spec="x", cassette=None), live=False, passed=1, counted=1)
    kept = replace(kept, entries={**kept.entries, "talks/gone.scenario.yaml::gone": gone})
    made, left = update(kept, [rehearsed(scenario, outcome="failed", messages=99)])
    assert left == ["chat"]
    assert list(made.entries) == ["talks/chat.scenario.yaml::chat"]
    assert made.entries["talks/chat.scenario.yaml::chat"].figures["messages"] == (4,)


numbers = st.one_of(st.none(), st.floats(0, 1e6).map(lambda number: round(number, 6)))
entries = st.builds(
    Entry,
    identity=st.builds(Identity, spec=st.text(), cassette=st.none() | st.text()),
    live=st.booleans(),
    passed=st.integers(0, 9),
    counted=st.integers(0, 9),
    figures=st.dictionaries(st.sampled_from(sorted(ALLOWED)), st.lists(numbers, max_size=3).map(tuple)),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), entries, max_size=3))
def test_what_is_written_is_read_back(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    Baseline(path=path, entries=made).write()
    assert read(path).entries == made
    assert len(path.read_text().splitlines()) == 2 + max(1, len(made))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "is no baseline"),
        ("{", "cannot read"),
        ('{"format": 1, "scenarios": {"a": 1}}', "is no baseline"),
        ('{"format": 99, "scenarios": {}}', "has the format 99"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path, text, told):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read(path)


def test_a_missing_baseline_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError) as error:
        read(tmp_path / "none.json")
    assert "--update-baseline" in error.value.hint


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 2))
def test_only_growth_is_worse(before, now, allowed):
    change = Change(name="tokens", before=before, now=now, allowed=allowed)
    assert change.worse == (now > before * (1 + allowed))
    assert not Change(name="tokens", before=before, now=now, allowed=allowed, untold="why").worse


def test_a_scenario_is_the_same_wherever_it_lies_whatever_it_is_called(scenario, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "c.jsonl").write_bytes(scenario.cassette.read_bytes())
    other = replace(scenario, path=moved / "x.scenario.yaml", cassette=moved / "c.jsonl", name="x", tags=("ci",))
    assert identity.of(other) == identity.of(scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"program": ("app.py", "--fast")},
        {"stages": (Stage(task="Plan."),)},
        {"live": frozenset({Operation.TOOL})},
        {"matching": "strict"},
        {"expect": Expect(ending="max_turns")},
        {"agents": ({"name": "a"},)},
    ],
)
def test_a_scenario_that_says_something_else_is_another_one(scenario, change):
    assert identity.of(replace(scenario, **change)).spec != identity.of(scenario).spec
