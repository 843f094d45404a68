"""pytest collects scenarios: a pass is a pass, everything else fails in a reader's words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ScriptedServer

LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"


def run_pytest(folder: Path, *args: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest in *folder* as a user does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "PYTEST_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env={**kept, "HARNESS_STORE": str(folder / "store"), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def polite(tmp_path):
    """A folder with one bundled scenario and its cassette."""
    pytest.importorskip("autogen", reason="the classic extra is not installed")
    for path in LIBRARY.glob("politeness.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_a_scenario_that_holds_is_a_test_that_passes_and_its_run_is_kept(polite):
    from harness.store import open_store

    done = run_pytest(polite, "-v")
    assert done.returncode == 0, done.stdout
    assert "politeness.scenario.yaml::politeness PASSED" in done.stdout
    assert [summary.name for summary in open_store(polite / "store").runs()] == ["politeness"]


def test_a_scenario_that_does_not_hold_fails_and_says_why_without_a_traceback(polite):
    path = polite / "politeness.scenario.yaml"
    path.write_text(path.read_text().replace("max_turns\n", "termination_message\n"))
    done = run_pytest(polite)
    assert done.returncode == 1
    assert "politeness: failed" in done.stdout
    assert "termination_message" in done.stdout
    assert "Traceback" not in done.stdout
    assert "runner.py" not in done.stdout


def test_a_project_that_is_strict_with_its_warnings_may_run_a_framework_that_is_not(polite):
    (polite / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = run_pytest(polite, "-p", "no:asyncio")
    assert done.returncode == 0, done.stdout


def test_a_file_that_is_no_scenario_fails_with_one_clear_line(tmp_path):
    (tmp_path / "broken.scenario.yaml").write_text("agents: [\n")
    done = run_pytest(tmp_path)
    assert done.returncode == 1
    assert "broken.scenario.yaml" in done.stdout
    assert "Traceback" not in done.stdout
    assert "yaml/" not in done.stdout


def test_other_yaml_files_are_left_alone(tmp_path):
    (tmp_path / "docker-compose.yaml").write_text("a: 1\n")
    assert run_pytest(tmp_path).returncode == 5


def test_the_fixture_gives_a_store_of_its_own(tmp_path):
    (tmp_path / "test_store.py").write_text(
        "import os\n\ndef test_it(harness_store, tmp_path):\n"
        "    assert os.environ['HARNESS_STORE'] == str(harness_store)\n"
        "    assert harness_store.parent == tmp_path\n"
        "    from harness import config\n    assert config.load().store == harness_store\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout


TALK = """
import os
import pytest
from autogen import AssistantAgent, UserProxyAgent

PROMPT = "You are Ada."


def talk(task="What is 1 + 2?"):
    config = {"config_list": [{"model": "gpt-4o-mini", "api_key": os.environ.get("OPENAI_API_KEY", "none"),
                               "base_url": os.environ.get("OPENAI_BASE_URL")}]}
    ada = AssistantAgent("ada", system_message=PROMPT, llm_config=config)
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    return user.initiate_chat(ada, message=task, max_turns=1)


@pytest.mark.harness(cassette="talk.cassette.jsonl", max_cost_usd=0.01)
def test_sums(harness_run):
    assert talk().chat_history[-1]["content"] == "It is three."
    assert [message.sender for message in harness_run.run.messages] == ["user", "ada"]


def test_unmarked():
    import sys
    assert harness_is_off()


