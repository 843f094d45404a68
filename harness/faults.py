"""Keep a fault of the tracing out of the program: counted, said once for each cause, and told in the run itself."""

from __future__ import annotations

import functools
import logging
import os
import traceback
import weakref
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from harness.text import redactor

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

log = logging.getLogger("harness")
counted: Counter[str] = Counter()
"""How often each cause was seen in this process."""

_hearing: weakref.WeakMethod[Callable[[str], None]] | None = None


def safely(function: Callable[Parameters, Result]) -> Callable[Parameters, Result | None]:
    """Keep a fault of ours out of the program: logged once per cause, and None. Under pytest it is raised."""

    @functools.wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if "PYTEST_CURRENT_TEST" in os.environ:
                raise
            _tell(function, error)
            return None

    return guarded


def attempt(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result | None:
    """Call *function* as :func:`safely` would, once."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        if "PYTEST_CURRENT_TEST" in os.environ:
            raise
        _tell(function, error)
        return None


def listen(hear: Callable[[str], None]) -> None:
    """Let *hear*, a method of the newest trace of this process, be told each cause for as long as the trace lives."""
    global _hearing  # noqa: PLW0603 - one attachment a process
    _hearing = weakref.WeakMethod(hear)


def note(place: str, error: BaseException) -> str:
    """Count a fault at *place*, log it the first time, and name its cause: the place and the kind of error.

    What the error says and the lines it passed are logged without secrets; the run's contents may be in them.
    """
    cause = f"{place}: {type(error).__qualname__}"
    counted[cause] += 1
    if counted[cause] == 1:
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.warning("tracing failed and goes on without: %s", redactor()(f"{cause}\n{frames}").rstrip())
    return cause


def _tell(function: Callable[..., object], error: Exception) -> None:
    cause = note(getattr(function, "__qualname__", repr(function)), error)
    hear = _hearing() if _hearing is not None else None
    if hear is not None:
        hear(cause)
