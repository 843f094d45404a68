"""Two runs side by side: the alignment, its mirror, and the cause of the parting as a reader would say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import derive, semconv
from harness.causes import CauseKind
from harness.diff import align, diff, mirrored
from harness.model import Operation, Run, Status
from tests.derive.samples import span, text

Said = tuple[str, str]
"""Who spoke, and what."""


def talk(
    *said: Said,
    run_id: str = "r",
    ending: str = "termination_message",
    chats: Mapping[int, Mapping[str, Any]] | None = None,
    calls: Mapping[int, Mapping[str, Any]] | None = None,
    system: str = "Be brief.",
    parameters: str = '{"temperature": 1.0}',
    model: str = "gpt",
    tools: Sequence[Mapping[str, Any]] = (),
    method: str = "auto",
) -> Run:
    """A conversation in which every message but the first comes of a speaker selection and a turn with a model call."""
    parts: dict[str, Any] = {"tools": list(tools), "system": text(system, "system")}
    links: dict[str, tuple[str | None, str]] = {"c0": (None, "system")}
    spans = [span("talk", Operation.CONVERSATION, until=1000, attributes={semconv.HARNESS_ENDING: ending})]
    for number, (sender, words) in enumerate(said):
        at = 10 * number
        parts[f"p{number}"] = text(words)
        links[f"c{number + 1}"] = (f"c{number}", f"p{number}")
        if number:
            chosen = {semconv.HARNESS_SELECTION_CHOICE: sender, semconv.HARNESS_SELECTION_METHOD: method}
            spans.append(
                span(f"s{number}", Operation.SELECTION, at=at + 1, until=at + 2, parent_id="talk", attributes=chosen)
            )
            mine = {semconv.GEN_AI_AGENT: sender}
            spans.append(span(f"t{number}", Operation.TURN, at=at + 3, until=at + 6, parent_id="talk", attributes=mine))
            asked = {
                **mine,
                semconv.GEN_AI_REQUEST_MODEL: model,
                semconv.HARNESS_INPUT_CONTEXT: f"c{number}",
                semconv.HARNESS_OUTPUT_PART: f"p{number}",
                semconv.HARNESS_TOOLS_PART: "tools",
                semconv.HARNESS_REQUEST_PARAMETERS: parameters,
            }
            extra = (calls or {}).get(number)
            if extra is not None:
                spans.append(span(f"x{number}", at=at + 4, until=at + 5, parent_id=f"t{number}", **extra))
            else:
                changed = (chats or {}).get(number, {})
                fields = {"status": changed["status"]} if "status" in changed else {}
                attributes = {**asked, **changed.get("attributes", {})}
                spans.append(
                    span(
                        f"a{number}",
                        Operation.CHAT,
                        at=at + 4,
                        until=at + 5,
                        parent_id=f"t{number}",
                        attributes=attributes,
                        **fields,
                    )
                )
        spoken = {
            semconv.HARNESS_SENDER: sender,
            semconv.HARNESS_ROLE: "assistant",
            semconv.HARNESS_MESSAGE_PART: f"p{number}",
        }
        spans.append(
            span(f"m{number}", Operation.MESSAGE, at=at + 7, until=at + 7, parent_id="talk", attributes=spoken)
        )
    return derive.run(run_id, spans, parts, links)


SAID = [("user", "Sort."), ("coder", "Sorted."), ("tester", "Looks right."), ("coder", "TERMINATE")]


def part(left: Run, right: Run) -> tuple[int | None, CauseKind | None, str | None]:
    found = diff(left, right)
    assert diff(right, left) == mirrored(found)
    return found.parting, found.cause and found.cause.kind, found.cause and found.cause.field


def test_a_run_does_not_differ_from_itself():
    run = talk(*SAID)
    found = diff(run, run)
    assert (found.equal, found.parting, found.cause) == (True, None, None)
    assert [(row.left, row.right) for row in found.rows] == [(message, message) for message in run.messages]
    assert all(total.change in {0, None} for total in found.totals)


def test_the_same_request_with_another_reply_is_the_models_doing():
    other = talk(*SAID[:2], ("tester", "Wrong."), ("coder", "Sorry."))
    found = diff(talk(*SAID), other)
    assert part(talk(*SAID), other) == (2, CauseKind.MODEL, "chat")
    assert (found.cause.left, found.cause.right) == ("Looks right.", "Wrong.")
    assert [row.equal for row in found.rows] == [True, True, False, False]


@pytest.mark.parametrize(
    ("changed", "field", "sides"),
    [
        ({"system": "Be kind."}, "system message", ("Be brief.", "Be kind.")),
        ({"model": "mini"}, "model", ("gpt", "mini")),
        ({"parameters": '{"temperature": 0.0}'}, "parameters.temperature", ("1", "0")),
        ({"parameters": '{"temperature": 1.0, "seed": 4}'}, "parameters.seed", (None, "4")),
        ({"tools": [{"name": "mail", "type": "function"}]}, "tools.mail", (None, '{"name":"mail","type":"function"}')),
    ],
)
def test_a_request_that_differs_in_what_the_program_says_names_the_field(changed, field, sides):
    other = talk(*SAID[:2], ("tester", "Wrong."), **changed)
    found = diff(talk(*SAID), other)
    assert part(talk(*SAID), other) == (2, CauseKind.CODE, field)
    assert (found.cause.left, found.cause.right) == sides


def test_settings_that_only_carry_a_request_and_random_ids_are_no_difference():
    carried = '{"temperature": 1, "timeout": 3, "extra_body": {"agentwall_run_id": "run-%s"}}'
    other = talk(*SAID[:2], ("tester", "Wrong."), parameters=carried % 2)
    assert part(talk(*SAID, parameters=carried % 1), other) == (2, CauseKind.MODEL, "chat")
    assert part(talk(*SAID), other) == (2, CauseKind.MODEL, "chat")


def test_requests_that_differ_although_the_same_was_said_are_told_and_the_runs_equal():
    found = diff(talk(*SAID), talk(*SAID, model="mini"))
    assert (found.equal, found.parting, found.cause.field) == (True, None, "model")


def test_a_request_that_differs_in_its_messages_points_upstream():
    hidden = {2: {"attributes": {semconv.HARNESS_INPUT_CONTEXT: "c1"}}}  # a transform took a message away
    other = talk(*SAID[:2], ("tester", "Wrong."), chats=hidden)
    assert part(talk(*SAID), other) == (2, CauseKind.UPSTREAM, "message 2")


def test_a_model_call_that_failed_is_neither_the_models_nor_the_codes_doing():
    failed = {2: {"status": Status.ERROR, "attributes": {semconv.ERROR_TYPE: "RateLimit"}}}
    other = talk(*SAID[:2], ("tester", "Sorry, an error."), chats=failed)
    assert part(talk(*SAID), other) == (2, CauseKind.FAILURE, "chat")


@pytest.mark.parametrize(
    ("operation", "asked", "answer", "cause"),
    [
        (
            Operation.TOOL,
            {semconv.GEN_AI_TOOL_NAME: "mail", semconv.GEN_AI_TOOL_CALL_ID: "{}"},
            semconv.GEN_AI_TOOL_RESULT,
            (2, CauseKind.TOOL, "mail"),
        ),
        (
            Operation.HUMAN,
            {semconv.HARNESS_HUMAN_PROMPT: "Go on?"},
            semconv.HARNESS_HUMAN_INPUT,
            (2, CauseKind.HUMAN, "human"),
        ),
        (
            Operation.CODE,
            {semconv.HARNESS_CODE_BLOCKS: '[{"language": "sh", "code": "date"}]'},
            semconv.HARNESS_CODE_OUTPUT,
            (2, CauseKind.TOOL, "code"),
        ),
    ],
)
def test_the_same_call_with_another_result_is_its_doing(operation, asked, answer, cause):
    def run(result: str) -> Run:
        attributes = {**asked, answer: result}
        if semconv.GEN_AI_TOOL_CALL_ID in asked:
            attributes[semconv.GEN_AI_TOOL_CALL_ID] = f"random-{result}"
        calls = {2: {"operation": operation, "attributes": attributes}}
        return talk(*SAID[:2], ("tester", f"I have {result}."), calls=calls)

    assert part(run("one"), run("two")) == cause


def test_another_speaker_is_the_control_flow_and_another_method_the_code():
    other = [*SAID[:2], ("writer", "A poem.")]
    assert part(talk(*SAID), talk(*other)) == (2, CauseKind.FLOW, "selection")
    assert part(talk(*SAID), talk(*other, method="round_robin")) == (2, CauseKind.CODE, "selection.method")


def test_another_task_is_the_task_and_a_longer_run_the_control_flow():
    assert part(talk(*SAID), talk(("user", "Write."), *SAID[1:])) == (0, CauseKind.TASK, "task")
    longer = talk(*SAID, ("user", "Thanks."), ending="max_turns")
    found = diff(talk(*SAID), longer)
    assert part(talk(*SAID), longer) == (4, CauseKind.FLOW, "ending")
    assert (found.cause.left, found.cause.right) == ("termination_message", None)
    assert part(talk(*SAID), talk(*SAID, ending="max_turns")) == (None, CauseKind.FLOW, "ending")
    assert not diff(talk(*SAID), talk(*SAID, ending="max_turns")).equal


def test_what_one_run_said_more_stands_alone_and_the_rest_side_by_side():
    longer = [SAID[0], ("coder", "Wait."), *SAID[1:]]
    rows = align(talk(*SAID).messages, talk(*longer).messages)
    assert [(row.equal, row.left is None) for row in rows] == [
        (True, False),
        (False, True),
        (True, False),
        (True, False),
        (True, False),
    ]


said = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"])), max_size=8)
runs = st.builds(
    lambda words, **fields: talk(*words, **fields),
    said,
    ending=st.sampled_from(["max_turns", "human"]),
    system=st.sampled_from(["s", "t"]),
    model=st.sampled_from(["m", "n"]),
    method=st.sampled_from(["auto", "manual"]),
)


@settings(max_examples=150, deadline=None)
@given(left=runs, right=runs)
def test_a_diff_is_whole_ordered_and_mirrors(left: Run, right: Run) -> None:
    found = diff(left, right)
    assert [row.left for row in found.rows if row.left] == list(left.messages)
    assert [row.right for row in found.rows if row.right] == list(right.messages)
    assert all(
        (row.left.sender, row.left.text) == (row.right.sender, row.right.text) for row in found.rows if row.equal
    )
    assert diff(right, left) == mirrored(found)
    assert mirrored(mirrored(found)) == found
    assert (found.parting is None) == (
        [one.text for one in left.messages] == [one.text for one in right.messages]
        and [one.sender for one in left.messages] == [one.sender for one in right.messages]
    )
    assert found.equal or found.cause is not None
    assert diff(left, left).equal
    assert diff(left, left).cause is None
