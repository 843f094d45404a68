"""Gates and reports as a user asks for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness import plugins
from harness.cli import execute, reporting
from harness.errors import Exit
from tests.server import Reply, ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"
KINDS = ["github", "html", "json", "junit", "markdown", "sarif"]


@pytest.fixture
def talks(tmp_path, monkeypatch):
    """A project with one scenario and its cassette."""
    pytest.importorskip("autogen", reason="classic AutoGen is not installed")
    for path in LIBRARY.glob("politeness.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    return tmp_path


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_kind_of_report_is_installed():
    assert plugins.names("harness.reports") == KINDS


def test_run_writes_every_report_and_the_page_holds_the_conversation(talks, capsys):
    wanted = [part for kind in KINDS for part in ("--report", f"{kind}=out/{kind}")]
    assert execute(["run", *wanted]) == Exit.CLEAN
    capsys.readouterr()
    page = (talks / "out/html").read_text()
    assert "See you then!" in page
    assert "L101 repeated-message" in page
    (case,) = ET.parse(talks / "out/junit").getroot()[0]  # noqa: S314 - our own
    assert (case.get("file"), case.find("failure")) == ("politeness.scenario.yaml", None)
    (sarif,) = json.loads((talks / "out/sarif").read_text())["runs"]
    counting = [result for result in sarif["results"] if result["level"] != "note"]
    assert {result["suppressions"][0]["kind"] for result in counting} == {"inSource"}
    assert sorted(result["ruleId"] for result in counting) == ["L101", "L101", "T301"]
    lines = {result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in sarif["results"]}
    assert lines != {1}
    assert all(line.startswith("::notice ") for line in (talks / "out/github").read_text().splitlines())
    assert (talks / "out/markdown").read_text().startswith("## harness run: 1 passed")
    (record,) = json.loads((talks / "out/json").read_text())
    assert (record["name"], record["outcome"], record["baseline"], record["trials"]) == (
        "politeness",
        "passed",
        None,
        None,
    )


def test_the_json_report_is_what_json_prints(talks, capsys):
    assert execute(["run", "--json", "--report", "json=d.json"]) == Exit.CLEAN
    assert json.loads(capsys.readouterr().out) == json.loads((talks / "d.json").read_text())


@pytest.mark.parametrize("wanted", ["pdf=x", "junit", "junit=", "=x"])
def test_a_report_that_cannot_be_is_refused_before_anything_runs(talks, capsys, wanted):
    assert execute(["run", "--report", wanted]) == Exit.USAGE
    assert capsys.readouterr().out == ""
    assert not (talks / "store").exists()


def test_a_scenario_that_cannot_be_read_is_in_the_report_though_it_is_the_only_one(talks, capsys):
    (talks / "politeness.scenario.yaml").write_text("agents: [\n")
    assert execute(["run", "--report", "junit=j.xml"]) == Exit.USAGE
    root = ET.parse(talks / "j.xml").getroot()  # noqa: S314 - our own
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
    assert "not valid YAML" in capsys.readouterr().out


def test_annotations_go_to_stdout_where_github_reads_them(talks, capsys):
    edited(talks / "politeness.scenario.yaml", "max_turns\n", "termination_message\n")
    assert execute(["run", "--report", "github=-"]) == Exit.FINDINGS
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("::"))
    assert line.startswith(
        "::error file=politeness.scenario.yaml,line=1,title=politeness%3A failed::expected the ending"
    )


def test_annotations_name_the_file_from_the_root_of_the_checkout(talks, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(talks.parent))
    edited(talks / "politeness.scenario.yaml", "max_turns\n", "termination_message\n")
    assert execute(["run", "--report", "github=-"]) == Exit.FINDINGS
    assert f"::error file={talks.name}/politeness.scenario.yaml," in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    ["  - name: ada", '  - {name: "ada", type: assistant}', "  - {name: ada}", "    name: 'ada'  # she", "- name: ada"],
)
def test_the_line_of_an_agent_is_found_however_yaml_is_written(tmp_path, line):
    path = tmp_path / "x.scenario.yaml"
    path.write_text(f"name: ada\nagents:\n{line}\n")
    assert dict(reporting._agents(path)) == {"ada": 3}


def test_a_baseline_is_made_held_against_and_refuses_what_changed(talks, capsys):
    assert execute(["run", "--baseline", "b.json"]) == Exit.USAGE
    assert "--update-baseline" in capsys.readouterr().err
    assert execute(["run", "--baseline", "b.json", "--update-baseline"]) == Exit.CLEAN
    assert execute(["run", "--baseline", "b.json"]) == Exit.CLEAN
    kept = json.loads((talks / "b.json").read_text())
    (entry,) = kept["scenarios"].values()
    entry["figures"]["tokens"] = [1000.0]
    (talks / "b.json").write_text(json.dumps(kept))
    capsys.readouterr()
    assert execute(["run", "--baseline", "b.json", "--json"]) == Exit.FINDINGS
    (record,) = json.loads(capsys.readouterr().out)
    assert record["outcome"] == "failed"
    assert [change["name"] for change in record["baseline"]["changes"] if change["worse"]] == ["tokens"]
    assert execute(["run", "--baseline", "b.json", "--allow", "tokens=200%"]) == Exit.CLEAN
    edited(talks / "politeness.scenario.yaml", "expect:", "expect:\n  max_tokens: 100000")
    capsys.readouterr()
    assert execute(["run", "--baseline", "b.json", "--json"]) == Exit.FINDINGS
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["outcome"], record["baseline"]["state"]) == ("inconclusive", "changed")


@pytest.mark.parametrize(
    "options",
    [
        ["--update-baseline"],
        ["--allow", "tokens=5%"],
        ["--baseline", "b.json", "--allow", "beauty=5%"],
        ["--baseline", "b.json", "--allow", "tokens=much"],
        ["--repeat", "0"],
        ["--pass-rate", "0"],
        ["--record", "all", "--repeat", "2"],
    ],
)
def test_gates_that_make_no_sense_are_refused(talks, capsys, options):
    assert execute(["run", *options]) == Exit.USAGE
    assert capsys.readouterr().out == ""


def test_replays_may_be_repeated_and_nothing_is_inferred_from_them(talks, capsys):
    assert execute(["run", "--repeat", "3", "--json"]) == Exit.CLEAN
    (record,) = json.loads(capsys.readouterr().out)
    trials = record["trials"]
    assert (trials["passed"], trials["counted"], trials["live"]) == (3, 3, False)
    assert len({attempt["run_id"] for attempt in trials["attempts"]}) == 3
    assert record["remarks"][-1].startswith("3 of 3 attempts passed; the cassette answered")


@pytest.mark.parametrize("form", ["sarif", "junit", "github", "markdown"])
def test_check_prints_each_format_and_fails_by_severity(talks, capsys, form):
    assert execute(["run"]) == Exit.CLEAN
    capsys.readouterr()
    assert execute(["check", "--format", form, "--report", f"{form}=copy"]) == Exit.FINDINGS
    out = capsys.readouterr().out
    assert out == (talks / "copy").read_text()
    assert "L101" in out
    assert execute(["check", "--select", "T", "--format", form, "--fail-on", "error"]) == Exit.CLEAN
    assert execute(["check", "--select", "L", "--format", form, "--fail-on", "error"]) == Exit.FINDINGS


CHAT = """
name: sums
agents:
  - {name: user, type: user_proxy, human_input_mode: NEVER, max_consecutive_auto_reply: 0}
  - {name: ada, type: assistant, llm_config: {model: gpt-4o-mini}}
