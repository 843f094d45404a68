"""Drive the whole grid, and hold every certificate against it: ``python -m tests.audit [FAMILY …]``."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections import Counter

from tests.audit import grid


def main(wanted: list[str]) -> int:
    """Print what is wrong, and how many there are of each; the exit code says whether all is right."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    counts: Counter[str] = Counter()
    faults = 0
    for family in wanted or grid.families():
        started = time.monotonic()
        for case in grid.cases(family):
            truth, bound = grid.driven(case, seeds=2), grid.certified(case)
            fault = grid.wrong(truth, bound)
            counts[family] += 1
            counts[f"{family} {bound.verdict.value}"] += 1
            counts[f"{family} tight"] += bound.tight
            if fault is not None:
                faults += 1
                print(f"WRONG {case}: {fault}", flush=True)  # noqa: T201 - it is what is asked for
        print(f"{family}: {counts[family]} in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
    every = sum(count for name, count in counts.items() if " " not in name)
    unknown = sum(count for name, count in counts.items() if name.endswith("unknown"))
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")  # noqa: T201
    print(f"{every} set-ups, {faults} wrong, {unknown} unknown ({100 * unknown / max(every, 1):.1f} %)")  # noqa: T201
    return 1 if faults or unknown > every / 10 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
