"""A span's line is its record: nothing is remembered of it that is no longer true, and no secret is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import semconv
from harness.canonical import encode
from harness.journal import Journal
from harness.lines import KINDS, Lines
from harness.model import Operation
from harness.privacy import Privacy
from harness.redaction import Redaction
from harness.scopes import RunState, Scope
from harness.trace import Trace

if TYPE_CHECKING:
    import pytest

NAMES = st.sampled_from(["helper", "user", 'a "quoted" one', "sk-abcdefghijklmnop1234", "\n\\", "", "é🎈\ud800"])
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | NAMES | st.lists(NAMES, max_size=2)
ATTRIBUTES = st.dictionaries(st.sampled_from([semconv.GEN_AI_AGENT, semconv.HARNESS_SENDER, "theirs"]), VALUES)


def scope_of(operation: Operation, name: str, attributes: dict[str, Any], *, parent: bool, ended: bool) -> Scope:
    record: dict[str, Any] = {
        "k": "s",
        "run_id": 'r"1',
        "trace_id": "0" * 32,
        "span_id": "1" * 16,
        "parent_id": "2" * 16 if parent else None,
        "name": name,
        "kind": KINDS[operation].kind,
        "operation": operation.value,
        "seq": 3,
        "start_ns": 4,
        "attributes": {**KINDS[operation].attributes, **attributes},
    }
    if ended:
        record.update(k="e", end_ns=5, end_seq=6, status="ok")
    return Scope(run=RunState(run_id='r"1'), operation=operation, parent=None, record=record, started=0)


@given(st.lists(st.tuples(st.sampled_from(Operation), NAMES, ATTRIBUTES, st.booleans(), st.booleans()), max_size=6))
def test_a_line_is_the_record_whatever_was_written_before(asked: list[tuple[Any, ...]]) -> None:
    privacy = Privacy(Redaction(environment={}))
    lines = Lines(privacy)
    for operation, name, attributes, parent, ended in asked:
        scope = scope_of(operation, name, attributes, parent=parent, ended=ended)
        for _ in range(2):  # as it is told the second time, too
            assert json.loads(lines.record(scope)) == json.loads(privacy.record(scope.record))


HASHES = st.sampled_from(["0" * 32, "1" * 32])


@given(st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3), NAMES, HASHES), max_size=8))
def test_a_message_is_told_as_its_record_whoever_said_what_to_whom_before(said: list[tuple[Any, ...]]) -> None:
    privacy = Privacy(Redaction(environment={}))
    lines = Lines(privacy)
    for sender, recipients, role, part in said:
        attributes = {
            semconv.HARNESS_SENDER: sender,
            semconv.HARNESS_RECIPIENTS: recipients,
            semconv.HARNESS_ROLE: role,
            semconv.HARNESS_MESSAGE_PART: part,
        }
        scope = scope_of(Operation.MESSAGE, f"message {sender}", attributes, parent=True, ended=True)
        assert json.loads(lines.record(scope)) == json.loads(privacy.record(scope.record))


ALIKE = st.sampled_from([1, 1.0, True, 0, False, "1", "true", None, ["1"]])


@given(st.lists(st.tuples(NAMES, st.dictionaries(st.sampled_from(["a", "b"]), ALIKE), HASHES), max_size=8))
def test_a_call_is_told_as_its_record_whatever_was_asked_before(asked: list[tuple[str, dict[str, Any], str]]) -> None:
    privacy = Privacy(Redaction(environment={}))
    lines = Lines(privacy)
    for model, attributes, context in asked:
        said = {**attributes, semconv.HARNESS_INPUT_CONTEXT: context}
        scope = scope_of(Operation.CHAT, f"chat {model}", said, parent=True, ended=False)
        told, record = lines.record(scope), privacy.record(scope.record)
        assert json.loads(told) == json.loads(record)
        assert sorted(told) == sorted(record)  # nor 1 for True


@settings(max_examples=30)
@given(NAMES, ATTRIBUTES, st.sampled_from([None, ValueError("no")]))
def test_what_changes_while_a_span_is_open_is_in_the_record_of_its_end(
    tmp_path_factory: pytest.TempPathFactory, agent: str, changes: dict[str, Any], error: ValueError | None
) -> None:
    journal = Journal(tmp_path_factory.mktemp("store"))
    trace = Trace(journal, privacy=Privacy(Redaction(environment={})))
    said: list[dict[str, Any]] = []
    trace.watch = lambda _scope, line, _contents, _links: said.append(json.loads(line))
    with trace.within(trace.new_run()), trace.operation(Operation.CONVERSATION, "chat"):
        for end in ({}, changes, {}):
            scope = trace.open(Operation.TURN, agent, {})
            assert scope is not None
            scope.notes["end"] = end
            trace.close(scope, error=error)
    journal.close()
    turns = [line["attributes"] for line in said if line["operation"] == Operation.TURN.value]
    plain, plain_end, begun, changed, again, again_end = turns
    assert plain == begun == again
    assert plain_end == again_end
    assert changed == {**plain_end, **json.loads(trace.privacy.redaction.json(encode(changes)))}
