"""The SARIF 2.1.0 report: findings as code scanning reads them, at the scenario they belong to.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html. What a scenario expects or a
project suppresses is reported as suppressed, and what could not be judged as a notification of the tool's, never as a
result: nothing is known of the agents there. A recorded run lies in no file, so its results have a logical location
alone, which GitHub does not show.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness import __version__, check
from harness.model import Severity
from harness.text import escaped, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model import Finding, Json
    from harness.reports import Case, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/autogen-harness/autogen-harness"
_VERDICTS = {
    "scenario-failed": "A scenario did not come to what it expects.",
    "scenario-diverged": "A replay parted from its cassette.",
}


def render(report: Report) -> str:
    """Write the report as SARIF."""
    results = [result for case in report.cases for result in _results(case)]
    rules = _rules(dict.fromkeys(str(result["ruleId"]) for result in results))
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    if any("suppressions" in result for result in results):
        for result in results:  # all have them, or none (section 3.27.23)
            result.setdefault("suppressions", [])
    untold = [case for case in report.cases if case.outcome in {"error", "inconclusive"}]
    run = {
        "tool": {
            "driver": {
                "name": "autogen-harness",
                "semanticVersion": __version__,
                "informationUri": _HOME,
                "rules": rules,
            }
        },
        "invocations": [
            {
                "executionSuccessful": not any(case.outcome == "error" for case in untold),
                "toolExecutionNotifications": [_notification(case) for case in untold],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return escaped(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def _results(case: Case) -> Iterator[dict[str, Json]]:
    if case.outcome == "failed" and (case.reasons or not case.problems):
        rule = "scenario-diverged" if case.diverged else "scenario-failed"
        text = "\n".join((*case.reasons, *case.hints)) or f"{case.name}: failed"
        yield _result(case, rule, text)
    seen: dict[str, int] = {}
    for finding in case.findings:
        seen[finding.code] = seen.get(finding.code, 0) + 1
        result = _result(case, finding.code, finding.text, finding=finding, number=seen[finding.code])
        if excuse := case.excuse(finding):
            # What a project knows of stands in its settings, apart from the agents: "external" (section 3.35.2).
            kind = "external" if finding.suppressed else "inSource"
            result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": printable(excuse)}]
        yield result


def _result(case: Case, rule: str, text: str, *, finding: Finding | None = None, number: int = 1) -> dict[str, Json]:
    agent = case.agent(finding) if finding is not None else None
    told = {"case": case.name, "run_id": case.run_id, "seq": finding and finding.seq, "agent": agent}
    # The same finding of the same scenario is the same problem, whatever its text says this time.
    subject = "\0".join((case.suite, case.name, rule, str(number)))
    same = hashlib.blake2b(subject.encode(errors="replace"), digest_size=16)
    return {
        "ruleId": rule,
        "level": (finding.severity if finding is not None else Severity.ERROR).value,
        "message": {"text": _message(text)},
        "locations": [_location(case, agent)],
        "partialFingerprints": {"harness/v1": same.hexdigest()},
        "properties": {name: value for name, value in told.items() if value is not None},
    }


def _message(text: str) -> str:
    """Write *text* as a message in which no link of its own begins (section 3.11.6)."""
    return printable(text).replace("](", "] (")


def _location(case: Case, agent: str | None) -> dict[str, Json]:
    found: dict[str, Json] = {"logicalLocations": [{"name": one_line(case.name, 200), "kind": "member"}]}
    if agent:
        found["logicalLocations"].append({"name": one_line(agent, 200), "kind": "object"})
    if case.file is not None:
        line = case.lines.get(agent, case.line) if agent else case.line
        found["physicalLocation"] = {"artifactLocation": {"uri": _uri(case.file)}, "region": {"startLine": line}}
    return found


def _uri(file: str) -> str:
    """Write a path as a URI: one that is relative stays so, and belongs to the root of the source."""
    path = PurePosixPath(file)
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path))


def _notification(case: Case) -> dict[str, Json]:
    text = "\n".join((f"{case.name}: {case.outcome}", *case.reasons, *case.hints))
    return {
        "level": "error" if case.outcome == "error" else "warning",
        "message": {"text": _message(text)},
        "locations": [_location(case, None)],
    }


def _rules(ids: dict[str, None]) -> list[dict[str, Json]]:
    known = {kind.code: kind for kind in check.explained()}
    return [_verdict_rule(rule) if rule in _VERDICTS else _rule(rule, known.get(rule)) for rule in ids]


def _verdict_rule(rule: str) -> dict[str, Json]:
    return {
        "id": rule,
        "name": "".join(word.title() for word in rule.split("-")),
        "shortDescription": {"text": _VERDICTS[rule]},
        "defaultConfiguration": {"level": Severity.ERROR.value},
    }


def _rule(code: str, kind: type[check.Check] | None) -> dict[str, Json]:
    if kind is None:  # judged by a check that is not installed any more
        return {"id": code, "shortDescription": {"text": code}}
    title, *rest = (" ".join(paragraph.split()) for paragraph in (inspect.getdoc(kind) or kind.name).split("\n\n"))
    return {
        "id": code,
        "name": "".join(word.title() for word in kind.name.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": " ".join(rest) or title},
        "help": {"text": "\n\n".join((title, *rest)), "markdown": "\n\n".join((f"**{title}**", *rest))},
        "defaultConfiguration": {"level": kind.severity.value},
    }
