"""Say which calls stand behind a message: those of the turn in which its speaker made it."""

from __future__ import annotations

from harness import semconv
from harness.derive.attributes import label
from harness.derive.forest import enclosing
from harness.derive.stream import events
from harness.model import CallRecord, Operation, Run, Span


def made_by(run: Run) -> dict[str, tuple[CallRecord, ...]]:
    """Map the span id of each message to the calls of the turn that made it; empty where no turn is known.

    A message spoken inside a turn of its conversation is that turn's; a turn that holds the whole conversation did not
    make its messages. One spoken after it, as frameworks do that first generate and then send, is its speaker's last
    turn's in the same conversation. Only the last message of a turn has its calls.
    """
    turns = enclosing(run.spans, Operation.TURN)
    talks = enclosing(run.spans, Operation.CONVERSATION)
    asked: dict[str | None, list[CallRecord]] = {}
    for call in run.calls:
        asked.setdefault(turns.get(call.span.span_id), []).append(call)
    last: dict[tuple[str | None, str], Span] = {}
    message_of: dict[str, str] = {}
    for event in events(run):
        span = event.span
        if span.operation is Operation.TURN and event.phase == "start":
            last[talks.get(span.span_id), label(span.attributes, semconv.GEN_AI_AGENT) or ""] = span
        elif event.message is not None:
            talk = event.message.conversation_id
            spoken = last.pop((talk, event.message.sender), None)
            turn = turns.get(span.span_id)
            if turn is None or talks.get(turn) != talk:
                turn = spoken.span_id if spoken else None
            if turn is not None:
                message_of[turn] = span.span_id
    found = {message.span_id: () for message in run.messages}
    return {**found, **{message: tuple(asked.get(turn, ())) for turn, message in message_of.items()}}
