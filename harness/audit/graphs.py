"""How long a graph of agents goes on: every way through it that its conditions could allow is walked.

The rules are those of AgentChat 0.7.5 (``teams/_group_chat/_graph/_digraph_group_chat.py``): who is ready speaks in one
batch; an edge counts down its group at its target, or makes the target ready if any edge of the group will do. Whether
a condition holds is up to what is said, so both are tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.setups import Edge

_MOST_STATES = 20_000
_MOST_WAYS = 256

State = tuple[tuple[str, ...], tuple[tuple[str, str, int], ...]]
"""Who is ready, and what is left of each group at each target: the count, or 0 and 1 where any edge will do."""


class TooManyWaysError(Exception):
    """There are more ways through the graph than are walked."""


@dataclass
class Walk:
    """The ways through one graph. *opaque*: whether edges whose condition is a function may be taken as well."""

    edges: Mapping[str, Sequence[Edge]]
    opaque: bool = True
    _groups: dict[tuple[str, str], tuple[bool, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for edge in itertools.chain.from_iterable(self.edges.values()):
            every, count = self._groups.get((edge.target, edge.group), (edge.every, 0))
            self._groups[edge.target, edge.group] = every, count + 1

    def first(self, starts: Sequence[str]) -> State:
        """Give the state before anybody has spoken."""
        left = tuple(sorted((*key, count if every else 0) for key, (every, count) in self._groups.items()))
        return tuple(sorted(starts)), left

    def onward(self, state: State) -> set[State]:
        """Give every state that may follow once those who are ready have spoken."""
        ready, kept = state
        left = {(target, group): count for target, group, count in kept}
        for (target, group), (every, count) in self._groups.items():
            if target in ready and (left[target, group] <= 0 if every else left[target, group]):
                left[target, group] = count if every else 0
        found: set[State] = set()
        for taken in self._ways(ready):
            found.add(self._after(taken, dict(left)))
            if len(found) > _MOST_WAYS:
                raise TooManyWaysError
        return found

    def _ways(self, ready: Sequence[str]) -> Iterator[list[Edge]]:
        """Give each choice of edges that may be taken by those who speak."""
        choices = [edge for name in ready for edge in self.edges.get(name, ()) if edge.condition is not None]
        choices = [edge for edge in choices if self.opaque or not edge.opaque]
        sure = [edge for name in ready for edge in self.edges.get(name, ()) if edge.condition is None]
        if 2 ** len(choices) > _MOST_WAYS:
            raise TooManyWaysError
        for some in itertools.product((True, False), repeat=len(choices)):
            yield sure + [edge for edge, taken in zip(choices, some, strict=True) if taken]

    def _after(self, taken: Sequence[Edge], left: dict[tuple[str, str], int]) -> State:
        ready: list[str] = []
        for edge in taken:
            key = edge.target, edge.group
            if edge.every:
                left[key] -= 1
                if left[key] == 0:
                    ready.append(edge.target)
            elif not left[key]:
                left[key] = 1
                ready.append(edge.target)
        return tuple(sorted(ready)), tuple(sorted((*key, count) for key, count in left.items()))

    def states(self, starts: Sequence[str]) -> dict[State, set[State]]:
        """Walk every way, and give each state with those that may follow. Raises TooManyWaysError."""
        found: dict[State, set[State]] = {}
        waiting = [self.first(starts)]
        while waiting:
            state = waiting.pop()
            if state in found or not state[0]:
                continue
            found[state] = self.onward(state)
            waiting.extend(found[state])
            if len(found) > _MOST_STATES:
                raise TooManyWaysError
        return found


def ring(graph: Mapping[State, set[State]], first: State) -> list[str] | None:
    """Find a way that comes back to where it was, as the names of those who speak; None if there is none."""
    done: set[State] = set()
    path: list[State] = []
    on_path: set[State] = set()
    stack: list[tuple[State, Iterator[State]]] = []

    def enter(state: State) -> None:
        path.append(state)
        on_path.add(state)
        stack.append((state, iter(graph.get(state, ()))))

    enter(first)
    while stack:
        state, following = stack[-1]
        step = next(following, None)
        if step is None:
            stack.pop()
            on_path.discard(path.pop())
            done.add(state)
        elif step in on_path:
            return ["+".join(each[0]) for each in (*path[path.index(step) :], step)]
        elif step in graph and step not in done:
            enter(step)
    return None


def batches(graph: Mapping[State, set[State]], first: State) -> int:
    """Give the most batches that may come one after another from *first*. There must be no ring."""
    reach, most = {first} if first in graph else set(), 0
    while reach:
        most += 1
        reach = {step for state in reach for step in graph[state] if step in graph}
    return most


def longest(graph: Mapping[State, set[State]], first: State, weights: Mapping[str, int], batches: int | None) -> int:
    """Give the most that may come together along a way of at most *batches* batches, each speaker by its weight.

    Without *batches* there must be no ring.
    """

    def here(state: State) -> int:
        return sum(weights[name] for name in state[0])

    if batches is None:
        batches = len(graph)
    reach, most = {first: here(first)} if first in graph and batches else {}, 0
    for _ in range(batches):
        if not reach:
            break
        most = max(most, *reach.values())
        onward: dict[State, int] = {}
        for state, weight in reach.items():
            for step in graph[state]:
                if step in graph:
                    onward[step] = max(onward.get(step, 0), weight + here(step))
        reach = onward
    return most
