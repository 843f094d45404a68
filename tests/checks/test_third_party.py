"""A check of somebody else's is found by its entry point, judges, is explained and set like ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECK = '''
"""Checks of an example."""

from harness.check import Check, Need
from harness.model import Severity


class Shouting(Check):
    """An agent shouts.

    Why: nobody likes it.

    Fix: tell it not to.
    """

    code = "Z100"
    name = "shouting"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})
    thresholds = {"letters": 3}

    def see(self, event):
        text = event.message.text if event.message else ""
        if text.isupper() and len(text) >= self.threshold("letters"):
            yield self.finding(f"{event.message.sender} shouts", seq=event.number)


class Breaking(Check):
    """A check that breaks.

    Why: people make mistakes.

    Fix: mend it.
    """

    code = "Z101"
    name = "breaking"
    severity = Severity.NOTE

    def finish(self):
        raise LookupError("nothing here")
'''
JUDGE = """
import json
from harness import check
from tests.checks.talks import talk
found = check.judge(talk(["ann: NO!", "bob: WHY NOT?"]), select=["Z"])
print(json.dumps([[each.code, each.seq, each.text] for each in found]))
"""


def install(folder: Path) -> None:
    """Lay a distribution into *folder* the way an installer does."""
    (folder / "shouting_checks.py").write_text(CHECK)
    about = folder / "shouting_checks-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting-checks\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.checks]\nshouting = shouting_checks\n")
    (about / "RECORD").write_text("")


def python(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, *args],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_distribution_that_brings_checks_is_found_and_judges(tmp_path):
    install(tmp_path)
    done = python(tmp_path, "-c", JUDGE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["Z100", 0, "ann shouts"],
        ["Z100", 1, "bob shouts"],
        ["X001", None, "Z101 breaking broke: LookupError: nothing here"],
    ]


def test_its_checks_are_explained_with_their_numbers(tmp_path):
    install(tmp_path)
    done = python(tmp_path, "-m", "harness", "explain", "shouting")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Z100 shouting · warning · looks at content\n\nAn agent shouts.\n\nWhy: nobody")
    assert "Z100 = {letters = 3}" in done.stdout


def test_two_distributions_that_share_a_code_are_refused(tmp_path):
    install(tmp_path)
    (tmp_path / "more_checks.py").write_text(CHECK.replace("Z101", "Z102"))
    about = tmp_path / "more_checks-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: more-checks\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.checks]\nmore = more_checks\n")
    done = python(tmp_path, "-m", "harness", "explain")
    assert done.returncode == 3
    assert "two checks are called Z100: more_checks and shouting_checks" in done.stderr
