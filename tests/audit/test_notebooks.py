"""A notebook is a target like any file: its lines are those of the file, and what only IPython knows is left out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.audit import notebooks
from harness.errors import UsageError
from tests.audit import grid
from tests.audit.test_verb import audit

_MODELS = 'config = {"config_list": [{"model": "gpt-4o"}]}\n'
_USER = 'user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)'
_WRITER = 'writer = autogen.AssistantAgent(\n    "writer",\n    system_message="Wörter.",\n    llm_config=config,\n)'
_CELLS = (
    ("markdown", "# Writers\nconfig = 1\n"),
    ("code", "%pip install autogen\nimport autogen\nimport asyncio\n"),
    ("code", "from IPython.display import Image, display\ndisplay(Image('picture.png'))"),
    ("code", "%%bash\nrm -rf everything\n"),
    ("code", "files = !ls\nif files:\n    !echo \\\n      found\nautogen?"),
    ("code", _MODELS + _USER),
    ("code", "%%time\n" + _WRITER),
    ("code", 'await asyncio.sleep(0)\nuser.initiate_chat(writer, message="Hello.", max_turns=2)'),
    ("code", 'user.initiate_chat(writer, message="Again.")'),
)


def notebook(*cells: tuple[str, str], **form: Any) -> str:
    """Write *cells* as Jupyter does."""
    made = []
    for kind, source in cells:
        outputs = {"outputs": [{"output_type": "stream", "text": source.splitlines(keepends=True)}]}
        made.append(
            {"cell_type": kind, **(outputs if kind == "code" else {}), "source": source.splitlines(keepends=True)}
        )
    return json.dumps({"cells": made, "nbformat": 4}, ensure_ascii=False, **{"indent": 1, **form}) + "\n"


@pytest.mark.skipif("classic" not in grid.families(), reason="the classic extra is not installed")
def test_a_notebook_is_judged_at_its_first_question_with_the_lines_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "app.ipynb"
    path.write_text(notebook(*_CELLS), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("")
    done = audit(tmp_path, "app.ipynb", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["certificate"]["messages"] == 4
    lines = path.read_text(encoding="utf-8").splitlines()
    for agent in found["agents"]:
        assert f'"{agent["name"]}' in lines[agent["line"] - 1].replace("\\", "") + lines[agent["line"]].replace(
            "\\", ""
        )
    assert "max_turns=2" in lines[found["ended_at"]["line"] - 1]
    assert [each["what"] for each in found["not_judged"]] == ["user.initiate_chat"]
    assert "Again." in lines[found["not_judged"][0]["line"] - 1]
    sarif = json.loads(audit(tmp_path, "app.ipynb", "--format", "sarif").stdout)
    places = [each["locations"][0]["physicalLocation"] for each in sarif["runs"][0]["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"app.ipynb"}


@pytest.mark.parametrize("form", [{"indent": None}, {"indent": 1}, {"indent": 4, "ensure_ascii": True}])
def test_a_notebook_is_the_same_program_however_its_file_is_laid_out(form: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "app.ipynb"
    form = {"ensure_ascii": False, **form}
    cells = [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in _CELLS]
    path.write_text(json.dumps({"cells": cells}, **form), encoding="utf-8")
    said = [line for line in notebooks.source(path).splitlines() if line.strip()]
    assert said[:3] == ["pass", "import autogen", "import asyncio"]
    assert said[5:8] == ["files = []", "if files:", "    pass"]
    assert "everything" not in "".join(said)
    compile(notebooks.source(path), "app", "exec", flags=notebooks.ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(("text", "said"), [("{", "is no notebook"), ("[]", "has no cells"), ('{"a": 1}', "no cells")])
def test_a_file_that_is_no_notebook_is_said_to_be_none(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "app.ipynb").write_text(text)
    with pytest.raises(UsageError, match=said):
        notebooks.source(tmp_path / "app.ipynb")


_LINES = st.lists(
    st.sampled_from(["x = 1", "", "y = '%s' % x", "# done", "text = '''", "%d", "'''", "z = 'ü\"'"]), max_size=5
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["code", "markdown"]), _LINES), max_size=5))
def test_each_line_of_python_stands_where_the_file_has_it(tmp_path: Path, cells: list[tuple[str, list[str]]]) -> None:
    path = tmp_path / f"{os.getpid()}.ipynb"
    path.write_text(notebook(*((kind, "\n".join(lines)) for kind, lines in cells)), encoding="utf-8")
    raw = path.read_text(encoding="utf-8").splitlines()
    made = notebooks.source(path).splitlines()
    code = [line for kind, lines in cells if kind == "code" for line in lines]
    for number, line in enumerate(made):
        if line and line != "pass":
            assert json.dumps(line, ensure_ascii=False)[1:-1] in raw[number]
    assert [line for line in made if line and line != "pass"] == [
        line for line in code if line and (line != "%d" or line in made)
    ]
