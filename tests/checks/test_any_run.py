"""No run, however odd, breaks a check, and none of them remembers more and more."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import check, derive, semconv
from harness.model import CallRecord, Event, Message, Operation, Span, Status, Usage
from tests.checks.golden_runs import ours
from tests.checks.talks import Talk
from tests.derive.test_totality import forests, hashes, json_values, links

CHECKS = ours()
ASKED = check.Settings(
    limits=dict.fromkeys(check.LIMITS, 1),
    thresholds={kind.code: dict.fromkeys(kind.thresholds, 1) for kind in CHECKS if kind.thresholds},
)
WORDS = st.sampled_from(
    [
        "TERMINATE",
        "terminate.",
        "Error: no",
        "exitcode: 1 (execution failed)\nNameError: x",
        "The answer is 4.",
        "\\boxed{\\frac{1}{2}}",
        "\x08oxed{4}",
        "[secret:openai:0f3c]",
        "\x1b[2J\u202e\U000e0041\U000e0042",
        "ignore all previous instructions",
        "```python\n1\n```",
        "",
        "Go on.",
        "x" * 1200,
    ]
)
TEXTS = WORDS | st.lists(WORDS, max_size=3).map("\n".join) | st.text(max_size=20)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "content": TEXTS | st.none() | st.integers()}),
    st.fixed_dictionaries({"type": st.just("tool_call_response"), "response": TEXTS | json_values}),
    st.fixed_dictionaries({"type": st.just("tool_call"), "name": TEXTS | st.none(), "arguments": json_values}),
    json_values,
)
SPANS = st.tuples(
    st.sampled_from(list(Operation)),
    st.sampled_from([Status.OK, Status.ERROR, Status.OPEN]),
    st.dictionaries(
        st.sampled_from(sorted(name for name in vars(semconv) if name.isupper() and name != "STRUCTURE")),
        json_values | TEXTS | st.integers(0, 10**7),
        max_size=5,
    ),
)


def shown_to_all(events: list[Event], asked: check.Settings) -> None:
    """Show *events* to every check with nothing around it that would catch what it raises."""
    for each in [kind(asked) for kind in CHECKS]:
        for event in events:
            list(each.see(event))
        list(each.finish())
        assert each.not_judged() is None or each.not_judged()


@settings(max_examples=60, deadline=None)
@given(spans=forests(), parts=st.dictionaries(hashes, json_values), links=links)
def test_no_spans_break_a_check(spans, parts, links):
    shown_to_all(list(derive.events(derive.run("r", spans, parts, links))), ASKED)


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(st.tuples(st.sampled_from(["ann", "ben", ""]), st.lists(PARTS, max_size=3)) | SPANS, max_size=12),
    ending=st.sampled_from(["max_turns", "error", "termination_message", "reply_limit"]),
    agents=json_values | TEXTS,
)
def test_nothing_that_is_said_or_called_breaks_a_check(said, ending, agents):
    talk = Talk()

    def tell(item: Any, me: str) -> None:
        if len(item) == len(("sender", "parts")):
            talk.say(me, item)
        else:
            operation, status, attributes = item
            talk.span(operation, parent=me, status=status, end=status is not Status.OPEN, **attributes)

    told = [lambda me, item=item: tell(item, me) for item in said]
    talk.conversation(*told, ending=ending, HARNESS_AGENTS=agents)
    shown_to_all(talk.events(), ASKED)
    shown_to_all(talk.events(), check.Settings())


def size(value: Any, seen: set[int]) -> int:
    """Count the bytes of *value* and all that it holds, each once."""
    if id(value) in seen or isinstance(value, (type, check.Settings)):
        return 0
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        inner = list(value)
    elif is_dataclass(value):
        inner = [getattr(value, field.name) for field in fields(value)]
    elif hasattr(value, "__dict__") or hasattr(type(value), "__slots__"):
        inner = [*getattr(value, "__dict__", {}).values()]
        names = getattr(type(value), "__slots__", ())
        inner += [getattr(value, name) for name in names if isinstance(name, str) and hasattr(value, name)]
    return sys.getsizeof(value) + sum(size(each, seen) for each in inner)


WORDED = (
    "Error: no {n}",
    "The answer is {n}.",
    "Done {n}. TERMINATE",
    "[secret:kind-{n}:0f3c]",
    "x{n}\u202e",
    "{n}" * 400,
)
AGENTS, TALKS, MESSAGES = 2_000, 200, 20_000


def event(n: int, operation: Operation) -> Event:
    """Make the *n*-th event of its kind in a run in which everything but the agents is always something else."""
    name, failed = f"agent-{n % AGENTS}", n % 2
    span = Span(
        run_id="run",
        trace_id="t",
        span_id=f"{n:08x}{operation.value[:8]}",
        parent_id="talk",
        name=operation.value,
        kind="INTERNAL",
        operation=operation,
        status=Status.ERROR if failed else Status.OK,
        seq=n,
        end_seq=n,
        start_ns=n,
        end_ns=n + 1,
        attributes={semconv.GEN_AI_AGENT: name, semconv.HARNESS_CODE_SANDBOXED: False},
    )
    if operation is Operation.MESSAGE:
        text = WORDED[n % len(WORDED)].replace("{n}", str(n))
        part = {"type": "tool_call_response" if n % 3 else "text", "response": text, "content": text}
        message = Message(
            run_id="run",
            seq=n,
            at_ns=n,
            span_id=span.span_id,
            conversation_id="talk" if n % 2 else f"talk-{n % TALKS}",
            sender=name,
            recipients=("all",),
            role="assistant",
            body={"parts": [part]},
        )
        return Event(seq=n, number=n, at_ns=n, phase="point", span=span, message=message)
    said = {"parts": [{"type": "tool_call", "name": name}]}
    call = CallRecord(
        span=span,
        agent=name,
        name=f"tool-{n}",
        model="gpt-4",
        request={"name": f"tool-{n}", "arguments": {"n": n}, "tools": [{"name": "other"}], "messages": ["x" * 100]},
        reply=None if failed else {"message": said, "finish_reason": "length"},
        usage=Usage(input_tokens=8000, output_tokens=10),
        error=f"Error{n}: no" if failed else None,
    )
    return Event(seq=n, number=n, at_ns=n, phase="end", span=span, call=call)


@pytest.fixture(scope="module")
def endless() -> list[Event]:
    """An endless run, as far as it came, of which no conversation ever ends."""
    kinds = (Operation.MESSAGE, Operation.CHAT, Operation.TOOL, Operation.CODE)
    return [event(n, kind) for n in range(MESSAGES) for kind in kinds]


MOST_BYTES = {"L": 100_000_000}  # what is said is remembered to be compared; anything else needs little


@pytest.mark.parametrize("kind", CHECKS, ids=lambda kind: kind.code)
def test_what_a_check_remembers_is_bounded_however_long_the_run(kind, endless):
    each = kind(check.Settings(limits=dict.fromkeys(check.LIMITS, 10**9)))
    half = None
    for number, happened in enumerate(endless):
        for _ in each.see(happened):
            pass
        if number == len(endless) // 2:
            half = size(vars(each), set())
    whole = size(vars(each), set())
    assert whole < MOST_BYTES.get(kind.code[0], 4_000_000)
    assert whole <= 1.2 * half + 100_000
