"""``python -m tests.store.kill [--kills N] [--each N] [--seconds S] [--seed N] [--json]``: kill, and give account."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import duckdb

from .suite import Bar, listed, run


def main() -> int:
    """Run the suite, and give its account in any case.

    0 if every record came back once and every phase was met as often as it should be, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.store.kill")
    parser.add_argument(
        "--kills", type=int, default=300, help="processes to kill, the larger part of them from outside"
    )
    parser.add_argument("--each", type=int, default=30, help="of these in every phase, at least")
    parser.add_argument("--seconds", type=float, default=240.0, help="end after so long in any case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="give the account as JSON")
    asked = parser.parse_args()
    bar = Bar(kills=asked.kills, each=asked.each)
    with tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True) as folder:
        account = run(Path(folder), bar, seconds=asked.seconds, seed=asked.seed)
    missing = bar.missing(account)
    told = [json.dumps(account.figures())] if asked.json else account.lines()
    print(*told, f"missing    {listed(missing)}", f"duckdb     {duckdb.__version__}", sep="\n")  # noqa: T201 - what it is run for
    return 0 if account.clean and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
