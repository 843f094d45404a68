"""The rules of SARIF 2.1.0 that its readers rely on, by section of the standard."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Severity
from harness.reports.sarif import render
from harness.text import printable
from tests.reports.samples import HOSTILE, a_case, a_report, finding


def the_run(*cases):
    document = json.loads(render(a_report(*cases)))
    assert document["version"] == "2.1.0"  # 3.13.2
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")  # 3.13.3
    (run,) = document["runs"]
    return run


def holds(run):
    driver = run["tool"]["driver"]
    assert driver["name"]  # 3.19.8
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])  # 3.19.12
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]  # 3.49.9
        assert rule.get("name", "A").isidentifier()  # 3.49.7
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert result["level"] in {"none", "note", "warning", "error"}  # 3.27.10
        assert result["message"]["text"]  # 3.27.11
        assert result["partialFingerprints"]["harness/v1"]  # 3.27.17
        for suppression in result.get("suppressions", ()):
            assert suppression["kind"] in {"inSource", "external"}  # 3.35.2
    assert len({"suppressions" in result for result in run["results"]}) <= 1  # 3.27.23
    for told in [*run["results"], *run["invocations"][0]["toolExecutionNotifications"]]:
        for place in told["locations"]:
            physical = place.get("physicalLocation")
            if physical is not None:
                assert re.fullmatch(r"[A-Za-z0-9._~%/!$&'()*+,;=@:-]+", physical["artifactLocation"]["uri"])  # 3.4.3
                assert physical["region"]["startLine"] >= 1  # 3.30.5


def test_findings_have_their_checks_as_rules_and_point_at_the_line_of_the_agent():
    run = the_run(a_case(reasons=(), findings=(finding("again", agent="ada"), finding("odd", code="Z999"))))
    holds(run)
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("L101", "warning")
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}
    assert second["ruleId"] == "Z999"
    assert "Why:" in run["tool"]["driver"]["rules"][0]["fullDescription"]["text"]


def test_a_divergence_and_a_failure_are_results_and_trouble_outside_is_a_notification():
    outcomes = ("failed", "error", "inconclusive", "passed")
    run = the_run(a_case(findings=()), *(a_case(outcome=one, diverged=False, findings=()) for one in outcomes))
    holds(run)
    assert [result["ruleId"] for result in run["results"]] == ["scenario-diverged", "scenario-failed"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [told["level"] for told in invocation["toolExecutionNotifications"]] == ["error", "warning"]


def test_what_a_scenario_expects_is_suppressed():
    (result,) = the_run(a_case(outcome="passed", expected=frozenset({"L101"})))["results"]
    assert result["suppressions"][0]["kind"] == "inSource"


def test_what_a_project_suppresses_is_suppressed_with_its_reason_and_the_rest_is_said_not_to_be():
    quiet = replace(finding("again"), suppressed="\x1b[2Jmeant")
    run = the_run(a_case(findings=(quiet, finding("odd", code="Z999")), reasons=()))
    holds(run)
    assert [result["suppressions"] for result in run["results"]] == [
        [{"kind": "external", "status": "accepted", "justification": "␛[2Jmeant"}],
        [],
    ]


def test_a_finding_is_the_same_problem_though_it_says_something_else_and_another_is_not():
    before, after = (the_run(a_case(reasons=(), name="chat", findings=(finding(text),))) for text in ("a", "b"))
    assert before["results"][0]["partialFingerprints"] == after["results"][0]["partialFingerprints"]
    twice = the_run(a_case(reasons=(), findings=(finding("a"), finding("a"))))["results"]
    assert twice[0]["partialFingerprints"] != twice[1]["partialFingerprints"]


def test_a_file_with_spaces_is_a_uri_and_a_run_without_a_file_has_a_logical_place():
    (result,) = the_run(a_case(file="my talks/a#b.yaml", findings=()))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (uri, unquote(uri)) == ("my%20talks/a%23b.yaml", "my talks/a#b.yaml")
    (result,) = the_run(a_case("chat", file=None, findings=()))["results"]
    assert result["locations"] == [{"logicalLocations": [{"name": "chat", "kind": "member"}]}]


@given(st.one_of(st.just(HOSTILE), st.text(min_size=1)))
def test_whatever_is_said_the_file_is_valid_and_no_message_holds_a_link(text):
    run = the_run(a_case(text, reasons=(text,), hints=(), findings=(finding(text, severity=Severity.ERROR),)))
    holds(run)
    for result in run["results"]:
        assert "](" not in result["message"]["text"]
        assert result["message"]["text"].replace("] (", "](") == printable(text).replace("] (", "](")
