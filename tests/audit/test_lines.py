"""Each red line finds fault with a set-up that crosses it, and with none that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness import check
from harness.audit import verdicts
from harness.audit.certificate import certify
from harness.audit.line_harm import risky
from harness.audit.lines import CHECKLIST, LINES
from harness.audit.subject import RedLine, Subject
from harness.check import Settings
from harness.model import Finding, Severity
from harness.setups import (
    Agent,
    Code,
    Condition,
    Group,
    Member,
    Place,
    Plan,
    Predicate,
    Setup,
    Talk,
    Team,
    Voice,
)

_OWN = Predicate(name="ends", default=False)
_FINE = Agent(
    name="b", kind="X", role="You write.", description="Writes.", models=("gpt-4o",), human="NEVER", predicate=_OWN
)
_TALK = Talk(starter=Voice(name="a", limit=5), recipient=Voice(name="b", limit=3, calls=1))
_GROUP = Group(
    starter=Voice(name="u", limit=5),
    manager="m",
    members=(Voice(name="a", limit=3), Voice(name="b", limit=3)),
    max_round=6,
    attempts=3,
)
_TEAM = Team(name="t", kind="RoundRobinGroupChat", order="turns", members=(Member(name="b"),), max_turns=3)


def _setup(*agents: Agent, plan: Plan = _TALK) -> Setup:
    return Setup(framework="autogen", agents=agents, plans=(plan,))


def _with(**changes: Any) -> Agent:
    return replace(_FINE, **changes)


_DEFAULT = Predicate(name="the framework's own", default=True, exact=True)
_BAD: dict[str, Subject | Setup] = {
    "A701": _setup(_FINE, plan=replace(_TEAM, max_turns=None)),
    "A702": _setup(
        _FINE, plan=replace(_TALK, starter=Voice(name="a", limit=100), recipient=Voice(name="b", limit=100))
    ),
    "A703": _setup(_FINE),
    "A704": _setup(_with(code=Code(executor="this machine", sandboxed=False))),
    "A705": _setup(_with(code=Code(executor="Docker", sandboxed=True, unsafe=("privileged",)))),
    "A706": _setup(_with(runs=("delete_file",))),
    "A707": _setup(_with(role="You are a helpful AI Assistant.", default_role=True)),
    "A708": _setup(_with(description=None), plan=_GROUP),
    "A709": _setup(_with(name="a", offered=("x", "y")), _with(offered=("x", "y"))),
    "A710": Subject(setup=_setup(_FINE), certificate=None, keys={"b": "app.py:3"}),
    "A711": _setup(_with(role="Reply TERMINATE when done."), _with(name="a", predicate=_DEFAULT)),
    "A712": _setup(_with(predicate=replace(_OWN, fails="TypeError"))),
    "A713": _setup(_with(name="u"), _with(name="m", predicate=_DEFAULT, manager=True), plan=_GROUP),
    "A714": _setup(
        _FINE, plan=replace(_TEAM, condition=Condition(kind="messages", why="MaxMessageTermination(20)", limit=20))
    ),
    "A715": _setup(_with(models=(), default_reply="")),
    "A716": _setup(_FINE, plan=replace(_TEAM, max_turns=None, condition=Condition(kind="hidden", why="f"))),
    "A717": _setup(
        _FINE,
        plan=replace(
            _TALK, starter=Voice(name="a", limit=None, human=True), recipient=Voice(name="b", limit=None, human=True)
        ),
    ),
}
_GOOD = Subject(
    setup=_setup(_FINE, _with(name="a", predicate=_OWN)), certificate=certify(_setup(_FINE)), limits={"max_cost_usd": 1}
)


def _found(line: type[RedLine], given: Subject | Setup) -> list[Any]:
    subject = given if isinstance(given, Subject) else Subject(setup=given, certificate=certify(given))
    return list(line(Settings()).judge(subject))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.code)
def test_a_red_line_is_found_where_it_is_crossed_and_nowhere_else(line: type[RedLine]) -> None:
    found = _found(line, _BAD[line.code])
    assert [each.code for each in found] == [line.code]
    assert found[0].severity is line.severity
    assert _found(line, _GOOD) == []


def test_every_red_line_is_explained_and_stands_in_the_checklist() -> None:
    assert set(LINES) <= set(check.explained())
    assert {code for codes in CHECKLIST.values() for code in codes} == {line.code for line in LINES}
    assert len(CHECKLIST) == 6


def test_agents_of_one_name_are_told_apart_by_their_lines_and_the_first_is_who_talks() -> None:
    silent = _with(place=Place(file="app.py", line=3))
    asked = _with(place=Place(file="app.py", line=5), role="Reply TERMINATE when done.", default_role=True)
    setup = _setup(silent, asked, _with(name="a", predicate=_DEFAULT))
    missing, unheard = (next(line for line in LINES if line.code == code) for code in ("A707", "A711"))
    assert _found(unheard, setup) == []
    (found,) = _found(missing, setup)
    assert verdicts.finding(found, setup.agents)["line"] == 5


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("deleteFile", True),
        ("HTTPSend", True),
        ("run_python_code", True),
        ("execute-sql", True),
        ("book_flight", True),
        ("make_payment", True),
        ("get_and_delete", True),
        ("book_lookup", False),
        ("get_payment_status", False),
        ("getRefunds", False),
        ("list_commands", False),
        ("run_search", False),
        ("", False),
    ],
)
def test_a_tool_that_only_reads_of_what_others_do_is_not_risky(name: str, found: bool) -> None:  # noqa: FBT001 - a parameter
    assert risky(name) == found


@pytest.mark.parametrize("name", ["rollback_write", "send", "delete_user", "run_shell"])
def test_a_tool_is_risky_by_a_whole_word_of_its_name(name: str) -> None:
    line = next(line for line in LINES if line.code == "A706")
    assert _found(line, _setup(_with(runs=(name,))))
    assert not _found(line, _setup(_with(runs=(f"x{name}x",))))
    assert not _found(line, _setup(_with(runs=(name,), human="ALWAYS")))


def test_what_nothing_ends_has_no_limit_of_turns_either() -> None:
    found = [Finding(code="A701", name="no-termination", severity=Severity.ERROR, text="")]
    failed = [point["point"] for point in verdicts.checklist(found) if not point["passed"]]
    assert failed == ["It ends by itself", "Its turns are limited"]


def test_a_point_of_the_checklist_fails_by_what_is_worse_than_a_note() -> None:
    found = [
        Finding(code="A715", name="answers-with-nothing", severity=Severity.NOTE, text=""),
        Finding(code="A703", name="no-cost-limit", severity=Severity.WARNING, text=""),
    ]
    points = {point["point"]: (point["passed"], point["codes"]) for point in verdicts.checklist(found)}
    assert points["Its turns are limited"] == (True, ["A715"])
    assert points["Its cost is limited"] == (False, ["A703"])


def test_nobody_knows_whether_it_ends_where_no_conversation_was_found() -> None:
    points = {point["point"]: point["passed"] for point in verdicts.checklist([], proved=False)}
    assert points["It ends by itself"] is None
    assert points["Its turns are limited"] is None
    assert points["Code runs in a sandbox"] is True
    found = [Finding(code="A712", name="predicate-fails", severity=Severity.WARNING, text="")]
    assert verdicts.checklist(found, proved=False)[0]["passed"] is False


def test_a_limit_of_tokens_that_nobody_tells_limits_no_cost() -> None:
    line = next(line for line in LINES if line.code == "A703")
    tokens = Condition(kind="tokens", why="TokenUsageTermination(5)", limit=5)
    for tells, found in ((True, 0), (False, 1)):
        team = replace(_TEAM, condition=tokens, members=(Member(name="b", tells=tells),))
        assert len(_found(line, _setup(_FINE, plan=team))) == found


def test_a_limit_of_tokens_limits_the_cost_of_every_conversation_or_of_none() -> None:
    line = next(line for line in LINES if line.code == "A703")
    tokens = Condition(kind="tokens", why="TokenUsageTermination(5)", limit=5)
    word = Condition(kind="said", why="TextMentionTermination('DONE')")
    for kind, found in (("any", 0), ("all", 1)):
        team = replace(_TEAM, condition=Condition(kind=kind, why=kind, parts=(tokens, word)))
        assert len(_found(line, _setup(_FINE, plan=team))) == found
    held = replace(_TEAM, condition=tokens)
    for others, found in (((held,), 0), ((_TEAM,), 1)):
        setup = replace(_setup(_FINE), plans=(held, *others))
        assert len(_found(line, Subject(setup=setup, certificate=None))) == found
