"""The JUnit report, as CI servers read it: one test suite, and a test case for each scenario or run.

There is no standard; this is the form that pytest and Jenkins's ``junit-10.xsd`` agree on. A failure is what was judged
and did not hold; an error is what could not be judged: a fault outside, or a verdict that says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.text import one_line, printable

if TYPE_CHECKING:
    from harness.model import Finding
    from harness.reports import Case, Report

_UNWRITABLE = re.compile("[\ufffe\uffff]")


def render(report: Report) -> str:
    """Write the report as XML."""
    counts = report.counts()
    totals = {
        "tests": str(len(report.cases)),
        "failures": str(counts.get("failed", 0)),
        "errors": str(counts.get("error", 0) + counts.get("inconclusive", 0)),
        "skipped": "0",
        "time": f"{sum(case.seconds or 0 for case in report.cases):.3f}",
    }
    root = ET.Element("testsuites", {"name": _text(report.title), **totals})
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.title), **totals})
    for case in report.cases:
        _case(suite, case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, case: Case) -> None:
    named = {"classname": _text(case.suite or "harness"), "name": _text(case.name)}
    if case.file is not None:
        named |= {"file": _text(case.file), "line": str(case.line)}
    element = ET.SubElement(suite, "testcase", {**named, "time": f"{case.seconds or 0:.3f}"})
    facts = _facts(case)
    if facts:
        properties = ET.SubElement(element, "properties")
        for name, value in facts.items():
            ET.SubElement(properties, "property", {"name": f"harness.{name}", "value": _text(value)})
    if case.outcome != "passed":
        kind = "failure" if case.outcome == "failed" else "error"
        about = "diverged" if case.diverged else case.outcome
        worst = [f"{each.code} {each.name}: {each.text}" for each in case.problems]
        first = one_line([*case.reasons, *worst, case.outcome][0], 300)
        told = ET.SubElement(element, kind, {"type": about, "message": _text(first)})
        told.text = _text("\n".join((*(case.reasons or worst), *case.hints)))
    said = [*case.remarks, *(_finding(case, each) for each in case.findings)]
    if said:
        ET.SubElement(element, "system-out").text = _text("\n".join(said))


def _finding(case: Case, finding: Finding) -> str:
    aside = f" ({case.aside(finding)}: {case.excuse(finding)})" if finding.suppressed else ""
    return f"{finding.code} {finding.name}: {finding.text}{aside}"


def _facts(case: Case) -> dict[str, object]:
    about = case.summary
    facts = {"run_id": case.run_id, "findings": " ".join(dict.fromkeys(each.code for each in case.findings)) or None}
    if about is not None:
        names = (
            "messages",
            "turns",
            "model_calls",
            "tool_calls",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "ending",
        )
        facts |= {name: getattr(about, name) for name in names}
    return {name: value for name, value in facts.items() if value is not None}


def _text(value: object) -> str:
    """Write what XML 1.0 can hold: it has no way to write a control character."""
    return _UNWRITABLE.sub(lambda match: f"<U+{ord(match[0]):04X}>", printable(value))
