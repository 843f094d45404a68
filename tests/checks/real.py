"""Real conversations, where there are any: events to judge, what a reader said of them, and which are clean.

They are not part of this project. ``HARNESS_DATA`` names their folder; without it they are looked for in
``../shared/data`` beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.importers.conversations import body
from harness.model import Event, Message, Operation, Span, Status

FOLDER = Path(os.environ.get("HARNESS_DATA") or Path(__file__).parents[3] / "shared" / "data")
CONVERSATIONS = FOLDER / "conversations-dev.jsonl.gz"
LABELS = FOLDER / "loop-labels-dev.jsonl"
THERE = CONVERSATIONS.is_file() and LABELS.is_file()
MISSING = "no real conversations: HARNESS_DATA names no such folder"
SHORT = 8

Conversation = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a reader said: whether it is a loop, and from which message on, where that was noted."""

    loop: bool
    onset: int | None


@cache
def conversations() -> tuple[Conversation, ...]:
    """Read all conversations."""
    with gzip.open(CONVERSATIONS, "rt") as lines:
        return tuple(map(json.loads, lines))


@cache
def labels() -> Mapping[str, Label]:
    """Read what was said of some of them, by id."""
    read = map(json.loads, LABELS.read_text().splitlines())
    return {each["id"]: Label(loop=each["loop"], onset=each["onset"]) for each in read}


def labelled() -> list[tuple[Conversation, Label]]:
    """List the conversations that a reader judged."""
    return [(each, labels()[each["id"]]) for each in conversations() if each["id"] in labels()]


def successful_tool_runs() -> list[Conversation]:
    """List the runs of an agent with tools that did what was asked; but those that a reader found to go round."""
    looping = {name for name, label in labels().items() if label.loop}
    return [
        each
        for each in conversations()
        if each["source"].startswith("tau") and each["labels"].get("correct") is True and each["id"] not in looping
    ]


def short_right_runs() -> list[Conversation]:
    """List the AG2 runs that were right, short, and ended by their own termination message."""
    return [
        each
        for each in conversations()
        if each["source"] == "masft-ag2-exp"
        and each["labels"].get("correct") is True
        and each["labels"].get("ended_by") == "termination_msg"
        and each["n"] <= SHORT
    ]


def events(messages: list[Mapping[str, Any]]) -> Iterator[Event]:
    """Say *messages* in one conversation, as the importer reads them."""
    for number, said in enumerate(messages):
        name = f"{number:016x}"
        span = Span(
            run_id="run", trace_id="t", span_id=name, parent_id="talk", name="message", kind="INTERNAL",
            operation=Operation.MESSAGE, status=Status.OK, seq=number, end_seq=number, start_ns=number, end_ns=number,
            attributes={},
        )  # fmt: skip
        message = Message(
            run_id="run", seq=number, at_ns=number, span_id=name, conversation_id="talk", sender=said["sender"] or "?",
            recipients=(said["recipient"],) if said.get("recipient") else (), role=said["role"], body=body(said),
        )  # fmt: skip
        yield Event(seq=number, number=number, at_ns=number, phase="point", span=span, message=message)
