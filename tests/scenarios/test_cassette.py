from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import semconv
from harness.errors import UsageError
from harness.model import Operation
from scenarios import caring, cassette, cassette_lines, cassette_reader, cleaning
from scenarios.cassette import Cassette, Exchange, Failure, Header
from scenarios.normalising import RULES
from tests.scenarios.samples import (
    asked,
    asks_tool,
    chat_reply,
    chat_request,
    exchange,
    record,
    run_of,
    said,
    span,
    tool_said,
)

SYSTEM, TASK = said("system", "You write Python."), said("user", "Add two numbers.", "user")
FIRST, SECOND = said("assistant", "return 1"), said("user", "No, both.", "user")
TWO = Cassette(
    header=Header(framework="autogen 0.9", models=("gpt-4o",), note="made up"),
    exchanges=(
        exchange(asked(SYSTEM, TASK, temperature=0.2, conversation="user → coder"), "return 1"),
        exchange(asked(SYSTEM, TASK, FIRST, SECOND, temperature=0.2, conversation="user → coder"), "return a + b"),
    ),
)


def written(made):
    return cassette_lines.dump(made.header, made.exchanges)


def loaded(lines):
    header, found = cassette_reader.load(lines, "x")
    return Cassette(header=header, exchanges=found)


text = st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(text, json_values, max_size=3)
messages = st.builds(
    lambda role, parts, extra: {**extra, "role": role, "parts": parts}, text, st.lists(objects, max_size=2), objects
)
failures = st.builds(
    Failure, type=text, message=text, status=st.none() | st.integers(400, 599), body=st.none() | objects
)
agents = st.none() | text


def exchanges(pool):
    requests = st.fixed_dictionaries(
        {
            "model": st.none() | text,
            "messages": st.lists(st.sampled_from(pool), max_size=6),
            "tools": st.lists(objects, max_size=1),
            "parameters": objects,
        }
    )
    choices = st.lists(
        st.builds(lambda body: {"message": body, "finish_reason": "stop"}, st.sampled_from(pool)), max_size=2
    )
    replies = st.builds(
        lambda body, more, lengths, rest: {**rest, "message": body, "choices": more, "chunks": lengths},
        st.sampled_from(pool),
        choices,
        st.lists(st.integers(0, 9), max_size=3),
        objects,
    )
    chats = st.builds(
        lambda request, agent, where, words, answer: Exchange(
            kind=Operation.CHAT, agent=agent, conversation=where, request=request, accepted=words, **answer
        ),
        requests,
        agents,
        text,
        st.lists(text, max_size=2).map(tuple),
        st.one_of(replies.map(lambda reply: {"reply": reply}), failures.map(lambda failure: {"failure": failure})),
    )
    others = st.builds(
        lambda kind, request, agent, answer: Exchange(kind=kind, agent=agent, request=request, **answer),
        st.sampled_from([Operation.TOOL, Operation.CODE, Operation.HUMAN, Operation.SELECTION]),
        objects,
        agents,
        st.one_of(
            objects.map(lambda reply: {"reply": reply}), failures.map(lambda failure: {"failure": failure}), st.just({})
        ),
    )
    return st.lists(chats | others, max_size=6)


cassettes = st.builds(
    lambda found, note, models, rules: Cassette(
        header=Header(note=note, models=tuple(models), normalise=tuple(rules)), exchanges=tuple(found)
    ),
    st.lists(messages, min_size=1, max_size=4).flatmap(exchanges),
    text,
    st.lists(text, max_size=2),
    st.lists(st.sampled_from(list(RULES)), max_size=2),
)


@given(cassettes)
def test_what_is_written_reads_back_the_same(made):
    lines = written(made)
    assert loaded("".join(f"{line}\n" for line in lines)) == made


@given(cassettes)
def test_every_line_is_one_visible_line_with_sorted_keys_and_no_body_stands_twice(made):
    lines = written(made)
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert all(line.encode("utf-8") for line in lines)
    for line in lines:
        assert line == cassette_lines.encode(json.loads(line))
    bodies = [line for line in lines if line.startswith(('{"message"', '{"tools"'))]
    names = [json.loads(line).popitem()[1]["id"] for line in bodies]
    assert len(names) == len(set(names))


def test_a_history_is_told_by_the_one_it_continues():
    first, second = (json.loads(line)["exchange"]["request"] for line in written(TWO) if line.startswith('{"exchange"'))
    assert len(first["add"]) == 2
    assert "after" not in first
    assert second["after"] == first["context"]
    assert len(second["add"]) == 2


