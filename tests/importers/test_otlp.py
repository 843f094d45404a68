"""OTLP files: other programs' spans speak our language, and disorder is survived."""

from __future__ import annotations

import base64
import json
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import semconv
from harness.errors import EnvironmentProblem
from harness.importers.draft import Bad
from harness.importers.otlp import OtlpJson
from harness.model import EndingKind, Operation, RunStatus, Status
from tests.importers.bringing import dump, import_into, only_run, told, write
from tests.importers.wire import link, span, traces

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model import Run


def imported(folder: Path, *spans: dict[str, Any], **more: Any) -> Run:
    return only_run(folder / "store", write(folder / "traces.jsonl", traces(*spans, **more)))


def operations(run: Run) -> list[str]:
    return [each.operation.value for each in run.spans if each.operation is not Operation.MESSAGE]


def text(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


# What other programs say


def test_open_telemetry_genai_spans_become_turns_calls_and_messages(tmp_path):
    asked, answer = [text("user", "1 + 1?")], [{**text("assistant", "2"), "finish_reason": "stop"}]
    run = imported(
        tmp_path,
        span(
            1,
            name="invoke_workflow adding",
            said={"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "adding"},
        ),
        span(
            2,
            1,
            name="invoke_agent bot",
            said={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "bot",
                "gen_ai.output.messages": json.dumps(answer),
                "gen_ai.usage.input_tokens": 999,
            },
            at=(2, 50),
        ),
        span(
            3,
            2,
            name="chat m",
            kind=3,
            said={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.system": "openai",
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Add."}]),
                "gen_ai.input.messages": json.dumps(asked),
                "gen_ai.output.messages": answer,
                "gen_ai.usage.prompt_tokens": 7,
                "gen_ai.usage.output_tokens": 1,
            },
            at=(3, 40),
        ),
        span(
            4,
            2,
            name="execute_tool add",
            said={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.call.arguments": {"a": 1},
                "gen_ai.tool.call.result": "2",
            },
            at=(41, 45),
        ),
    )
    assert operations(run) == ["conversation", "turn", "chat", "tool"]
    chat, tool = run.calls
    assert chat.request["messages"] == [text("system", "Add."), *asked]
    assert chat.reply["message"] == text("assistant", "2")
    assert (run.summary.input_tokens, run.summary.output_tokens, run.summary.cost_usd) == (7, 1, None)
    assert (tool.name, tool.request["arguments"], tool.reply["result"]) == ("add", {"a": 1}, 2)
    assert told(run) == [("bot", (), "assistant", "2")]
    assert (run.summary.name, run.summary.framework) == ("adding", "some.library")
    assert run.summary.source_id == f"{1:032x}"
    assert next(iter(run.endings.values())).kind is EndingKind.UNKNOWN
    assert not any(
        key in each.attributes for each in run.spans for key in ("gen_ai.input.messages", "gen_ai.output.messages")
    )


def test_openinference_spans_are_read_with_their_flattened_messages(tmp_path):
    run = imported(
        tmp_path,
        span(1, name="crew", said={"openinference.span.kind": "CHAIN", "session.id": "talk-1"}),
        span(2, 1, name="bot", said={"openinference.span.kind": "AGENT", "agent.name": "bot"}),
        span(
            3,
            2,
            said={
                "openinference.span.kind": "LLM",
                "llm.model_name": "m",
                "llm.input_messages.0.message.role": "system",
                "llm.input_messages.0.message.content": "Add.",
                "llm.input_messages.1.message.role": "user",
                "llm.input_messages.1.message.contents.0.message_content.text": "1 + 1?",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "add",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
                "llm.tools.0.tool.json_schema": '{"type": "function"}',
                "llm.token_count.prompt": 5,
                "llm.token_count.completion": 2.0,
                "llm.token_count.total": 7,
            },
        ),
        span(
            4,
            2,
            name="add",
            said={
                "openinference.span.kind": "TOOL",
                "tool.name": "add",
                "input.value": '{"a": 1}',
                "output.value": "two",
            },
        ),
    )
    assert operations(run) == ["other", "turn", "chat", "tool"]
    chat, tool = run.calls
    assert [each["parts"][0]["content"] for each in chat.request["messages"]] == ["Add.", "1 + 1?"]
    assert chat.reply["message"]["parts"] == [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}]
    assert chat.request["tools"] == [{"type": "function"}]
    assert (chat.model, chat.usage.input_tokens, chat.usage.output_tokens) == ("m", 5, 2)
    assert (tool.request["arguments"], tool.reply["result"]) == ({"a": 1}, "two")
    assert run.summary.source_id == "talk-1"


def test_the_native_spans_of_ag2_are_read(tmp_path):
    def ag2(number, parent, kind, **said):
        return span(
            number, parent, said={"ag2.span.type": kind, **{key.replace("__", "."): each for key, each in said.items()}}
        )

    run = imported(
        tmp_path,
        ag2(
            1,
            None,
            "conversation",
            gen_ai__agent__name="user",
            gen_ai__conversation__id="c-9",
            gen_ai__input__messages=json.dumps([text("user", "Begin")]),
            gen_ai__usage__input_tokens=100,
        ),
        ag2(
            2,
            1,
            "speaker_selection",
            ag2__speaker_selection__candidates='["a", "b"]',
            ag2__speaker_selection__selected="b",
        ),
        ag2(
            3,
            1,
            "agent",
            gen_ai__agent__name="manager",
            gen_ai__output__messages=json.dumps([text("assistant", "Done")]),
        ),
        ag2(4, 3, "agent", gen_ai__agent__name="b", gen_ai__output__messages=json.dumps([text("assistant", "Done")])),
        ag2(5, 4, "llm", gen_ai__request__model="m", gen_ai__usage__input_tokens=100),
        ag2(6, 4, "code_execution", ag2__code_execution__exit_code=1, ag2__code_execution__output="boom"),
        ag2(7, 4, "human_input", ag2__human_input__prompt="Go on?", ag2__human_input__response="no"),
        scope="opentelemetry.instrumentation.ag2",
    )
    assert operations(run) == ["conversation", "selection", "turn", "turn", "chat", "code", "human"]
    selection, _, code, human = run.calls
    assert (selection.request["candidates"], selection.reply["choice"]) == (["a", "b"], "b")
    assert code.reply == {"exit_code": 1, "output": "boom"}
    assert (human.request["prompt"], human.reply["input"]) == ("Go on?", "no")
    assert run.summary.input_tokens == 100
    assert told(run) == [("user", (), "user", "Begin"), ("b", (), "assistant", "Done")]


def test_spans_of_the_runtime_are_kept_and_stand_for_nothing_of_ours(tmp_path):
    run = imported(
        tmp_path,
        span(1, name="autogen send bot.(default)-A", kind=4, said={"messaging.operation": "send"}),
        span(2, trace=2, name="autogen process bot.(default)-A", kind=5, links=[link(1, 1)]),
        span(3, trace=2, name="create_agent bot", said={"gen_ai.operation.name": "create_agent"}),
    )
    assert [(each.name.split()[-1], each.operation, each.kind) for each in run.spans] == [
        ("bot.(default)-A", Operation.OTHER, "PRODUCER"),
        ("bot.(default)-A", Operation.OTHER, "CONSUMER"),
        ("bot", Operation.OTHER, "INTERNAL"),
    ]


def test_one_call_that_two_instrumentations_watched_is_counted_once(tmp_path):
    usage = {"openinference.span.kind": "LLM", "llm.token_count.prompt": 5, "llm.token_count.completion": 2}
    run = imported(
        tmp_path,
        span(1, said=usage),
        span(2, 1, said=usage),
        span(3, said={"name": "record_usage", "gen_ai.usage.input_tokens": 5}),
    )
    assert (run.summary.model_calls, run.summary.input_tokens, run.summary.output_tokens) == (1, 5, 2)


def test_usage_that_nobody_said_stays_unknown(tmp_path):
    run = imported(tmp_path, span(1, said={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "many"}))
    assert (run.summary.model_calls, run.summary.input_tokens, run.summary.output_tokens) == (1, None, None)


def test_failures_keep_their_reason(tmp_path):
    thrown = {"name": "exception", "attributes": [{"key": "exception.type", "value": {"stringValue": "ValueError"}}]}
    run = imported(
        tmp_path,
        span(1, status={"code": 2, "message": "no luck"}),
        span(2, 1, status={"code": "STATUS_CODE_ERROR", "message": "odd"}, events=[thrown]),
        span(3, 1, said={"error.type": "ExecutionError"}),
        span(4, 1, events=[{"name": "noted"}]),
    )
    errors = [
        (each.status, each.attributes.get("error.type"), each.attributes.get("error.message")) for each in run.spans
    ]
    assert errors[:3] == [
        (Status.ERROR, "error", "no luck"),
        (Status.ERROR, "ValueError", "odd"),
        (Status.ERROR, "ExecutionError", None),
    ]
    assert errors[3][0] is Status.OK
    assert run.spans[3].attributes["harness.source.events"][0]["name"] == "noted"


# Which run a span belongs to


def test_a_conversation_id_joins_traces_and_parts_them(tmp_path):
    def talk(number, trace, name):
        return span(number, trace=trace, said={"gen_ai.conversation.id": name})

    file = write(
        tmp_path / "t", traces(talk(1, 1, "a"), talk(2, 2, "a"), talk(3, 3, "b"), span(4, 3, trace=3), span(5, trace=4))
    )
    store, _ = import_into(tmp_path / "store", file)
    assert {run.source_id: len(store.run(run.run_id).spans) for run in store.runs()} == {"a": 2, "b": 2, f"{4:032x}": 1}


def test_a_conversation_inside_another_is_part_of_its_run(tmp_path):
    run = imported(
        tmp_path,
        span(1, said={"gen_ai.conversation.id": "outer"}),
        span(2, 1, said={"gen_ai.conversation.id": "inner"}),
    )
    assert (run.summary.source_id, len(run.spans)) == ("outer", 2)


def test_our_own_run_id_goes_before_every_other_name(tmp_path):
    run = imported(
        tmp_path,
        span(1, said={"harness.run.id": "mine", "gen_ai.conversation.id": "c"}),
        span(2, 1),
        span(3, trace=2, links=[link(1, 1)]),
    )
    assert (run.run_id, len(run.spans)) == ("mine", 3)


# Disorder


def test_late_spans_complete_their_run_and_copies_change_nothing(tmp_path):
    early = write(tmp_path / "early", traces(span(2, 1), span(2, 1), span(3, 2)))
    late = write(tmp_path / "late", traces(span(3, 2), span(1, said={"gen_ai.operation.name": "invoke_workflow"})))
    store, (first,) = import_into(tmp_path / "store", early)
    assert (first.new, first.spans) == (1, 2)
    store, (second,) = import_into(tmp_path / "store", late)
    assert (second.new, second.grown, second.spans) == (0, 1, 1)
    (summary,) = store.runs()
    assert operations(store.run(summary.run_id)) == ["conversation", "other", "other"]
    before = dump(store)
    _, accounts = import_into(tmp_path / "store", late, early)
    assert [account.known for account in accounts] == [1, 1]
    assert dump(store) == before


def test_a_span_that_never_ended_was_interrupted_until_its_end_arrives(tmp_path):
    pending = {"logfire.span_type": "pending_span", "logfire.pending_parent_id": "0" * 16}
    begun = write(tmp_path / "begun", traces(span(9, 1, said=pending, at=(1, 1)), span(2, 1, at=(2, None))))
    store, _ = import_into(tmp_path / "store", begun)
    (summary,) = store.runs()
    assert summary.status is RunStatus.INTERRUPTED
    assert [(each.span_id, each.status) for each in store.run(summary.run_id).spans] == [
        (f"{1:016x}", Status.INTERRUPTED),
        (f"{2:016x}", Status.INTERRUPTED),
    ]
    import_into(tmp_path / "store", write(tmp_path / "ended", traces(span(1), span(2, 1))))
    assert [run.status for run in store.runs()] == [RunStatus.FINISHED]


SPANS = st.lists(
    st.tuples(
        st.integers(1, 6), st.none() | st.integers(1, 7), st.integers(1, 3), st.integers(0, 9), st.integers(-5, 9)
    ),
    max_size=12,
)


def _unique(rows):
    return [
        span(
            number, parent, trace=trace, at=(100 + start, 100 + start + length), said={"gen_ai.operation.name": "chat"}
        )
        for number, parent, trace, start, length in {(row[0], row[2]): row for row in rows}.values()
    ]


@given(SPANS, st.randoms(use_true_random=False))
def test_the_runs_are_the_same_whatever_the_order_and_the_copies(tmp_path_factory, rows, dice: random.Random):
    folder = tmp_path_factory.mktemp("spans")
    spans = _unique(rows)
    shuffled = spans + spans[:3]
    dice.shuffle(shuffled)
    once = list(OtlpJson().read(write(folder / "once", traces(*spans))))
    again = list(OtlpJson().read(write(folder / "again", *(traces(each) for each in shuffled))))
    assert {draft.run_id: draft for draft in once} == {draft.run_id: draft for draft in again}
    assert sum(len(draft.spans) for draft in once) == len(spans)
    assert all(len({each.span_id for each in draft.spans}) == len(draft.spans) for draft in once)


def test_spans_in_a_circle_and_in_a_chain_of_thousands_are_survived(tmp_path):
    said = {"gen_ai.conversation.id": "c"}
    circle = [span(1, 2, said=said), span(2, 3), span(3, 1)]
    chain = [span(number, number - 1, trace=2, at=(number, 90_000)) for number in range(8_000, 4, -1)]
    file = write(tmp_path / "t", traces(*circle, *chain))
    runs = {len(each.spans): each.spans for each in OtlpJson().read(file) if not isinstance(each, Bad)}
    assert sorted(runs) == [3, len(chain)]
    assert [each.seq for each in runs[len(chain)]] == list(range(1, len(chain) + 1))


def test_bad_lines_and_bad_spans_are_named_and_the_rest_is_kept(tmp_path):
    odd = {**span(2), "traceId": "short"}
    file = write(tmp_path / "t", traces(span(1), odd), "{torn", {"resourceLogs": []}, "3", traces(span(3)))
    store, (account,) = import_into(tmp_path / "store", file)
    assert sorted((bad.line, bad.why.split(":")[0]) for bad in account.bad) == [
        (1, "a span has no trace id or span id"),
        (2, "no JSON"),
        (3, "no OTLP traces"),
        (4, "no OTLP traces"),
    ]
    assert len(store.run(store.runs()[0].run_id).spans) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "traceId",
                    "spanId",
                    "attributes",
                    "key",
                    "value",
                    "stringValue",
                    "arrayValue",
                    "events",
                    "links",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_nothing_that_is_json_stops_the_reading(tmp_path_factory, document, inner):
    good = {**span(1), "attributes": inner, "events": inner, "links": document, "status": document, "name": inner}
    file = write(tmp_path_factory.mktemp("odd") / "t", {"resourceSpans": []}, document, traces(good))
    drafts = [each for each in OtlpJson().read(file) if not isinstance(each, Bad)]
    assert len(drafts) == 1


def test_a_document_over_many_lines_and_snake_case_are_read(tmp_path):
    document = json.dumps(traces(span(1)), indent=2)
    snake = document.replace("resourceSpans", "resource_spans").replace("scopeSpans", "scope_spans")
    for name, said in (
        ("camel", document),
        ("snake", snake.replace("traceId", "trace_id").replace("spanId", "span_id")),
    ):
        assert only_run(tmp_path / name, write(tmp_path / f"{name}.json", said)).summary.source_id == f"{1:032x}"


def test_protobuf_tells_what_json_tells(tmp_path):
    json_format = pytest.importorskip("google.protobuf.json_format", reason="opentelemetry-proto is not installed")
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 2**31 - 1,
        "list": ["a"],
        "map": {"b": 1.5},
        "yes": True,
    }
    document = traces(span(1, said=said), span(2, 1, links=[link(1, 3)], status={"code": 2}))
    binary = json.loads(json.dumps(document), object_hook=_base64_ids)
    raw = json_format.ParseDict(binary, TracesData()).SerializeToString()
    (tmp_path / "t.pb").write_bytes(raw)
    (tmp_path / "t.frames").write_bytes(b"".join(len(raw).to_bytes(4, "big") + raw for _ in range(2)))
    json_run = only_run(tmp_path / "a", write(tmp_path / "t.jsonl", document))
    for name in ("t.pb", "t.frames"):
        run = only_run(tmp_path / f"of {name}", tmp_path / name)
        assert _without_format(run) == _without_format(json_run)


def _base64_ids(given):
    return {
        key: base64.b64encode(bytes.fromhex(each)).decode() if key.endswith("Id") and isinstance(each, str) else each
        for key, each in given.items()
    }


def _without_format(run):
    return [
        (
            each.span_id,
            each.parent_id,
            each.status,
            {k: v for k, v in each.attributes.items() if k != semconv.HARNESS_IMPORT_FORMAT},
        )
        for each in run.spans
    ]


def test_without_the_extra_protobuf_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    (tmp_path / "t.pb").write_bytes(b"\x0a\x02\x12\x00")
    with pytest.raises(EnvironmentProblem) as caught:
        import_into(tmp_path / "store", tmp_path / "t.pb")
    assert "autogen-harness[otlp]" in caught.value.hint


def test_broken_protobuf_is_a_bad_line(tmp_path):
    pytest.importorskip("google.protobuf", reason="opentelemetry-proto is not installed")
    (tmp_path / "t.pb").write_bytes(b"\x0a\x7f\x0a\x03\x00\x01")
    _, (account,) = import_into(tmp_path / "store", tmp_path / "t.pb")
    assert (account.format, account.runs, len(account.bad)) == ("otlp-protobuf", 0, 1)
