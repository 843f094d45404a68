"""Whoever is killed, and in whatever phase: what was acknowledged is there once, all the while and at the end."""

from __future__ import annotations

import json
import subprocess
import sys


def test_nothing_is_lost_doubled_or_corrupt_when_writers_and_ingesters_are_killed():
    # In a process of its own: it forks, so it must not have opened a database or started a thread.
    command = [sys.executable, "-m", "tests.store.kill", "--kills", "24", "--each", "1", "--seconds", "5", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert not run.stderr
    account = json.loads(run.stdout.splitlines()[0])
    wrong = {kind: account[kind] for kind in ("lost", "doubled", "corrupt", "dangling", "live_faults", "failures")}
    assert not any(wrong.values()), account
    assert account["writers_killed"] > 0
    assert account["ingesters_killed"] > 0
    assert account["seen"] >= account["acked"] > 0