def test_a_long_conversation_stays_linear_in_size():
    def size(turns):
        history, found = [SYSTEM], []
        for number in range(turns):
            history = [*history, said("user", f"Question {number:04}."), said("assistant", f"Answer {number:04}.")]
            found.append(exchange(asked(*history), f"Answer {number:04}."))
        return len("".join(written(Cassette(exchanges=tuple(found)))))

    assert size(80) < 2.2 * size(40)


def test_an_edited_history_forks_from_what_it_keeps(tmp_path):
    edited = exchange(asked(SYSTEM, TASK, SECOND), "pass")
    made = Cassette(exchanges=(*TWO.exchanges, edited))
    told = json.loads(written(made)[-1])["exchange"]["request"]
    assert told["after"]
    assert len(told["add"]) == 1
    assert loaded("\n".join(written(made))) == made
    forked = Cassette(exchanges=(TWO.exchanges[1], edited))
    told = json.loads(written(forked)[-1])["exchange"]["request"]
    assert told["keep"] == 2
    assert loaded("\n".join(written(forked))) == forked


def test_writing_is_whole_and_equal_exchanges_leave_the_file_untouched(tmp_path):
    path = tmp_path / "two.cassette.jsonl"
    assert TWO.write(path)
    assert cassette.read(path) == TWO
    assert path.stat().st_mode & stat.S_IRUSR
    before = path.stat().st_ino, path.read_bytes()
    newer = replace(TWO, header=replace(TWO.header, harness="9.9", framework="autogen 0.14.1"))
    assert not newer.write(path)
    assert (path.stat().st_ino, path.read_bytes()) == before
    assert replace(TWO, header=replace(TWO.header, note="another")).write(path)
    assert replace(TWO, exchanges=TWO.exchanges[:1]).write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_volatile_values_that_a_cassette_names_do_not_touch_it(tmp_path):
    def made(folder, *rules, text="Done."):
        asking = exchange(asked(TASK, said("user", f'File "/var/tmp{folder}/code.py"')), text)
        return Cassette(header=replace(TWO.header, normalise=rules), exchanges=(asking,))

    file = tmp_path / "one.cassette.jsonl"
    made("ab12cd34", "temp-path").write(file)
    before = file.read_bytes()
    assert not made("zz99zz99", "temp-path").write(file, way="match")
    assert file.read_bytes() == before
    assert made("zz99zz99", "temp-path", text="Not done.").write(file, way="match")
    assert made("yy88yy88").write(file, way="match")
    assert made("zz99zz99").write(file, way="match")
    made("ab12cd34", "temp-path").write(file)
    assert made("zz99zz99", "temp-path").write(file)


def test_order_leaves_the_file_untouched_as_far_as_it_does_not_count_in_a_replay(tmp_path):
    def turn(agent, call_id):
        asking = replace(exchange(asked(TASK, agent=agent), "x"), reply={"message": asks_tool(call_id, "add")})
        answered = exchange(asked(TASK, asks_tool(call_id, "add"), tool_said(call_id, "3"), agent=agent), "done")
        return asking, answered

    def left(way, *found):
        made(ann, again, bob, later).write(path)
        before = path.read_bytes()
        return not made(*found).write(path, way=way) and path.read_bytes() == before

    def made(*found):
        return Cassette(exchanges=cleaning.numbered(found))

    (ann, again), (bob, later) = turn("ann", "x"), turn("bob", "y")
    path = tmp_path / "two.cassette.jsonl"
    side_by_side, backwards, doubled = (bob, ann, later, again), (again, ann, bob, later), (ann, again, bob, later, ann)
    assert [left(way, *side_by_side) for way in (None, "strict", "sequence", "match")] == [False, False, True, True]
    assert [left(way, *backwards) for way in (None, "strict", "sequence", "match")] == [False, False, False, True]
    assert [left(way, *doubled) for way in (None, "strict", "sequence", "match")] == [False] * 4


