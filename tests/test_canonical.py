"""JSON written one way only."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.canonical import canonical, context_hash, digest, encode

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_reads_back_as_it_was(value: Any) -> None:
    assert json.loads(canonical(value)) == json.loads(encode(value))
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in json.dumps(value, ensure_ascii=False)):
        assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), values, max_size=6), st.randoms(use_true_random=False))
def test_equal_values_are_written_equally(value: dict[str, Any], dice: Any) -> None:
    items = list(value.items())
    dice.shuffle(items)
    assert canonical(dict(items)) == canonical(value)
    assert digest(canonical(dict(items))) == digest(canonical(value))


def test_what_json_cannot_hold_survives_as_text() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no")

    deep: list[Any] = []
    deep.append(deep)
    value = {"a\ud800": "b\udfff", "big": 2**70, "odd": Odd(), "set": {1}, 3: float("inf")}
    assert json.loads(canonical(value)) == {"a?": "b?", "big": str(2**70), "odd": "(Odd)", "set": [1], "3": None}
    assert "nested too deeply" in canonical(deep)


def test_a_context_is_named_by_what_came_before_and_what_it_adds() -> None:
    first = context_hash(None, digest("a"))
    assert context_hash(first, digest("b")) != context_hash(None, digest("b"))
    assert len(first) == 32
