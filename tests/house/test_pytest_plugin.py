"""pytest collects scenarios: a pass is a pass, everything else fails in a reader's words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"


def run_pytest(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in *folder* as a user does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "PYTEST_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env={**kept, "HARNESS_STORE": str(folder / "store")},
        capture_output=True,
        text=True,
        timeout=120,
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
