"""L101 on real conversations: no false alarm on clean ones, and every exact loop is found.

The conversations are not part of this project. ``HARNESS_DATA`` names their folder; without it they are looked for in
``../shared/data`` beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from harness.check import judge
from harness.checks.loops import canonical_move
from tests.checks.talks import call, result, talk

FOLDER = Path(os.environ.get("HARNESS_DATA") or Path(__file__).parents[3] / "shared" / "data")
CONVERSATIONS = FOLDER / "conversations-dev.jsonl.gz"
LABELS = FOLDER / "loop-labels-dev.jsonl"
EVERY = 10
LONGEST_ROUND = 6

pytestmark = pytest.mark.skipif(
    not (CONVERSATIONS.is_file() and LABELS.is_file()),
    reason="no real conversations: HARNESS_DATA names no such folder",
)


def events(conversation):
    return talk([(message["sender"] or "?", parts(message)) for message in conversation["messages"]])


def parts(message):
    text = message.get("content") or ""
    said = [result(text) if message["role"] == "tool" else {"type": "text", "content": text}]
    for each in message.get("tool_calls") or []:
        function = each.get("function", each)
        said.append(call(function.get("name"), function.get("arguments")))
    return said


def read():
    with gzip.open(CONVERSATIONS, "rt") as lines:
        yield from map(json.loads, lines)


def alarms(conversations):
    return {
        conversation["id"]: found[0].text
        for conversation in conversations
        if (found := judge(events(conversation), select=["L"]))
    }


@pytest.fixture(scope="module")
def sample():
    """Short AG2 runs that were right, successful tool-using runs, and those whose loops were judged by a reader."""
    labels = {each["id"]: each["loop"] for each in map(json.loads, LABELS.read_text().splitlines())}
    short, tools, labelled = [], [], []
    for number, conversation in enumerate(read()):
        right = conversation["labels"].get("correct") is True
        if conversation["id"] in labels:
            labelled.append((conversation, labels[conversation["id"]]))
        elif right and conversation["source"].startswith("tau"):
            tools.append(conversation)
        elif right and conversation["source"] == "masft-ag2-exp" and conversation["n"] <= 8 and number % EVERY == 0:
            short.append(conversation)
    return short, tools, labelled


def test_short_runs_that_were_right_have_no_loops(sample):
    assert len(sample[0]) > 200
    assert alarms(sample[0]) == {}


def test_successful_runs_that_use_tools_have_no_loops(sample):
    assert len(sample[1]) > 50
    assert alarms(sample[1]) == {}


def test_nearly_all_conversations_that_a_reader_found_free_of_loops_are(sample):
    free = [conversation for conversation, loop in sample[2] if not loop]
    assert len(alarms(free)) <= 0.02 * len(free)


def test_every_round_that_is_said_three_times_word_for_word_is_found(sample):
    looping = [conversation for conversation, _ in sample[2] if exact_loop(events(conversation))]
    assert len(looping) >= 3
    assert set(alarms(looping)) == {conversation["id"] for conversation in looping}


def exact_loop(happened):
    """Say whether three equal blocks of messages follow each other anywhere; slow, and written the other way round."""
    moves = [canonical_move(event.message) for event in happened if event.message]
    return any(
        moves[start : start + period] == moves[start + period : start + 2 * period]
        and moves[start : start + period] == moves[start + 2 * period : start + 3 * period]
        for period in range(1, LONGEST_ROUND + 1)
        for start in range(len(moves) - 3 * period + 1)
    )