def harness_is_off():
    from harness import recording
    return recording._recording is None
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a marked test, and its cassette recorded against a server that is gone."""
    pytest.importorskip("autogen", reason="the classic extra is not installed")
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nmarkers =\n")
    (folder / "test_talk.py").write_text(TALK)
    with ScriptedServer(["It is three."]) as server:
        done = run_pytest(folder, "--harness-record", "once", environment=server.environment)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def marked(recorded, tmp_path):
    """A copy of that folder, to change."""
    for name in ("pytest.ini", "test_talk.py", "talk.cassette.jsonl"):
        shutil.copy(recorded / name, tmp_path)
    return tmp_path


def test_a_marked_test_is_recorded_once_and_then_replayed_without_key_or_server(marked):
    before = (marked / "talk.cassette.jsonl").read_bytes()
    done = run_pytest(marked, "--junitxml=junit.xml")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    junit = (marked / "junit.xml").read_text()
    assert 'name="harness.model_calls" value="1"' in junit
    assert 'name="harness.cost_usd"' in junit
    assert (marked / "talk.cassette.jsonl").read_bytes() == before


def test_a_marked_test_that_parts_from_its_cassette_says_where_and_not_only_that_it_failed(marked):
    path = marked / "test_talk.py"
    path.write_text(path.read_text().replace("You are Ada.", "You are Bob."))
    done = run_pytest(marked)
    assert done.returncode == 1
    assert "what it is told to do changed" in done.stdout
    assert "pytest --harness-record all" in done.stdout


def test_a_divergence_that_the_test_itself_does_not_notice_fails_it_all_the_same(marked):
    path = marked / "test_talk.py"
    text = path.read_text().replace("You are Ada.", "You are Bob.")
    lines = text.replace('    assert talk().chat_history[-1]["content"] == "It is three."\n', SWALLOWED)
    path.write_text(
        lines.replace('    assert [message.sender for message in harness_run.run.messages] == ["user", "ada"]\n', "")
    )
    done = run_pytest(marked)
    assert done.returncode == 1
    assert "parts from the recording" in done.stdout
    assert "scenarios/marked.py" not in done.stdout


SWALLOWED = """
    try:
        talk()
    except Exception:
        pass
"""


def test_a_network_that_is_closed_fails_a_marked_test_that_makes_nothing_of_it(marked):
    path = marked / "test_talk.py"
    calls = """
    import contextlib, urllib.request
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://rates.example:8080/usd", timeout=1)
"""
    path.write_text(path.read_text().replace("def test_sums(harness_run):\n", f"def test_sums(harness_run):{calls}"))
    done = run_pytest(marked)
    assert done.returncode == 1
    assert "the network is closed in a replay, and the program (test_talk.py:" in done.stdout
    assert "asked for rates.example:8080" in done.stdout
    assert "call" in done.stdout
    assert "for real" in done.stdout


def test_a_limit_that_is_passed_fails_a_marked_test_unless_the_finding_is_expected(marked):
    text = (marked / "test_talk.py").read_text()
    (marked / "test_talk.py").write_text(text.replace("max_cost_usd=0.01", "max_tokens=3"))
    (marked / "test_wanted.py").write_text(text.replace("max_cost_usd=0.01", "max_tokens=3, findings=['B201']"))
    done = run_pytest(marked)
    assert "1 failed, 3 passed" in done.stdout
    assert "unexpected finding B201" in done.stdout


def test_a_marker_that_says_what_is_not_known_fails_with_the_word_that_was_meant(marked):
    path = marked / "test_talk.py"
    path.write_text(path.read_text().replace("max_cost_usd", "max_costs_usd"))
    done = run_pytest(marked)
    assert "@pytest.mark.harness has no 'max_costs_usd'; did you mean 'max_cost_usd'?" in done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_a_cassette_that_is_not_there_is_told_with_the_way_to_record_it(marked):
    (marked / "talk.cassette.jsonl").unlink()
    done = run_pytest(marked)
    assert done.returncode == 1
    assert "Record it: `pytest --harness-record once`." in done.stdout
    assert "During handling" not in done.stdout


def test_a_marked_test_in_which_no_agent_acts_is_no_pass(tmp_path):
    (tmp_path / "test_it.py").write_text("import pytest\n\n@pytest.mark.harness\ndef test_it():\n    pass\n")
    done = run_pytest(tmp_path)
    assert done.returncode == 1
    assert "no conversation took place" in done.stdout


def test_an_async_marked_test_is_watched_too(marked):
    pytest.importorskip("pytest_asyncio")
    path = marked / "test_talk.py"
    text = path.read_text().replace("def test_sums(harness_run):", "async def test_sums(harness_run):")
    path.write_text(text.replace("@pytest.mark.harness(", "@pytest.mark.asyncio\n@pytest.mark.harness("))
    done = run_pytest(marked)
    assert done.returncode == 0, done.stdout


def test_scenarios_and_marked_tests_run_on_several_workers_into_one_store(marked):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    from harness.store import open_store

    for number in range(6):
        for path in LIBRARY.glob("politeness.*"):
            (marked / path.name.replace("politeness.", f"p{number}.")).write_bytes(path.read_bytes())
        shutil.copy(marked / "test_talk.py", marked / f"test_talk{number}.py")
    before = {summary.run_id for summary in open_store(marked / "store").runs()}
    done = run_pytest(marked, "-n", "2", "-p", "xdist")
    assert done.returncode == 0, done.stdout
    assert "20 passed" in done.stdout
    kept = open_store(marked / "store")
    kept.ingest()
    made = [summary for summary in kept.runs(limit=100) if summary.run_id not in before]
    assert len(made) == 13


def test_without_its_own_files_the_plugin_adds_nothing_but_itself_to_a_run_of_pytest(tmp_path):
    (tmp_path / "test_it.py").write_text("import sys\n\ndef test_it():\n    print('LOADED', sorted(sys.modules))\n")
    loaded = []
    for options in ((), ("-p", "no:autogen-harness")):
        done = run_pytest(tmp_path, "-s", *options)
        (line,) = [line for line in done.stdout.splitlines() if "LOADED" in line]
        loaded.append(set(re.findall(r"'([^']+)'", line)))
    added = {name.partition(".")[0] for name in loaded[0] - loaded[1]}
    assert added <= {"harness"}, added
    assert {name for name in loaded[0] - loaded[1] if name.startswith("harness")} == {
        "harness",
        "harness.pytest_plugin",
    }


def test_every_scenario_of_a_file_is_a_test_of_its_own(tmp_path):
    talk = "factory: x:y\n"
    (tmp_path / "one.scenario.yaml").write_text(talk)
    (tmp_path / "many.scenario.yaml").write_text(f"{talk}data:\n  - {{case: a}}\n  - {{case: b}}\n")
    (tmp_path / "made.scenario.py").write_text(
        "import harness\n\nfor name in ('x', 'y'):\n    harness.scenario(name, factory='x:y')\n"
    )
    (tmp_path / "wrong.scenario.yaml").write_text(f"{talk}data: 3\n")
    done = run_pytest(tmp_path, "--collect-only", "-q")
    found = [line for line in done.stdout.splitlines() if "::" in line and "ERROR" not in line]
    assert found == [
        "made.scenario.py::x",
        "made.scenario.py::y",
        "many.scenario.yaml::many[a]",
        "many.scenario.yaml::many[b]",
        "one.scenario.yaml::one",
    ]
    assert "wrong.scenario.yaml:2: 'data'" in done.stdout
    assert "Traceback" not in done.stdout


TEAM = """
import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient


