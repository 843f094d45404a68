"""Compare a framework's own test results with tracing off and on: ``python -m tests.upstream CHECKOUT``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from harness.model import Operation
from harness.store import open_store
from tests.upstream.suites import Suite, suite_in

LONGEST_S = 900
HERE = Path(__file__).resolve().parents[2]


def say(line: str) -> None:
    """Print a line of the account at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def outcomes(suite: Suite, checkout: Path, folder: Path, *, traced: bool) -> dict[str, str]:
    """Run the suite in a process of its own and give each test's outcome by its id."""
    found = folder / ("traced.json" if traced else "plain.json")
    at = checkout / suite.folder
    environment = {
        **os.environ,
        "HARNESS_UPSTREAM_OUTCOMES": str(found),
        "PYTHONPATH": os.pathsep.join([str(HERE), *(str(at / path) for path in suite.python_path)]),
    }
    environment.pop("HARNESS_UPSTREAM_STORE", None)
    if traced:
        environment["HARNESS_UPSTREAM_STORE"] = str(folder / "store")
    command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "tests.upstream.watching"]
    said = subprocess.run(
        [*command, *suite.arguments], cwd=at, env=environment, timeout=LONGEST_S, check=False, capture_output=True
    )
    (folder / f"{found.stem}.log").write_bytes(said.stdout + said.stderr)
    if not found.exists():
        sys.exit(f"pytest did not finish; its last words:\n{(said.stdout + said.stderr).decode()[-2000:]}")
    return dict(json.loads(found.read_text()))


def compare(suite: Suite, checkout: Path) -> int:
    """Print both results and every test whose outcome differs. Give 1 if one does, or if nothing was traced."""
    folder = Path(tempfile.mkdtemp(prefix="upstream-"))
    plain = outcomes(suite, checkout, folder, traced=False)
    traced = outcomes(suite, checkout, folder, traced=True)
    for label, found in (("without tracing", plain), ("with tracing", traced)):
        counted = Counter(found.values())
        say(f"{suite.name} {label}: " + ", ".join(f"{counted[kind]} {kind}" for kind in sorted(counted)))
    spans = Counter(dict(open_store(folder / "store").sql("SELECT operation, count(*) FROM spans GROUP BY 1").rows))
    say("recorded: " + ", ".join(f"{spans[operation.value]} {operation.value}" for operation in Operation))
    differing = sorted(test for test in plain.keys() | traced.keys() if plain.get(test) != traced.get(test))
    for test in differing:
        say(f"differs: {test}: {plain.get(test)} without tracing, {traced.get(test)} with")
    say(f"{len(differing)} of {len(plain)} outcomes differ; logs in {folder}")
    return int(bool(differing) or not sum(spans.values()))


def main(arguments: list[str]) -> int:
    """Compare, or with ``--requirements`` only print what the suite runs on."""
    checkout = Path(arguments[0])
    suite = suite_in(checkout)
    if suite is None:
        sys.exit(f"{checkout} is no checkout of a framework whose tests are known")
    if "--requirements" in arguments:
        say("\n".join(suite.requirements))
        return 0
    return compare(suite, checkout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
