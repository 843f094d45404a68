"""Where a traced program starts a process: it is told of the family, and of the run it is started in."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.adapters.patching import Patches
from harness.errors import UsageError
from harness.offline import is_out
from harness.scopes import current, given_run

if TYPE_CHECKING:
    from harness.adapters.patching import Function
    from harness.children import Family

_PYTHON = re.compile(r"(?i)^(?:python|pypy)[\d.]*(?:\.exe)?$")
_TAKES_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_ISOLATING = frozenset("IES")


def follow(family: Family) -> Callable[[], None]:
    """Tell every process that ``subprocess`` starts from now on; give what stops it."""
    patches = Patches()
    patches.wrap(subprocess.Popen, "__init__", lambda original: _telling(family, original))
    return patches.undo


def _telling(family: Family, original: Function) -> Function:
    signature = inspect.signature(original)

    def __init__(process: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, N807 - as it was
        try:
            given = signature.bind(process, *args, **kwargs)
        except TypeError:
            return original(process, *args, **kwargs)  # it says itself what does not fit
        out = is_out()
        if family.mode == "replay" and not out and isolated(given.arguments.get("args")):
            msg = "a Python process with -I, -E or -S cannot be answered from a cassette"
            family.refuse(msg)
            raise UsageError(msg, hint="Start it without these options, or run it outside of the replay.")
        environment = given.arguments.get("env")
        added = {**family.variables(os.environ if environment is None else environment, out=out), **_run()}
        given.arguments["env"] = {**(os.environ if environment is None else environment), **added}
        return original(*given.args, **given.kwargs)

    return __init__


def _run() -> dict[str, str]:
    scope = current()
    run = scope.run if scope is not None else given_run()
    return {"HARNESS_RUN_ID": run.run_id} if run is not None else {}


def isolated(command: object) -> bool:
    """Say whether *command* starts a Python that reads no ``PYTHONPATH``, so that it cannot be taken along."""
    if not isinstance(command, Sequence) or isinstance(command, (str, bytes)) or not command:
        return False
    words = [os.fsdecode(word) if isinstance(word, (str, bytes, os.PathLike)) else "" for word in command]
    if not _PYTHON.match(Path(words[0]).name):
        return False
    options = iter(words[1:])
    for word in options:
        if word in _TAKES_VALUE:
            next(options, None)
        elif word.startswith("--"):
            continue
        elif not word.startswith("-") or word == "-":
            return False
        else:
            flags = re.split("[cm]", word[1:], maxsplit=1)
            if _ISOLATING & set(flags[0]):
                return True
            if len(flags) > 1:
                return False
    return False
