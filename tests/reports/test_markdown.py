from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Severity
from harness.reports.markdown import render
from harness.text import one_line, printable
from tests.reports.samples import HOSTILE, a_case, a_report, finding

ALLOWED = {"h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "p", "pre", "code", "ul", "li"}


class Page(HTMLParser):
    """The tags of a page, the cells of its table, and the text of its code blocks."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells, self.code, self._in = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._in.append(tag)
        if tag == "td":
            self.cells.append("")
        elif tag == "pre":
            self.code.append("")

    def handle_endtag(self, tag):
        self._in.pop()

    def handle_data(self, data):
        if "td" in self._in:
            self.cells[-1] += data
        elif "pre" in self._in:
            self.code[-1] += data


def shown(report):
    markdown_it = pytest.importorskip("markdown_it")
    return Page(markdown_it.MarkdownIt("commonmark").enable("table").render(render(report)))


def test_each_case_is_a_row_and_what_failed_is_told_below():
    text = render(a_report(a_case("no", name="chat", hints=("mend it",)), a_case(name="fine", outcome="passed")))
    assert text.startswith("## harness run: 1 failed, 1 passed\n")
    assert "| ❌ failed | chat | 3 | 2 | 46 | – | 250 ms | L101 |" in text
    assert "```text\nno\nmend it\n```" in text
    assert "### ✅" not in text


def test_expected_findings_are_named_as_such_and_a_run_without_reasons_tells_its_findings():
    wanted = a_case(expected=frozenset({"repeated-message"}), reasons=(), hints=())
    found = a_case(reasons=(), hints=(), findings=(finding("again", severity=Severity.ERROR),))
    text = render(a_report(wanted, found))
    assert re.search(r"L101 \\\(expected\\\)", text)
    assert "error L101 repeated-message: again" in text


@given(st.one_of(st.just(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=80)))
def test_whatever_is_said_is_shown_as_text_and_nothing_else(text):
    page = shown(a_report(a_case(text, reasons=(text,), hints=(), growth=())))
    assert set(page.tags) <= ALLOWED
    assert page.cells[1].replace("\u2060", "") == one_line(text, 80).replace("\u2060", "")
    assert [block.rstrip("\n") for block in page.code] == ["\n".join(printable(text).split("\n")).rstrip("\n")]


def test_many_lines_are_cut_with_their_number():
    text = render(a_report(a_case("x", reasons=("\n".join(map(str, range(100))),), hints=())))
    assert "\n39\n… 60 more lines\n" in text
