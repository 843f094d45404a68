"""Say which calls stand behind a message: those of the turn in which its speaker made it."""

from __future__ import annotations

from collections.abc import Mapping

from harness import semconv
from harness.derive.attributes import label
from harness.derive.forest import enclosing
from harness.derive.stream import events
from harness.model import CallRecord, Operation, Run


def made_by(run: Run) -> dict[str, tuple[CallRecord, ...]]:
    """Map the span id of each message to the calls of the turn that made it; empty where no turn is known.

    A message spoken inside a turn of its conversation is that turn's; a turn that holds the whole conversation did not
    make its messages. Others are their speaker's last turn's in the same conversation: all of them while it goes on,
    and one when it is over and has said nothing, as frameworks do that first generate and then send. Of several
    messages of a turn each has the calls that were answered since the one before, and the last has the rest.
    """
    turns = enclosing(run.spans, Operation.TURN)
    talks = enclosing(run.spans, Operation.CONVERSATION)
    made: dict[str, list[CallRecord]] = {message.span_id: [] for message in run.messages}
    answered: dict[str | None, list[CallRecord]] = {}
    latest: dict[tuple[str | None, str], str] = {}
    said: dict[str, str] = {}
    over: set[str] = set()
    for event in events(run):
        span_id = event.span.span_id
        if event.span.operation is Operation.TURN:
            if event.phase == "start":
                latest[talks.get(span_id), label(event.span.attributes, semconv.GEN_AI_AGENT) or ""] = span_id
            else:
                over.add(span_id)
        elif event.call is not None:
            answered.setdefault(turns.get(span_id), []).append(event.call)
        elif event.message is not None:
            talk = event.message.conversation_id
            turn = turns.get(span_id)
            if turn is None or talks.get(turn) != talk:
                turn = latest.get((talk, event.message.sender))
                if turn in over and turn in said:
                    continue
            if turn is not None:
                said[turn] = span_id
                made[span_id] += answered.pop(turn, ())
    _rest(run, made, {turn: made[message] for turn, message in said.items()}, turns)
    return {message: tuple(calls) for message, calls in made.items()}


def _rest(
    run: Run,
    made: Mapping[str, list[CallRecord]],
    last: Mapping[str, list[CallRecord]],
    turns: Mapping[str, str | None],
) -> None:
    """Give the calls that nothing was said after, or that have no end, to the *last* message of their turn."""
    known = {call.span.span_id for calls in made.values() for call in calls}
    for call in run.calls:
        turn = turns.get(call.span.span_id) or ""
        if turn in last and call.span.span_id not in known:
            last[turn].append(call)
