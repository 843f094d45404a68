"""What each way in really loads. Static graphs cannot see deferral, so this asks ``sys.modules``."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"duckdb", "autogen", "openai", "textual", "rich", "opentelemetry.sdk", "yaml", "hypothesis", "pydantic"}
SIBLINGS = ("scenarios", "exporters", "tui")
SHOW = "\nimport json, sys; print('\\nLOADED ' + json.dumps(sorted(sys.modules)))"


def loaded(source: str, cwd: Path, *options: str) -> set[str]:
    """Run *source* in a process of its own and give the modules it has loaded in the end."""
    done = subprocess.run(
        [sys.executable, *options, "-c", source + SHOW],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    return set(json.loads(line.removeprefix("LOADED ")))


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in {"harness", *SIBLINGS}}


def test_import_harness_loads_next_to_nothing(tmp_path):
    before = loaded("", tmp_path)
    after = loaded("import harness", tmp_path)
    assert ours(after) == {"harness"}
    assert not after & HEAVY
    assert len(after - before) <= 15  # the interpreter's own typing and collections, by version


def test_the_public_names_are_there_and_load_what_they_need_only(tmp_path):
    after = loaded("import harness; assert set(harness.__all__) <= set(dir(harness)); harness.open_store", tmp_path)
    assert "harness.store" in after
    assert not after & {"duckdb", "autogen", "openai", "textual", "yaml"}


def test_help_loads_no_engine_no_framework_and_no_verb(tmp_path):
    after = loaded("from harness.cli import execute; assert execute(['--help']) == 0", tmp_path)
    assert not after & HEAVY
    verbs = {name for name in after if name.startswith("harness.cli.")}
    assert not verbs
    assert not {name for name in after if name.partition(".")[0] in SIBLINGS}


def test_runs_loads_the_engine_and_no_framework(tmp_path):
    make = "from harness.journal import Journal; from pathlib import Path; Journal(Path('s'), program='t').close()"
    after = loaded(f"{make}\nfrom harness.cli import execute; assert execute(['runs', '--store', 's']) == 0", tmp_path)
    assert "duckdb" in after
    assert not after & (HEAVY - {"duckdb"})


def test_doctor_imports_no_framework_to_look_for_it(tmp_path):
    after = loaded("from harness.cli import execute; execute(['doctor'])", tmp_path)
    assert not after & HEAVY


def test_the_pytest_plugin_loads_nothing_but_itself(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_what_is_loaded():\n"
        "    mine = [name for name in sys.modules if name.partition('.')[0] in ('harness', 'scenarios')]\n"
        "    assert sorted(mine) == ['harness', 'harness.pytest_plugin']\n"
        f"    assert not {HEAVY - {'rich', 'hypothesis'}!r} & set(sys.modules)\n"
    )
    done = subprocess.run(
        # Other plugins of this environment would load what they like.
        [sys.executable, "-m", "pytest", "-q", "-p", "harness.pytest_plugin", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout


def modules(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> list[tuple[int, str, bool]]:
    """List the imports of a file: level, module, and whether it is for types alone."""
    tree = ast.parse(path.read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, id(node) in typing) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", id(node) in typing))
    return found


@pytest.mark.parametrize("path", modules(*SIBLINGS), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sibling_package_finds_itself_only_relatively_and_never_the_others(path):
    named = [name for level, name, _ in imported(path) if level == 0 and name.partition(".")[0] in SIBLINGS]
    assert named == []


def test_opentelemetrys_sdk_is_known_to_the_tracer_and_the_exporters_alone():
    """The import contracts see third parties only as a whole."""
    knows = {
        str(path.relative_to(ROOT))
        for path in modules("harness", *SIBLINGS)
        for level, name, _ in imported(path)
        if level == 0 and name.startswith("opentelemetry.sdk")
    }
    assert {name for name in knows if not name.startswith("exporters/")} <= {"harness/trace.py"}


def test_nothing_heavy_is_imported_by_harness_at_the_top_of_a_module_outside_its_room():
    rooms = {"duckdb": (), "autogen": ("harness/adapters/",), "yaml": (), "textual": (), "rich": ()}
    for path in modules("harness"):
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
        where = str(path.relative_to(ROOT))
        for name in {name.partition(".")[0] for name in names} & rooms.keys():
            assert where.startswith(rooms[name] or ("nowhere",)), f"{where} imports {name}"
