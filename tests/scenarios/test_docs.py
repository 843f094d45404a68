"""The documentation names every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import EndingKind
from scenarios import scenario
from scenarios.exchanges import Outcome
from scenarios.normalising import RULES
from scenarios.parting import Kind, Owner
from scenarios.queues import WAYS

DOCS = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
KEYS = sorted({*scenario._KEYS, *scenario._EXPECT, *scenario._AGENT, *scenario._TEAM})


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_a_scenario_is_documented(key: str) -> None:
    assert f"{key}:" in DOCS or f"`{key}`" in DOCS or f" {key} " in DOCS or f"{key}," in DOCS


def test_every_value_that_can_be_chosen_is_documented() -> None:
    chosen = (*scenario._AGENT_TYPES, *scenario._PATTERNS, *scenario._SELECTIONS, *scenario._INPUT_MODES)
    for value in (*chosen, *(kind.value for kind in EndingKind)):
        assert value in DOCS


@pytest.mark.parametrize("words", [RULES, WAYS, Outcome, Kind, Owner], ids=str)
def test_every_word_of_a_replay_is_documented(words) -> None:
    for word in words:
        assert f"`{getattr(word, 'value', word)}`" in DOCS or f"| {getattr(word, 'value', word)} |" in DOCS, word


def test_the_examples_of_the_documentation_are_scenarios(tmp_path: Path) -> None:
    blocks = [block.split("```")[0] for block in DOCS.split("```yaml\n")[1:]]
    program, factory, agents, expect = blocks
    (tmp_path / "app.py").write_text("")
    for number, text in enumerate((program, factory, agents, agents + expect)):
        path = tmp_path / f"s{number}.scenario.yaml"
        path.write_text(text)
        assert scenario.load(path)
