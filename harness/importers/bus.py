"""Read what AgentChat's runtime carried: its own telemetry writes each message into the spans that handle it.

A team's messages pass the runtime several times, to the manager, to every member and in what a task comes back with.
Each has an id and counts once, and its recipients are the members whose spans handle it. Instrumentation around a
team's run has the same messages in the result of its task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from harness.canonical import canonical
from harness.importers import flat, task_results
from harness.importers.forest import Forest, Known
from harness.importers.grouping import Place
from harness.importers.said import Said
from harness.model import Json

_HANDLED = "autogen process "
_MEMBER = "ChatAgentContainer"
_TOPIC = re.compile(r"_[0-9a-f]{8}-[0-9a-f-]{27}$")
_MANAGER = re.compile(r"^autogen (?:create|send|process) (\w+?)Manager_[0-9a-f]{8}-")
_PIECES = frozenset({"ModelClientStreamingChunkEvent"})
"""What is part of a message that comes later."""


@dataclass(slots=True, kw_only=True)
class _Message:
    place: Place
    given: Mapping[str, Json]
    to: list[str] = field(default_factory=list)


def spoken(known: Forest) -> list[Said]:
    """List the messages that a runtime carried, in the order in which they were first handled."""
    found: dict[str, _Message] = {}
    for place, each in known.items():
        carried = _carried(each)
        for given in _messages(carried):
            if given.get("type") in _PIECES or not isinstance(given.get("source"), str):
                continue
            said = found.setdefault(_key(given), _Message(place=place, given=given))
            member = _member(each)
            if member and member != given["source"] and member not in said.to and _for_members(carried, given):
                said.to.append(member)
    return [
        Said(
            place=said.place,
            sender=str(said.given["source"]),
            to=tuple(said.to),
            body=_body(said.given),
            first=True,
            at_ns=_created(said.given),
            key=key,
        )
        for key, said in found.items()
    ]


def team(known: Forest) -> str | None:
    """Name the kind of the first team whose manager was asked to start, such as ``RoundRobinGroupChat``."""
    for each in known.values():
        if match := _MANAGER.match(each.span.name):
            return match[1]
    return None


def failure(known: Forest) -> tuple[Place, str, str] | None:
    """Say what a team failed of, if it did: where it was asked to start, the type of the error and its text."""
    start = next((place for place, each in known.items() if _MANAGER.match(each.span.name)), None)
    for each in known.values():
        error = _carried(each).get("error")
        if start is not None and isinstance(error, dict) and isinstance(error.get("error_type"), str):
            return start, error["error_type"], str(error.get("error_message") or "")
    return None


def _carried(known: Known) -> Mapping[str, Json]:
    """Read what a span handled, or the result of the task that it stands for."""
    said = known.span.attributes
    handled = known.span.name.startswith(_HANDLED)
    value = said.get("message") if handled else said.get("output.value") if "participant_names" in said else None
    parsed = flat.parsed(value) if isinstance(value, str) and value.startswith("{") else None
    return parsed if isinstance(parsed, dict) else {}


def _messages(carried: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """List the messages in a GroupChatStart, a GroupChatMessage, an agent's or a team's response, or a TaskResult."""
    response, result = carried.get("response"), carried.get("result")
    response = response if isinstance(response, dict) else {}
    result = result if isinstance(result, dict) else {}
    for each in (
        *_listed(carried.get("messages")),
        carried.get("message"),
        *_listed(response.get("inner_messages")),
        response.get("chat_message"),
        *_listed(result.get("messages")),
    ):
        if isinstance(each, dict):
            yield each


def _for_members(carried: Mapping[str, Json], given: Mapping[str, Json]) -> bool:
    """Say whether members are told of the message itself: what an agent did on its way to an answer is not for them."""
    response = carried.get("response")
    return not isinstance(response, dict) or given is response.get("chat_message")


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _key(given: Mapping[str, Json]) -> str:
    name = given.get("id")
    return name if isinstance(name, str) and name else canonical(given)


def _member(known: Known) -> str | None:
    said = known.span.attributes
    name = said.get("recipient_agent_type")
    return _TOPIC.sub("", name) if said.get("recipient_agent_class") == _MEMBER and isinstance(name, str) else None


def _created(given: Mapping[str, Json]) -> int | None:
    """Read when a message was made, in whole microseconds as AgentChat counts them."""
    value = given.get("created_at")
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else None
    except ValueError:
        return None
    if at is None or at.tzinfo is None:
        return None
    since = at - datetime.fromtimestamp(0, tz=timezone.utc)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _body(given: Mapping[str, Json]) -> dict[str, Json]:
    content = given.get("content")
    if isinstance(content, dict):
        content = json.dumps(content, ensure_ascii=False)
    items = [_typed(each) for each in content] if isinstance(content, list) else content
    return task_results.body({"": given.get("type"), "source": given["source"], "content": items})


def _typed(item: Json) -> Json:
    """Name what a call of a tool and its result are: as JSON they do not say so themselves."""
    if isinstance(item, dict) and "call_id" in item:
        return {"": "FunctionExecutionResult", **item}
    return {"": "FunctionCall", **item} if isinstance(item, dict) and "arguments" in item else item
