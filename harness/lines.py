"""Write a span's record as a line of JSON. What it says in words is cleaned once for as long as it stays the same."""

from __future__ import annotations

from typing import NamedTuple

from harness import semconv
from harness.model import Json, Operation
from harness.privacy import Privacy
from harness.scopes import Scope

_MOST_ALIKE = 1000


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
_PLAIN_MESSAGE = len(KINDS[Operation.MESSAGE].attributes) + 4  # and who says it to whom, as what, and its hash
_NAMELESS = len('"name":"","attributes":{')


class Lines:
    """Writes records. Only their names and attributes are words, all else is made here and holds no secret."""

    def __init__(self, privacy: Privacy) -> None:
        """*privacy* says what may be written."""
        self._privacy = privacy
        self._alike: dict[tuple[Json, ...], str] = {}

    def record(self, scope: Scope) -> str:
        """Write the record of *scope*, without the end of the line."""
        record = scope.record
        told = scope.told
        if not told:
            told = scope.told = self._told(scope.operation, record["name"], record["attributes"])
        begun = scope.begun
        if not begun:
            begun = scope.begun = _begun(scope)
        if record["k"] == "s":
            return f'{{"k":"s",{begun},{told}}}'
        ended = f'"end_ns":{record["end_ns"]},"end_seq":{record["end_seq"]},"status":"{record["status"]}"'
        return f'{{"k":"e",{begun},{told},{ended}}}'

    def add(self, scope: Scope, attributes: dict[str, Json]) -> None:
        """Put further *attributes* into the record of *scope*: what is written of it already is not cleaned again."""
        before = scope.record["attributes"]
        scope.record["attributes"] = {**before, **attributes}
        if scope.told and before and attributes and before.keys().isdisjoint(attributes):
            scope.told = f"{scope.told[:-1]},{self._privacy.told('', attributes)[_NAMELESS:]}"
        else:
            scope.told = ""

    def _told(self, operation: Operation, name: str, attributes: dict[str, Json]) -> str:
        """Write the name and the attributes. Of what is told again and again, the same words are cleaned once."""
        if operation is Operation.TURN and len(attributes) == _PLAIN_TURN:
            key = name, attributes.get(semconv.GEN_AI_AGENT)
            return self._alike.get(key) or self._clean(key, name, attributes)
        context = attributes.get(semconv.HARNESS_INPUT_CONTEXT)
        if context is not None and semconv.HARNESS_OUTPUT_PART not in attributes:
            return self._asked(name, attributes, context)
        part = attributes.get(semconv.HARNESS_MESSAGE_PART)
        if operation is not Operation.MESSAGE or part is None or len(attributes) != _PLAIN_MESSAGE:
            return self._privacy.told(name, attributes)
        recipients, role = attributes[semconv.HARNESS_RECIPIENTS], attributes[semconv.HARNESS_ROLE]
        key = name, attributes[semconv.HARNESS_SENDER], role, *recipients
        told = self._alike.get(key) or self._clean(key, name, _without(attributes, semconv.HARNESS_MESSAGE_PART))
        return f'{told[:-1]},"{semconv.HARNESS_MESSAGE_PART}":"{part}"}}'

    def _asked(self, name: str, attributes: dict[str, Json], context: str) -> str:
        """Write what a model was asked: of an agent, it is the same each time but for the history."""
        rest = _without(attributes, semconv.HARNESS_INPUT_CONTEXT)
        key = name, *rest, *rest.values(), *map(type, rest.values())  # 1 and True are equal, and written otherwise
        try:
            told = self._alike.get(key) or self._clean(key, name, rest)
        except TypeError:  # a value that is a list
            told = self._privacy.told(name, rest)
        return f'{told[:-1]},"{semconv.HARNESS_INPUT_CONTEXT}":"{context}"}}'

    def _clean(self, key: tuple[Json, ...], name: str, attributes: dict[str, Json]) -> str:
        if len(self._alike) >= _MOST_ALIKE:
            self._alike = {}
        told = self._alike[key] = self._privacy.told(name, attributes)
        return told


def _without(attributes: dict[str, Json], name: str) -> dict[str, Json]:
    return {key: value for key, value in attributes.items() if key != name}


def _begun(scope: Scope) -> str:
    """Write what a record says from the beginning to the end."""
    record = scope.record
    parent = f'"{record["parent_id"]}"' if record["parent_id"] else "null"
    return (
        f'"run_id":{scope.run.quoted},"trace_id":"{record["trace_id"]}","span_id":"{record["span_id"]}",'
        f'"parent_id":{parent},"kind":"{record["kind"]}","operation":"{record["operation"]}",'
        f'"seq":{record["seq"]},"start_ns":{record["start_ns"]}'
    )
