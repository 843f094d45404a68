"""The documentation names every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scenarios import scenario
from scenarios.exchanges import Outcome
from scenarios.normalising import RULES
from scenarios.parting import Kind, Owner
from scenarios.queues import WAYS
from scenarios.schema import PLAYS, SCHEMA

ROOT = Path(__file__).parents[2] / "docs"
DOCS = (ROOT / "scenarios.md").read_text(encoding="utf-8")


def parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every schema within *schema*, itself included."""
    if isinstance(schema, Mapping):
        yield schema
        for inside in schema.values():
            yield from parts(inside)
    elif isinstance(schema, list):
        for inside in schema:
            yield from parts(inside)


KEYS = sorted({key for part in parts(SCHEMA) for key in part.get("properties", {}) if "type" in part})


def test_the_published_schema_is_the_one_that_files_are_judged_by() -> None:
    text = (ROOT / "scenario.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(SCHEMA, indent=2) + "\n", "write it again: python -m scenarios.schema"


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_a_scenario_is_documented(key: str) -> None:
    assert re.search(rf"(?<![\w-])`?{re.escape(key)}`?[:, ){{]|`{re.escape(key)}`", DOCS)


def test_every_value_that_can_be_chosen_is_documented() -> None:
    chosen = {str(word) for part in parts(SCHEMA) if isinstance(part.get("enum"), list) for word in part["enum"]}
    for value in chosen - {"False"}:
        assert value in DOCS


@pytest.mark.parametrize("words", [RULES, WAYS, Outcome, Kind, Owner], ids=str)
def test_every_word_of_a_replay_is_documented(words) -> None:
    for word in words:
        assert f"`{getattr(word, 'value', word)}`" in DOCS or f"| {getattr(word, 'value', word)} |" in DOCS, word


def test_the_examples_of_the_documentation_are_scenarios(tmp_path: Path) -> None:
    blocks = [block.split("```")[0] for block in DOCS.split("```yaml\n")[1:]]
    (tmp_path / "app.py").write_text("")
    assert len(blocks) > len(PLAYS)
    for number, text in enumerate(blocks):
        whole = text if re.search(rf"^({'|'.join(PLAYS)}):", text, re.MULTILINE) else f"factory: a:b\n{text}"
        path = tmp_path / f"s{number}.scenario.yaml"
        path.write_text(whole)
        assert scenario.load_all(path)


def test_the_example_in_python_is_a_scenario(tmp_path: Path) -> None:
    (example,) = (block.split("```")[0] for block in DOCS.split("```python\n")[1:])
    (tmp_path / "tools.py").write_text("def lookup(name: str) -> str:\n    return name\n")
    path = tmp_path / "currency.scenario.py"
    path.write_text(example)
    assert scenario.load(path).expect.tools.exactly is not None
