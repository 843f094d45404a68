from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.expecting import Saying, finds
from scenarios.json_schema import faults, unusable

ORDER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["total", "items"],
    "properties": {
        "total": {"type": "number", "minimum": 0, "exclusiveMaximum": 100},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {"$ref": "#/$defs/item"},
            "uniqueItems": True,
        },
        "note": {"anyOf": [{"type": "string", "minLength": 2, "pattern": "^a"}, {"type": "null"}]},
        "kind": {"enum": ["a", 1, True]},
        "fixed": {"const": 1},
        "not": {"not": {"type": "string"}},
    },
    "$defs": {"item": {"type": "string", "maxLength": 3}},
}


def first(value, schema=ORDER):
    found = next(faults(schema, value), None)
    return found and found.what


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, None),
        ({"total": "1"}, "'total' must be a number, not '1'"),
        ({"total": True}, "'total' must be a number, not True"),
        ({"total": -1}, "'total' must be at least 0, not -1"),
        ({"total": 100}, "'total' must be less than 100, not 100"),
        ({"items": []}, "'items' is empty"),
        ({"items": ["a", "b", "c"]}, "'items' must have at most 2 items, not 3"),
        ({"items": ["long one"]}, "'items[1]' must have at most 3 characters, not 8"),
        ({"items": ["a", "a"]}, "'items' has 'a' twice"),
        ({"itms": 1}, "unknown key 'itms'; did you mean 'items'?"),
        ({"note": None}, None),
        ({"note": "b"}, "'note' must have at least 2 characters, not 1"),
        ({"note": "bb"}, "'bb' does not match '^a'"),
        ({"note": 5}, "'note' must be text or null, not 5"),
        ({"kind": "a"}, None),
        ({"kind": True}, None),
        ({"kind": 1.0}, None),
        ({"kind": 2}, "'kind' cannot be 2"),
        ({"fixed": True}, "'fixed' must be 1, not True"),
        ({"not": "x"}, "'not' cannot be 'x'"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place(more, told):
    assert first({"total": 1, "items": ["a"], **more}) == told


def test_what_is_missing_is_told():
    assert first({"total": 1}) == "'items' is missing"
    assert first([]) == "'it' must be a mapping, not []"


def test_one_of_several_keys_is_asked_for_in_words():
    schema = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert first({}, schema) == first({"a": 1, "b": 1}, schema) == "'it' has exactly one of 'a' and 'b'"
    assert first({"a": 1}, schema) is None


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (True, None),
        (ORDER, None),
        ([], "a schema is a mapping"),
        ({"propertys": {}}, "the keyword 'propertys' is not understood; did you mean 'properties'?"),
        ({"properties": {"a": {"tpye": "string"}}}, "the keyword 'tpye'"),
        ({"type": "text"}, "'type' cannot be 'text'"),
        ({"pattern": "("}, "'pattern' cannot be '('"),
        ({"$ref": "#/$defs/nowhere"}, "'$ref' cannot be"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "'$ref' cannot be"),
        ({"minimum": "1"}, "'minimum' cannot be '1'"),
        ({"anyOf": []}, "'anyOf' cannot be []"),
    ],
)
def test_a_schema_that_is_not_wholly_understood_is_refused(schema, told):
    assert (unusable(schema) or "").startswith(told or "")
    assert (unusable(schema) is None) == (told is None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def exactly(value):
    """The schema that only *value* fits."""
    if isinstance(value, dict):
        return {
            "type": "object",
            "additionalProperties": False,
            "required": list(value),
            "properties": {key: exactly(one) for key, one in value.items()},
        }
    if isinstance(value, list):
        return {"type": "array", "minItems": len(value), "maxItems": len(value)} | (
            {"items": {"anyOf": [exactly(one) for one in value]}} if value else {}
        )
    return {"const": value}


@given(VALUES)
def test_a_value_fits_the_schema_that_is_made_of_it(value):
    schema = exactly(value)
    assert unusable(schema) is None
    assert first(value, schema) is None
    assert first(value, {"not": schema}) is not None
    assert first(value, {"anyOf": [False, schema]}) is None


@given(VALUES, VALUES)
def test_values_of_another_kind_do_not_fit_it(value, other):
    if type(value) is not type(other):
        assert first(other, exactly(value)) is not None


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ('{"total": 3}', True),
        ('Here it is:\n```json\n{"total": 3}\n```\nDone.', True),
        ('{"total": -3}', False),
        ("the total is 3", False),
    ],
)
def test_what_is_said_may_be_json_of_a_form(said, fits):
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}}
    assert finds(Saying(schema=schema), said) is fits
