"""Write a span's record as a line of JSON. What it says in words is cleaned once for as long as it stays the same."""

from __future__ import annotations

from typing import NamedTuple

from harness import semconv
from harness.model import Json, Operation
from harness.privacy import Privacy
from harness.scopes import Scope

_MOST_AGENTS = 1000


class Kind(NamedTuple):
    """What every span of one operation has: the beginning of its name, its kind, and its first attributes."""

    name: str
    kind: str
    operation: str
    attributes: dict[str, Json]


def _kind(operation: Operation, name: str, *, otel: bool) -> Kind:
    said: dict[str, Json] = {semconv.HARNESS_OPERATION: operation.value}
    if otel:
        said[semconv.GEN_AI_OPERATION] = name
    return Kind(name, "CLIENT" if operation is Operation.CHAT else "INTERNAL", operation.value, said)


# The names OpenTelemetry gives to operations; where it has none, the span is named by ours.
_OTEL_NAMES = {
    Operation.CONVERSATION: "invoke_workflow",
    Operation.TURN: "invoke_agent",
    Operation.CHAT: "chat",
    Operation.TOOL: "execute_tool",
    Operation.CODE: "execute_tool",
}
_OUR_NAMES = {
    Operation.HUMAN: "human_input",
    Operation.SELECTION: "select_speaker",
    Operation.MESSAGE: "message",
    Operation.OTHER: "other",
}
KINDS = {operation: _kind(operation, name, otel=True) for operation, name in _OTEL_NAMES.items()} | {
    operation: _kind(operation, name, otel=False) for operation, name in _OUR_NAMES.items()
}
_PLAIN_TURN = len(KINDS[Operation.TURN].attributes) + 1  # and whose it is


class Lines:
    """Writes records. Only their names and attributes are words, all else is made here and holds no secret."""

    def __init__(self, privacy: Privacy) -> None:
        """*privacy* says what may be written."""
        self._privacy = privacy
        self._turns: dict[tuple[Json, Json], str] = {}

    def record(self, scope: Scope) -> str:
        """Write the record of *scope*, without the end of the line."""
        record = scope.record
        scope.told = scope.told or self._told(scope.operation, record["name"], record["attributes"])
        scope.begun = scope.begun or _begun(scope)
        if record["k"] == "s":
            return f'{{"k":"s",{scope.begun},{scope.told}}}'
        ended = f'"end_ns":{record["end_ns"]},"end_seq":{record["end_seq"]},"status":"{record["status"]}"'
        return f'{{"k":"e",{scope.begun},{scope.told},{ended}}}'

    def _told(self, operation: Operation, name: str, attributes: dict[str, Json]) -> str:
        """Write the name and the attributes. The turns of an agent of which nothing else is told are all alike."""
        if operation is not Operation.TURN or len(attributes) != _PLAIN_TURN:
            return self._privacy.told(name, attributes)
        key = name, attributes.get(semconv.GEN_AI_AGENT)
        told = self._turns.get(key)
        if told is None:
            if len(self._turns) >= _MOST_AGENTS:
                self._turns.clear()
            told = self._turns[key] = self._privacy.told(name, attributes)
        return told


def _begun(scope: Scope) -> str:
    """Write what a record says from the beginning to the end."""
    record = scope.record
    parent = f'"{record["parent_id"]}"' if record["parent_id"] else "null"
    return (
        f'"run_id":{scope.run.quoted},"trace_id":"{record["trace_id"]}","span_id":"{record["span_id"]}",'
        f'"parent_id":{parent},"kind":"{record["kind"]}","operation":"{record["operation"]}",'
        f'"seq":{record["seq"]},"start_ns":{record["start_ns"]}'
    )
