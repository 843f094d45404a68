"""A program that failed is told of by its own exception."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scenarios.last_words import last_words

LONG = """
class Wrong(Exception):
    pass

def ask():
    raise Wrong("two fields are wrong\\n  model\\n    Extra inputs are not permitted\\nSee the manual.")

try:
    {}["key"]
except KeyError:
    ask()
"""


def test_the_exception_is_told_rather_than_the_last_line_of_its_text():
    ran = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr.splitlines()[-1] == "See the manual."
    told = "harness: the program ended with 1, so chat.cassette.jsonl was not written\n"
    assert last_words(ran.stderr + told) == "Wrong: two fields are wrong"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("", ""),
        ("one\ntwo\n\n", "two"),
        ("usage: app.py\napp.py: error: no task\nharness: it was not written\n", "app.py: error: no task"),
        ("harness: no cassette\n  Record it.\n", "harness: no cassette"),
        ("  all of it indented\n", "all of it indented"),
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
    ],
)
def test_without_one_it_is_what_the_program_said_last_and_only_then_what_the_harness_says(printed, told):
    assert last_words(printed) == told