@pytest.mark.asyncio
@pytest.mark.harness(cassette="team.cassette.jsonl", findings=["ended-by-limit"])
async def test_team(harness_run):
    ada, ben = (AssistantAgent(name, ReplayChatCompletionClient(SAYS[name])) for name in ("ada", "ben"))
    await RoundRobinGroupChat([ada, ben], termination_condition=MaxMessageTermination(3)).run(task="Greet.")
    assert [message.text for message in harness_run.run.messages] == ["Greet.", "Hello.", "Hi."]
"""
AGENT = """
import pytest
from ag2 import Agent
from ag2.testing import TestConfig


@pytest.mark.asyncio
@pytest.mark.harness(cassette="agent.cassette.jsonl")
async def test_agent(harness_run):
    await Agent("ada", "You are Ada.", config=TestConfig(*SAYS["ada"])).ask("Greet.")
    assert [message.text for message in harness_run.run.messages] == ["Greet.", "Hello."]
"""


@pytest.mark.parametrize(("framework", "text"), [("autogen_agentchat", TEAM), ("ag2", AGENT)])
def test_agents_of_the_other_frameworks_are_recorded_and_replayed_too(tmp_path, framework, text):
    pytest.importorskip(framework)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    path = tmp_path / "test_it.py"
    path.write_text("SAYS = {'ada': ['Hello.'], 'ben': ['Hi.']}\n" + text)
    done = run_pytest(tmp_path, "--harness-record", "once")
    assert done.returncode == 0, done.stdout
    path.write_text("SAYS = {'ada': ['Nobody asks.'], 'ben': ['Nobody asks.']}\n" + text)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
