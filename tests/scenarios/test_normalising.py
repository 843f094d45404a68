from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Operation
from scenarios.matching import Matcher
from scenarios.normalising import RULES, normaliser, rules_between
from tests.scenarios.samples import chat_request, said

EVERY = normaliser(RULES)
FOUND = {
    "uuid": ["3f2504e0-4f89-11d3-9a0c-0305e82c3301", "3F2504E0-4F89-41D3-9A0C-0305E82C3301"],
    "iso-time": [
        "2026-11-20T09:30",
        "2026-11-20 09:30:59",
        "2026-11-20T09:30:59.123456+01:00",
        "2026-11-20T09:30:59Z",
    ],
    "iso-date": ["2026-11-20", "1999-01-31"],
    "epoch": ["1732095000", "1732095000123", "1732095000.25"],
    "hex-address": ["0x7f3a2c0d1e80"],
    "temp-path": ["/tmp/tmpab12_xyz", "/private/var/folders/x1/T/tmp00000000"],  # noqa: S108 - texts, not places
}
KEPT = [
    "3f2504e0-4f89-11d3-9a0c-0305e82c330",  # too short
    "2026-13-20",
    "2026-11-32",
    "version 12026-11-20",
    "at 25:61",
    "order 1732",
    "phone 0173209500012345",
    "0x1f",
    "#ffffff",
    "/tmp/report.txt",  # noqa: S108
    "/tmp/tmpab12_xyz.py",  # noqa: S108 - somebody gave it a name of its own
]


def text_without(value, *names):
    return normaliser(names or RULES)(value)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_takes_out_its_values_alone(name):
    for value in FOUND[name]:
        assert text_without(f"at {value}.", name) == f"at \0{name.replace('-', '_')}\0."
        others = [other for other in RULES if other != name and {name, other} != {"iso-date", "iso-time"}]
        assert normaliser(others)(f"at {value}.") == f"at {value}."


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_alike_is_kept(text):
    assert EVERY(text) == text


def test_numbers_that_are_times_go_and_others_stay():
    assert EVERY({"at": 1732095000, "ms": 1732095000123, "n": 17, "yes": True}) == {
        "at": "\0#epoch",
        "ms": "\0#epoch",
        "n": 17,
        "yes": True,
    }
    assert EVERY(1732095000) != EVERY("1732095000")


def test_no_rule_is_no_work_and_a_rule_nobody_knows_is_refused():
    assert normaliser(()) is None
    with pytest.raises(UsageError, match="no rule 'time'"):
        normaliser(["time"])


literals = st.text(alphabet=" ,;()!=\0#", min_size=1, max_size=4)
volatile = st.sampled_from([(name, value) for name, values in FOUND.items() for value in values])
texts = st.lists(st.one_of(literals.map(lambda text: (None, text)), volatile), max_size=6)


def shape(parts):
    """Give what a text says without its volatile values: literal texts in one piece, values by their rule."""
    found = []
    for name, text in parts:
        if name is not None:
            found.append((name, None))
        elif found and found[-1][0] is None:
            found[-1] = (None, found[-1][1] + text)
        else:
            found.append((None, text))
    return found


def spaced(parts):
    """Keep volatile values apart: two in a row are no value of either kind."""
    found = []
    for part in parts:
        if found and part[0] is not None and found[-1][0] is not None:
            found.append((None, " "))
        found.append(part)
    return found


@given(texts, texts)
def test_texts_are_equal_without_volatile_values_if_and_only_if_nothing_else_differs(one, other):
    one, other = spaced(one), spaced(other)
    left, right = (EVERY("".join(text for _, text in parts)) for parts in (one, other))
    assert (left == right) == (shape(one) == shape(other))


@given(st.text(alphabet="\0u0id#epochi_so", max_size=12), st.text(alphabet="\0u0id#epochi_so", max_size=12))
def test_no_text_passes_for_a_volatile_value(one, other):
    assert (EVERY(one) == EVERY(other)) == (one == other)


def key(*messages):
    return Matcher(lambda text: text, EVERY).key(Operation.CHAT, "coder", "", chat_request(*messages))


@given(texts, texts)
def test_requests_are_the_same_up_to_volatile_values_and_no_further(one, other):
    one, other = spaced(one), spaced(other)
    keys = [key(said("user", "".join(text for _, text in parts))) for parts in (one, other)]
    assert (keys[0] == keys[1]) == (shape(one) == shape(other))


@pytest.mark.parametrize("name", RULES)
def test_the_rule_that_is_enough_is_found(name):
    old, new = f"at {FOUND[name][0]}.", f"at {FOUND[name][-1]}."
    if old != new:
        assert rules_between(old, new) == (name,)
        assert rules_between(old, new + " Now!") == ()
    assert rules_between(old, old) == ()


def test_several_rules_are_named_where_one_is_not_enough():
    old, new = "run 0x7f3a2c0d1e80 on 2026-11-20", "run 0x7f3a2c0d1e99 on 2026-11-21"
    assert rules_between(old, new) == ("iso-date", "hex-address")
