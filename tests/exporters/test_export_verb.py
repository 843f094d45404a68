from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from harness.cli import execute as harness
from harness.model import Operation, Status
from harness.store import open_store
from tests.exporters.receiver import Answer, Receiver, attributes, partial
from tests.exporters.test_otlp import free_port
from tests.library.scripts import SCRIPTS
from tests.server import ScriptedServer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="AutoGen is not installed")
PROGRAM = """
import sys, harness
harness.instrument(sys.argv[1])
from scenarios.library import code_review
code_review.chat()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with one run of a real group chat."""
    folder = tmp_path_factory.mktemp("exported") / ".harness"
    with ScriptedServer(SCRIPTS["code_review"]()) as server:
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        subprocess.run(command, env={**os.environ, **server.environment}, check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def no_endpoint_in_the_environment(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)


def test_a_receiver_gets_exactly_the_spans_of_the_store_with_their_parents(store, capsys):
    with Receiver() as receiver:
        assert harness(["export", "--store", str(store), "--endpoint", receiver.endpoint]) == 0
    run = open_store(store).run(open_store(store).find("@1"))
    assert len(run.spans) > 30
    assert {
        (
            s.trace_id.hex(),
            s.span_id.hex(),
            s.parent_span_id.hex(),
            s.name,
            s.start_time_unix_nano,
            s.end_time_unix_nano,
        )
        for s in receiver.spans
    } == {(s.trace_id, s.span_id, s.parent_id or "", s.name, s.start_ns, s.end_ns) for s in run.spans}
    assert len(receiver.spans) == len(run.spans)
    assert (
        capsys.readouterr().out == f"1 run, {len(run.spans)} spans: {len(run.spans)} accepted, 0 rejected, 0 failed\n"
    )


def test_attributes_of_a_model_call_arrive_as_they_were_stored_and_its_messages_with_them(store):
    with Receiver() as receiver:
        harness(["export", "--store", str(store), "--endpoint", receiver.endpoint])
    run = open_store(store).run(open_store(store).find("@1"))
    sent = {span.span_id.hex(): attributes(span) for span in receiver.spans}
    for span in run.spans:
        assert {name: sent[span.span_id][name] for name in span.attributes} == dict(span.attributes)
    assert len(run.calls) > 12
    for call in run.calls:
        if call.span.operation is Operation.CHAT:
            exported = sent[call.span.span_id]
            assert json.loads(exported["gen_ai.input.messages"]) == call.request["messages"]
            (output,) = json.loads(exported["gen_ai.output.messages"])
            assert output == {**call.reply["message"], "finish_reason": "stop"}


def test_the_same_run_is_sent_once_however_often_it_is_named(store):
    run_id = open_store(store).find("@1")
    with Receiver() as receiver:
        assert (
            harness(["export", "@1", run_id, run_id[:10], "--store", str(store), "--endpoint", receiver.endpoint]) == 0
        )
    assert len(receiver.spans) == len({span.span_id for span in receiver.spans})


def test_rejected_spans_are_said_and_exit_3(store, capsys):
    with Receiver([partial(5, "quota used up")]) as receiver:
        assert harness(["export", "--store", str(store), "--endpoint", receiver.endpoint]) == 3
    told = capsys.readouterr()
    assert "5 rejected" in told.out
    assert told.err.count("\n") == 2
    assert "rejected spans: quota used up" in told.err
    assert "Nothing is lost" in told.err


def test_nobody_at_the_endpoint_is_one_clear_line_and_exit_3_and_the_run_can_be_sent_later(store, capsys):
    assert harness(["export", "--store", str(store), "--endpoint", f"http://127.0.0.1:{free_port()}"]) == 3
    told = capsys.readouterr()
    assert told.err.splitlines()[0].startswith("harness: http://127.0.0.1:")
    assert "no connection" in told.err
    with Receiver() as receiver:
        assert harness(["export", "--store", str(store), "--endpoint", receiver.endpoint]) == 0


def test_what_a_server_says_cannot_reach_the_terminal_raw(store, capsys):
    with Receiver([partial(1, "\x1b]0;owned\x07 bad")]) as receiver:
        harness(["export", "--store", str(store), "--endpoint", receiver.endpoint])
    assert "\x1b" not in capsys.readouterr().err


def test_json_has_the_whole_account(store, capsys):
    answers = [Answer(status=503, headers={"Retry-After": "0"}), partial(2, "late")]
    with Receiver(answers) as receiver:
        assert harness(["export", "--json", "--store", str(store), "--endpoint", receiver.endpoint]) == 3
    told = json.loads(capsys.readouterr().out)
    sent = len(receiver.spans)
    assert {name: told[name] for name in ("runs", "sent", "accepted", "rejected", "failed", "retried")} == {
        "runs": 1,
        "sent": sent,
        "accepted": sent - 2,
        "rejected": 2,
        "failed": 0,
        "retried": 1,
    }


def test_the_endpoint_may_come_from_the_environment(store, monkeypatch):
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        assert harness(["export", "--store", str(store)]) == 0
    assert receiver.paths == ["/v1/traces"]


def test_no_endpoint_an_unknown_exporter_a_bad_header_and_an_unknown_run_are_usage_errors(store, capsys):
    to = ["--store", str(store), "--endpoint", "http://127.0.0.1:1"]
    assert harness(["export", "--store", str(store)]) == 2
    assert harness(["export", "--to", "telex", *to]) == 2
    assert "otlp" in capsys.readouterr().err
    assert harness(["export", "--header", "no equals sign", *to]) == 2
    assert harness(["export", "nothing-like-it", *to]) == 2


def test_a_run_whose_process_was_killed_is_sent_with_what_is_known(tmp_path):
    from harness.journal import Journal
    from harness.trace import Trace

    journal = Journal(tmp_path / ".harness")
    trace = Trace(journal)
    with trace.within(trace.new_run()):
        trace.open(Operation.CONVERSATION, "cut short", {})
        body = {"role": "user", "parts": [{"type": "text", "content": "Are you there?"}]}
        trace.spoken("user", ["coder"], body)
    journal.close()
    with Receiver() as receiver:
        assert harness(["export", "--store", str(tmp_path / ".harness"), "--endpoint", receiver.endpoint]) == 0
    root, said = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    assert attributes(root)["harness.status"] == Status.INTERRUPTED.value
    assert root.end_time_unix_nano == said.start_time_unix_nano
    assert root.status.code == 2
    assert said.parent_span_id == root.span_id
