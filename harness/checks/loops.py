"""L: agents that go round in circles. A loop is recurrence without new information.

Each check judges one way of going round, and all of them hear the same (``looping/``). The first finding is a warning,
where it is a loop; a second one is an error, where it went on for some more rounds. Something new ends the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from harness.check import MESSAGES, TALKS_END, Check, Need, Settings
from harness.checks.looping.ear import MOST_TALKS, Ear
from harness.checks.looping.talk import Heard
from harness.model import Event, Finding, Json, Message, Operation, Severity
from harness.text import one_line

_SHOWN = 80
_GOES_ON = 2
"""How much further than its threshold a loop comes before it is an error."""


class LoopCheck(Check):
    """Base of the loop checks. A subclass says how far a loop has come and what to tell of it.

    Its one threshold, *unit*, says how far it must have come to be told of.
    """

    unit: ClassVar[str]

    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})
    watches = MESSAGES | TALKS_END | {("end", Operation.HUMAN)}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ear = Ear()
        self._told: dict[str | None, tuple[int, Severity | None]] = {}

    def meet(self, others: Sequence[Check]) -> None:
        """Listen with the first of these checks, so that every message is read once."""
        self.ear = next(other.ear for other in others if isinstance(other, LoopCheck))

    def see(self, event: Event) -> Iterable[Finding]:
        """Judge what is known after a message."""
        heard, message = self.ear.hear(event), event.message
        if heard is None or message is None:
            return
        further, messages = self.come(heard) - self.threshold(self.unit), self.messages(heard)
        if further < 0 or not messages:
            return
        at, told = self._told.get(message.conversation_id, (-1, None))
        if messages[0] > at:
            told = None  # what was told of is over
        if told is Severity.ERROR or (told and further < _GOES_ON):
            return
        severity = Severity.ERROR if told else Severity.WARNING
        self._told.pop(message.conversation_id, None)
        self._told[message.conversation_id] = (event.number, severity)
        if len(self._told) > MOST_TALKS:
            del self._told[next(iter(self._told))]
        text, evidence = self.tell(heard, message)
        missed = heard.missed
        if missed is not None:
            text += f"; message {missed.number} says {missed.said!r} for {missed.meant!r}"
            evidence = {**evidence, "near_miss": {"message": missed.number, "said": missed.said, "meant": missed.meant}}
        found = self.finding(
            f"{text}, and it goes on" if told else text,
            seq=event.number,
            span_id=message.span_id,
            evidence={**evidence, "messages": [*messages]},
        )
        yield replace(found, severity=severity)

    def come(self, heard: Heard) -> float:
        """Say how far the loop has come with this message; 0 if the message is none of it."""
        raise NotImplementedError

    def messages(self, heard: Heard) -> tuple[int, ...]:
        """Give the numbers of the messages that go round, the first one first."""
        raise NotImplementedError

    def tell(self, heard: Heard, message: Message) -> tuple[str, Mapping[str, Json]]:
        """Say what goes round, and name the messages."""
        raise NotImplementedError


class RepeatedMessage(LoopCheck):
    """The same message or call comes back again and again, and nothing new is said in between.

    Why: agents that repeat themselves spend tokens until a limit stops them: thanks and good wishes without end, the
    same tool call with the same result, "continue" to an agent that has nothing to add, empty replies. Three times is a
    loop. It counts as the same whatever the case, the spaces, the ids of calls, UUIDs and times of day, a few other
    words, or what its sender thought before it; another number, argument or result is something new, and so is what a
    human types.

    Fix: let the conversation end when its work is done: give the agent that knows it an `is_termination_msg` and a
    prompt that says when to write the word. Set `max_consecutive_auto_reply` or `max_turns` as a net. What a proxy
    always replies is its `default_auto_reply`: change it, or end the conversation instead. For a tool that returns the
    same error again, return a text that says what to do instead. For polite endings, tell one agent not to answer
    thanks.
    """

    code = "L101"
    name = "repeated-message"
    unit = "times"
    thresholds: ClassVar[Mapping[str, float]] = {"times": 3}

    def come(self, heard: Heard) -> float:
        """Count the messages that made this move."""
        return len(heard.repeated)

    def messages(self, heard: Heard) -> tuple[int, ...]:
        """Give the numbers of these messages."""
        return heard.repeated

    def tell(self, heard: Heard, message: Message) -> tuple[str, Mapping[str, Json]]:
        """Say who repeats what."""
        times, period, others = len(heard.repeated), heard.period, sorted({*heard.round} - {message.sender})
        calls, words = heard.said.calls, heard.said.text
        said = f"says {one_line(words, _SHOWN)!r}" if words.strip() else "says nothing"
        if calls:
            said = f"calls {one_line(calls[0], _SHOWN)}"
        text = f"{message.sender} {said} for the {_ordinal(times)} time"
        if others:
            text += f", in a round of {period} messages with {', '.join(others)}; nothing is new"
        else:
            text += ", and nothing new came of it"
        return text, {
            "times": times,
            "messages_in_a_round": period,
            "senders": sorted(heard.round),
        }


class NothingNew(LoopCheck):
    """Messages follow each other that say nothing new, in ever new words.

    Why: when the answer is there and nobody ends the conversation, agents agree, sum up and thank each other until a
    limit stops them; two who refuse each other do the same politely. No text comes twice, but no figure, name or result
    is said that was not said before. Four such messages in a row are told of; of two agents who talk with each other,
    only those in nearly the same words. Long prose with many new words, code, calls and their results, and what a human
    types are something new.

    Fix: end the conversation where the answer is given: an `is_termination_msg` that finds what your agents really
    write (SOLUTION FOUND is not SOLUTION_FOUND, and a model's backslash before a b can arrive as a backspace), or a
    termination condition on the result. In a group chat, set it on the manager too. Where an agent lacks something it
    keeps asking for, let it end the conversation and say so.
    """

    code = "L102"
    name = "nothing-new"
    unit = "messages"
    thresholds: ClassVar[Mapping[str, float]] = {"messages": 4}

    def come(self, heard: Heard) -> float:
        """Weigh what was said since there was something new."""
        return heard.weight if heard.quiet[-1:] == (heard.number,) else 0

    def messages(self, heard: Heard) -> tuple[int, ...]:
        """Give the numbers of these messages."""
        return heard.quiet

    def tell(self, heard: Heard, message: Message) -> tuple[str, Mapping[str, Json]]:
        """Say since when nothing is new."""
        since = f"since the result in message {heard.answered}" if heard.answered is not None else "any more"
        text = f"{len(heard.quiet)} messages say nothing new {since}, the last {one_line(heard.said.text, _SHOWN)!r}"
        return text, {
            "onset": heard.quiet[0],
            "answered": heard.answered,
            "sender": message.sender,
        }


class SameOutcome(LoopCheck):
    """Whatever is tried, the same comes of it: the same error, or the same figures.

    Why: an agent that changes its code or its arguments and gets the same error three times does not know what is
    wrong. Each attempt costs a model call with the whole history. An error is the same whatever its line numbers, paths
    and times. That a tool or an executor succeeds as before is no loop: batch work and a build after each edit do.

    Fix: give the error a text that says what to do (which arguments are valid, which module is missing), or let a tool
    that fails twice for the same reason return "stop and ask". Limit attempts with `max_consecutive_auto_reply`.
    """

    code = "L103"
    name = "same-outcome"
    unit = "times"
    thresholds: ClassVar[Mapping[str, float]] = {"times": 3}

    def come(self, heard: Heard) -> float:
        """Count the outcomes in a row that are the same."""
        return len(heard.outcomes)

    def messages(self, heard: Heard) -> tuple[int, ...]:
        """Give the numbers of these messages."""
        return heard.outcomes

    def tell(self, heard: Heard, message: Message) -> tuple[str, Mapping[str, Json]]:
        """Say what comes out."""
        last = heard.said.text.strip().splitlines()[-1]
        kind = "error" if heard.said.failed else "result"
        text = f"the same {kind} for the {_ordinal(len(heard.outcomes))} time: {one_line(last, _SHOWN)!r}"
        return text, {"outcome": kind, "sender": message.sender}


class AnswersItself(LoopCheck):
    """One agent speaks again and again, and answers itself.

    Why: nobody else has anything to say, so the same agent is asked once more: "it seems there is no further input, let
    me know", or one more idea, and one more. A speaker selection that may choose the last speaker again, or a proxy
    with empty replies, does this until a limit ends it. Four messages in a row are told of, with no call, code or
    result between them; one that is full of new facts, or mostly of words that nobody said before, does not count.

    Fix: in a group chat set `allow_repeat_speaker=False`, and a termination word for "nothing more to do". Let a user
    proxy end the conversation instead of replying with an empty text.
    """

    code = "L104"
    name = "answers-itself"
    unit = "messages"
    thresholds: ClassVar[Mapping[str, float]] = {"messages": 3}

    def come(self, heard: Heard) -> float:
        """Count the messages in a row that followed the sender's own."""
        return len(heard.alone) if heard.alone[-1:] == (heard.number,) else 0

    def messages(self, heard: Heard) -> tuple[int, ...]:
        """Give the numbers of these messages."""
        return heard.alone

    def tell(self, heard: Heard, message: Message) -> tuple[str, Mapping[str, Json]]:
        """Say who goes on."""
        text = f"{message.sender} goes on by itself for the {_ordinal(len(heard.alone))} time, and nobody answers"
        return text, {"sender": message.sender}


def _ordinal(number: int) -> str:
    return {3: "third", 4: "fourth", 5: "fifth"}.get(number, f"{number}th")
