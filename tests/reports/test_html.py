from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import SYNTHETIC_NS
from harness.reports import charts
from harness.reports.html import render
from harness.text import printable
from tests.reports.samples import HOSTILE, a_case, a_report, a_run

TAGS = set(
    """a article b bdi body br del details div figcaption figure footer g h1 h2 h3 h4 head header html ins li line main
    meta p pre rect span style summary svg table tbody td text th thead title tr ul""".split()
)
ATTRIBUTES = set(
    """aria-label charset class content dir height href http-equiv id lang name open role rx text-anchor title viewbox
    width x x1 x2 y y1 y2""".split()
)
VOID = {"meta", "br", "rect", "line"}


class Page(HTMLParser):
    """A page as a browser takes it apart: its tags and attributes, what is open at the end, and its text by tag."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.text = set(), [], [], {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data


def stands_alone(text):
    page = Page(text)
    assert page.open == []
    assert page.tags <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    assert all(value.startswith("#case") for name, value in page.attributes if name == "href")
    policy = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert "url(" not in page.text["style"]
    assert "@import" not in page.text["style"]
    return page


def test_the_page_holds_the_verdict_the_conversation_the_findings_and_both_sides_of_what_changed():
    run = a_run("It is three.")
    case = a_case("no", name="chat", old="You are polite.", new="You are brief.", run=lambda: run)
    page = stands_alone(render(a_report(case)))
    assert "1 failed" in page.text["title"]
    assert "It is three." in page.text["div"]
    assert "polite" in page.text["del"]
    assert "brief" in page.text["ins"]
    assert "You are ." in page.text["pre"].replace("→", "")
    assert {"svg", "rect"} <= page.tags
    assert page.text["p"].count("L101 repeated-message: no") == 1


def test_both_colour_schemes_are_declared():
    style = stands_alone(render(a_report())).text["style"]
    assert "prefers-color-scheme: dark" in style
    assert "color-scheme: light dark" in style


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=60)))
def test_whatever_is_said_is_text_and_nothing_is_asked_of_anybody(text):
    page = stands_alone(render(a_report(a_case(text), title=text, remarks=(text,))))
    assert printable(text) in page.text["div"]


def test_passed_cases_beyond_two_hundred_name_the_command_that_shows_them():
    cases = [a_case("fine", name=f"n{number}", outcome="passed", run_id=f"r{number}") for number in range(201)]
    text = render(a_report(*cases))
    assert text.count("<h3>Conversation</h3>") == 200
    assert "harness show r200" in text


def test_a_run_whose_times_nobody_knows_has_no_chart_of_times():
    run = a_run("x")
    assert "Calls, in order of time" in render(a_report(a_case(run=lambda: run)))
    made_up = replace(run, summary=replace(run.summary, started_ns=SYNTHETIC_NS))
    assert "Calls, in order of time" not in render(a_report(a_case(run=lambda: made_up)))


def test_of_an_agent_with_a_long_name_a_chart_still_says_what_it_did():
    run = a_run("It is 3.", who="RoundRobinGroupChatManager")
    labels = {name for name in re.findall(r"text-anchor='end'>([^<]+)<", "".join(charts.of(run))) if "·" in name}
    assert labels
    assert all(len(label) <= 24 and label.endswith(" · chat") for label in labels)
    assert any(label.startswith("RoundRobin") for label in labels)
