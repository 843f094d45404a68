"""The Markdown summary: a table, and what is to be done, as it goes into ``$GITHUB_STEP_SUMMARY`` or a comment."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from harness import figures
from harness.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.reports import Case, Report

MARKS = {"passed": "✅", "failed": "❌", "inconclusive": "❔", "error": "⚠️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~@:])")
_TICKS = re.compile("`+")
_MOST_LINES = 40


def render(report: Report) -> str:
    """Write the report as Markdown (GitHub's kind)."""
    lines = [f"## {_inline(report.title)}: {report.sentence()}", ""]
    head = ("", "name", "messages", "calls", "tokens", "cost", "time", "findings")
    lines += [_row(head), _row(("---", "---", "---:", "---:", "---:", "---:", "---:", "---"))]
    lines += [_row(_cells(case)) for case in report.cases]
    lines += [f"\n{_inline(remark)}" for remark in report.remarks]
    for case in report.cases:
        if case.outcome != "passed":
            lines += _told(case)
    growths = [line for case in report.cases for line in _growth(case)]
    if growths:
        lines += ["", "### Against the baseline", "", *growths]
    return "\n".join(lines) + "\n"


def _cells(case: Case) -> tuple[str, ...]:
    about = case.summary
    numbers = (figures.UNKNOWN,) * 4
    if about is not None:
        numbers = (
            figures.count(about.messages),
            figures.count(about.model_calls),
            figures.count(figures.tokens(about)),
            figures.money(about.cost_usd),
        )
    time = figures.duration(None if case.seconds is None else round(case.seconds * 1e9))
    asides = ((one.code, case.aside(one)) for one in case.findings)
    codes = dict.fromkeys(f"{code} ({aside})" if aside else code for code, aside in asides)
    found = ", ".join(_inline(code) for code in codes) or case.unfound
    mark = f"{MARKS[case.outcome]} {case.outcome}"
    return mark, _inline(one_line(case.name, 80)), *numbers, time, found


def _told(case: Case) -> Iterator[str]:
    yield f"\n### {MARKS[case.outcome]} {_inline(one_line(case.name, 80))}: {case.outcome}\n"
    found = [f"{each.severity.value} {each.code} {each.name}: {each.text}" for each in case.problems]
    lines = [line for text in (*(case.reasons or found), *case.hints) for line in printable(text).split("\n")]
    shown = lines[:_MOST_LINES]
    if len(lines) > len(shown):
        shown.append(f"… {len(lines) - len(shown)} more lines")
    yield from _fenced("\n".join(shown))


def _growth(case: Case) -> Iterator[str]:
    changed = [growth for growth in case.growth if growth.worse or (growth.share and growth.judged)]
    for growth in changed:
        mark = "❌ " if growth.worse else ""
        yield f"- {mark}{_inline(one_line(case.name, 80))}: {_inline(growth.told)}"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _inline(text: object) -> str:
    """Write *text* so that it is shown as it is: no markup, no mention, no link, no cell of a table begins in it."""
    return _SPECIAL.sub(r"\\\1", html.escape(one_line(text, 500), quote=False)).replace("\\@", "@\u2060")


def _fenced(text: str) -> list[str]:
    """Put *text* into a code block that none of its own backticks ends."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence]
