from __future__ import annotations

import json

import pytest

from harness import derive, semconv
from harness.model import Ending, EndingKind, Finding, Operation, RunStatus, Severity, Status, Usage
from tests.derive.samples import span, text

TALK, TURN, CHAT, TOOL, SAID = (
    Operation.CONVERSATION,
    Operation.TURN,
    Operation.CHAT,
    Operation.TOOL,
    Operation.MESSAGE,
)


def said(span_id: str, sender: str, part: str, *, at: int, **fields):
    attributes = {
        semconv.HARNESS_SENDER: sender,
        semconv.HARNESS_RECIPIENTS: ["b", "c"],
        semconv.HARNESS_ROLE: "user",
        semconv.HARNESS_MESSAGE_PART: part,
    }
    return span(span_id, SAID, at=at, until=at, **{"attributes": attributes, **fields})


def test_a_message_counts_whether_its_span_is_open_interrupted_or_over():
    spans = [
        said("1", "a", "p1", at=3, status=Status.OPEN, end_ns=None, end_seq=None),
        said("2", "b", "p2", at=1, status=Status.INTERRUPTED, end_ns=None, end_seq=None),
        said("3", "c", "p3", at=2),
    ]
    parts = {"p1": text("one"), "p2": text("two"), "p3": text("three")}
    assert [message.text for message in derive.messages(spans, parts)] == ["two", "three", "one"]
    assert derive.summary("r", spans).messages == 3


def test_a_message_knows_its_conversation_through_a_turn():
    spans = [
        span("outer", TALK, until=9),
        span("turn", TURN, at=1, until=8, parent_id="outer"),
        span("inner", TALK, at=2, until=7, parent_id="turn"),
        said("m1", "a", "p", at=3, parent_id="inner"),
        said("m2", "a", "p", at=8, parent_id="turn"),
        said("m3", "a", "p", at=9, parent_id="gone"),
    ]
    found = derive.messages(spans, {})
    assert [message.conversation_id for message in found] == ["inner", "outer", None]
    assert found[0].recipients == ("b", "c")
    assert found[0].text == ""


def test_what_a_part_should_not_be_does_no_harm():
    bodies = {"p1": "text", "p2": {"parts": 3}, "p3": {"role": 4, "parts": ["x", {"type": "text", "content": None}]}}
    spans = [said(name, "a", name, at=0) for name in bodies]
    assert [message.text for message in derive.messages(spans, bodies)] == ["", "", ""]
    assert all(message.tool_calls == () for message in derive.messages(spans, bodies))


def test_a_context_is_resolved_oldest_first_and_survives_what_is_lost():
    links = {"c1": (None, "p1"), "c2": ("c1", "p2"), "c3": ("c2", "gone"), "c4": ("lost", "p4"), "o": ("o", "p1")}
    parts = {"p1": text("1"), "p2": text("2"), "p4": text("4")}

    def resolved(name):
        return [message["parts"][0]["content"] for message in derive.context(name, parts, links)]

    assert resolved("c2") == ["1", "2"]
    assert resolved("c3") == ["1", "2"]
    assert resolved("c4") == ["4"]
    assert resolved("o") == ["1"]
    assert resolved(None) == resolved("unknown") == []


def test_a_model_call_has_its_whole_history_its_reply_and_its_usage():
    chat = span(
        "c",
        CHAT,
        until=5,
        attributes={
            semconv.GEN_AI_AGENT: "bot",
            semconv.GEN_AI_REQUEST_MODEL: "gpt-4o",
            semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024",
            semconv.GEN_AI_RESPONSE_ID: "id-1",
            semconv.GEN_AI_FINISH_REASONS: ["stop"],
            semconv.GEN_AI_INPUT_TOKENS: 10,
            semconv.GEN_AI_OUTPUT_TOKENS: 2,
            semconv.GEN_AI_CACHE_READ_TOKENS: 4,
            semconv.GEN_AI_COST: 0.5,
            semconv.HARNESS_INPUT_CONTEXT: "c2",
            semconv.HARNESS_OUTPUT_PART: "p3",
            semconv.HARNESS_TOOLS_PART: "tools",
            semconv.HARNESS_REQUEST_PARAMETERS: '{"temperature":0}',
        },
    )
    parts = {"p1": text("hi"), "p2": text("go on"), "p3": text("done"), "tools": [{"name": "add"}]}
    (call,) = derive.calls([chat], parts, {"c1": (None, "p1"), "c2": ("c1", "p2")})
    assert call.request == {
        "model": "gpt-4o",
        "messages": [text("hi"), text("go on")],
        "tools": [{"name": "add"}],
        "parameters": {"temperature": 0},
    }
    assert call.reply == {
        "message": text("done"),
        "finish_reason": "stop",
        "model": "gpt-4o-2024",
        "id": "id-1",
        "usage": {"input_tokens": 10, "output_tokens": 2, "cached_tokens": 4},
    }
    assert (call.agent, call.model, call.usage) == (
        "bot",
        "gpt-4o",
        Usage(input_tokens=10, output_tokens=2, cost_usd=0.5),
    )


