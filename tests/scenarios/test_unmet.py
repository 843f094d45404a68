"""Sequences that are expected: tool calls with arguments, and speakers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.expecting import Item, Sequence
from scenarios.unmet import Done, _sequence

CALLS = [
    Done(name="search", arguments={"text": "Oslo", "limit": 3}),
    Done(name="book", arguments={"city": "Oslo"}),
    Done(name="search", arguments={"text": "Rome"}),
]


def item(name, **arguments):
    return Item(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Sequence(), []),
        (Sequence(exactly=(item("search"), item("book"), item("search", text="Rome"))), []),
        (Sequence(in_order=(item("search"), item("search"))), []),
        (Sequence(any_order=(item("book"), item("search", text="Rome"), item("search"))), []),
        (Sequence(include=(item("search", limit=3),), exclude=(item("cancel"), item("book", city="Rome"))), []),
        (
            Sequence(exactly=(item("search"), item("book"))),
            ["expected the tools search, book to be called, but it was search, book, search"],
        ),
        (
            Sequence(exactly=(item("search", text="Bonn"), item("book"), item("search"))),
            [
                (
                    'expected the tools search(text="Bonn"), book, search to be called, but it was '
                    'search({"text": "Oslo", "limit": 3}), book, search({"text": "Rome"})'
                )
            ],
        ),
        (
            Sequence(in_order=(item("book"), item("book"))),
            ["expected the tools book, book in this order, but book did not come in its turn"],
        ),
        (
            Sequence(any_order=(item("book"), item("search", text="Rome"), item("search", text="Rome"))),
            [
                (
                    'expected the tools book, search(text="Rome"), search(text="Rome") in any order, but it was '
                    'search({"text": "Oslo", "limit": 3}), book, search({"text": "Rome"})'
                )
            ],
        ),
        (Sequence(include=(item("cancel"),)), ["expected the tool cancel, but it was search, book, search"]),
        (Sequence(exclude=(item("book"),)), ["the tool book was called (number 2), which it should not"]),
    ],
)
def test_what_is_wanted_of_a_sequence_is_told_where_it_does_not_hold(wanted, told):
    assert list(_sequence("tool", wanted, CALLS)) == told


NAMES = st.lists(st.sampled_from("abc"), max_size=5)


def items(names):
    return tuple(Item(name=name) for name in names)


def holds(wanted, names):
    return not list(_sequence("speaker", wanted, [Done(name=name) for name in names]))


@given(NAMES, NAMES)
def test_the_words_mean_what_they_say(wanted, names):
    assert holds(Sequence(exactly=items(wanted)), names) == (wanted == names)
    assert holds(Sequence(any_order=items(wanted)), names) == (sorted(wanted) == sorted(names))
    parts = itertools.combinations(names, len(wanted))
    assert holds(Sequence(in_order=items(wanted)), names) == (tuple(wanted) in parts)
    assert holds(Sequence(include=items(wanted)), names) == (set(wanted) <= set(names))
    assert holds(Sequence(exclude=items(wanted)), names) == (not set(wanted) & set(names))


ARGUMENTS = st.dictionaries(st.sampled_from("xy"), st.integers(0, 1), max_size=2)


@given(st.lists(ARGUMENTS, max_size=4), st.lists(ARGUMENTS, max_size=4))
def test_calls_in_any_order_are_matched_one_to_one_whatever_comes_first(wanted, given_):
    def fits(one, done):
        return one.items() <= done.items()

    possible = any(
        len(wanted) == len(order) and all(map(fits, wanted, order)) for order in itertools.permutations(given_)
    )
    sequence = Sequence(any_order=tuple(Item(name="t", arguments=one) for one in wanted))
    done = [Done(name="t", arguments=one) for one in given_]
    assert (not list(_sequence("tool", sequence, done))) == possible
