"""``harness tui``: browse runs in the terminal."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from harness import config
from harness.cli.common import existing_store, store_option
from harness.errors import EnvironmentProblem
from harness.plugins import sibling


@click.command("tui")
@click.argument("run", required=False)
@store_option
def command(run: str | None, store: Path | None) -> None:
    """Browse runs in the terminal, live while they happen.

    With RUN (an id, a prefix of one, or @1 for the newest) open it at once. Press ? for the keys.
    """
    if find_spec("textual") is None:
        raise EnvironmentProblem("the terminal app needs Textual", hint="pip install 'autogen-harness[tui]'")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise EnvironmentProblem(
            "the terminal app needs a terminal", hint="`harness runs` and `harness show RUN` print the same anywhere."
        )
    if run is not None:
        existing_store(store)
    sibling("tui.app").browse(config.load(store=store).store, run)