def test_equal_requests_keep_the_order_of_their_answers(tmp_path):
    path = tmp_path / "one.cassette.jsonl"
    one, other = (exchange(asked(TASK), text) for text in ("one", "other"))
    Cassette(exchanges=(one, other)).write(path)
    assert Cassette(exchanges=(other, one)).write(path, way="match")


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "two.cassette.jsonl"
    TWO.write(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(
            TWO, exchanges=(replace(TWO.exchanges[0], request={**TWO.exchanges[0].request, "model": float("nan")}),)
        ).write(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot write the cassette .*No such file"):
        TWO.write(tmp_path / "nowhere" / "x.jsonl")


LINES = written(TWO)


@pytest.mark.parametrize(
    ("line", "said_instead", "told"),
    [
        (1, "", "x:1: not JSON"),
        (1, LINES[1], "x:1: no header"),
        (1, '{"cassette": {"format": 3}}', "format 3 is newer"),
        (1, '{"cassette": {"format": true}}', "needs 'format', a number, not True"),
        (1, '{"cassette": {"format": 1, "harnes": "1"}}', "unknown key 'harnes' in the header"),
        (2, LINES[0], "x:2: the header, and nothing else, stands on the first line"),
        (2, LINES[1][:-1], "x:2: not JSON"),
        (2, '{"message": {"id": "a", "body": {"role": "user"}}}', "x:2: a message needs 'parts', a list, not None"),
        (2, '{"message": {"id": "a", "body": {"role": "user", "parts": [1]}}}', "every part of a message"),
        (2, '{"massage": {}}', "x:2: unknown kind of line 'massage'"),
        (2, '{"message": {}, "tools": {}}', "x:2: every line is one object with one key"),
        (2, '{"message": {"id": "a", "body": NaN}}', "x:2: not JSON"),
        (3, LINES[1], "x:3: message '.*' is given twice"),
        (5, LINES[4].replace('"chat"', '"chats"'), "x:5: unknown kind of exchange 'chats'"),
        (5, LINES[4].replace('"reply"', '"error"'), "x:5: unknown key .* in an error"),
        (5, LINES[4].replace('"reply"', '"repli"'), "x:5: unknown key 'repli'"),
        (5, '{"exchange": {"kind": "tool", "request": {}}}', "x:5: an exchange has one of 'reply', 'error' and 'live'"),
        (
            5,
            '{"exchange": {"kind": "chat", "live": true, "request": {"context": "c", "add": ["?"]}}}',
            "no message '\\?'",
        ),
        (1, '{"cassette": {"format": 2, "normalise": ["times"]}}', "unknown rule 'times' in 'normalise'; known: uuid"),
        (5, LINES[4].replace('"usage"', '"chunks": [-1], "usage"'), "x:5: 'chunks' must be a list of lengths"),
        (5, LINES[4].replace('"usage"', '"choices": [1], "usage"'), "x:5: every choice of a reply must be an object"),
        (5, '{"exchange": {"kind": "chat", "live": true, "request": {"context": "c"}}}', "x:5: no context 'c' above"),
        (8, LINES[7].replace('"after"', '"keep": 9, "after"'), "it cannot keep 9"),
        (8, LINES[7].replace('"add"', '"ad"'), "x:8: unknown key 'ad' in a chat request"),
    ],
)
def test_a_line_that_is_wrong_is_named(line, said_instead, told):
    broken = [*LINES[: line - 1], said_instead, *LINES[line:]]
    with pytest.raises(UsageError, match=told):
        loaded("\n".join(broken))


def test_a_cassette_cut_off_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "cut.cassette.jsonl"
    whole = "\n".join(LINES)
    path.write_text(whole[: len(whole) - 20], encoding="utf-8")
    with pytest.raises(UsageError, match=f"cut.cassette.jsonl:{len(LINES)}: not JSON"):
        cassette.read(path)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="is empty"):
        cassette.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot read the cassette"):
        cassette.read(path)
    with pytest.raises(UsageError, match="no cassette at"):
        cassette.read(tmp_path / "none.jsonl")


def test_a_cassette_is_derived_from_a_run():
    talk = span(Operation.CONVERSATION, **{semconv.GEN_AI_WORKFLOW: "user → coder"})
    turn = span(Operation.TURN, talk)
    asking = record(
        span(Operation.CHAT, turn),
        chat_request(SYSTEM, TASK, temperature=0.2, timeout=9, api_key="k", extra_body={"agentwall_run_id": "r"}),
        {**chat_reply("return 1"), "id": "chatcmpl-random", "finish_reason": None},
    )
    tool = record(
        span(Operation.TOOL, turn), {"name": "add", "arguments": {"a": 1}, "call_id": "call_random"}, {"result": "1"}
    )
    refused = {semconv.ERROR_TYPE: "RateLimitError", semconv.ERROR_MESSAGE: "slow"}
    refused |= {semconv.HTTP_STATUS: 429, semconv.HARNESS_ERROR_BODY: '{"code": "rate_limit_exceeded"}'}
    failed = record(
        span(Operation.CHAT, turn, error="x", **refused),
        chat_request(TASK),
        None,
        error="slow",
    )
    unanswered = record(span(Operation.CHAT, turn), chat_request(TASK), None)
    made = cassette.from_run(run_of(asking, tool, failed, unanswered, spans=(talk, turn)), note="hello")
    assert made.header == Header(framework="pyautogen 0.9", models=("gpt-4o",), note="hello")
    chat, used, error = made.exchanges
    assert (chat.kind, chat.agent, chat.conversation) == (Operation.CHAT, "coder", "user → coder")
    assert chat.request["parameters"] == {"temperature": 0.2}
    assert set(chat.reply) == {"message", "model", "usage"}
    assert used.request == {"name": "add", "arguments": {"a": 1}}
    assert used.reply == {"result": "1"}
    body = {"code": "rate_limit_exceeded"}
    assert error.failure == Failure(type="RateLimitError", message="slow", status=429, body=body)


def test_of_selections_only_those_of_chance_and_people_are_kept():
    calls = [
        record(span(Operation.SELECTION), {"method": method, "candidates": ["a", "b"]}, {"choice": "a"})
        for method in ("auto", "random", "round_robin", "manual", "custom")
    ]
    kept = cassette.from_run(run_of(*calls)).exchanges
    assert [exchange.request["method"] for exchange in kept] == ["random", "manual"]


def test_a_tool_that_asks_for_itself_is_called_for_real_and_a_client_that_asks_another_is_not():
    tool = span(Operation.TOOL)
    inner = span(Operation.CHAT, span(Operation.CONVERSATION, tool))
    outer = span(Operation.CHAT)
    nested = span(Operation.CHAT, outer)
    parents = tuple(made for made in (span(Operation.CONVERSATION, tool),))
    run = run_of(
        record(tool, {"name": "research"}, {"result": "done"}),
        record(replace(inner, parent_id=parents[0].span_id), chat_request(TASK), chat_reply("yes")),
        record(outer, chat_request(SYSTEM), chat_reply("outer")),
        record(nested, chat_request(SYSTEM), chat_reply("nested")),
        spans=parents,
    )
    research, chat, outermost = cassette.from_run(run).exchanges
    assert research.live
    assert chat.reply == chat_reply("yes")
    assert outermost.reply == chat_reply("outer")


def test_a_tool_call_the_framework_refused_is_left_out():
    refused = span(Operation.TOOL, error="x", **{semconv.ERROR_TYPE: "ToolNotRunError"})
    assert cassette.from_run(run_of(record(refused, {"name": "gone"}, None, error="x"))).exchanges == ()


def test_runs_follow_one_another_by_their_start():
    def one(text, started_ns):
        return run_of(
            record(span(Operation.HUMAN), {"prompt": text}, {"input": ""}), started_ns=started_ns, run_id=text
        )

    made = cassette.from_runs([one("second", 2), one("first", 1)])
    assert [exchange.request["prompt"] for exchange in made.exchanges] == ["first", "second"]


def test_secrets_are_taken_out_of_every_corner():
    secret = "sk-" + "a1B2" * 8
    talk = asks_tool("call_1", "login", key=secret)
    chat = record(
        span(Operation.CHAT), chat_request(said("user", f"line\n{secret}"), talk), chat_reply(f"got {secret}")
    )
    tool = record(span(Operation.TOOL), {"name": "login", "arguments": {"key": secret}}, {"result": [secret]})
    failed = record(
        span(Operation.CODE, error="x", **{semconv.ERROR_TYPE: "E", semconv.ERROR_MESSAGE: secret}),
        {"blocks": []},
        None,
    )
    lines = "\n".join(written(cassette.from_run(run_of(chat, tool, failed))))
    assert "[secret:openai:" in lines
    assert secret not in lines


def test_a_cassette_of_format_1_is_read_and_written_in_the_present_one(tmp_path):
    asking = asks_tool("call_xYz", "add", a=1)
    made = Cassette(exchanges=(replace(exchange(asked(TASK), "x"), reply={**chat_reply("x"), "message": asking}),))
    path = tmp_path / "old.cassette.jsonl"
    path.write_text("\n".join(written(made)).replace('"format": 2', '"format": 1') + "\n", encoding="utf-8")
    old = cassette.read(path)
    assert (old, old.header.format) == (made, 1)
    assert caring.migrated(old).write(path)
    again = cassette.read(path)
    assert again.header.format == 2
    assert again.exchanges[0].reply["message"]["parts"][0]["id"] == "call_1"
    assert not caring.migrated(again).write(path)
