from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from harness.reports.junit import render
from harness.text import printable
from tests.reports.samples import HOSTILE, a_case, a_report, finding


def suite(*cases):
    return ET.fromstring(render(a_report(*cases)).encode())  # noqa: S314 - our own


def test_failures_and_errors_are_counted_apart_and_inconclusive_is_no_pass():
    root = suite(*(a_case("x", name=name, outcome=name) for name in ("passed", "failed", "inconclusive", "error")))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "2",
        "skipped": "0",
    }
    became = {case.get("name"): [child.tag for child in case if child.tag in {"failure", "error"}] for case in root[0]}
    assert became == {"passed": [], "failed": ["failure"], "inconclusive": ["error"], "error": ["error"]}


def test_a_divergence_has_a_type_of_its_own_and_all_reasons_are_told():
    (case,) = suite(a_case(reasons=("one", "two"), hints=("do this",)))[0]
    failure = case.find("failure")
    assert (failure.get("type"), failure.get("message")) == ("diverged", "one")
    assert failure.text == "one\ntwo\ndo this"


def test_what_a_run_came_to_is_kept_as_properties_and_the_unknown_is_left_out():
    (case,) = suite(a_case(run_id="r1", findings=(finding("x"), finding("y"))))[0]
    facts = {one.get("name"): one.get("value") for one in case.find("properties")}
    assert facts["harness.run_id"] == "r1"
    assert facts["harness.input_tokens"] == "40"
    assert facts["harness.findings"] == "L101"
    assert "harness.cost_usd" not in facts


def test_a_run_that_failed_by_its_findings_alone_says_which():
    (case,) = suite(a_case(reasons=(), findings=(finding("again and again"),)))[0]
    assert case.find("failure").get("message") == "L101 repeated-message: again and again"


@given(st.one_of(st.just(HOSTILE), st.text()))
def test_whatever_is_said_the_file_is_xml_that_says_it_printably(text):
    (case,) = suite(a_case(text, reasons=(text,), hints=()))[0]
    shown = "".join(f"<U+{ord(char):04X}>" if char in "\ufffe\uffff" else char for char in printable(text))
    assert (case.find("failure").text or "") == shown
    assert case.get("name") == shown
