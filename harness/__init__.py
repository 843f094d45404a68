"""A flight recorder, a rehearsal stage and a judge for AutoGen agent runs.

Everything here is loaded when it is first used, so ``import harness`` costs next to nothing.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.audit.asserting import assert_terminates as assert_terminates
    from harness.blocks import guard as guard
    from harness.blocks import replay as replay
    from harness.blocks import run as run
    from harness.guarding.guards import Guard as Guard
    from harness.recording import instrument as instrument
    from harness.recording import uninstrument as uninstrument
    from harness.rehearsing import scenario as scenario
    from harness.store import open_store as open_store

__all__ = [
    "Guard",
    "assert_terminates",
    "guard",
    "instrument",
    "open_store",
    "replay",
    "run",
    "scenario",
    "uninstrument",
]
__version__ = "0.1.0"

_HOMES = {
    "Guard": "harness.guarding.guards",
    "assert_terminates": "harness.audit.asserting",
    "guard": "harness.blocks",
    "instrument": "harness.recording",
    "uninstrument": "harness.recording",
    "replay": "harness.blocks",
    "run": "harness.blocks",
    "open_store": "harness.store",
    "scenario": "harness.rehearsing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module attributes may be anything
    """Load a public name on first use."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*globals(), *_HOMES])


def _wanted() -> bool:
    """Say whether ``HARNESS_TRACE`` asks for this program to be recorded.

    Not our own command, which Python calls ``-m`` until it has found it; nor a process that a traced one has started,
    which is attached to as that one says.
    """
    if os.environ.get("HARNESS_TRACE") != "1" or "HARNESS_CHILDREN" in os.environ:
        return False
    program = next(iter(getattr(sys, "argv", ())), "")
    return program != "-m" and program.replace("\\", "/").rpartition("/")[2] != "harness"


if _wanted():
    from importlib import import_module

    import_module("harness.recording").instrument_quietly()
