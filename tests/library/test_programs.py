from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from harness.model import Operation
from harness.store import open_store
from tests.library import LIBRARY
from tests.library.scripts import SCRIPTS
from tests.server import ScriptedServer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="AutoGen is not installed")
PROGRAMS = sorted(path.stem for path in LIBRARY.glob("*.py") if path.stem != "__init__")

# The program prints what AutoGen itself thinks was said, and what it cost.
TRACED = """
import importlib.util, json, sys, harness
harness.instrument(sys.argv[1])
spec = importlib.util.spec_from_file_location("program", sys.argv[2])
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
results = program.chat()
results = results if isinstance(results, list) else [results]
cost = lambda result: result.cost["usage_including_cached_inference"]["total_cost"]
told = [{"history": result.chat_history, "cost": cost(result)} for result in results]
print("RESULT" + json.dumps(told))
"""


class Traced:
    """A program of the library, run with tracing on against the scripted server."""

    def __init__(self, name: str, folder) -> None:
        store = folder / ".harness"
        with ScriptedServer(SCRIPTS[name]()) as server:
            command = [sys.executable, "-c", TRACED, str(store), str(LIBRARY / f"{name}.py")]
            environment = {**os.environ, **server.environment}
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        self.server = server
        self.results = json.loads(done.stdout.rpartition("RESULT")[2])
        kept = open_store(store)
        kept.ingest()
        self.runs = [kept.run(found.run_id) for found in kept.runs()]


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Each program's traced run, made once."""
    made: dict[str, Traced] = {}

    def run(name: str) -> Traced:
        if name not in made:
            made[name] = Traced(name, tmp_path_factory.mktemp(name))
        return made[name]

    return run


def test_there_is_a_program_for_every_script_but_those_written_in_yaml():
    assert set(SCRIPTS) - set(PROGRAMS) == {"politeness"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_knows_nothing_of_the_harness(name):
    assert "harness" not in (LIBRARY / f"{name}.py").read_text().lower()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_makes_one_run(name, traced):
    assert len(traced(name).runs) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_model_calls_tool_calls_and_tokens_are_those_the_server_saw(name, traced):
    (run,), server = traced(name).runs, traced(name).server
    assert run.summary.model_calls == len(server.log) == len(server.completions)
    assert (run.summary.input_tokens, run.summary.output_tokens) == server.tokens
    tools = Counter(call.name for call in run.calls if call.span.operation is Operation.TOOL)
    assert tools == server.tool_calls
    assert run.summary.tool_calls == server.tool_calls.total()


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "newsletter"])
def test_what_was_spoken_is_what_autogen_kept_one_by_one(name, traced):
    (run,), (result,) = traced(name).runs, traced(name).results
    kept = result["history"]
    assert len(run.messages) == len(kept)
    for message, theirs in zip(run.messages, kept, strict=True):
        assert message.text.strip() == (theirs.get("content") or "").strip()
        assert len(message.tool_calls) == len(theirs.get("tool_calls") or ())
        if "name" in theirs:
            assert message.sender == theirs["name"]


def test_what_was_spoken_in_a_row_of_chats_holds_each_chats_own_history(traced):
    (run,) = traced("newsletter").runs
    said = [message.text for message in run.messages]
    for result in traced("newsletter").results:
        for theirs in result["history"]:
            assert said.count(theirs["content"]) >= 1
    assert "Open with the most surprising fact, as a question." in said


# The others use models that AutoGen prices otherwise, or chats whose cost it does not count.
@pytest.mark.parametrize("name", ["fibonacci", "currency"])
def test_the_cost_of_two_agents_is_what_autogen_counts(name, traced):
    (run,), (result,) = traced(name).runs, traced(name).results
    assert run.summary.cost_usd == pytest.approx(result["cost"])


def test_the_speakers_a_model_picked_are_those_the_server_named(traced):
    (run,), server = traced("code_review").runs, traced("code_review").server
    picked = [
        entry["response"]["choices"][0]["message"]["content"]
        for entry in server.log
        if "select the next role" in str(entry["request"]["messages"][-1])
    ]
    selections = [call.reply["choice"] for call in run.calls if call.span.operation is Operation.SELECTION]
    assert selections == picked == ["coder", "reviewer"] * 3


def test_code_was_really_run(traced):
    (run,) = traced("fibonacci").runs
    outputs = [call.reply["output"].strip() for call in run.calls if call.span.operation is Operation.CODE]
    assert outputs == ["1 1 2 3 5 8 13 21 34 55", "0 1 1 2 3 5 8 13 21 34"]


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_cassette_says_where_it_comes_from_and_holds_no_time_or_place(name):
    text = (LIBRARY / f"{name}.cassette.jsonl").read_text()
    header = json.loads(text.partition("\n")[0])
    assert "scripted OpenAI-compatible server" in json.dumps(header)
    assert not re.search(r"/(tmp|home|root|work|Users|var)/|\b127\.0\.0\.1\b|_ns\b|chatcmpl-", text)
