"""Say why two lists of calls had different outcomes: the first call that differs, and what differs in it.

What a program or its configuration says is looked at before what was said in the conversation, and every request
before its reply: a reply to another request says nothing of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.canonical import canonical
from harness.model import CallRecord, Json, Operation, part_text
from harness.settings import answering

_WITH_IDS = frozenset({"tool_call", "tool_call_response"})
_INSTRUCTIONS = frozenset({"system", "developer"})
_UNCOMPARED = frozenset({"call_id", "last"})


class CauseKind(str, Enum):
    """What made two runs part, in the order in which it is looked for."""

    TASK = "task"
    """They were asked to do something else."""
    CODE = "code"
    """A request differs in what the program or its configuration says: model, tools, parameters, system message."""
    UPSTREAM = "upstream"
    """A request differs in what was said before."""
    FAILURE = "failure"
    """A call failed in one of them."""
    MODEL = "model"
    """The same request had another reply."""
    TOOL = "tool"
    """The same tool or code gave another result."""
    HUMAN = "human"
    """A human said something else."""
    FLOW = "flow"
    """No request tells: another speaker, another number of calls, another end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What made the runs part: what differs (``parameters.seed``, ``message 3`` …), and how it was on each side."""

    kind: CauseKind
    field: str
    left: str | None
    right: str | None


_OF_REPLIES = {
    Operation.CHAT: CauseKind.MODEL,
    Operation.TOOL: CauseKind.TOOL,
    Operation.CODE: CauseKind.TOOL,
    Operation.HUMAN: CauseKind.HUMAN,
}
_ANSWERS = {Operation.TOOL: "result", Operation.HUMAN: "input", Operation.SELECTION: "choice"}
_OF_REQUESTS = {Operation.SELECTION: CauseKind.CODE}


def flow(field: str, left: str | None, right: str | None) -> Cause:
    """Give a cause that no request tells."""
    return Cause(kind=CauseKind.FLOW, field=field, left=left, right=right)


def between(left: Sequence[CallRecord], right: Sequence[CallRecord]) -> Cause | None:
    """Find the first difference between two lists of calls; None if there is none."""
    for one, other in zip(left, right, strict=False):
        cause = _call(one, other)
        if cause is not None:
            return cause
    if len(left) != len(right):
        return flow("calls", str(len(left)), str(len(right)))
    return None


def _call(left: CallRecord, right: CallRecord) -> Cause | None:
    operation = left.span.operation
    if operation is not right.span.operation:
        return flow("call", operation.value, right.span.operation.value)
    asked = _chat(left.request, right.request) if operation is Operation.CHAT else _other(left, right)
    if asked is not None:
        return asked
    if (left.error is None) != (right.error is None):
        return Cause(kind=CauseKind.FAILURE, field=operation.value, left=left.error, right=right.error)
    one, other = _replied(left), _replied(right)
    if canonical(one) == canonical(other):
        return None
    return Cause(
        kind=_OF_REPLIES.get(operation, CauseKind.FLOW), field=_named(left), left=_shown(one), right=_shown(other)
    )


def _chat(left: Mapping[str, Json], right: Mapping[str, Json]) -> Cause | None:
    if left.get("model") != right.get("model"):
        return Cause(kind=CauseKind.CODE, field="model", left=left.get("model"), right=right.get("model"))
    settings = [
        ("tools", _by_name(left.get("tools")), _by_name(right.get("tools"))),
        ("parameters", _parameters(left), _parameters(right)),
    ]
    for field, one, other in settings:
        name = _first(one, other)
        if name is not None:
            sides = (_shown(one.get(name)), _shown(other.get(name)))
            return Cause(kind=CauseKind.CODE, field=f"{field}.{name}", left=sides[0], right=sides[1])
    return _history(left.get("messages") or (), right.get("messages") or ())


def _history(left: Sequence[Json], right: Sequence[Json]) -> Cause | None:
    """Find the first message that differs; one that the program wrote comes before any that was said."""
    for kind, mine in ((CauseKind.CODE, True), (CauseKind.UPSTREAM, False)):
        one, other = ([body for body in bodies if (_role(body) in _INSTRUCTIONS) is mine] for bodies in (left, right))
        for place in range(max(len(one), len(other))):
            first, second = (bodies[place] if place < len(bodies) else None for bodies in (one, other))
            if canonical(plain(first)) != canonical(plain(second)):
                field = "system message" if mine else f"message {place + 1}"
                return Cause(kind=kind, field=field, left=_words(first), right=_words(second))
    return None


def _other(left: CallRecord, right: CallRecord) -> Cause | None:
    if left.name != right.name and left.span.operation is not Operation.SELECTION:
        return flow("call", left.name, right.name)
    field = _first(left.request, right.request)
    if field is None:
        return None
    kind = _OF_REQUESTS.get(left.span.operation, CauseKind.UPSTREAM)
    sides = (_shown(left.request.get(field)), _shown(right.request.get(field)))
    return Cause(kind=kind, field=f"{_named(left)}.{field}", left=sides[0], right=sides[1])


def _first(left: Mapping[str, Json], right: Mapping[str, Json]) -> str | None:
    """Name the first field, in order of names, whose values differ."""
    names = sorted((left.keys() | right.keys()) - _UNCOMPARED)
    return next((name for name in names if canonical(left.get(name)) != canonical(right.get(name))), None)


def _parameters(request: Mapping[str, Json]) -> dict[str, Json]:
    parameters = request.get("parameters")
    return answering(parameters) if isinstance(parameters, Mapping) else {}


def _by_name(tools: Json) -> dict[str, Json]:
    """Map tool definitions by name, of which several may share one."""
    found: dict[str, list[Json]] = {}
    for tool in tools if isinstance(tools, list) else ():
        about = tool.get("function", tool) if isinstance(tool, dict) else tool
        name = about.get("name") if isinstance(about, dict) else None
        found.setdefault(str(name), []).append(tool)
    return {name: same[0] if len(same) == 1 else same for name, same in found.items()}


def _replied(call: CallRecord) -> Json:
    """Give the part of a reply that matters to a conversation."""
    reply = call.reply
    if reply is None:
        return None
    if call.span.operation is Operation.CHAT:
        return plain(reply.get("message"))
    answer = _ANSWERS.get(call.span.operation)
    return reply.get(answer) if answer else dict(reply)


def _named(call: CallRecord) -> str:
    named = call.name if call.span.operation is Operation.TOOL else None
    return named or call.span.operation.value


def plain(body: Json) -> Json:
    """Give a message without the ids of its tool calls, which are made at random."""
    if not isinstance(body, Mapping) or not isinstance(body.get("parts"), (list, tuple)):
        return body
    parts = [
        {key: value for key, value in part.items() if key != "id"}
        if isinstance(part, Mapping) and part.get("type") in _WITH_IDS
        else part
        for part in body["parts"]
    ]
    return {**body, "parts": parts}


def _role(body: Json) -> Json:
    return body.get("role") if isinstance(body, Mapping) else None


def _words(body: Json) -> str | None:
    """Give a message's text, or all of it if it has none; None for none."""
    if not isinstance(body, Mapping):
        return _shown(body)
    texts = [text for part in body.get("parts", ()) if isinstance(part, Mapping) and (text := part_text(part))]
    return "\n".join(texts) or canonical(plain(body))


def _shown(value: Json) -> str | None:
    if isinstance(value, Mapping) and "parts" in value:
        return _words(value)
    return value if value is None or isinstance(value, str) else canonical(value)
