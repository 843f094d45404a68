"""``harness run`` and ``harness demo``, each in a process of its own, with no key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import scenarios
from harness.model import Severity
from harness.store import open_store

pytest.importorskip("autogen", reason="the classic extra is not installed")

LIBRARY = Path(scenarios.__file__).parent / "library"
WITHOUT_NETWORK = ("unshare", "--map-root-user", "--net")


def run(*arguments, cwd, before=(), code="from harness.cli import main; main()"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HARNESS_"))}
    return subprocess.run(
        [*before, sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path):
    """A folder with one bundled scenario of its own."""
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    for file in LIBRARY.glob("politeness.*"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder and the process of one demo, with networking off where that is allowed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", "--store", folder / "store", cwd=folder, before=WITHOUT_NETWORK if offline() else ())


@cache
def offline():
    """Whether networking can be switched off here."""
    tried = [*WITHOUT_NETWORK, "true"]
    return bool(shutil.which("unshare")) and not subprocess.run(tried, check=False, capture_output=True).returncode


def test_the_demo_passes_and_says_what_to_try_next(demo):
    folder, done = demo
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  ✔")]
    assert {row[1] for row in rows} == {path.name.partition(".")[0] for path in LIBRARY.glob("*.scenario.yaml")}
    for row in rows:
        assert re.fullmatch(r"\d+ \d+ [\d,]+ \$\d\.\d{4} [\d.]+ m?s .+", " ".join(row[2:])), row
    assert rows[-1][-2:] == ["L101", "T301"]
    assert "harness trace your_app.py" in done.stdout
    assert f"harness show @1 --store {folder / 'store'}" in done.stdout


def test_the_demo_passes_with_networking_off(demo):
    if not offline():
        pytest.skip("networking cannot be switched off here")
    assert demo[1].returncode == 0


def test_the_demos_agents_leave_nothing_behind_and_what_they_print_is_not_shown(demo):
    folder, done = demo
    assert [entry.name for entry in folder.iterdir()] == ["store"]
    assert "TERMINATE" not in done.stdout + done.stderr


def test_the_demos_runs_are_kept_and_tagged(demo):
    folder, done = demo
    runs = open_store(folder / "store").runs(tag="demo")
    assert len(runs) == done.stdout.count("  ✔ ")
    counting = {found.name for found in runs if found.worst not in {None, Severity.NOTE}}
    assert counting == {"overspender", "politeness"}
    assert {found.mode for found in runs} == {"replay"}


def test_without_autogen_the_demo_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['autogen'] = None; from harness.cli import main; main()"
    done = run("demo", "--store", tmp_path / "store", cwd=tmp_path, code=code)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1] == "  pip install 'autogen-harness[demo]'"
    assert "Traceback" not in done.stderr


def test_run_finds_what_is_below_and_passes(project):
    done = run("run", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert (project / ".harness").is_dir()


def test_run_tells_a_divergence_in_full_and_exits_4(project):
    path = project / "politeness.scenario.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Tuesday", "Friday"), encoding="utf-8")
    done = run("run", cwd=project)
    assert done.returncode == 4
    assert "- Shall we meet on Tuesday at ten?" in done.stdout
    assert "+ Shall we meet on Friday at ten?" in done.stdout
    assert "class: upstream message · changed by the program" in done.stdout
    assert "`harness run --record all politeness.scenario.yaml`" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_run_exits_1_if_an_expectation_is_not_met(project):
    path = project / "politeness.scenario.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("[L101, T301]", "[T301]"), encoding="utf-8")
    done = run("run", "--json", cwd=project)
    assert done.returncode == 1
    (verdict,) = json.loads(done.stdout)
    assert verdict["outcome"] == "failed"
    assert verdict["reasons"][0].startswith("unexpected finding L101 repeated-message")
    replay, calls = verdict["replay"], verdict["model_calls"]
    exchanges = replay.pop("exchanges")
    counts = {"normalised": 0, "changed": 0, "live": 0, "stubbed": 0, "misses": 0, "unused": 0, "refused": 0}
    assert replay == {"hits": calls, **counts, "divergence": None, "frameworks": replay["frameworks"]}
    assert [found["exchange"] for found in exchanges] == [*range(1, calls + 1)]
    assert {(found["kind"], found["verdict"]) for found in exchanges} == {("chat", "hit")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [x\n", "broken.scenario.yaml:2: not valid YAML: "),
        ("factroy: a:b\n", "broken.scenario.yaml:1: unknown key 'factroy'; did you mean 'factory'?"),
        ("factory: a:b\n", "no cassette at 'broken.cassette.jsonl'"),
    ],
)
def test_a_broken_scenario_is_one_clear_line_and_exit_2(tmp_path, text, told):
    (tmp_path / "broken.scenario.yaml").write_text(text, encoding="utf-8")
    done = run("run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[0]
    assert done.stderr.startswith("harness: ")
    assert len(done.stderr.splitlines()) <= 2


def test_a_broken_scenario_does_not_keep_the_others_from_running(project):
    (project / "broken.scenario.yaml").write_text("name: [x\n", encoding="utf-8")
    done = run("run", cwd=project)
    assert done.returncode == 2
    assert "1 passed, 1 error" in done.stdout
    assert "broken.scenario.yaml:2: not valid YAML" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("  ! broken "))
    assert set(row.removeprefix("  ! broken")) == {" ", "–"}, "nothing is known of what was not played"


def test_nothing_to_run_is_no_pass(tmp_path):
    done = run("run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("harness: no scenario in this folder")
    assert run("run", "nowhere", cwd=tmp_path).returncode == 2


def test_what_the_agents_print_is_shown_on_stderr_if_asked_for(project):
    done = run("run", "--verbose", cwd=project)
    assert "Shall we meet on Tuesday" in done.stderr
    assert "Shall we meet on Tuesday" not in done.stdout
