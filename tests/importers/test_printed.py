"""Logs that AutoGen printed, in its three formats, with everything that else stands in them."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.importers.draft import Draft
from harness.importers.printed import Printed
from harness.model import EndingKind
from tests.importers.bringing import dump, import_into, only_run, told

RULE = "-" * 80


def block(sender: str, recipient: str, text: str) -> str:
    return f"\x1b[33m{sender}\x1b[0m (to {recipient}):\n\n{text}\n\n{RULE}\n"


def log(tmp_path, *said: str):
    file = tmp_path / "log.txt"
    file.write_text("".join(said))
    return file


def test_classic_blocks_become_messages_with_their_calls_and_answers(tmp_path):
    stars = "*" * 40
    call = f'***** Suggested tool call (c1): add *****\nArguments: \n{{"a": 1}}\n{stars}'
    answer = f"***** Response from calling tool (c1) *****\n2\n{stars}"
    file = log(
        tmp_path,
        "starting up\n",
        block("user", "bot", "Add.\n\nPlease: a (to b):\nno header"),
        block("bot", "user", call),
        "\x1b[31m\n>>>>>>>> EXECUTING FUNCTION add...\x1b[0m\n",
        f"user (to bot):\n\nuser (to bot):\n\n{answer}\n\n{RULE}\n",
        answer.replace("c1", "c2") + f"\n\n{RULE}\n",
        block("user", "bot", "exitcode: 0 (execution succeeded)\nCode output: 1"),
        "<Figure size 640x480 with 1 Axes>" + block("bot", "user", "TERMINATE").replace("\x1b[33m", ""),
        "\n>>>>>>>> TERMINATING RUN (7d4e): Termination message condition on agent 'user' met\n",
    )
    run = only_run(tmp_path / "store", file)
    assert told(run) == [
        ("user", ("bot",), "user", "Add.\n\nPlease: a (to b):\nno header"),
        ("bot", ("user",), "assistant", ""),
        ("user", ("bot",), "tool", "2\n2"),
        ("user", ("bot",), "execution", "exitcode: 0 (execution succeeded)\nCode output: 1"),
        ("bot", ("user",), "assistant", "TERMINATE"),
    ]
    assert run.messages[1].tool_calls == ({"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},)
    assert [part["id"] for part in run.messages[2].body["parts"]] == ["c1", "c2"]
    assert run.summary.ending == EndingKind.TERMINATION_MESSAGE.value
    assert run.summary.source_id == "log"


def test_speaker_selection_and_copies_of_a_broadcast_are_not_spoken(tmp_path):
    file = log(
        tmp_path,
        block("alice", "manager", "Hello all"),
        block("alice", "bob", "Hello all"),
        block("alice", "carol", "Hello all"),
        block("checking_agent", "speaker_selection_agent", "Read the above. Next?"),
        block("speaker_selection_agent", "checking_agent", "bob"),
        "\nNext speaker: bob\n\n",
        block("bob", "manager", ""),
    )
    assert told(only_run(tmp_path / "store", file)) == [
        ("alice", ("manager", "bob", "carol"), "user", "Hello all"),
        ("bob", ("manager",), "assistant", ""),
    ]


def test_chats_that_follow_each_other_are_runs_of_their_own(tmp_path):
    new = f"{'*' * 80}\nStarting a new chat....\n\n{'*' * 80}\n"
    file = log(tmp_path, new, block("a", "b", "one"), new, block("a", "c", "two"))
    store, (account,) = import_into(tmp_path / "store", file)
    assert (account.new, account.messages) == (2, 2)
    assert {run.source_id for run in store.runs()} == {"log", "log#2"}
    before = dump(store)
    _, (again,) = import_into(tmp_path / "store", file)
    assert (again.new, again.known, dump(store)) == (0, 2, before)


def test_the_console_of_agentchat_is_read_with_its_summary(tmp_path):
    file = log(
        tmp_path,
        "---------- TextMessage (user) ----------\nAdd 1 and 1\n",
        "---------- ToolCallRequestEvent (bot) ----------\n",
        "[FunctionCall(id='c1', arguments='{\"a\": 1}', name='add')]\n[Prompt tokens: 9, Completion tokens: 2]\n",
        "---------- ToolCallExecutionEvent (bot) ----------\n",
        "[FunctionExecutionResult(content='2', name='add', call_id='c1', is_error=False)]\n",
        "---------- ThoughtEvent (bot) ----------\nhm\n---------- bot ----------\nTwo.\n\nDONE\n",
        "---------- Summary ----------\nNumber of messages: 5\nFinish reason: Text 'DONE' mentioned\nDuration: 1 s\n",
    )
    run = only_run(tmp_path / "store", file)
    assert told(run) == [
        ("user", (), "user", "Add 1 and 1"),
        ("bot", (), "assistant", ""),
        ("bot", (), "tool", "2"),
        ("bot", (), "thought", "hm"),
        ("bot", (), "assistant", "Two.\n\nDONE"),
    ]
    assert run.messages[1].tool_calls[0]["arguments"] == {"a": 1}
    assert run.summary.ending == EndingKind.TERMINATION_MESSAGE.value


def test_the_repr_of_a_task_result_is_read_and_one_cut_off_is_a_bad_line(tmp_path):
    whole = (
        "TaskResult(messages=[TextMessage(source='user', models_usage=None, metadata={}, created_at="
        "datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc), content=\"it's [1)\", type='TextMessage'), "
        "ToolCallRequestEvent(source='bot', models_usage=RequestUsage(prompt_tokens=1, completion_tokens=2), "
        "content=[FunctionCall(id='c', arguments='{}', name='f')])], stop_reason='Maximum number of turns 2 reached.')"
    )
    file = log(tmp_path, "ran\n", whole, "\n\n", whole[:120], "\n")
    store, (account,) = import_into(tmp_path / "store", file)
    (summary,) = store.runs()
    assert told(store.run(summary.run_id)) == [("user", (), "user", "it's [1)"), ("bot", (), "assistant", "")]
    assert summary.ending == EndingKind.MAX_TURNS.value
    assert [bad.line for bad in account.bad] == [4]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30)
BODY = st.lists(TEXT.filter(lambda line: line.rstrip() != RULE), max_size=4).map("\n".join)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), BODY), min_size=1, max_size=6))
def test_what_is_printed_is_read_again(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("log")
    expected: list[tuple[str, str]] = []
    for number, (sender, _, text) in enumerate(said):
        expected.append((sender, f"{number}: {text}".rstrip()))
    blocks = [block(sender, recipient, f"{number}: {text}") for number, (sender, recipient, text) in enumerate(said)]
    (draft,) = Printed().read(log(folder, *blocks))
    assert isinstance(draft, Draft)
    bodies = [draft.parts[span.attributes["harness.message.part"]] for span in draft.spans[1:]]
    assert len(bodies) == len(expected)
    assert [span.attributes["harness.message.sender"] for span in draft.spans[1:]] == [sender for sender, _ in expected]


@given(st.text(max_size=200), st.sampled_from(["a (to b):\n\n", "---------- x ----------\n", "TaskResult(messages=["]))
def test_no_text_stops_the_reading(tmp_path_factory, noise, begin):
    file = log(tmp_path_factory.mktemp("log"), begin, noise.encode(errors="replace").decode())
    assert Printed().sniff(file.read_bytes())
    list(Printed().read(file))


def test_what_the_framework_itself_prints_is_read_as_it_was_said(tmp_path):
    autogen = pytest.importorskip("autogen", reason="autogen is not installed")
    if not hasattr(autogen, "ConversableAgent"):
        pytest.skip("this autogen has no ConversableAgent")
    replies = iter(["Hi", "Bye"])

    def agent(name):
        made = autogen.ConversableAgent(name, llm_config=False, human_input_mode="NEVER", code_execution_config=False)
        made.register_reply([autogen.Agent, None], lambda *_, **__: (True, next(replies, None)))
        return made

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = agent("a").initiate_chat(agent("b"), message="Hello", max_turns=2)
    run = only_run(tmp_path / "store", log(tmp_path, printed.getvalue()))
    assert [message.text for message in run.messages] == [each["content"] for each in result.chat_history]
