"""``python -m tests.store.kill [--kills N] [--each N] [--seconds S] [--seed N] [--json]``: kill, and give account."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import duckdb

from .board import TAKER_PHASES, WRITER_PHASES
from .suite import run


def main() -> int:
    """Run the suite. 0 if every record came back once and every phase was met as often as it should be, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.store.kill")
    parser.add_argument("--kills", type=int, default=300, help="processes to kill, at least")
    parser.add_argument("--each", type=int, default=30, help="of these in every phase, at least")
    parser.add_argument("--seconds", type=float, default=480.0, help="stop starting after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="give the account as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        account = run(Path(folder), kills=asked.kills, each=asked.each, seconds=asked.seconds, seed=asked.seed)
    told = [json.dumps(account.figures())] if asked.json else account.lines()
    print(*told, f"duckdb     {duckdb.__version__}", sep="\n")  # noqa: T201 - what it is run for
    met = all(account.phases[phase] >= asked.each for phase in (*WRITER_PHASES, *TAKER_PHASES))
    return 0 if account.clean and met and account.kills >= asked.kills else 1


if __name__ == "__main__":
    sys.exit(main())
