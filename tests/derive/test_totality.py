"""Nothing that can be in a span makes deriving fail, and each span and message is there exactly once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import derive, semconv
from harness.model import Event, Operation, Run, Span, Status
from tests.derive.samples import span

IDS = ["a", "b", "c", "d", "e"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["h1", "h2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["parts", "role", "type", "x"]), inner),
    max_leaves=6,
)
names = st.sampled_from([value for name, value in vars(semconv).items() if name.isupper()])
hashes = st.sampled_from(["h1", "h2", "h3", "h4"])


@st.composite
def forests(draw: st.DrawFn) -> list[Span]:
    return [
        Span(
            run_id="r",
            trace_id="t",
            span_id=span_id,
            parent_id=draw(st.sampled_from([None, "elsewhere", *IDS])),
            name=draw(st.text(max_size=3)),
            kind="INTERNAL",
            operation=draw(st.sampled_from(Operation)),
            status=draw(st.sampled_from(Status)),
            seq=draw(st.integers(-2, 9)),
            end_seq=draw(st.none() | st.integers(-2, 9)),
            start_ns=draw(st.integers(-5, 9)),
            end_ns=draw(st.none() | st.integers(-5, 9)),
            attributes=draw(st.dictionaries(names, json_values, max_size=6)),
        )
        for span_id in draw(st.lists(st.sampled_from(IDS), unique=True))
    ]


links = st.dictionaries(hashes, st.tuples(st.none() | hashes, hashes))


@settings(max_examples=150, deadline=None)
@given(spans=forests(), parts=st.dictionaries(hashes, json_values), links=links)
def test_any_spans_make_a_run_with_everything_in_it_once(spans, parts, links):
    run = derive.run("r", spans, parts, links)
    assert [each.span_id for _, each in derive.tree(spans)] != [] or not spans
    assert sorted(each.span_id for _, each in derive.tree(spans)) == sorted(each.span_id for each in spans)
    assert len(run.messages) == run.summary.messages == sum(each.operation is Operation.MESSAGE for each in spans)
    assert all(isinstance(message.text, str) and message.tool_calls is not None for message in run.messages)
    assert set(derive.made_by(run)) == {message.span_id for message in run.messages}
    assert_sound(run, list(derive.events(run)))


def assert_sound(run: Run, events: list[Event]) -> None:
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    assert [event.message for event in events if event.message] == list(run.messages)
    begun: set[str] = set()
    for event in events:
        if event.phase == "end":
            assert event.span.span_id in begun
            assert (event.call is not None) == (event.span.span_id in {call.span.span_id for call in run.calls})
            assert (event.ending is not None) == (event.span.operation is Operation.CONVERSATION)
        begun.add(event.span.span_id)
    assert begun == {each.span_id for each in run.spans}


@given(spans=forests(), data=st.data())
def test_the_order_spans_come_in_does_not_matter(spans, data):
    shuffled = data.draw(st.permutations(spans))
    run = derive.run("r", spans, {}, {})
    again = derive.run("r", shuffled, {}, {})
    assert repr(again) == repr(run)  # repr, for NaN is unequal to itself
    assert [(depth, each.span_id) for depth, each in derive.tree(shuffled)] == [
        (depth, each.span_id) for depth, each in derive.tree(spans)
    ]


def test_a_tree_deeper_than_the_stack_is_walked():
    chain = [span(str(number), at=number, parent_id=str(number - 1) if number else None) for number in range(3000)]
    assert derive.tree(chain)[-1][0] == 2999
    assert derive.summary("r", chain).name == "0"


def test_spans_in_a_circle_hang_under_the_first_of_them():
    circle = [span("b", at=2, parent_id="a"), span("a", at=1, parent_id="b"), span("root", at=3)]
    assert [(depth, each.span_id) for depth, each in derive.tree(circle)] == [(0, "root"), (0, "a"), (1, "b")]


def test_what_began_in_one_instant_is_ordered_by_seq():
    first, second = replace(span("z"), seq=1), replace(span("a"), seq=2)
    assert [event.span.span_id for event in derive.events(derive.run("r", [second, first], {}, {}))] == ["z", "a"]
