"""The HTML report: one page that holds everything, with no script and nothing from outside.

It may be opened from a mail or an artifact of a build, so whatever agents said is escaped, and the page's own policy
forbids scripts, forms and every request.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, figures
from harness.reports import charts, talk
from harness.reports.charts import esc
from harness.text import one_line

if TYPE_CHECKING:
    from harness.reports import Case, Report

MARKS = {"passed": "✔", "failed": "✖", "inconclusive": "?", "error": "!"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_LONGEST_SIDE = 20_000
_LONGEST_NAME = 120
_MOST_TALKS = 200
_NUMBERS = frozenset({"messages", "calls", "tokens", "cost", "time"})


def render(report: Report) -> str:
    """Write the page."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    yield "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    yield "<meta name='color-scheme' content='light dark'>"
    yield f"<title>{esc(report.title)}: {esc(report.sentence())}</title><style>\n{style}</style></head>\n<body><main>"
    yield f"<header><h1>{esc(report.title)}</h1><p class='chips'>"
    for outcome, count in report.counts().items():
        yield f"<span class='chip {outcome}'><b>{count}</b> {outcome}</span>"
    yield f"</p>{_paragraphs(report.remarks)}</header>\n"
    yield from _table(report.cases)
    shown = sum(case.outcome != "passed" for case in report.cases)
    room = max(0, _MOST_TALKS - shown)
    for number, case in enumerate(report.cases, start=1):
        spoken = case.outcome != "passed" or room > 0
        room -= spoken and case.outcome == "passed"
        yield from _case(number, case, spoken=spoken)
    yield f"<footer>autogen-harness {esc(__version__)}</footer></main></body></html>\n"


def _table(cases: Iterable[Case]) -> Iterator[str]:
    cases = list(cases)
    most = max((figures.tokens(case.summary) or 0 for case in cases if case.summary), default=0)
    heads = ("", "name", "messages", "calls", "tokens", "", "cost", "time", "findings")
    shown = (f"<th class='n'>{head}</th>" if head in _NUMBERS else f"<th>{head}</th>" for head in heads)
    yield f"<table class='cases'><thead><tr>{''.join(shown)}</tr></thead><tbody>\n"
    for number, case in enumerate(cases, start=1):
        about = case.summary
        used = figures.tokens(about) if about else None
        codes = " ".join(dict.fromkeys(finding.code for finding in case.findings)) or case.unfound
        cells = (
            figures.count(about.messages if about else None),
            figures.count(about.model_calls if about else None),
            figures.count(used),
        )
        yield f"<tr><td class='{case.outcome}'>{_mark(case)}</td><td><a href='#case{number}'>{_name(case)}</a></td>"
        yield "".join(f"<td class='n'>{cell}</td>" for cell in cells)
        yield f"<td class='bar'>{charts.bar(used, most)}</td>"
        yield f"<td class='n'>{esc(figures.money(about.cost_usd if about else None))}</td>"
        yield f"<td class='n'>{_seconds(case)}</td><td>{esc(codes)}</td></tr>\n"
    yield "</tbody></table>\n"


def _case(number: int, case: Case, *, spoken: bool) -> Iterator[str]:
    opened = " open" if case.outcome != "passed" else ""
    yield f"<details class='case' id='case{number}'{opened}><summary><span class='{case.outcome}'>{_mark(case)}</span> "
    yield f"<h2>{_name(case)}</h2> <span class='dim'>{esc(case.outcome)} {esc(_facts(case))}</span></summary>\n"
    yield _listed("reasons", case.reasons)
    if case.old is not None or case.new is not None:
        yield _parting(case.old or "", case.new or "")
    yield _listed("hints", case.hints)
    yield _listed("remarks", case.remarks)
    if case.growth:
        rows = "".join(
            f"<li class='{'failed' if growth.worse else 'dim' if not growth.judged else ''}'>{esc(growth.told)}"
            f"{'' if growth.judged else ', not judged'}</li>"
            for growth in case.growth
        )
        yield f"<h3>Against the baseline</h3><ul class='growth'>{rows}</ul>"
    if case.findings:
        yield "<h3>Findings</h3><ul class='findings'>"
        for finding in case.findings:
            excuse = f": {finding.suppressed}" if finding.suppressed else ""
            aside = f" <span class='dim'>{esc(case.aside(finding) + excuse)}</span>" if case.aside(finding) else ""
            yield f"<li><span class='severity {finding.severity.value}'>{finding.severity.value}</span> "
            yield f"<b>{esc(finding.code)} {esc(finding.name)}</b>{aside}<br>{esc(finding.text)}</li>"
        yield "</ul>"
    run = case.run() if spoken else None
    if run is not None:
        yield from charts.of(run)
        yield from talk.of(run, case.findings)
    elif not spoken:
        yield f"<p class='dim'>Its conversation: harness show {esc(case.run_id or '')}</p>"
    yield "</details>\n"


def _name(case: Case) -> str:
    return esc(one_line(case.name, _LONGEST_NAME))


def _mark(case: Case) -> str:
    return f"<b title='{case.outcome}'>{MARKS[case.outcome]}</b>"


def _facts(case: Case) -> str:
    about = case.summary
    facts = [
        figures.many(about.messages, "message") if about else "",
        (about.ending or "").replace("_", " ") if about else "",
        about.mode if about else "",
        about.framework or "" if about else "",
        f"run {case.run_id}" if case.run_id else "",
        case.file or "",
    ]
    return "".join(f" · {one_line(fact, 200)}" for fact in facts if fact)


def _seconds(case: Case) -> str:
    return esc(figures.duration(None if case.seconds is None else round(case.seconds * 1e9)))


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p class='dim'>{esc(line)}</p>" for line in lines)


def _listed(kind: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"<pre class='{kind}'>{esc(text)}</pre>" if text else ""


def _parting(old: str, new: str) -> str:
    """Show both sides of what changed, word by word."""
    before, after = _WORD.findall(old[:_LONGEST_SIDE]), _WORD.findall(new[:_LONGEST_SIDE])
    left, right = [], []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = esc("".join(before[start:end])), esc("".join(after[first:last]))
        left.append(gone if kind == "equal" else f"<del>{gone}</del>" if gone else "")
        right.append(come if kind == "equal" else f"<ins>{come}</ins>" if come else "")
    sides = (("recorded", left), ("now", right))
    shown = "".join(f"<div><h4>{name}</h4><pre dir='auto'>{''.join(side)}</pre></div>" for name, side in sides)
    return f"<h3>Where it parts</h3><div class='sides'>{shown}</div>"
