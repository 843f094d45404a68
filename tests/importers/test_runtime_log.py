"""The database of AutoGen's own runtime_logging, written by that itself in a program of its own."""

from __future__ import annotations

import gzip
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from tests.importers.bringing import dump, import_into, told
from tests.server import ScriptedServer, tool_call

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
from autogen import ConversableAgent, GroupChat, GroupChatManager, runtime_logging

database, base_url = sys.argv[1:]
quiet = {"human_input_mode": "NEVER", "code_execution_config": False}
config = {"config_list": [{"model": "gpt-4o-mini", "api_key": "key", "base_url": base_url}], "cache_seed": None}
runtime_logging.start(config={"dbname": database})
bot = ConversableAgent("bot", llm_config=config, **quiet)
ends = lambda message: "END" in (message.get("content") or "")
user = ConversableAgent("user", llm_config=False, is_termination_msg=ends, **quiet)

@user.register_for_execution()
@bot.register_for_llm(description="Add two numbers.")
def add(a: int, b: int) -> int:
    return a + b

user.initiate_chat(bot, message="1 + 2?", silent=True)
runtime_logging.stop()
runtime_logging.start(config={"dbname": database})
agents = [ConversableAgent(name, llm_config=False, default_auto_reply=f"I am {name}", **quiet) for name in "abc"]
chat = GroupChat(agents=agents, messages=[], max_round=3, speaker_selection_method="round_robin")
agents[0].initiate_chat(GroupChatManager(chat, llm_config=False), message="All here?", silent=True)
runtime_logging.stop()
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    pytest.importorskip("autogen.runtime_logging", reason="classic AutoGen is not installed")
    folder = tmp_path_factory.mktemp("log")
    file, script = folder / "logs.db", folder / "program.py"
    script.write_text(PROGRAM)  # the logger asks for the source of what it is given
    with ScriptedServer([tool_call("add", a=1, b=2), "It is 3. END"]) as server:
        program = subprocess.run(
            [sys.executable, script, file, server.base_url], timeout=60, capture_output=True, text=True, check=False
        )
    assert program.returncode == 0, program.stderr
    return file


def test_a_session_becomes_a_run_with_its_messages_calls_and_functions(database, tmp_path):
    store, (account,) = import_into(tmp_path, database)
    assert (account.format, account.new, account.bad) == ("runtime-logging", 2, [])
    runs = {summary.model_calls: store.run(summary.run_id) for summary in store.runs()}
    run = runs[2]
    assert [(sender, recipients, role) for sender, recipients, role, _ in told(run)] == [
        ("user", ("bot",), "assistant"),
        ("bot", ("user",), "assistant"),
        ("user", ("bot",), "tool"),
        ("bot", ("user",), "assistant"),
    ]
    assert [message.text for message in run.messages][2:] == ["3", "It is 3. END"]
    first, tool, last = run.calls
    assert (first.agent, first.model, first.reply["finish_reason"]) == ("bot", "gpt-4o-mini", "tool_calls")
    assert first.request["messages"][1]["parts"] == [{"type": "text", "content": "1 + 2?"}]
    assert first.request["tools"][0]["function"]["name"] == "add"
    assert (tool.agent, tool.name, tool.request["arguments"]) == ("user", "add", {"a": 1, "b": 2})
    assert last.reply["message"]["parts"] == [{"type": "text", "content": "It is 3. END"}]
    assert last.request["messages"][:2] == first.request["messages"]
    assert run.summary.input_tokens == sum(call.usage.input_tokens for call in (first, last)) > 0
    assert run.summary.cost_usd == pytest.approx(sum(call.usage.cost_usd for call in (first, last)))
    assert run.summary.started_ns > 1_700_000_000 * 10**9
    assert "harness.time.synthetic" not in run.spans[0].attributes


def test_what_a_group_hears_was_spoken_once(database, tmp_path):
    store, _ = import_into(tmp_path, database)
    (run,) = [store.run(summary.run_id) for summary in store.runs() if not summary.model_calls]
    assert [(sender, recipients, text) for sender, recipients, _, text in told(run)] == [
        ("a", ("chat_manager", "b", "c"), "All here?"),
        ("b", ("chat_manager", "a", "c"), "I am b"),
        ("c", ("chat_manager", "a", "b"), "I am c"),
    ]


def test_importing_again_zipped_or_not_changes_nothing(database, tmp_path):
    zipped = tmp_path / "logs.db.gz"
    zipped.write_bytes(gzip.compress(database.read_bytes()))
    store, _ = import_into(tmp_path / "store", database)
    before = dump(store)
    _, accounts = import_into(tmp_path / "store", database, zipped)
    assert [(account.new, account.known) for account in accounts] == [(0, 2), (0, 2)]
    assert dump(store) == before


def test_bad_rows_are_named_and_the_rest_is_kept(database, tmp_path):
    copy = tmp_path / "logs.db"
    copy.write_bytes(database.read_bytes())
    with sqlite3.connect(copy) as con:
        con.execute("UPDATE events SET json_state = '{' WHERE event_name = 'received_message' AND source_name = 'user'")
        con.execute("UPDATE function_calls SET timestamp = 'noon'")
        con.execute('UPDATE chat_completions SET response = \'{"response": "error: no luck"}\' WHERE id = 2')
    con.close()
    store, (account,) = import_into(tmp_path / "store", copy)
    assert len(account.bad) == 3
    (run,) = [store.run(summary.run_id) for summary in store.runs() if summary.model_calls]
    assert len(run.messages) == 2
    assert [call.error for call in run.calls] == [None, "error: error: no luck"]


def test_another_database_and_a_broken_one_are_refused_in_a_line(tmp_path):
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as con:
        con.execute("CREATE TABLE t (x)")
    con.close()
    with pytest.raises(UsageError, match="no log of AutoGen"):
        import_into(tmp_path / "store", other)
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 2000)
    with pytest.raises(UsageError, match="cannot read"):
        import_into(tmp_path / "store", tmp_path / "broken.db")