def test_contents_that_another_program_wrote_inline_are_read():
    chat = span(
        "c",
        CHAT,
        until=5,
        attributes={
            semconv.GEN_AI_INPUT_MESSAGES: json.dumps([text("hi", "user"), 3]),
            semconv.GEN_AI_OUTPUT_MESSAGES: json.dumps([text("ho")]),
            semconv.GEN_AI_TOOL_DEFINITIONS: "[{}]",
        },
    )
    (call,) = derive.calls([chat], {}, {})
    assert call.request["messages"] == [text("hi", "user")]
    assert call.request["tools"] == [{}]
    assert call.reply["message"] == text("ho")


@pytest.mark.parametrize(
    ("operation", "attributes", "name", "request_", "reply"),
    [
        (
            TOOL,
            {
                semconv.GEN_AI_TOOL_NAME: "add",
                semconv.GEN_AI_TOOL_ARGUMENTS: '{"a":1}',
                semconv.GEN_AI_TOOL_CALL_ID: "x",
                semconv.GEN_AI_TOOL_RESULT: '"three"',
            },
            "add",
            {"name": "add", "arguments": {"a": 1}, "call_id": "x"},
            {"result": "three"},
        ),
        (
            Operation.CODE,
            {
                semconv.HARNESS_CODE_BLOCKS: '[{"language":"python","code":"1"}]',
                semconv.HARNESS_CODE_EXIT: 0,
                semconv.HARNESS_CODE_OUTPUT: "",
            },
            "python",
            {"blocks": [{"language": "python", "code": "1"}]},
            {"exit_code": 0, "output": ""},
        ),
        (
            Operation.HUMAN,
            {semconv.HARNESS_HUMAN_PROMPT: "?", semconv.HARNESS_HUMAN_INPUT: ""},
            None,
            {"prompt": "?"},
            {"input": ""},
        ),
        (
            Operation.SELECTION,
            {
                semconv.HARNESS_SELECTION_METHOD: "auto",
                semconv.HARNESS_SELECTION_CANDIDATES: ["a", "b"],
                semconv.HARNESS_SELECTION_CHOICE: "b",
            },
            "b",
            {"method": "auto", "candidates": ["a", "b"]},
            {"choice": "b"},
        ),
    ],
)
def test_other_calls_have_the_shapes_of_the_seam(operation, attributes, name, request_, reply):
    (call,) = derive.calls([span("x", operation, until=1, attributes=attributes)], {}, {})
    assert (call.name, call.request, call.reply, call.usage) == (name, request_, reply, Usage())


def test_a_call_that_failed_or_is_open_has_no_reply_and_says_why():
    failed = {semconv.GEN_AI_TOOL_NAME: "add", semconv.ERROR_TYPE: "ValueError", semconv.ERROR_MESSAGE: "no"}
    spans = [span("1", TOOL, until=1, status=Status.ERROR, attributes=failed), span("2", TOOL, at=1)]
    first, second = derive.calls(spans, {}, {})
    assert (first.reply, first.error) == (None, "ValueError: no")
    assert (second.reply, second.error) == (None, None)


@pytest.mark.parametrize(
    ("status", "said_", "ending"),
    [
        (Status.OK, "max_turns", Ending(kind=EndingKind.MAX_TURNS, agent="boss", detail="5")),
        (Status.ERROR, "max_turns", Ending(kind=EndingKind.MAX_TURNS, agent="boss", detail="5")),
        (Status.INTERRUPTED, "max_turns", Ending(kind=EndingKind.INTERRUPTED)),
        (Status.ERROR, None, Ending(kind=EndingKind.ERROR, detail="boom")),
        (Status.OK, "nonsense", Ending(kind=EndingKind.UNKNOWN)),
        (Status.OPEN, "max_turns", None),
    ],
)
def test_a_conversation_ends_as_it_says_unless_it_was_cut_off(status, said_, ending):
    attributes = {semconv.HARNESS_ENDING_AGENT: "boss", semconv.HARNESS_ENDING_DETAIL: 5, semconv.ERROR_MESSAGE: "boom"}
    if said_:
        attributes[semconv.HARNESS_ENDING] = said_
    assert derive.endings([span("x", TALK, until=1, status=status, attributes=attributes)]).get("x") == ending


