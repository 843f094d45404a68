"""A check finds the same in a live run, in its replay, and in the same conversation written down and imported.

What (code, message number, evidence) it finds is compared for every check that judges both; one that needs times judges
no replay, and one that needs calls, usage, set-ups or the true ending judges no conversation that was written down.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import harness
from harness import check, derive
from harness.check import Judge, Need
from harness.guarding.guards import DEFAULTS
from harness.importers import keeping
from harness.model import Run
from harness.store import Store, open_store
from scenarios import cassette, runner, stage
from tests.adapters.recorded import THEIR_WARNINGS

pytest.importorskip("autogen", reason="the classic extra is not installed")
pytestmark = THEIR_WARNINGS

DATA = Path(os.environ.get("HARNESS_DATA") or Path(__file__).parents[3] / "shared" / "data")
CONVERSATIONS = DATA / "conversations-dev.jsonl.gz"
ALL = os.environ.get("HARNESS_ALL_CONVERSATIONS") == "1"
EVERY = 700
LONGEST = 60
AT_ONCE = 8
"""So many conversations share a store: to ask a database takes longer than most of them."""
SPOKEN = frozenset({"assistant", "user", "tool", "execution"})
"""What is said aloud in a group chat: thoughts and events are not."""

Found = list[tuple[str, int | None, str]]
NO_TIMES = frozenset({Need.TIME})
NO_CALLS = frozenset(Need) - {Need.CONTENT}


def told(findings: Any, needs: frozenset[Need]) -> Found:
    """Reduce findings to what is compared, of the checks that need none of *needs*."""
    judged = {kind.code for kind in check.installed() if not kind.needs & needs}
    return [(one.code, one.seq, json.dumps(one.evidence, sort_keys=True)) for one in findings if one.code in judged]


def judged(run: Run) -> list[Any]:
    """Judge a stored run."""
    judge = Judge()
    return [*(finding for event in derive.events(run) for finding in judge.see(event)), *judge.finish()]


def spoken(folder: Path, store: Path) -> tuple[list[Any], str]:
    """Speak the conversation in *folder* under a guard that stops nothing; give what it found, and the run."""
    harness.uninstrument()
    harness.instrument(store, mode="record")
    try:
        quiet: dict[str, Any] = dict.fromkeys(DEFAULTS)
        with harness.run() as run, harness.guard(quiet, on_stop="note") as guard:
            stage.resolve("speaking:chat", folder)()
    finally:
        harness.uninstrument()
    return [finding for _, finding in guard.findings], run.run_id


def rehearsed(folder: Path, store: Path, run: Run) -> str:
    """Replay the conversation in *folder* with the cassette of its *run*; give the run that this is."""
    cassette.from_runs([run], note="").write(folder / "one.cassette.jsonl")
    (folder / "one.scenario.yaml").write_text("factory: speaking:chat\n", encoding="utf-8")
    verdict = runner.run_scenario(folder / "one.scenario.yaml", store=store)
    assert verdict.run_id is not None
    assert verdict.account is not None
    assert not verdict.account.misses
    return verdict.run_id


def hold(folder: Path, conversations: Sequence[Mapping[str, Any]]) -> list[Found]:
    """Hold what is found on the three paths of each of *conversations* against each other, and give what all find."""
    store = folder / "store"
    places = [folder / str(number) for number, _ in enumerate(conversations)]
    lived = []
    for place, conversation in zip(places, conversations, strict=True):
        place.mkdir(parents=True)
        (place / "conversation.json").write_text(json.dumps(conversation), encoding="utf-8")
        shutil.copy(Path(__file__).parent / "speaking.py", place / "speaking.py")
        lived.append(spoken(place, store))
    written = folder / "written.jsonl"
    written.write_text("".join(json.dumps(each) + "\n" for each in conversations), encoding="utf-8")
    opened = open_store(store)
    keeping.bring_in(opened, written)
    stored = by_id(opened, [run_id for _, run_id in lived])
    imported = by_id(opened, opened.find_all(str(each["id"]) for each in conversations))
    again = [rehearsed(place, store, stored[run_id]) for place, (_, run_id) in zip(places, lived, strict=True)]
    replayed = by_id(opened, again)
    for conversation, (live, run_id), read, replay in zip(conversations, lived, imported.values(), again, strict=True):
        assert said(stored[run_id]) == said(read)  # secrets are taken out of both
        assert len(read.messages) == len(conversation["messages"])
        recorded, repeated = judged(stored[run_id]), judged(replayed[replay])
        assert told(live, NO_TIMES) == told(recorded, NO_TIMES) == told(repeated, NO_TIMES), conversation["id"]
        assert told(live, NO_CALLS) == told(judged(read), NO_CALLS), conversation["id"]
    return [told(judged(read), NO_CALLS) for read in imported.values()]


def by_id(opened: Store, ids: Sequence[str]) -> dict[str, Run]:
    """Read the runs with these *ids*, in their order."""
    runs = {run.run_id: run for run in opened.each(ids)}
    return {run_id: runs[run_id] for run_id in ids}


def said(run: Run) -> list[str]:
    """Say what was said."""
    return [message.text for message in run.messages]


# Generated conversations ----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["ann", "bob", "cy"])
WORDS = st.sampled_from(
    ["Thanks!", "Goodbye.", "Continue.", "", "Let me try again.", "I found 3 files.", "The answer is 42. TERMINATE"]
)
TEXTS = st.one_of(WORDS, st.text(st.characters(min_codepoint=32, max_codepoint=500), max_size=80))


@st.composite
def talks(draw: st.DrawFn) -> dict[str, Any]:
    """A conversation of some turns, one of which may come back again and again."""
    turns = draw(st.lists(TURN, min_size=1, max_size=6))
    again = draw(st.integers(0, 6))
    tail = turns[-draw(st.integers(1, 3)) :]
    messages: list[dict[str, Any]] = [{"sender": "user", "role": "user", "content": "Please do the work."}]
    for number, turn in enumerate([*turns, *tail * again]):
        messages.extend(written(turn, number))
    return {"messages": messages}


TALK = st.tuples(st.just("talk"), NAMES, TEXTS)
CODE = st.tuples(st.just("code"), NAMES, TEXTS)
TOOL = st.tuples(st.just("tool"), NAMES, st.sampled_from(["look", "search"]), st.integers(0, 2), TEXTS)
TURN = st.one_of(TALK, CODE, TOOL)


def written(turn: Any, number: int) -> Iterator[dict[str, Any]]:
    """Write what one turn says: a text, a program and what it gave, or a call and its result."""
    kind, sender, *what = turn
    if kind == "talk":
        yield {"sender": sender, "role": "assistant", "content": what[0]}
    elif kind == "code":
        yield {"sender": sender, "role": "assistant", "content": f"```python\nprint({what[0]!r})\n```"}
        yield {
            "sender": "user",
            "role": "execution",
            "content": f"exitcode: 0 (execution succeeded)\nCode output: {what[0]}",
        }
    else:
        name, argument, result = what
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": f'{{"a": {argument}}}'},
        }
        yield {"sender": sender, "role": "assistant", "content": None, "tool_calls": [call]}
        yield {"sender": "user", "role": "tool", "content": result, "tool_call_id": f"call_{number}"}


@settings(
    max_examples=2,  # the first is the simplest of all
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(found=st.lists(talks(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_generated_conversations(found: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        hold(Path(folder), [{**talk, "id": f"generated {number}"} for number, talk in enumerate(found)])


def test_a_loop_is_found_on_every_path(tmp_path: Path) -> None:
    messages = [{"sender": "user", "role": "user", "content": "Please do the work."}]
    for _ in range(6):
        messages.append({"sender": "ann", "role": "assistant", "content": "Thank you, and goodbye!"})
        messages.append({"sender": "bob", "role": "assistant", "content": "You are welcome, goodbye!"})
    (found,) = hold(tmp_path, [{"id": "loop", "messages": messages}])
    assert any(code.startswith("L") for code, _, _ in found)


# Real conversations ---------------------------------------------------------------------------------------------------


def real() -> Iterator[dict[str, Any]]:
    """Every so many of the real conversations, with what is spoken in them, by names that agents may have."""
    with gzip.open(CONVERSATIONS, "rt") as lines:
        for number, line in enumerate(lines):
            if not ALL and number % EVERY:
                continue
            found = json.loads(line)
            messages = [spoken_by(one) for one in found["messages"] if one["role"] in SPOKEN]
            if messages and (ALL or len(messages) <= LONGEST):
                yield {"id": found["id"], "messages": messages}


def spoken_by(message: Mapping[str, Any]) -> dict[str, Any]:
    """Write a message as a group chat can speak it: by a name without spaces, and to all."""
    kept = {name: message[name] for name in ("role", "content", "tool_call_id") if message.get(name) is not None}
    calls = [normal(call, number) for number, call in enumerate(message.get("tool_calls") or ())]
    sender = re.sub(r"[^a-zA-Z0-9_-]", "_", message["sender"] or "nobody")
    more = {"tool_calls": calls} if calls and message["role"] == "assistant" else {}
    return {"content": "", **kept, **more, "sender": sender}


def normal(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Write a call as the client has it."""
    function = call.get("function", call)
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {
        "id": call.get("id") or f"call_{number}",
        "type": "function",
        "function": {"name": function["name"], "arguments": text},
    }


@pytest.mark.skipif(not CONVERSATIONS.is_file(), reason="no real conversations: HARNESS_DATA names no such folder")
def test_real_conversations(tmp_path: Path) -> None:
    waiting = real()
    held = 0
    while some := list(islice(waiting, AT_ONCE)):
        held += len(hold(tmp_path / str(held), some))
    assert held
