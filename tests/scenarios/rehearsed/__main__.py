"""``python -m tests.scenarios.rehearsed``: record every scenario on what is installed, and write the table."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from tests.conformance.picture import summary
from tests.scenarios.rehearsed import table, theatre


def main() -> int:
    """Write the table; 1 if a scenario does not pass when it is recorded, and then nothing is written."""
    logging.disable()  # of the errors that are part of the scenarios
    sections, wrong = table.read(), 0
    with tempfile.TemporaryDirectory() as name:
        for family, version in table.installed().items():
            rows, found = [row for row in table.ROWS if row.family == family], {}
            for row in rows:
                if row.absent():
                    continue
                verdict = theatre.record(row, Path(name), ids="x")
                sys.stderr.write(f"{version}  {row.name}: {verdict.outcome} {' '.join(verdict.reasons)}\n")
                if verdict.outcome == "passed" and verdict.recorded and verdict.run_id:
                    found[row.name] = summary([theatre.run(Path(name), verdict.run_id)])
                else:
                    wrong += 1
            if not wrong:
                sections[version] = table.written(rows, found)
    if not wrong:
        table.write(sections)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
