from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Severity
from harness.reports.github import render
from harness.text import printable
from tests.reports.samples import HOSTILE, a_case, a_report, finding

COMMAND = re.compile(r"::(?P<level>error|warning|notice) (?P<properties>[^\n]*?)::(?P<message>[^\n]*)")


def understood(text):
    """Read commands as the runner does: a line each, properties between commas, percent signs undone."""

    def undone(value):
        for mark, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            value = value.replace(mark, char)
        return value

    found = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command, line
        pairs = (pair.split("=", 1) for pair in command["properties"].split(","))
        found.append((command["level"], {key: undone(value) for key, value in pairs}, undone(command["message"])))
    return found


def test_a_failure_is_shown_at_its_file_and_a_finding_at_the_line_of_its_agent():
    case = a_case("why", name="chat", findings=(finding("again", agent="ada"),), hints=())
    assert understood(render(a_report(case))) == [
        ("error", {"file": "talks/chat.scenario.yaml", "line": "1", "title": "chat: failed"}, "why"),
        (
            "warning",
            {"file": "talks/chat.scenario.yaml", "line": "7", "title": "chat: L101 repeated-message"},
            "again",
        ),
    ]


def test_what_was_expected_is_no_annotation_and_the_worst_come_first():
    noted = a_case(outcome="passed", findings=(finding("so", severity=Severity.NOTE),))
    wanted = a_case(outcome="passed", findings=(finding("asked for"),), expected=frozenset({"L101"}))
    doubt = a_case("?", outcome="inconclusive", findings=())
    broken = a_case("!", outcome="error", findings=())
    levels = [level for level, _, _ in understood(render(a_report(noted, wanted, doubt, broken)))]
    assert levels == ["error", "warning", "notice"]


@given(st.one_of(st.just(HOSTILE), st.text(max_size=200)))
def test_no_text_begins_a_command_of_its_own_and_none_is_lost(text):
    case = a_case(text, reasons=(text,), hints=(), findings=())
    ((_, properties, message),) = understood(render(a_report(case)))
    assert message == printable(text)
    assert set(properties) == {"file", "line", "title"}
