"""L: agents that go round in circles. A loop is recurrence without new information."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from harness.check import Check, Need, Settings
from harness.model import Event, Finding, Json, Message, Operation, Severity, part_text
from harness.text import one_line

_MOST_REMEMBERED = 4096
_SHOWN = 80

# What differs from one saying to the next without saying anything new.
_MASKS = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\b\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        (r"\b0x[0-9a-f]{6,}\b", "<address>"),
    )
)


def canonical_text(text: str) -> str:
    """Reduce *text* to what it says: lower case, single spaces, times, addresses and UUIDs masked. Numbers stay.

    Applying it twice changes nothing more.
    """
    said = " ".join(text.lower().split())
    for pattern, mask in _MASKS:
        said = pattern.sub(mask, said)
    return said


def canonical_move(message: Message) -> str:
    """Reduce *message* to the move it makes: who says what, and calls what with which arguments.

    Ids of calls do not count; arguments do to the letter, for another argument is other work.
    """
    parts = message.body.get("parts")
    moves = [_part(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return json.dumps([message.sender, [move for move in moves if move]], sort_keys=True, default=str)


def _part(part: Mapping[str, Json]) -> Json:
    if part.get("type") == "tool_call":
        return {"call": part.get("name"), "arguments": _arguments(part.get("arguments"))}
    text = part_text(part)
    if text or part.get("type") in {"text", "reasoning", "tool_call_response"}:
        said = canonical_text(text)
        return {"said": said} if said else None
    return {key: value for key, value in part.items() if key != "id"}


def _arguments(value: Json) -> Json:
    """Read arguments that came as a JSON string, so that the order of keys and spaces do not count."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.strip()


@dataclass(slots=True, kw_only=True)
class _Seen:
    """The times one move was made since something new was said in between."""

    places: list[tuple[int, int, str]]  # number within the conversation, number within the run, span id


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What one conversation has said so far."""

    count: int = 0
    newest: int = -1
    reported: bool = False
    seen: dict[bytes, _Seen] = field(default_factory=dict)
    senders: list[str] = field(default_factory=list)


class RepeatedMessage(Check):
    """The same message or call comes back again and again, and nothing new is said in between.

    Why: agents that repeat themselves spend tokens until a limit stops them: thanks and good wishes without end, the
    same tool call with the same result, the same code with the same traceback, "continue" to an agent that has nothing
    to add. Three times is a loop. It counts as the same whatever the case, the spaces, the ids of calls, UUIDs and
    times of day; another number, argument or result is something new, and so is what a human types. Several agents that
    repeat the same round of messages are one loop.

    Fix: let the conversation end when its work is done: give the agent that knows it an `is_termination_msg` and a
    prompt that says when to write the word. Set `max_consecutive_auto_reply` or `max_turns` as a net. For a tool that
    returns the same error again, return a text that says what to do instead. For polite endings, tell one agent not to
    answer thanks.
    """

    code = "L101"
    name = "repeated-message"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})
    thresholds: ClassVar[Mapping[str, float]] = {"times": 3}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._times = int(self.threshold("times"))
        self._talks: dict[str | None, _Talk] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Count what is said again; what a human types is new to every conversation."""
        if event.message is not None:
            yield from self._hear(event.message, event.number)
        elif event.phase == "end" and event.span.operation is Operation.HUMAN and _typed(event):
            for talk in self._talks.values():
                talk.newest, talk.reported = talk.count, False
                talk.count += 1
        elif event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            self._talks.pop(event.span.span_id, None)

    def _hear(self, message: Message, number: int) -> Iterator[Finding]:
        talk = self._talks.setdefault(message.conversation_id, _Talk())
        key = hashlib.blake2b(canonical_move(message).encode(errors="replace"), digest_size=16).digest()
        place = (talk.count, number, message.span_id)
        before = talk.seen.pop(key, None)
        talk.count += 1
        if before is None:
            talk.newest, talk.reported, talk.senders = place[0], False, []
            before = _Seen(places=[place])
        elif talk.newest > before.places[-1][0]:
            before = _Seen(places=[place])
        else:
            before.places = [*before.places, place][-self._times :]
        talk.seen[key] = before
        if len(talk.seen) > _MOST_REMEMBERED:
            del talk.seen[next(iter(talk.seen))]
        talk.senders = [*talk.senders[-63:], message.sender]
        if len(before.places) == self._times and not talk.reported:
            talk.reported = True
            yield self._finding(message, before, talk)

    def _finding(self, message: Message, seen: _Seen, talk: _Talk) -> Finding:
        last, previous = seen.places[-1], seen.places[-2]
        period = last[0] - previous[0]
        round_ = list(dict.fromkeys(talk.senders[-period:]))
        return self.finding(
            _say(message, round_, period),
            seq=last[1],
            span_id=last[2],
            evidence={
                "times": len(seen.places),
                "messages_in_a_round": period,
                "senders": sorted(round_),
                "messages": [place[1] for place in seen.places],
            },
        )


def _say(message: Message, senders: list[str], period: int) -> str:
    calls = message.tool_calls
    said = f"calls {calls[0].get('name')}" if calls else f"says {one_line(message.text, _SHOWN)!r}"
    if not calls and not message.text.strip():
        said = "says nothing"
    if period == 1 or len(senders) == 1:
        return f"{message.sender} {said} for the third time, and nothing new came of it"
    others = ", ".join(sorted({sender for sender in senders if sender != message.sender}))
    return f"{message.sender} {said} for the third time, in a round of {period} messages with {others}; nothing is new"


def _typed(event: Event) -> bool:
    value = event.call.reply.get("input") if event.call is not None and event.call.reply else None
    return isinstance(value, str) and bool(value.strip())
