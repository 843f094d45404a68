"""``python -m tests.library.record [NAME…]``: record the bundled scenarios again, against the scripted server.

Everything but the model is real: the agents, the OpenAI client, HTTP, the tools and the code that is run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.cassette import SUFFIX, Cassette, Header
from scenarios.runner import run_scenario
from tests.library import LIBRARY
from tests.library.scripts import SCRIPTS
from tests.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scenarios.verdict import Verdict

NOTE = "recorded through the real OpenAI client against a scripted OpenAI-compatible server"


def record(name: str, folder: Path, store: Path) -> tuple[Verdict, ScriptedServer]:
    """Record the scenario *name* of *folder* into its cassette there; its run goes to *store*."""
    cassette = folder / f"{name}{SUFFIX}"
    if not cassette.exists():  # one that is recorded again keeps its note
        Cassette(header=Header(note=NOTE)).write(cassette)
    with ScriptedServer(SCRIPTS[name]()) as server, environment(server.environment):
        verdict = run_scenario(folder / f"{name}.scenario.yaml", store=store, record="all")
    return verdict, server


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set *variables* for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main(names: list[str]) -> int:
    """Record the scenarios called *names*, or all."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or SCRIPTS:
            verdict, _ = record(name, LIBRARY, Path(folder) / ".harness")
            print(f"{verdict.outcome:8} {name}", *verdict.reasons, sep="\n  ")  # noqa: T201
            failed += verdict.outcome != "passed"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
