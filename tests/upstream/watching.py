"""A pytest plugin: trace the whole run into ``HARNESS_UPSTREAM_STORE``, if that is set, and write each outcome."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_outcomes: dict[str, str] = {}

if store := os.environ.get("HARNESS_UPSTREAM_STORE"):
    import harness

    harness.instrument(store)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of each test: the worst of its three phases."""
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Write the outcomes where the comparison will look for them."""
    Path(os.environ["HARNESS_UPSTREAM_OUTCOMES"]).write_text(json.dumps(_outcomes))
