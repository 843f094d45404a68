"""Read off what a program printed why it failed, as its user would: the exception, not the last line of its text."""

from __future__ import annotations

from harness.text import one_line

_TRACEBACK = "Traceback (most recent call last):"
_OURS = "harness: "


def last_words(output: str) -> str:
    """Give the line that says it: the last traceback's exception, else what the program printed last, else we.

    What is indented goes on with the line before it.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    begun = max((at for at, line in enumerate(lines) if line == _TRACEBACK), default=len(lines))
    raised = next((line for line in lines[begun + 1 :] if not line[0].isspace()), None)
    said = [line for line in lines if not line[0].isspace()] or lines
    own = [line for line in said if not line.startswith(_OURS)]
    return one_line(raised or next(reversed(own or said), ""), 300)
