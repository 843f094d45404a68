"""``python -m tests.library.picture``: draw the README's screenshot again, from a bundled scenario."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scenarios.runner import run_scenario
from tests.library import LIBRARY
from tui.app import screenshot

PICTURE = Path(__file__).parents[2] / "docs" / "tui.svg"


def draw() -> str:
    """Replay the polite pair and picture the app at the first finding."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        run_scenario(LIBRARY / "politeness.scenario.yaml", store=store)
        return screenshot(store, "@1", (118, 30), press=("]",))


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