def test_the_ending_of_a_run_is_that_of_its_last_outermost_conversation():
    spans = [
        span("a", TALK, at=0, until=3, attributes={semconv.HARNESS_ENDING: "human"}),
        span("b", TALK, at=4, until=9, attributes={semconv.HARNESS_ENDING: "max_rounds"}),
        span("turn", TURN, at=5, until=8, parent_id="b"),
        span("nested", TALK, at=6, until=7, parent_id="turn", attributes={semconv.HARNESS_ENDING: "no_reply"}),
    ]
    assert derive.summary("r", spans).ending == "max_rounds"
    assert set(derive.endings(spans)) == {"a", "b", "nested"}


def test_usage_is_the_sum_over_model_calls_alone():
    tokens = {semconv.GEN_AI_INPUT_TOKENS: 10, semconv.GEN_AI_OUTPUT_TOKENS: 1, semconv.GEN_AI_COST: 0.25}
    spans = [
        span("turn", TURN, until=9, attributes=tokens),
        span("1", CHAT, at=1, until=2, parent_id="turn", attributes=tokens),
        span("2", CHAT, at=3, until=4, parent_id="turn", attributes={semconv.GEN_AI_INPUT_TOKENS: 5}),
        span("3", CHAT, at=5, until=6, parent_id="turn", attributes={**tokens, semconv.HARNESS_CACHE_HIT: True}),
    ]
    total = derive.summary("r", spans)
    assert (total.model_calls, total.input_tokens, total.output_tokens, total.cost_usd) == (2, 15, 1, 0.25)


def test_what_nobody_said_is_unknown_and_what_only_a_cache_answered_cost_nothing():
    unknown = derive.summary("r", [span("1", CHAT, until=1)])
    assert (unknown.model_calls, unknown.input_tokens, unknown.cost_usd) == (1, None, None)
    cached = span("1", CHAT, until=1, attributes={semconv.HARNESS_CACHE_HIT: True, semconv.GEN_AI_INPUT_TOKENS: 9})
    assert (derive.summary("r", [cached]).model_calls, derive.summary("r", [cached]).cost_usd) == (0, 0.0)
    mixed = derive.summary("r", [cached, span("2", CHAT, until=1)])
    assert (mixed.model_calls, mixed.cost_usd) == (1, None)


@pytest.mark.parametrize("wrong", ["12", True, -1, 1.5, 2**31, None, [3], float("inf")])
def test_a_count_of_the_wrong_type_is_unknown(wrong):
    chat = span("1", CHAT, until=1, attributes={semconv.GEN_AI_INPUT_TOKENS: wrong, semconv.GEN_AI_OUTPUT_TOKENS: 1})
    assert derive.summary("r", [chat]).input_tokens is None
    assert derive.summary("r", [chat]).output_tokens == 1


def test_a_run_is_named_by_its_root_or_its_conversation_or_its_first_span():
    root = span("root", until=9, attributes={semconv.HARNESS_RUN_NAME: "mine", semconv.HARNESS_RUN_TAGS: ["b", "a", 1]})
    talk = span("talk", TALK, at=1, until=8, parent_id="root", attributes={semconv.GEN_AI_WORKFLOW: "pair"})
    assert derive.summary("r", [talk, root]).name == "mine"
    assert derive.summary("r", [talk, root]).tags == ("a", "b")
    assert derive.summary("r", [talk, span("root", until=9)]).name == "pair"
    assert derive.summary("r", [span("x", at=1, until=2), span("y", until=9)]).name == "y"
    assert derive.summary("r", [span("x", until=2)]).mode == "live"


@pytest.mark.parametrize(
    ("spans", "status"),
    [
        ([span("a", TALK, until=9), span("b", TURN, parent_id="a")], RunStatus.RUNNING),
        (
            [span("a", TALK, status=Status.INTERRUPTED), span("b", TURN, at=1, until=2, parent_id="a")],
            RunStatus.INTERRUPTED,
        ),
        ([span("a", TALK, status=Status.INTERRUPTED), span("b", TURN)], RunStatus.RUNNING),
        ([span("a", TALK, until=2, status=Status.ERROR)], RunStatus.FAILED),
        ([span("a", TALK, until=3), span("b", TOOL, until=2, status=Status.ERROR, parent_id="a")], RunStatus.FINISHED),
        ([span("a", TALK, until=3), span("m", SAID, parent_id="a", status=Status.INTERRUPTED)], RunStatus.FINISHED),
        ([span("m", SAID, status=Status.INTERRUPTED)], RunStatus.INTERRUPTED),
        ([], RunStatus.FINISHED),
    ],
)
def test_a_run_stands_as_its_spans_do(spans, status):
    assert derive.summary("r", spans).status is status


