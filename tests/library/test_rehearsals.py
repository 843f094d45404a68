from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.library import LIBRARY
from tests.library.scripts import SCRIPTS

pytestmark = pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="AutoGen is not installed")

# In a process of its own, which cannot connect to anything and has no key.
REPLAYED = """
import json, socket, sys
from pathlib import Path

def refused(*_):
    raise AssertionError("a replay touched the network")

socket.socket.connect = socket.socket.connect_ex = refused
from harness.model import Severity
from scenarios.runner import run_scenario
verdicts = [run_scenario(path, store=Path(sys.argv[1])) for path in sorted(Path(sys.argv[2]).glob("*.scenario.yaml"))]
told = {v.name: [v.outcome, v.reasons, v.remarks,
                 [f.code for f in v.findings if f.severity is not Severity.NOTE], v.account.misses, v.account.unused]
        for v in verdicts}
print("RESULT" + json.dumps(told))
"""

RECORDED = """
import json, sys
from pathlib import Path
from tests.library.record import record
from tests.library.scripts import SCRIPTS

for name in SCRIPTS:
    verdict, server = record(name, Path(sys.argv[2]), Path(sys.argv[1]))
    summary = verdict.summary
    assert (summary.input_tokens, summary.output_tokens) == server.tokens, name
    assert summary.model_calls == len(server.log), name
    assert summary.tool_calls == server.tool_calls.total(), name
    assert verdict.outcome == "passed", (name, verdict.reasons)
"""


def python(script: str, *arguments: object) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What replaying the whole library comes to, with no key and no network."""
    return json.loads(python(REPLAYED, tmp_path_factory.mktemp("replayed"), LIBRARY).rpartition("RESULT")[2])


def test_every_script_has_its_scenario_and_the_other_way_round(verdicts):
    assert set(verdicts) == set(SCRIPTS)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_scenario_does_what_it_expects_and_its_cassette_fits_exactly(name, verdicts):
    outcome, reasons, remarks, _, misses, unused = verdicts[name]
    assert (outcome, reasons, remarks, misses, unused) == ("passed", [], [], 0, 0)


def test_only_the_two_that_go_wrong_on_purpose_have_findings(verdicts):
    found = {name: verdict[3] for name, verdict in verdicts.items() if verdict[3]}
    assert set(found) == {"politeness", "overspender"}
    assert {"L101", "T301"} <= set(found["politeness"])
    assert [code[0] for code in found["overspender"]] == ["B"]


def test_recording_again_gives_the_same_files(tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("*.jsonl", "__pycache__"))
    python(RECORDED, tmp_path / ".harness", folder)
    for name in SCRIPTS:
        kept, again = (place.joinpath(f"{name}.cassette.jsonl").read_text().split("\n") for place in (LIBRARY, folder))
        assert again[1:] == kept[1:], name
        before, now = (json.loads(lines[0])["cassette"] for lines in (kept, again))
        assert {**now, "framework": "", "harness": ""} == {**before, "framework": "", "harness": ""}


def test_a_traced_program_means_what_it_means_to_python():
    # AutoGen reads a function's annotations, which a future statement inherited from the tracer would turn into text.
    assert "Three-letter code of the currency one has" in (LIBRARY / "currency.cassette.jsonl").read_text()
