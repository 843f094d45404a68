"""Write scenarios in Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from harness import plugins


def scenario(name: str, **fields: Any) -> list[Any]:  # noqa: ANN401 - as in a scenario file
    """Make the scenario *name*, or one for each row of its ``data``, in a file ``NAME.scenario.py``.

    *fields* are the keys of a scenario file, judged by the same rules; where a file names a function, it may be handed
    over. What is named is looked for beside the file this is called in. Raises UsageError for what is wrong.
    """
    path = Path(sys._getframe(1).f_code.co_filename)  # noqa: SLF001 - the file of who calls
    made: list[Any] = plugins.sibling("scenarios.in_python").scenario(name, path=path, **fields)
    return made