def test_a_run_that_goes_on_has_no_end_and_an_interrupted_one_its_last_sign_of_life():
    late = span("b", TURN, at=5, until=7)
    assert derive.summary("r", [span("a", TALK), late]).ended_ns is None
    assert derive.summary("r", [span("a", TALK, status=Status.INTERRUPTED), late]).ended_ns == 7


def test_findings_are_counted_and_the_worst_is_named():
    findings = [
        Finding(code="X1", name="x", severity=severity, text="t") for severity in (Severity.NOTE, Severity.WARNING)
    ]
    run = derive.run("r", [span("a")], {}, {}, findings)
    assert (run.summary.findings, run.summary.worst, run.findings) == (2, Severity.WARNING, tuple(findings))


def test_the_calls_behind_a_message_are_those_of_the_turn_that_made_it():
    def turn(span_id, agent, at, until):
        return span(span_id, TURN, at=at, until=until, parent_id="talk", attributes={semconv.GEN_AI_AGENT: agent})

    spans = [
        span("talk", TALK, until=99),
        said("opening", "user", "p", at=1, parent_id="talk"),
        turn("t1", "bot", 2, 5),
        span("c1", CHAT, at=3, until=4, parent_id="t1"),
        said("after", "bot", "p", at=6, parent_id="talk"),
        turn("t2", "bot", 10, 20),
        span("c2", CHAT, at=11, until=12, parent_id="t2"),
        said("inside", "bot", "p", at=13, parent_id="t2"),
        said("unmade", "bot", "p", at=30, parent_id="talk"),
    ]
    made = derive.made_by(derive.run("r", spans, {}, {}))
    assert {name: [call.span.span_id for call in calls] for name, calls in made.items()} == {
        "opening": [],
        "after": ["c1"],
        "inside": ["c2"],
        "unmade": [],
    }


def test_of_several_messages_of_a_turn_each_has_the_calls_since_the_one_before():
    spans = [
        span("talk", TALK, until=99),
        span("t", TURN, at=2, until=40, parent_id="talk", attributes={semconv.GEN_AI_AGENT: "bot"}),
        span("asks", CHAT, at=3, until=4, parent_id="t"),
        said("wants", "bot", "p", at=5, parent_id="talk"),
        span("runs", TOOL, at=6, until=7, parent_id="t"),
        said("found", "bot", "p", at=8, parent_id="talk"),
        span("asks again", CHAT, at=9, until=10, parent_id="t"),
        said("answer", "bot", "p", at=11, parent_id="talk"),
        span("keeps", CHAT, at=12, until=13, parent_id="t"),
        said("unmade", "bot", "p", at=50, parent_id="talk"),
    ]
    made = derive.made_by(derive.run("r", spans, {}, {}))
    assert {name: [call.span.span_id for call in calls] for name, calls in made.items()} == {
        "wants": ["asks"],
        "found": ["runs"],
        "answer": ["asks again", "keeps"],
        "unmade": [],
    }


def test_a_message_of_a_conversation_inside_a_turn_is_made_by_its_own_speakers_turn():
    def turn(span_id, agent, at, until, parent_id):
        return span(span_id, TURN, at=at, until=until, parent_id=parent_id, attributes={semconv.GEN_AI_AGENT: agent})

    spans = [
        span("talk", TALK, until=99),
        turn("outer", "society", 1, 50, "talk"),
        span("inner talk", TALK, at=2, until=30, parent_id="outer"),
        said("task", "society", "p", at=3, parent_id="inner talk"),
        turn("inner", "member", 4, 6, "inner talk"),
        span("c1", CHAT, at=5, until=6, parent_id="inner"),
        said("answer", "member", "p", at=7, parent_id="inner talk"),
        span("c2", CHAT, at=31, until=32, parent_id="outer"),
        said("summary", "society", "p", at=51, parent_id="talk"),
    ]
    made = derive.made_by(derive.run("r", spans, {}, {}))
    assert {name: [call.span.span_id for call in calls] for name, calls in made.items()} == {
        "task": [],
        "answer": ["c1"],
        "summary": ["c2"],
    }
