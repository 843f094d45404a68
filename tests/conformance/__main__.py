"""``python -m tests.conformance``: play every pattern on the frameworks that are here, and write the table."""

from __future__ import annotations

import contextlib
import io
import logging
import sys

from tests.conformance.patterns import PATTERNS, Pattern
from tests.conformance.table import Cell, cell, present, read, write


def attempt(column: str, pattern: Pattern) -> Cell:
    """Play a pattern; what it raises is what is wrong with it."""
    try:
        return cell(column, pattern)
    except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
        return Cell(text="", wrong=(f"{type(error).__name__}: {error}",))


def main(names: list[str]) -> int:
    """Play the patterns called *names*, or all; 1 if a picture is not as expected, and then nothing is written."""
    table, wrong = read(), 0
    logging.disable()  # of the errors that are part of the patterns
    with contextlib.redirect_stdout(io.StringIO()):  # agents print all they say
        for column in present():
            for pattern in PATTERNS:
                if names and pattern.name not in names:
                    continue
                found = attempt(column, pattern)
                lines = [f"{column}  {pattern.title}: {found.text}", *(f"    ✖ {line}" for line in found.wrong)]
                sys.stderr.write("\n".join(lines) + "\n")
                wrong += bool(found.wrong)
                table.setdefault(column, {})[pattern.title] = found.text
    if not wrong:
        write(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
