"""Whoever is killed, and in whatever phase: what was acknowledged is there once, all the while and at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

# In a process of its own: it forks, so it must not have opened a database or started a thread.
COMMAND = (sys.executable, "-m", "tests.store.kill", "--json")
MOST_S = 300.0
"""A busy machine needs it; a run ends as soon as it has met its bar."""


def account(told: str) -> dict:
    given = json.loads(told.splitlines()[0])
    wrong = {kind: given[kind] for kind in ("lost", "doubled", "corrupt", "dangling", "live_faults", "failures")}
    assert not any(wrong.values()), given
    return given


def test_nothing_is_lost_doubled_or_corrupt_when_writers_and_ingesters_are_killed():
    command = [*COMMAND, "--kills", "24", "--each", "1", "--seconds", "280"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
    assert not run.stderr
    given = account(run.stdout)
    assert run.returncode == 0, given
    assert given["moments"]["outside"] > 12
    assert given["seen"] >= given["acked"] > 0


def test_a_run_whose_time_is_up_before_it_met_its_bar_gives_its_account_and_fails():
    command = [*COMMAND, "--kills", "9999", "--seconds", "2"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
    assert not run.stderr
    assert run.returncode == 1
    assert account(run.stdout)["rounds"] == 1


def test_a_run_that_is_terminated_gives_its_account_and_fails(tmp_path):
    command = ["env", f"TMPDIR={tmp_path}", *COMMAND, "--kills", "9999", "--seconds", "280"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        end = time.monotonic() + MOST_S
        while not list(tmp_path.glob("kill-*/round-0/store/journal")):
            assert time.monotonic() < end
            assert run.poll() is None
            threading.Event().wait(0.01)
        run.terminate()
        told, complaints = run.communicate(timeout=MOST_S)
    assert not complaints
    assert run.returncode == 1
    given = account(told)
    assert given["unseen"] == 1
    assert given["said"] == ["ended by SIGTERM"]
