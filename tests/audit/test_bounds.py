"""How bounds, conditions and graphs are put together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.audit import bounds, conditions, graphs
from harness.audit.bounds import Bound, Verdict, bounded, open_ended
from harness.audit.certificate import certify, judge
from harness.setups import Agent, Condition, Edge, Member, Setup, Talk, Team, Voice

_BOUNDS = st.one_of(
    st.builds(bounded, st.integers(0, 50), st.integers(0, 50)),
    st.sampled_from([Verdict.HUMAN, Verdict.UNKNOWN, Verdict.UNBOUNDED]).map(lambda verdict: open_ended(verdict, "so")),
)


@given(_BOUNDS, _BOUNDS, _BOUNDS)
def test_it_does_not_matter_in_which_order_parts_are_put_together(one: Bound, two: Bound, three: Bound) -> None:
    together = bounds.total([one, two, three])
    other = bounds.both(three, bounds.both(two, one))
    assert (together.verdict, together.messages, together.calls) == (other.verdict, other.messages, other.calls)


@given(_BOUNDS, st.integers(0, 5))
def test_a_repetition_is_the_same_as_so_many_one_after_another(bound: Bound, count: int) -> None:
    repeated, listed = bounds.times(count, bound), bounds.total([bound] * count)
    assert (repeated.verdict, repeated.messages, repeated.calls) == (listed.verdict, listed.messages, listed.calls)


@given(st.lists(_BOUNDS, min_size=1, max_size=4))
def test_a_choice_takes_no_less_than_any_of_its_ways(ways: list[Bound]) -> None:
    chosen = bounds.worst_of(ways)
    if chosen.verdict is Verdict.BOUNDED:
        assert all((way.messages or 0) <= (chosen.messages or 0) for way in ways)
        assert all((way.calls or 0) <= (chosen.calls or 0) for way in ways)
    else:
        assert any(way.verdict is chosen.verdict for way in ways)


def _team(condition: Condition | None) -> Team:
    members = (Member(name="a"), Member(name="b"))
    return Team(name="t", kind="RoundRobinGroupChat", order="turns", members=members, condition=condition)


_SINGLE = st.one_of(
    st.integers(1, 20).map(lambda limit: Condition(kind="messages", why=f"max {limit}", limit=limit)),
    st.sampled_from(
        [
            Condition(kind="said", why="word"),
            Condition(kind="hidden", why="function"),
            Condition(kind="source", why="from b", sources=("b",)),
            Condition(kind="seconds", why="time", limit=9),
        ]
    ),
)
_CONDITIONS = st.recursive(
    _SINGLE,
    lambda inner: st.builds(
        lambda kind, parts: Condition(kind=kind, why=kind, parts=tuple(parts)),
        st.sampled_from(["any", "all"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@given(_CONDITIONS, _CONDITIONS)
def test_either_of_two_conditions_ends_no_later_and_both_no_sooner_than_each(one: Condition, two: Condition) -> None:
    def most(condition: Condition) -> float:
        found = conditions.turns(_team(condition), condition, task=1)
        return found.most if found.verdict is Verdict.BOUNDED else float("inf")

    either = most(Condition(kind="any", why="|", parts=(one, two)))
    together = most(Condition(kind="all", why="&", parts=(one, two)))
    assert either == min(most(one), most(two))
    assert together == max(most(one), most(two))


_GRAPHS = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(
        st.builds(
            Edge,
            target=st.sampled_from("abcd"),
            condition=st.sampled_from([None, "yes"]),
            group=st.just(""),
            every=st.just(value=False),
        ),
        max_size=2,
    ).map(tuple),
)


@given(_GRAPHS, st.integers(1, 6))
def test_more_batches_never_mean_fewer_messages(edges: dict[str, tuple[Edge, ...]], batches: int) -> None:
    walk = graphs.Walk(edges)
    states, first = walk.states("a"), walk.first("a")
    weights = dict.fromkeys("abcd", 1)
    some = graphs.longest(states, first, weights, batches)
    more = graphs.longest(states, first, weights, batches + 1)
    assert 1 <= some <= more
    if graphs.ring(states, first) is None:
        assert more <= graphs.longest(states, first, weights, None)
    else:
        assert graphs.longest(states, first, weights, 40) >= 40


def test_a_team_without_a_limit_names_who_answers_whom() -> None:
    bound = judge(_team(None))
    assert bound.verdict is Verdict.UNBOUNDED
    assert bound.path == ("a → b → a → …", "no termination condition")


def test_the_cost_is_every_call_at_its_worst_and_unknown_where_a_price_is() -> None:
    talk = Talk(starter=Voice(name="a", limit=9), recipient=Voice(name="b", limit=2, calls=1))
    setup = Setup(
        framework="autogen", agents=(Agent(name="b", kind="X", models=("gpt-4o",), max_tokens=1000),), plans=(talk,)
    )
    found = certify(setup)
    assert found is not None
    assert (found.bound.messages, found.bound.calls) == (5, 2)
    assert found.cost_usd == 2 * (128_000 * 2.5 + 1000 * 10) / 1_000_000
    strange = Setup(framework="autogen", agents=(Agent(name="b", kind="X", models=("home-made",)),), plans=(talk,))
    unknown = certify(strange)
    assert unknown is not None
    assert unknown.cost_usd is None
    assert unknown.unpriced == ("home-made: no price is known",)