team: {initiator: user, recipient: ada, max_turns: 1}
task: What is 1 + 2?
live: [chat]
expect:
  said: [three]
"""


@pytest.fixture
def live(talks, monkeypatch):
    """A project whose one scenario asks the model for real; give it the server's environment."""
    for path in talks.glob("politeness.*"):
        path.unlink()
    (talks / "sums.scenario.yaml").write_text(CHAT)

    def point(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    with ScriptedServer(["three"]) as server:
        point(server.environment)
        assert execute(["run", "--record", "once"]) == Exit.CLEAN
    return point


def test_live_attempts_are_counted_and_the_interval_is_told(live, capsys):
    with ScriptedServer(["three", "three", "I do not know", "three"]) as server:
        live(server.environment)
        capsys.readouterr()
        assert execute(["run", "--repeat", "4", "--json"]) == Exit.FINDINGS
    (record,) = json.loads(capsys.readouterr().out)
    assert record["outcome"] == "failed"
    assert record["reasons"][:2] == ["attempt 3 of 4:", "nobody said 'three'"]
    chance = record["trials"]["chances"][0]
    assert (chance["k"], chance["pass_all"]) == (1, 0.75)
    assert chance["pass_all_interval"] == pytest.approx([0.1941, 0.9937], abs=1e-4)  # 3 of 4, exact


def test_too_few_attempts_for_the_rate_that_is_asked_are_inconclusive(live, capsys):
    with ScriptedServer(["three"] * 3) as server:
        live(server.environment)
        capsys.readouterr()
        assert execute(["run", "--repeat", "3", "--pass-rate", "0.9", "--json"]) == Exit.FINDINGS
    (record,) = json.loads(capsys.readouterr().out)
    assert record["outcome"] == "inconclusive"
    assert "does not tell whether 90.0% pass; 36 attempts would" in record["reasons"][0]


def test_an_endpoint_that_refuses_is_an_error_and_no_failure_of_the_agents(live, capsys):
    with ScriptedServer([Reply(status=401, text="no such key")]) as server:
        live(server.environment)
        capsys.readouterr()
        assert execute(["run", "--report", "junit=j.xml"]) == Exit.ENVIRONMENT
    assert "the model of 'ada' could not be asked" in capsys.readouterr().out
    root = ET.parse("j.xml").getroot()  # noqa: S314 - our own
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
