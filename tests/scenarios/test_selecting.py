from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from scenarios.scenario import Scenario
from scenarios.selecting import parse


def named(name="shop[euro]", tags=("ci", "Slow")):
    return Scenario(path=Path("x"), name=name, tags=tags, cassette=Path("c"), factory="a:b")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ci", True),
        ("CI", True),
        ("c", False),
        ("shop", True),
        ("tag:shop", False),
        ("name:shop", True),
        ("name:ci", False),
        ("tag:c*", True),
        ("name:shop[*]", True),
        ("name:shop?euro?", True),
        ("name:shop*x", False),
        ("not slow", False),
        ("ci and slow", True),
        ("ci and not slow", False),
        ("nope or ci and slow", True),
        ("(nope or ci) and not slow", False),
        ("not (nope or not ci)", True),
        ('"shop[euro]"', True),
        ('name:"shop[euro]"', True),
        ("not not ci", True),
    ],
)
def test_a_scenario_is_meant_by_its_tags_and_its_name(text, meant):
    assert parse(text)(named()) is meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has nothing in it"),
        ("ci and", "a word is missing at the end"),
        ("and ci", "a word is missing before 'and'"),
        ("(ci", "a parenthesis is not closed"),
        ("ci)", "'\\)' was not expected"),
        ("ci slow", "'slow' was not expected"),
        ('"ci', "a quotation mark is not closed"),
        ("not " * 200 + "ci", "it is too deep"),
    ],
)
def test_what_is_no_expression_is_one_clear_error(text, told):
    with pytest.raises(UsageError, match=told):
        parse(text)


WORDS = st.sampled_from(["a", "b", "c"])
TREES = st.recursive(
    WORDS,
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=8,
)


def written(tree):
    return tree if isinstance(tree, str) else "(" + " ".join(written(part) for part in tree if part) + ")"


def evaluated(tree, tags):
    if isinstance(tree, str):
        return tree if tree in {"not", "and", "or"} else tree in tags
    if len(tree) == 2:
        return not evaluated(tree[1], tags)
    left, how, right = tree
    sides = evaluated(left, tags), evaluated(right, tags)
    return all(sides) if how == "and" else any(sides)


@given(TREES, st.sets(WORDS))
def test_words_and_or_not_mean_what_they_say(tree, tags):
    assert parse(written(tree))(named(name="", tags=tuple(tags))) == evaluated(tree, tags)


@given(st.lists(WORDS, min_size=3, max_size=3), st.sets(WORDS))
def test_and_binds_before_or(words, tags):
    first, second, third = (word in tags for word in words)
    found = parse(f"{words[0]} or {words[1]} and {words[2]}")(named(name="", tags=tuple(tags)))
    assert found == (first or (second and third))


@given(st.text('abn ot()"and:*', max_size=30))
def test_any_text_is_an_expression_or_one_clear_error(text):
    try:
        choice = parse(text)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - both outcomes are right
    else:
        assert choice(named()) in {True, False}
