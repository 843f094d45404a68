"""Look at a target in a process of its own, and give what is found there as data."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentProblem, Exit, HarnessError, UsageError
from harness.text import one_line

# Not `-m`: the folder one stands in may hold a `harness` of its own.
_COMMAND = (
    "import sys; here = sys.path.pop(0); from harness.audit import child; sys.path.insert(0, here);"
    "child.main(sys.argv[1], sys.argv[2])"
)
_MOST_TOLD = 300


def look(target: str, *, seconds: float = 120.0, store: Path | None = None) -> dict[str, Any]:
    """Audit *target*, which ``docs/audit.md`` lists the forms of. Gives what ``--json`` prints.

    It has *seconds*; then it is ended with what it started in its own group. Raises UsageError for a target that fails
    before it asks for anything, and EnvironmentProblem for one that takes too long.
    """
    _there(target)
    with tempfile.TemporaryDirectory(prefix="harness-audit-") as folder:
        answer, printed = Path(folder) / "found.json", Path(folder) / "printed"
        with printed.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", _COMMAND, target, str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "HARNESS_TRACE": "0", **({"HARNESS_STORE": str(store)} if store else {})},
            )
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise EnvironmentProblem(
                    f"{target!r} asked for nothing within {seconds:g} s",
                    hint="Audit the module and the function that makes the agents: module:function.",
                ) from None
            finally:
                _end(process)
        if not answer.is_file():
            last = printed.read_text(errors="replace").strip().splitlines()[-1:]
            raise EnvironmentProblem(
                f"{target!r} ended before it could be looked at, with {process.returncode}",
                hint=one_line(last[0], _MOST_TOLD) if last else "It printed nothing.",
            )
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise _error(found)
    return found


def _there(target: str) -> None:
    """Raise UsageError unless *target* is a file, or has the form of a module, or of its attribute."""
    if target.endswith((".py", ".ipynb", ".yaml", ".yml")) and not Path(target).is_file():
        raise UsageError(
            f"there is no file {target!r}", hint="Name a Python file, a notebook, a scenario, or module:attribute."
        )
    module, _, _ = target.partition(":")
    if not Path(target).is_file() and not all(map(str.isidentifier, module.split("."))):
        raise UsageError(
            f"{target!r} is no target",
            hint="Name a Python file, a notebook, a scenario, module:attribute, or what `python -m` runs.",
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process and of those it started itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _error(found: dict[str, Any]) -> HarnessError:
    """Make the error that the process told of."""
    made = EnvironmentProblem if found.get("exit") == Exit.ENVIRONMENT else UsageError
    return made(str(found["error"]), hint=str(found.get("hint") or ""))
