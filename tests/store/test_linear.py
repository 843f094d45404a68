"""A chat twice as long costs twice as much to record and to keep, though every model call carries all of it again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import contents, privacy
from harness.call import Call, Reply
from harness.model import Operation
from harness.store import open_store
from tests.adapters import stage
from tests.server import ScriptedServer

pytestmark = stage.THEIR_WARNINGS

SHORT, LONG = 200, 400
COUNTED = {"context_hash": contents, "canonical": privacy, "digest": contents}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a chat cost: records by kind, bytes in the journal and in the rows of the database, and work in between."""

    records: Counter[str]
    journal_bytes: int
    stored_bytes: int
    work: Counter[str]
    forms: Counter[str]
    """In how many parts each text is kept."""


def answering(call: Call) -> Generator[Call, Reply, Reply]:
    """Answer every model call with a text of its own and of one length."""
    if call.operation is not Operation.CHAT:
        return (yield call)
    said = f"reply {len(call.request['messages']):06d} " + "lorem ipsum " * 20
    message = {"role": "assistant", "parts": [{"type": "text", "content": said.strip()}]}
    usage = {"input_tokens": 10, "output_tokens": 10}
    return Reply(value={"message": message, "model": "gpt-4o-mini", "usage": usage, "finish_reason": "stop"})


def chat(folder: Path, turns: int, counts: Counter[str]) -> Cost:
    counts.clear()
    with (
        ScriptedServer([]) as nobody,
        stage.recording(folder, mode="replay", interceptors=(answering,)) as recorded,
    ):
        first, second = (stage.assistant(name, nobody, max_consecutive_auto_reply=turns) for name in ("ann", "bob"))
        first.initiate_chat(second, message="Let us talk.", max_turns=turns // 2, silent=True)
    work = Counter(counts)
    assert len(recorded.run.messages) == turns
    lines = b"".join(path.read_bytes() for path in sorted((folder / "journal").iterdir())).splitlines()
    open_store(folder).ingest()
    with open_store(folder).view() as con:
        spans = con.execute("SELECT count(*), sum(length(attributes::VARCHAR)) FROM spans").fetchone()
        parts = con.execute("SELECT count(*), sum(length(body::VARCHAR)) FROM stored.parts").fetchone()
        links = con.execute("SELECT count(*), sum(length(hash) + length(part)) FROM stored.links").fetchone()
        bodies = con.execute("SELECT body->>'$.parts[0].content' FROM stored.parts").fetchall()
    records = Counter(json.loads(line)["k"] for line in lines)
    assert (parts[0], links[0]) == (records["p"], records["l"])
    return Cost(
        records=records,
        journal_bytes=sum(map(len, lines)),
        stored_bytes=spans[1] + parts[1] + links[1],
        work=work,
        forms=Counter(text for (text,) in bodies),
    )


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    counts: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for name, module in COUNTED.items():
            patch.setattr(module, name, counting(counts, name, getattr(module, name)))
        return [chat(tmp_path_factory.mktemp("store"), turns, counts) for turns in (SHORT, LONG)]


def counting(counts, name, function):
    def counted(*args):
        counts[name] += 1
        return function(*args)

    return counted


def test_twice_as_many_turns_are_twice_as_many_records_and_bytes(costs):
    short, long = costs
    assert set(short.records) == set(long.records) == {"h", "s", "e", "p", "l"}
    for kind in "selp":
        assert long.records[kind] == pytest.approx(2 * short.records[kind], rel=0.02)
    assert long.journal_bytes == pytest.approx(2 * short.journal_bytes, rel=0.02)
    assert long.stored_bytes == pytest.approx(2 * short.stored_bytes, rel=0.02)


def test_twice_as_many_turns_are_twice_as_many_hashes(costs):
    short, long = costs
    for name in COUNTED:
        assert 0 < long.work[name] <= 2.02 * short.work[name]
    assert long.work["context_hash"] <= 3 * LONG


def test_a_message_is_kept_once_in_each_form_in_which_it_was_said_and_asked(costs):
    for cost in costs:
        replies = {text: count for text, count in cost.forms.items() if text.startswith("reply")}
        assert len(replies) > SHORT // 2
        # Said by one, heard by the other: as the assistant's own and as the user's.
        assert max(cost.forms.values()) <= 3
