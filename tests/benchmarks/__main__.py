"""``python -m tests.benchmarks [NAME…]``: print one line of JSON for each figure."""

from __future__ import annotations

import sys

from . import care, follow, guard, loops, overhead, replay, span, start_up, store

BENCHMARKS = {
    "start-up": start_up.figures,
    "span": span.figures,
    "store": store.figures,
    "follow": follow.figures,
    "loops": loops.figures,
    "care": care.figures,
    "overhead": overhead.figures,
    "replay": replay.figures,
    "guard": guard.figures,
}


def main(names: list[str]) -> int:
    """Run the benchmarks called *names*, or all."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
