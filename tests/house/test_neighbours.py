"""A project may own packages called ``scenarios``, ``exporters`` and ``tui``; and Windows gets one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.programs import TWO_AGENTS, environment, harness, two_agents_script, write
from tests.server import ScriptedServer

NAMES = ("scenarios", "exporters", "tui")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A project with packages of our names, whose own modules would break us if they were taken for ours."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"OWNER = 'the user'\nNAME = {name!r}\n")
        (tmp_path / name / "app.py").write_text("OWNER = 'the user'\n")
    return tmp_path


def python(*args: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a user does, with the current folder first on the path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(cwd), **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("verb", ["--help", "explain", "run --help", "doctor", "demo --help", "tui --help"])
def test_the_command_works_in_such_a_project(project, verb):
    done = python("-m", "harness", *verb.split(), cwd=project)
    assert done.returncode in {0, 3 if verb == "doctor" else 0}, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "module", "needs"),
    [
        ("tui", "tui.safe", "textual"),
        ("scenarios", "scenarios.runner", "yaml"),
        ("exporters", "exporters.otlp", "opentelemetry.exporter"),
    ],
)
@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_each_gets_its_own_whoever_comes_first(project, name, module, needs, first):
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    theirs = f"import {name}, {name}.app; assert {name}.OWNER == {name}.app.OWNER == 'the user'"
    ours = (
        f"from harness import plugins; ours = plugins.sibling({module!r}); "
        f"assert ours.__file__ == {str(ROOT / module.replace('.', '/')) + '.py'!r}, ours.__file__; "
        f"assert plugins.sibling({module!r}) is ours"
    )
    lines = [theirs, ours] if first == "theirs" else [ours, theirs]
    done = python("-c", "\n".join([*lines, *lines, "print('both')"]), cwd=project)
    assert done.stdout == "both\n", done.stderr


def test_entry_points_of_ours_load_our_exporter_in_such_a_project(project):
    pytest.importorskip("opentelemetry.exporter", reason="the otlp extra is not installed")
    source = "from harness import plugins; print(plugins.load('harness.exporters', 'otlp').__module__)"
    assert python("-c", source, cwd=project).stdout == "_harness_exporters.otlp\n"


def test_pytest_works_in_such_a_project_and_imports_theirs(project):
    (project / "test_theirs.py").write_text(
        "import scenarios, exporters, tui\n\n"
        "def test_they_are_theirs():\n    assert {m.OWNER for m in (scenarios, exporters, tui)} == {'the user'}\n"
    )
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_theirs.py", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_conversation_is_traced_recorded_replayed_tested_and_browsed_in_such_a_project(project):
    pytest.importorskip("autogen", reason="the classic extra is not installed")
    pytest.importorskip("textual", reason="the tui extra is not installed")
    owned = "import scenarios, exporters, tui\nassert {m.OWNER for m in (scenarios, exporters, tui)} == {'the user'}\n"
    app = write(project, owned + TWO_AGENTS)
    with ScriptedServer(two_agents_script()) as server:
        done = harness("trace", "--record", "app.cassette.jsonl", app, cwd=project, server=server)
    assert done.returncode == 0, done.stderr
    (project / "app.scenario.yaml").write_text("program: app.py\nexpect: {tools: [add]}\n")
    assert harness("run", cwd=project).returncode == 0
    tested = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, **environment())
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr
    browse = (
        "import tui; from pathlib import Path; from harness import plugins\n"
        "svg = plugins.sibling('tui.app').screenshot(Path('.harness'), '@1')\n"
        "print(tui.OWNER, 'TERMINATE' in svg)"
    )
    assert python("-c", browse, cwd=project).stdout == "the user True\n"


def test_without_a_package_of_that_name_ours_goes_under_its_own(tmp_path):
    pytest.importorskip("yaml")
    done = python("-c", "from harness import plugins; print(plugins.sibling('scenarios').__name__)", cwd=tmp_path)
    assert done.stdout == "scenarios\n", done.stderr


@pytest.mark.parametrize("verb", ["--help", "runs", "demo"])
def test_on_windows_the_command_says_one_clear_line(tmp_path, verb):
    source = f"import sys\nfrom harness import cli\nsys.platform = 'win32'\nsys.exit(cli.execute([{verb!r}]))"
    done = python("-c", source, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "harness: Linux and macOS only; on Windows, run it inside WSL.\n"


@pytest.mark.parametrize("module", ["harness", "harness.cli", "harness.journal", "harness.store", "harness.recording"])
def test_what_windows_does_not_have_is_not_imported_on_the_way_to_that_line(tmp_path, module):
    source = f"import sys\nsys.modules['fcntl'] = None\nsys.modules['pwd'] = None\nimport {module}\nprint('fine')"
    assert python("-c", source, cwd=tmp_path).stdout == "fine\n"
