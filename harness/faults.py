"""Keep count of what goes wrong in the tracing itself, and say each cause once."""

from __future__ import annotations

import logging
import traceback
from collections import Counter

from harness.text import redactor

log = logging.getLogger("harness")
counted: Counter[str] = Counter()
"""How often each cause was seen in this process."""


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
