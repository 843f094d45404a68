from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from exporters.otlp import MOST_SPANS, Otlp, shown_url, traces_url
from exporters.readable import readable, resource, weight
from harness import semconv
from harness.errors import EnvironmentProblem, UsageError
from harness.model import Operation, Status
from tests.exporters import runs
from tests.exporters.receiver import Answer, Receiver, attributes, partial


class Waits(list):
    """Keeps the seconds it was asked to wait, and does not."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def export(receiver: Receiver, *exported, waits: Waits | None = None, **options):
    wait = Waits() if waits is None else waits
    return Otlp(wait=wait).export(exported or [runs.small()], endpoint=receiver.endpoint, **options)


def many(count: int):
    return runs.run([runs.span(number) for number in range(1, count + 1)])


# What arrives


def test_a_receiver_gets_every_span_with_its_ids_parent_times_kind_and_name():
    run = runs.small()
    with Receiver() as receiver:
        report = export(receiver, run)
    assert (report.sent, report.accepted, report.complete) == (4, 4, True)
    assert [
        (
            s.trace_id.hex(),
            s.span_id.hex(),
            s.parent_span_id.hex(),
            s.name,
            s.start_time_unix_nano,
            s.end_time_unix_nano,
        )
        for s in receiver.spans
    ] == [(s.trace_id, s.span_id, s.parent_id or "", s.name, s.start_ns, s.end_ns) for s in run.spans]
    assert [s.kind for s in receiver.spans] == [
        Wire.SPAN_KIND_INTERNAL,
        Wire.SPAN_KIND_INTERNAL,
        Wire.SPAN_KIND_CLIENT,
        Wire.SPAN_KIND_INTERNAL,
    ]
    assert receiver.paths == ["/v1/traces"]
    assert receiver.resources[0]["service.name"] == "autogen-harness"


def test_a_model_call_carries_its_messages_and_tools_as_json_strings():
    run = runs.small()
    with Receiver() as receiver:
        export(receiver, run)
    sent = attributes(receiver.spans[2])
    call = run.calls[0]
    assert json.loads(sent["gen_ai.input.messages"]) == call.request["messages"]
    assert json.loads(sent["gen_ai.tool.definitions"]) == call.request["tools"]
    assert json.loads(sent["gen_ai.output.messages"]) == [{**call.reply["message"], "finish_reason": "tool_call"}]
    assert sent["gen_ai.operation.name"] == "chat"
    assert (sent["gen_ai.usage.input_tokens"], sent["gen_ai.usage.cost"]) == (10, 0.00005)


def test_a_spoken_message_carries_its_body():
    run = runs.small()
    with Receiver() as receiver:
        export(receiver, run)
    assert json.loads(attributes(receiver.spans[3])["harness.message.body"]) == run.messages[0].body


def test_cost_is_always_a_double_and_tokens_are_integers():
    place = runs.span(1, Operation.CHAT, attributes={semconv.GEN_AI_COST: 0, semconv.GEN_AI_INPUT_TOKENS: 7})
    with Receiver() as receiver:
        export(receiver, runs.run([place]))
    kinds = {entry.key: entry.value.WhichOneof("value") for entry in receiver.spans[0].attributes}
    assert kinds == {"gen_ai.usage.cost": "double_value", "gen_ai.usage.input_tokens": "int_value"}


def test_an_interrupted_span_ends_at_the_last_time_known_and_is_marked():
    root = runs.span(1, status=Status.INTERRUPTED, end_ns=None, end_seq=None)
    inner = runs.span(2, parent=1, status=Status.INTERRUPTED, end_ns=None, end_seq=None)
    leaf = runs.span(3, parent=2)
    with Receiver() as receiver:
        export(receiver, runs.run([root, inner, leaf]))
    assert [span.end_time_unix_nano for span in receiver.spans] == [leaf.end_ns] * 3
    assert [attributes(span).get("harness.status") for span in receiver.spans] == ["interrupted", "interrupted", None]
    assert [span.status.code for span in receiver.spans] == [2, 2, 0]


def test_an_open_span_is_sent_as_far_as_it_is_known():
    still = runs.span(1, status=Status.OPEN, end_ns=None, end_seq=None)
    with Receiver() as receiver:
        export(receiver, runs.run([still]))
    (sent,) = receiver.spans
    assert (sent.end_time_unix_nano, attributes(sent)["harness.status"]) == (still.start_ns, "open")
    assert sent.status.code == 0


def test_an_error_has_its_message_as_the_status():
    failed = runs.span(1, status=Status.ERROR, attributes={"error.type": "ValueError", "error.message": "no such rate"})
    with Receiver() as receiver:
        export(receiver, runs.run([failed]))
    assert (receiver.spans[0].status.code, receiver.spans[0].status.message) == (2, "no such rate")


def test_parents_that_form_a_circle_do_not_hang_the_export():
    ring = [
        runs.span(1, parent=2, end_ns=None, status=Status.OPEN),
        runs.span(2, parent=1, end_ns=None, status=Status.OPEN),
    ]
    with Receiver() as receiver:
        assert export(receiver, runs.run(ring)).accepted == 2


def test_a_span_that_otlp_cannot_carry_is_counted_and_the_others_go():
    odd = runs.span(1, span_id="not hex")
    early = runs.span(2, start_ns=-5)
    with Receiver() as receiver:
        report = export(receiver, runs.run([odd, early, runs.span(3)]))
    assert (report.accepted, report.failed, len(receiver.spans)) == (1, 2, 1)
    assert "'not hex'" in report.problems[0]
    assert "1970" in report.problems[1]


text = st.text(st.characters(codec=None), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(text.filter(bool), values, max_size=5))
def test_any_attributes_can_be_encoded_and_weigh_no_more_than_was_thought(given_attributes):
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    (span,) = readable(runs.run([runs.span(1, attributes=given_attributes)]), resource())
    wire = encode_spans([span]).resource_spans[0].scope_spans[0].spans[0]
    assert wire.ByteSize() <= weight(span)
    for name, value in given_attributes.items():
        if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**63):
            assert attributes(wire)[name.encode(errors="replace").decode()] == value


def test_batches_stay_below_what_servers_take():
    big = [runs.span(n, attributes={"text": "ü" * 500_000}) for n in range(1, 9)]
    with Receiver() as receiver:
        report = export(receiver, runs.run(big), many(MOST_SPANS + 1))
    assert report.accepted == 8 + MOST_SPANS + 1
    assert max(receiver.sizes) < 4 * 1024 * 1024
    assert len(receiver.requests) > 3
    assert [s.span_id.hex() for s in receiver.spans[:8]] == [s.span_id for s in big]


# The account


def test_rejected_spans_are_counted_with_the_servers_reason_and_not_sent_again():
    with Receiver([partial(3, "too old")]) as receiver:
        report = export(receiver)
    assert (report.sent, report.rejected, report.accepted, report.complete) == (4, 3, 1, False)
    assert len(receiver.requests) == 1
    assert "too old" in report.problems[0]


def test_a_warning_without_rejections_is_told_and_is_no_failure():
    with Receiver([partial(0, "use gzip")]) as receiver:
        report = export(receiver)
    assert (report.accepted, report.complete) == (4, True)
    assert report.problems[0].endswith("warns: use gzip")


def test_partial_success_is_read_from_json_too():
    body = json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "quota"}}).encode()
    with Receiver([Answer(body=body, headers={"Content-Type": "application/json; charset=utf-8"})]) as receiver:
        report = export(receiver)
    assert (report.rejected, report.accepted) == (2, 2)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_asks_for_patience_gets_the_batch_again(status):
    with Receiver([Answer(status=status, headers={"Retry-After": "3"}), Answer(status=status)]) as receiver:
        waits = Waits()
        report = export(receiver, waits=waits)
    assert (report.accepted, report.retried, report.complete) == (4, 2, True)
    assert len(receiver.requests) == 3
    assert waits[0] == 3.0
    assert 1.6 <= waits[1] <= 2.4


def test_patience_is_bounded_and_what_follows_is_not_tried():
    waits = Waits()
    with Receiver([Answer(status=503)] * 50) as receiver:
        report = export(receiver, many(MOST_SPANS * 2), waits=waits)
    assert len(receiver.requests) == 5
    assert sum(waits) <= 30
    assert (report.failed, report.sent, report.retried) == (MOST_SPANS * 2, 0, 4)
    assert "503" in report.problems[0]


def test_a_retry_after_beyond_all_patience_ends_it_at_once():
    waits = Waits()
    with Receiver([Answer(status=429, headers={"Retry-After": "3600"})]) as receiver:
        report = export(receiver, waits=waits)
    assert (len(receiver.requests), waits, report.failed) == (1, [], 4)


def test_a_retry_after_in_the_past_is_no_wait():
    waits = Waits()
    with Receiver([Answer(status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]) as receiver:
        report = export(receiver, waits=waits)
    assert (report.accepted, waits) == (4, [0.0])


@pytest.mark.parametrize("status", [302, 401, 404, 415, 500])
def test_other_answers_are_failures_and_not_repeated(status):
    with Receiver([Answer(status=status, headers={"Location": "http://127.0.0.1:1/login"})]) as receiver:
        report = export(receiver, many(MOST_SPANS + 1))
    assert (len(receiver.requests), report.failed, report.sent, report.retried) == (1, MOST_SPANS + 1, 0, 0)
    assert str(status) in report.problems[0]


def test_a_bad_batch_does_not_hold_up_the_next():
    with Receiver([Answer(status=400, body=b"bad span", headers={"Content-Type": "text/plain"})]) as receiver:
        report = export(receiver, many(MOST_SPANS + 7))
    assert (report.failed, report.accepted) == (MOST_SPANS, 7)
    assert report.problems[0].endswith("400 Bad Request: bad span")


def test_a_web_page_is_no_confirmation():
    page = Answer(body=b"<html>Please log in</html>", headers={"Content-Type": "text/html"})
    with Receiver([page]) as receiver:
        report = export(receiver)
    assert (report.sent, report.unconfirmed, report.accepted, report.complete) == (4, 4, 0, False)
    assert "not as an OTLP receiver" in report.problems[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there_is_one_problem_and_no_waiting():
    waits = Waits()
    report = Otlp(wait=waits).export([many(MOST_SPANS * 2)], endpoint=f"http://127.0.0.1:{free_port()}")
    assert (report.failed, report.sent, waits, len(report.problems)) == (MOST_SPANS * 2, 0, [], 1)
    assert "no connection" in report.problems[0]


def test_the_exporter_underneath_logs_nothing_of_its_own(caplog):
    with Receiver([Answer(status=500)]) as receiver:
        export(receiver)
    assert caplog.records == []


# Where it goes


def test_headers_are_sent_and_those_of_the_environment_too(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-project=mine")
    with Receiver() as receiver:
        export(receiver, headers={"X-Key": "secret"})
    assert (receiver.headers[0]["x-key"], receiver.headers[0]["x-project"]) == ("secret", "mine")
    assert receiver.headers[0]["content-type"] == "application/x-protobuf"


def test_the_environment_names_the_service(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "support-desk")
    with Receiver() as receiver:
        export(receiver)
    assert receiver.resources[0]["service.name"] == "support-desk"


def test_compression_of_the_environment_is_used(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with Receiver() as receiver:
        assert export(receiver).accepted == 4
    assert receiver.headers[0]["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("given_url", "full"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
        ("https://host/api/public/otel", "https://host/api/public/otel/v1/traces"),
        ("https://host/otel/v1/traces/?tenant=a", "https://host/otel/v1/traces?tenant=a"),
    ],
)
def test_an_endpoint_is_completed_by_the_path_of_traces(given_url, full):
    assert traces_url(given_url) == full


@pytest.mark.parametrize(
    "wrong", ["", "localhost:4318", "ftp://host", "http://", "http://host:99999", "grpc://host:4317"]
)
def test_an_endpoint_that_is_no_url_is_a_usage_error(wrong):
    with pytest.raises(UsageError, match="not an OTLP/HTTP endpoint"):
        Otlp().export([], endpoint=wrong)


def test_a_password_in_the_endpoint_is_never_shown():
    assert shown_url("https://me:secret@host/x?token=t#f") == "https://host/x"
    endpoint = f"http://me:secret@127.0.0.1:{free_port()}"
    report = Otlp(wait=Waits()).export([runs.small()], endpoint=endpoint)
    assert "secret" not in " ".join(report.problems)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(EnvironmentProblem) as missing:
        Otlp().export([runs.small()], endpoint="http://localhost:4318")
    assert "autogen-harness[otlp]" in missing.value.hint


def test_loading_the_exporter_needs_neither_the_package_nor_requests():
    heavy = ("requests", "opentelemetry.sdk", "google")
    script = f"import sys, exporters.otlp; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
