"""``harness promote`` and ``harness resume``: a recorded run becomes a scenario, or goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from harness.store import open_store
from tests.cli.programs import TWO_AGENTS, environment, harness, two_agents_script, write
from tests.server import Reply, ScriptedServer, tool_call

pytest.importorskip("autogen", reason="the classic extra is not installed")

TALK = """
import os, sys
from autogen import AssistantAgent, UserProxyAgent

config = {"config_list": [{
    "model": "gpt-4o-mini", "api_key": os.environ["OPENAI_API_KEY"], "base_url": os.environ["OPENAI_BASE_URL"],
}], "cache_seed": None}
user = UserProxyAgent(
    "user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="Go on.",
    is_termination_msg=lambda message: "DONE" in (message.get("content") or ""),
)
helper = AssistantAgent("helper", system_message="You help.", llm_config=config)
for question in sys.argv[1:]:
    result = user.initiate_chat(helper, message=question, silent=True)
    print("SAID", [message["content"] for message in result.chat_history])
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recorded run of a program that calls a tool, and nothing done to it."""
    folder = tmp_path_factory.mktemp("recorded") / "here"
    folder.mkdir()
    write(folder, TWO_AGENTS)
    with ScriptedServer(two_agents_script()) as server:
        assert harness("trace", "--store", "s", "app.py", cwd=folder, server=server).returncode == 0
    shutil.copytree(folder, folder.with_name("kept"))
    return folder


@pytest.fixture
def traced(recorded: Path) -> Path:
    """That folder as it was, to change: a run knows where it was recorded."""
    shutil.rmtree(recorded)
    return Path(shutil.copytree(recorded.with_name("kept"), recorded))


def test_a_traced_program_becomes_a_scenario_that_replays(traced: Path) -> None:
    made = harness("promote", "--store", "s", "@1", cwd=traced)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "app.scenario.yaml: a scenario of 3 exchanges in app.cassette.jsonl\n"
    assert yaml.safe_load((traced / "app.scenario.yaml").read_text()) == {
        "program": "app.py",
        "expect": {"ending": "termination_message", "messages": 4, "tools": ["add"]},
    }
    played = harness("run", "--store", "s", "app.scenario.yaml", "--json", cwd=traced)
    (verdict,) = json.loads(played.stdout)
    assert (verdict["outcome"], verdict["replay"]["hits"], verdict["replay"]["unused"]) == ("passed", 3, 0)


def test_it_goes_where_it_is_told_and_names_the_program_from_there(traced: Path) -> None:
    (traced / "rehearsals").mkdir()
    made = harness("promote", "--store", "s", "@1", "rehearsals/sum.scenario.yaml", "--json", cwd=traced)
    assert json.loads(made.stdout) == {
        "scenario": "rehearsals/sum.scenario.yaml",
        "cassette": "rehearsals/sum.cassette.jsonl",
        "exchanges": 3,
        "missing": [],
        "remarks": [],
    }
    assert yaml.safe_load((traced / "rehearsals/sum.scenario.yaml").read_text())["program"] == "../app.py"
    assert harness("run", "--store", "s", "rehearsals", cwd=traced).returncode == 0
    again = harness("promote", "--store", "s", "@2", "rehearsals/sum.scenario.yaml", cwd=traced)
    assert (again.returncode, again.stderr.splitlines()[0]) == (
        2,
        "harness: 'rehearsals/sum.scenario.yaml' is there already",
    )
    assert (
        harness("promote", "--store", "s", "@2", "rehearsals/sum.scenario.yaml", "--force", cwd=traced).returncode == 0
    )


def test_all_runs_of_a_program_go_into_its_cassette_with_its_arguments(tmp_path: Path) -> None:
    write(tmp_path, TALK)
    with ScriptedServer(["One. DONE", "Two. DONE"]) as server:
        harness("trace", "--store", "s", "app.py", "What is one?", "And two?", cwd=tmp_path, server=server)
    assert len(open_store(tmp_path / "s").runs()) == 2
    made = harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert "the program made 2 runs, and its cassette answers them all" in made.stdout
    assert yaml.safe_load((tmp_path / "app.scenario.yaml").read_text()) == {
        "program": "app.py 'What is one?' 'And two?'"
    }
    played = harness("run", "--store", "s", "--json", cwd=tmp_path)
    (verdict,) = json.loads(played.stdout)
    assert (verdict["outcome"], verdict["replay"]["hits"]) == ("passed", 2)


def test_what_is_found_in_any_of_several_runs_is_expected(tmp_path: Path) -> None:
    write(tmp_path, TALK.replace("silent=True", "silent=True, max_turns=2"))
    with ScriptedServer(["One.", "One, as I said.", "Two. DONE"]) as server:
        harness("trace", "--store", "s", "app.py", "What is one?", "And two?", cwd=tmp_path, server=server)
    harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert yaml.safe_load((tmp_path / "app.scenario.yaml").read_text())["expect"] == {"findings": ["T301"]}
    assert harness("run", "--store", "s", cwd=tmp_path).returncode == 0


def test_what_was_frozen_is_kept(tmp_path: Path) -> None:
    write(tmp_path, TALK.replace("sys.argv[1:]", "[__import__('time').ctime()]"))
    with ScriptedServer(["DONE"]) as server:
        harness("trace", "--store", "s", "--freeze", "clock", "app.py", cwd=tmp_path, server=server)
    harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert yaml.safe_load((tmp_path / "app.scenario.yaml").read_text())["freeze"] == ["clock"]
    assert harness("run", "--store", "s", cwd=tmp_path).returncode == 0


def test_a_run_without_contents_is_refused(tmp_path: Path) -> None:
    write(tmp_path, TWO_AGENTS)
    with ScriptedServer(two_agents_script()) as server:
        harness("trace", "--store", "s", "--capture", "metadata", "app.py", cwd=tmp_path, server=server)
    made = harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert made.returncode == 2
    assert "has no contents to keep: it was recorded with capture = 'metadata'" in made.stderr
    assert not list(tmp_path.glob("*.scenario.yaml"))


def test_a_secret_argument_is_named_as_missing(tmp_path: Path) -> None:
    write(tmp_path, TALK.replace("sys.argv[1:]", "['Hello.']"))
    with ScriptedServer(["DONE"]) as server:
        harness("trace", "--store", "s", "app.py", "--api-key", "hunter2hunter2", cwd=tmp_path, server=server)
    made = harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert made.returncode == 1
    assert "argument 2 of the program was a secret, and is not recorded" in made.stdout
    helped = harness("promote", "--store", "s", "@1", "--program", "app.py --api-key other", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert harness("run", "--store", "s", cwd=tmp_path).returncode == 0


CONVERSATION = {
    "id": "one",
    "messages": [
        {"sender": "ann", "recipient": "bob", "role": "user", "content": "Look it up."},
        {"sender": "bob", "recipient": "ann", "role": "assistant", "content": "Done."},
    ],
}


def test_of_an_imported_run_everything_that_cannot_be_rebuilt_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(json.dumps(CONVERSATION) + "\n")
    assert harness("import", "--store", "s", "c.jsonl", cwd=tmp_path).returncode == 0
    made = harness("promote", "--store", "s", "@1", cwd=tmp_path)
    assert made.returncode == 1
    lacks = made.stdout.splitlines()
    assert lacks[0].endswith("cannot be rebuilt, and nothing was written. It lacks:")
    assert lacks[1].startswith("  the program: it was imported (")
    assert lacks[2] == "  the set-up of 'ann', 'bob': when they end, who may speak, and their own code"
    assert not list(tmp_path.glob("*.scenario.yaml"))
    resumed = harness("resume", "--store", "s", "@1", cwd=tmp_path)
    assert resumed.returncode == 2
    assert "cannot be taken up: it lacks the program: it was imported" in resumed.stderr


def test_a_run_of_a_scenario_takes_that_over_beside_it(traced: Path) -> None:
    harness("promote", "--store", "s", "@1", cwd=traced)
    harness("run", "--store", "s", "app.scenario.yaml", cwd=traced)
    run = open_store(traced / "s").runs()[0].run_id
    made = harness("promote", "--store", "s", run, cwd=traced)
    assert made.returncode == 0, made.stderr
    text = (traced / f"app_{run[:8]}.scenario.yaml").read_text()
    assert yaml.safe_load(text) == yaml.safe_load((traced / "app.scenario.yaml").read_text())
    assert (traced / f"app_{run[:8]}.cassette.jsonl").read_bytes() == (traced / "app.cassette.jsonl").read_bytes()
    (traced / "elsewhere").mkdir()
    assert harness("promote", "--store", "s", run, "elsewhere", cwd=traced).returncode == 0
    assert yaml.safe_load((traced / f"elsewhere/app_{run[:8]}.scenario.yaml").read_text())["program"] == "../app.py"


def test_a_fork_of_a_scenario_says_so_and_asks_the_other_model(traced: Path) -> None:
    harness("promote", "--store", "s", "@1", cwd=traced)
    with ScriptedServer(["It is 4. TERMINATE"]) as server:
        options = ("--fork-at", "3", "--model", "gpt-4o", "--prompt", "assistant=You err.")
        done = harness("run", "--store", "s", "app.scenario.yaml", *options, cwd=traced, server=server)
        (entry,) = server.log
    assert done.returncode == 0, done.stdout
    assert "played up to message 3, with the model 'gpt-4o', with another prompt for 'assistant'" in done.stdout
    assert ": 2 calls from the cassette, then 1 for real" in done.stdout
    assert (entry["request"]["model"], entry["request"]["messages"][0]["content"]) == ("gpt-4o", "You err.")
    run = open_store(traced / "s").runs()[0]
    assert run.messages == 4
    refused = harness("run", "app.scenario.yaml", "--model", "gpt-4o", cwd=traced)
    assert (refused.returncode, "--fork-at N" in refused.stderr) == (2, True)


def test_a_program_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    write(tmp_path, TALK)
    held, release = threading.Event(), threading.Event()

    def script(request: object) -> Reply | str:
        answered.append(request)
        if len(answered) == 2:
            held.set()
            return Reply(text="never heard", hold=release)
        return "One."

    answered: list[object] = []
    with ScriptedServer(script) as server:
        command = [sys.executable, "-m", "harness", "trace", "--store", "s", "app.py", "Hello."]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(server), stdout=subprocess.DEVNULL)
        assert held.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        release.set()
    with ScriptedServer(["Two.", "Three. DONE"]) as server:
        done = harness("resume", "--store", "s", "@1", "--verbose", cwd=tmp_path, server=server)
        asked = [entry["request"]["messages"][-2:] for entry in server.log]
    assert done.returncode == 0, done.stderr
    assert "SAID ['Hello.', 'One.', 'Go on.', 'Two.', 'Go on.', 'Three. DONE']" in done.stderr
    assert "played up to all that was recorded: 1 call from the cassette, then 2 for real" in done.stdout
    assert [message["content"] for message in asked[0]] == ["One.", "Go on."]


def test_a_program_that_failed_asks_again_what_failed(tmp_path: Path) -> None:
    write(tmp_path, TALK)
    with ScriptedServer(["One.", Reply(status=400, text="no such model")]) as server:
        assert harness("trace", "--store", "s", "app.py", "Hello.", cwd=tmp_path, server=server).returncode == 1
    with ScriptedServer(["Two. DONE"]) as server:
        done = harness("resume", "--store", "s", "@1", cwd=tmp_path, server=server)
        assert len(server.log) == 1
    assert done.returncode == 0, done.stdout
    assert "1 call from the cassette, then 1 for real" in done.stdout


def test_a_conversation_that_is_over_needs_something_more(tmp_path: Path) -> None:
    write(tmp_path, TALK)
    with ScriptedServer(["One. DONE"]) as server:
        harness("trace", "--store", "s", "app.py", "Hello.", cwd=tmp_path, server=server)
    with ScriptedServer([]) as server:
        done = harness("resume", "--store", "s", "@1", cwd=tmp_path, server=server)
    assert done.returncode == 1
    assert "it came to its end before anything was asked for real, after 2 messages" in done.stdout
    assert "with --message TEXT, `harness resume` says something more" in done.stdout
    with ScriptedServer(["Two. DONE"]) as server:
        more = harness("resume", "--store", "s", "@2", "--message", "And?", "-v", cwd=tmp_path, server=server)
    assert more.returncode == 0, more.stdout
    assert "SAID ['Hello.', 'One. DONE', 'And?', 'Two. DONE']" in more.stderr
    run = open_store(tmp_path / "s").runs()[0]
    assert (run.messages, "resumed" in run.tags) == (4, True)
    again = harness("resume", "--store", "s", "@1", "--message", "Well?", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["outcome"] == "error"  # nobody listens at the address


def test_a_child_of_a_live_tool_reaches_the_network_and_another_does_not(tmp_path: Path) -> None:
    source = (
        TALK.replace("sys.argv[1:]", "['Hello.']")
        + """
import subprocess

@user.register_for_execution()
@helper.register_for_llm(description="A tool.")
def fetch() -> str:
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9)); print('out')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return "refused" if "ConnectionRefusedError" in done.stderr else "not refused"

user.initiate_chat(helper, message="Fetch.", silent=True)
print("TOOL", [m["content"] for m in user.chat_messages[helper] if m.get("role") == "tool" or m.get("tool_responses")])
"""
    )
    write(tmp_path, source)

    with ScriptedServer(["DONE", tool_call("fetch"), "DONE"]) as server:
        recorded = harness("trace", "--store", "s", "--record", "c.jsonl", "app.py", cwd=tmp_path, server=server)
    assert "TOOL ['not refused']" in recorded.stdout
    live = harness("trace", "--store", "s", "--replay", "c.jsonl", "app.py", cwd=tmp_path, HARNESS_LIVE="tool")
    assert live.returncode == 0, live.stderr
    assert "TOOL ['not refused']" in live.stdout
