"""A user's own project, outside this repository, follows the README into CI, and docs/ci.md into nox and pytest.

``HARNESS_TEST_WHEEL`` names a wheel to install into a fresh environment first, as ``nox -s quickstart`` does; else the
package that runs these tests is taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.cli.programs import TWO_AGENTS, two_agents_script
from tests.server import ScriptedServer

pytest.importorskip("autogen", reason="classic AutoGen is not installed")

ROOT = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE")

APP = re.sub(r'os.environ\["(\w+)"\]', r'os.environ.get("\1")', TWO_AGENTS)
AGENTS = textwrap.indent(APP.partition("result = ")[0], "    ")
MY_AGENTS = f"def build():\n{AGENTS}\n    return user_proxy, assistant\n"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


README = section((ROOT / "README.md").read_text(encoding="utf-8"), "Into CI in five steps")
CI = (ROOT / "docs/ci.md").read_text(encoding="utf-8")


class Project:
    """A folder with an AutoGen program, and the environment its commands run in."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self.binaries = folder, binaries

    def run(self, command: str, *, at: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=at or self.folder,
            env={**kept, **environment, "PATH": f"{self.binaries}{os.pathsep}{kept['PATH']}"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    """The folder of ``python``, ``pip`` and ``harness``: of a fresh environment, if there is a wheel for it."""
    if not os.environ.get("HARNESS_TEST_WHEEL"):
        return Path(sys.executable).parent
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def project(tmp_path_factory, binaries):
    """A project that has taken the first three steps: installed, recorded, and said what must come of it."""
    made = Project(tmp_path_factory.mktemp("project"), binaries)
    (made.folder / "app.py").write_text(APP)
    install, record, replay = [command for block in blocks(README, "console") for command in commands(block)]
    wheel = os.environ.get("HARNESS_TEST_WHEEL")
    if wheel:
        wanted = install.replace("/path/to/this/clone", str(Path(wheel).resolve()))
        made.run(wanted)
        (made.folder / "requirements.txt").write_text(wanted.split("'")[1] + "\n")
    else:
        (made.folder / "requirements.txt").write_text("# installed already\n")
    with ScriptedServer(two_agents_script()) as server:
        made.run(record, **server.environment)
    (made.folder / "chat.scenario.yaml").write_text(blocks(README, "yaml")[0])
    assert "1 passed" in made.run(replay).stdout
    return made


def test_the_readmes_five_steps_lead_to_a_green_run_in_ci_from_a_clean_checkout(project, tmp_path):
    workflow = blocks(README, "yaml")[1]
    path = project.folder / ".github/workflows/agents.yml"
    path.parent.mkdir(parents=True)
    path.write_text(workflow)
    project.run("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm 'Replay the agents'")
    committed = project.run("git ls-files").stdout.split()
    assert committed == [
        ".github/workflows/agents.yml",
        "app.py",
        "chat.cassette.jsonl",
        "chat.scenario.yaml",
        "requirements.txt",
    ]
    clone = tmp_path / "clone"
    project.run(f"git clone -q . {clone}")
    steps = yaml.safe_load(workflow)["jobs"]["agents"]["steps"]
    for step in steps:
        if "run" in step:
            done = project.run(step["run"], at=clone, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert "1 passed" in done.stdout
    assert "✅ passed | chat" in (tmp_path / "summary.md").read_text()
    assert "It is 3." in (clone / "report.html").read_text()


def test_a_change_of_the_prompt_turns_that_run_red_at_the_scenario(project, tmp_path):
    for name in ("chat.cassette.jsonl", "chat.scenario.yaml"):
        (tmp_path / name).write_bytes((project.folder / name).read_bytes())
    text = (project.folder / "app.py").read_text().replace("Add two numbers.", "Add two whole numbers.")
    (tmp_path / "app.py").write_text(text)
    done = project.run("harness run --report github=- || echo EXIT $?", at=tmp_path)
    assert "EXIT 4" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert line.startswith("::error file=chat.scenario.yaml,line=1,title=chat%3A failed::")
    assert "the tools it is offered changed" in line


def test_a_program_that_insists_on_a_key_is_told_that_any_will_do(project, tmp_path):
    for name in ("chat.cassette.jsonl", "chat.scenario.yaml"):
        (tmp_path / name).write_bytes((project.folder / name).read_bytes())
    (tmp_path / "app.py").write_text(APP.replace('os.environ.get("OPENAI_API_KEY")', 'os.environ["OPENAI_API_KEY"]'))
    told = project.run("harness run || true", at=tmp_path).stdout
    assert "OPENAI_API_KEY=none harness run" in told
    assert "1 passed" in project.run("OPENAI_API_KEY=none harness run", at=tmp_path).stdout


def test_the_example_noxfile_replays_the_conversations(project):
    pytest.importorskip("nox", reason="nox is not installed")
    (project.folder / "noxfile.py").write_text(blocks(section(CI, "nox"), "python")[0])
    # The package is installed already; that nox can install is nox's own affair.
    done = project.run(f"{sys.executable} -m nox --no-venv --no-install -s agents")
    assert "Session agents was successful" in done.stderr
    assert ET.parse(project.folder / "agents.xml").getroot().get("failures") == "0"  # noqa: S314 - our own


def test_the_example_of_a_marked_test_is_recorded_and_replayed(project, tmp_path):
    if project.binaries != Path(sys.executable).parent:
        pytest.skip("pytest is no requirement of a user's project")
    (tmp_path / "my_agents.py").write_text(MY_AGENTS)
    (tmp_path / "test_sums.py").write_text(blocks(section(CI, "pytest"), "python")[0])
    pythonpath = {"PYTHONPATH": str(tmp_path), "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    test = f"{sys.executable} -m pytest -q -p no:cacheprovider"
    with ScriptedServer(two_agents_script()) as server:
        project.run(f"{test} --harness-record once", at=tmp_path, **{**pythonpath, **server.environment})
    assert "1 passed" in project.run(test, at=tmp_path, **pythonpath).stdout
