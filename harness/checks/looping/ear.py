"""Listen to the conversations of one run, once for all loop checks."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.looping.reading import is_thought
from harness.checks.looping.talk import Heard, Talk
from harness.model import Event, Json, Operation

MOST_TALKS = 32
"""Conversations of one run that are followed at once; the one that was silent longest is forgotten first."""


class Ear:
    """Hears each event once, whichever of the checks that share it shows it first."""

    def __init__(self) -> None:
        self._talks: dict[str | None, Talk] = {}
        self._event: Event | None = None
        self._heard: Heard | None = None

    def hear(self, event: Event) -> Heard | None:
        """Tell what is known of loops after *event*; None if nothing was said. What an agent thinks is not said."""
        if event is not self._event:
            self._event, self._heard = event, None
            self._heard = self._take_in(event)
        return self._heard

    def _take_in(self, event: Event) -> Heard | None:
        message = event.message
        if message is not None:
            if is_thought(message):
                return None
            talk = self._talks.pop(message.conversation_id, None) or Talk()
            self._talks[message.conversation_id] = talk
            if len(self._talks) > MOST_TALKS:
                del self._talks[next(iter(self._talks))]
            return talk.hear(message, event.number)
        if event.phase == "end" and event.span.operation is Operation.CONVERSATION:
            self._talks.pop(event.span.span_id, None)
        elif event.phase == "end" and event.span.operation is Operation.HUMAN and _typed(event):
            for talk in self._talks.values():
                talk.typed()
        return None


def _typed(event: Event) -> bool:
    reply: Mapping[str, Json] | None = event.call.reply if event.call is not None else None
    value = reply.get("input") if reply else None
    return isinstance(value, str) and bool(value.strip())
