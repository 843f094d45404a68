"""Where a replay parts, seen on calls that stand for themselves: what the mutation table does not reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import semconv
from harness.model import CALLS, Operation
from harness.text import printable
from scenarios import outcomes, parting
from scenarios.cassette import Cassette, Exchange
from scenarios.exchanges import Outcome
from scenarios.parting import Kind, Owner
from scenarios.telling import short_diff
from tests.scenarios.samples import asked, asks_tool, chat_reply, chat_request, exchange, record, run_of, said, span

TASK = said("user", "Go.")


def called(operation, request, reply=None, *, agent="coder", outcome=Outcome.HIT, place=None):
    seen = {semconv.HARNESS_REPLAY_VERDICT: outcome.value} if outcome is not Outcome.LIVE else {}
    if place is not None:
        seen |= {semconv.HARNESS_REPLAY_EXCHANGE: place + 1}
    error = "x" if outcome is Outcome.MISS else None
    return record(span(operation, error=error, **seen), request, reply, agent=agent, error=error)


def other(kind, request, agent="coder", **reply):
    return Exchange(kind=kind, agent=agent, request=request, reply=reply)


def parted(exchanges, *calls, kinds=CALLS, strict=False):
    played = outcomes.played(run_of(*calls))
    return parting.first(Cassette(exchanges=tuple(exchanges)), played, kinds=kinds, strict=strict)


def chat(*messages, outcome=Outcome.MISS, place=None, answer=None, agent="coder"):
    reply = None if answer is None else chat_reply(answer)
    return called(Operation.CHAT, chat_request(*messages), reply, agent=agent, outcome=outcome, place=place)


def test_what_a_human_typed_is_told_as_the_humans():
    recorded = [other(Operation.HUMAN, {"prompt": "?"}, input="yes"), exchange(asked(TASK, said("user", "yes")), "a")]
    typed = called(Operation.HUMAN, {"prompt": "?"}, {"input": "no"}, outcome=Outcome.LIVE)
    kinds = CALLS - {Operation.HUMAN}
    found = parted(recorded, typed, chat(TASK, said("user", "no")), kinds=kinds)
    assert (found.kind, found.owner, found.change) == (Kind.HUMAN, Owner.HUMAN, "message 2 of 2, the user message")
    edited = called(Operation.HUMAN, {"prompt": "?"}, {"input": "no"}, place=0)
    assert parted(recorded, edited, chat(TASK, said("user", "no"))).owner is Owner.CASSETTE


def test_what_a_tool_gave_for_real_is_told_though_nobody_was_asked_with_it():
    asking = {"name": "roll", "arguments": {"sides": 6}}
    recorded = [other(Operation.TOOL, asking, result=one) for one in ("1", "2026-11-20")]

    def rolled(*results):
        return [called(Operation.TOOL, asking, {"result": result}, outcome=Outcome.LIVE) for result in results]

    kinds = CALLS - {Operation.TOOL}
    assert parted(recorded, *rolled("1", "2026-11-20"), kinds=kinds) is None
    assert parted(recorded, *rolled("1"), kinds=kinds) is None
    found = parted(recorded, *rolled("1", "2026-11-21", "3"), kinds=kinds)
    assert (found.kind, found.owner, found.call) == (Kind.TOOL_RESULT, Owner.TOOL, "tool call 2 of 'coder'")
    assert (found.old, found.new) == ("2026-11-20", "2026-11-21")
    assert parted(recorded, *rolled("1", "2026-11-21"), kinds=CALLS) is None


def test_the_output_of_code_is_a_tools_result():
    def printed(text):
        return said("user", f"exitcode: 0\nCode output: {text}")

    blocks = {"blocks": [{"language": "python", "code": "roll()"}]}
    recorded = [
        other(Operation.CODE, blocks, exit_code=0, output="six\n"),
        exchange(asked(TASK, printed("six")), "a"),
    ]
    ran = called(Operation.CODE, blocks, {"exit_code": 0, "output": "two\n"}, outcome=Outcome.LIVE)
    found = parted(recorded, ran, chat(TASK, printed("two")), kinds=CALLS - {Operation.CODE})
    assert (found.kind, found.owner) == (Kind.TOOL_RESULT, Owner.TOOL)


def test_code_that_a_reply_holds_is_the_replys_and_other_code_the_programs():
    def code(text):
        return {"blocks": [{"language": "python", "code": text}]}

    recorded = [exchange(asked(TASK), "print(1)"), other(Operation.CODE, code("print(1)"), exit_code=0, output="1")]
    ran = called(Operation.CODE, code("print(2)"), outcome=Outcome.MISS)
    answered = chat(TASK, outcome=Outcome.HIT, place=0, answer="print(2)")
    found = parted(recorded, answered, ran)
    assert (found.kind, found.owner) == (Kind.REPLY, Owner.CASSETTE)
    answered = chat(TASK, outcome=Outcome.HIT, place=0, answer="print(1)")
    assert (parted(recorded, answered, ran).kind, parted(recorded, answered, ran).owner) == (
        Kind.UPSTREAM,
        Owner.PROGRAM,
    )


def test_a_call_that_was_never_recorded_names_what_the_recording_goes_on_with():
    found = parted([exchange(asked(TASK), "a")], chat(TASK, agent="critic"))
    assert (found.kind, found.owner, found.call) == (Kind.FLOW, Owner.PROGRAM, "model call 1 of 'critic'")
    assert found.change == "the recording goes on with a model call of 'coder'"
    found = parted([exchange(asked(TASK), "a")], chat(TASK, outcome=Outcome.HIT, place=0, answer="a"), chat(TASK))
    assert found.change == "the recording was over by then"


def test_only_strictly_is_what_nobody_asked_for_a_parting():
    recorded = [exchange(asked(TASK), "a"), exchange(asked(TASK, TASK), "b")]
    done = chat(TASK, outcome=Outcome.HIT, place=0, answer="a")
    assert parted(recorded, done) is None
    found = parted(recorded, done, strict=True)
    assert (found.kind, found.unused, found.misses) == (Kind.FLOW, 1, 0)
    assert (found.call, found.change) == ("the end", "a model call of 'coder' was recorded, and nobody asks for it")


def test_a_model_that_is_asked_for_real_owns_what_it_says():
    recorded = [exchange(asked(TASK), "x"), other(Operation.TOOL, {"name": "add", "arguments": {"a": 1}}, result="1")]
    said_live = called(
        Operation.CHAT, chat_request(TASK), {"message": asks_tool("id", "add", a=2)}, outcome=Outcome.LIVE
    )
    used = called(Operation.TOOL, {"name": "add", "arguments": {"a": 2}}, outcome=Outcome.MISS)
    found = parted(recorded, said_live, used, kinds=CALLS - {Operation.CHAT})
    assert (found.kind, found.owner, found.change) == (Kind.REPLY, Owner.MODEL, "arguments.a")


def test_the_first_parting_is_told_and_the_others_are_counted():
    recorded = [exchange(asked(TASK, temperature=0), "a"), exchange(asked(TASK, TASK), "b")]
    found = parted(recorded, chat(TASK), chat(TASK, TASK, TASK), chat(said("user", "Stop.")))
    assert (found.kind, found.change, found.old, found.new) == (Kind.PARAMETERS, "temperature", "0", None)
    assert (found.misses, found.unused) == (2, 2)


def test_a_reply_that_was_served_by_number_is_no_miss():
    recorded = [exchange(asked(said("system", "Old.")), "a")]
    found = parted(recorded, chat(said("system", "New."), outcome=Outcome.CHANGED, place=0, answer="a"))
    assert (found.kind, found.served, found.misses, found.unused) == (Kind.PROMPT, True, 0, 0)


def test_every_exchange_and_every_miss_has_a_row():
    recorded = (
        exchange(asked(TASK), "a"),
        exchange(asked(TASK, TASK), "b"),
        other(Operation.TOOL, {"name": "add", "arguments": {}}, result="1"),
    )
    played = outcomes.played(run_of(chat(TASK, outcome=Outcome.NORMALISED, place=0, answer="a"), chat(TASK)))
    rows = outcomes.listed(Cassette(exchanges=recorded), played, CALLS - {Operation.TOOL})
    assert [(row["exchange"], row["kind"], row["verdict"]) for row in rows] == [
        (1, "chat", "normalised hit"),
        (2, "chat", "unused"),
        (3, "tool", "live"),
        (None, "chat", "miss"),
    ]


messages = st.lists(st.builds(said, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=3)), max_size=4)


@given(st.lists(messages, max_size=3), st.lists(messages, min_size=1, max_size=3))
def test_whatever_is_missed_is_told(recorded, asking):
    exchanges = [exchange(asked(*one), "x") for one in recorded]
    found = parted(exchanges, *(chat(*one) for one in asking))
    assert found.misses == len(asking) - 1
    assert found.unused == len(recorded)
    assert found.change


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("one", "two", ["- one", "+ two"]),
        (None, "new", ["+ new"]),
        ("gone", None, ["- gone"]),
        ("a\nb\nc", "a\nB\nc", ["- b", "+ B"]),
        ("x", "x\ny", ["+ y"]),
    ],
)
def test_a_short_diff_shows_the_lines_that_changed(old, new, shown):
    assert short_diff(old, new) == shown


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_short_diff_is_short_and_moves_no_terminal(old, new):
    lines = short_diff(old, new)
    assert len(lines) <= 9
    assert all(len(line) < 120 and line == printable(line) and "\n" not in line for line in lines)


def test_a_long_line_is_cut_around_its_change():
    words = " ".join(f"word{number}" for number in range(60))
    gone, come = short_diff(words, words.replace("word40", "other"))
    assert "word40" in gone
    assert "other" in come
    assert gone.startswith("- …")


def test_a_call_that_goes_past_the_cassette_by_itself_is_none_of_its_calls():
    picked = called(Operation.SELECTION, {"method": "auto", "candidates": ["a"]}, {"choice": "a"}, outcome=Outcome.LIVE)
    assert outcomes.played(run_of(picked)) == []
    refused = span(Operation.TOOL, error="x", **{semconv.ERROR_TYPE: "ToolNotRunError"})
    cached = span(Operation.CHAT, **{semconv.HARNESS_CACHE_HIT: True})
    calls = [record(refused, {"name": "gone"}, None, error="x"), record(cached, chat_request(TASK), chat_reply("a"))]
    assert outcomes.played(run_of(*calls)) == []
    by_chance = replace(picked, request={"method": "random", "candidates": ["a"]})
    assert [found.outcome for found in outcomes.played(run_of(by_chance))] == [Outcome.LIVE]
