"""A fault of the tracing itself never reaches the program, whichever function of it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.check import lookup
from tests.adapters.faults import WORKERS

MUTE = {"trace:Trace._begin", "trace:Trace._emit", "privacy:Privacy.told", "journal:Journal.write", "bridging:around"}
"""Where nothing can be written any more, the log alone tells."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HARNESS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.faults", str(tmp_path_factory.mktemp("faults"))],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"fault"')]


def test_the_conversation_ends_the_same_whichever_part_of_the_tracing_fails(outcomes: list[dict[str, Any]]) -> None:
    assert {outcome["fault"] for outcome in outcomes} >= WORKERS
    assert len(outcomes) > len(WORKERS) + 10
    assert [(outcome["fault"], outcome["error"]) for outcome in outcomes if not outcome["same"]] == []


def test_each_cause_is_counted_and_logged_once_and_without_secrets(outcomes: list[dict[str, Any]]) -> None:
    for outcome in outcomes:
        assert len(outcome["logged"]) == len(outcome["counted"])
        assert "sk-injected" not in "".join(outcome["logged"])
        assert outcome["counted"] or outcome["fault"].endswith("_from_cache")


def test_each_fault_is_a_finding_of_the_run_where_anything_can_be_written(outcomes: list[dict[str, Any]]) -> None:
    assert lookup("X002").name == "tracing-fault"
    silent = {
        outcome["fault"]
        for outcome in outcomes
        if outcome["counted"] and set(outcome["told"]) < set(outcome["counted"])
    }
    assert silent <= MUTE | {"trace:Trace.new_run"}
