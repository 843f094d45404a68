"""What a store's runs use in a day and a month is counted over processes, and survives their end."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from harness.guarding import budgets
from harness.guarding.budgets import Bound, Reached
from harness.guarding.ledger import FOLDER, Ledger, Promise

DAY = datetime(2025, 11, 20, 12, tzinfo=timezone.utc)
ONE = Bound(least={"tokens": 10}, most={"tokens": 10})


def ledger(store: Path, *, now: datetime = DAY, **limits: float) -> Ledger:
    """A ledger whose clock stands still."""
    told = {name.replace("_max", ".max", 1): most for name, most in limits.items()}
    return Ledger(store, budgets.limits(told), now=lambda: now)


def test_a_limit_of_a_day_holds_over_ledgers_and_ends_with_the_day(tmp_path: Path) -> None:
    first, second = ledger(tmp_path, day_max_tokens=25), ledger(tmp_path, day_max_tokens=25)
    held = first.reserve(ONE)
    assert isinstance(held, Promise)
    assert isinstance(second.reserve(ONE), Promise)
    full = first.reserve(ONE)
    assert isinstance(full, Reached)
    assert str(full) == (
        "the limit of 25 tokens a day leaves no room: 0 tokens used, 20 tokens promised to calls under way,"
        " and the next call may take 10 tokens"
    )
    first.settle(held, {"tokens": 2})
    assert isinstance(second.reserve(ONE), Promise)
    tomorrow = ledger(tmp_path, now=DAY.replace(day=21), day_max_tokens=25)
    assert isinstance(tomorrow.reserve(ONE), Promise)


def test_a_limit_of_a_month_holds_over_days(tmp_path: Path) -> None:
    for day in (1, 2):
        one = ledger(tmp_path, now=DAY.replace(day=day), month_max_tokens=25)
        promise = one.reserve(ONE)
        assert isinstance(promise, Promise)
        one.settle(promise, {"tokens": 10})
    assert isinstance(ledger(tmp_path, month_max_tokens=25).reserve(ONE), Reached)
    assert isinstance(ledger(tmp_path, now=DAY.replace(month=12), month_max_tokens=25).reserve(ONE), Promise)


def test_a_call_that_begins_before_midnight_counts_for_the_day_it_began_on(tmp_path: Path) -> None:
    before = ledger(tmp_path, now=DAY.replace(month=10, day=31), day_max_tokens=100)
    promise = before.reserve(ONE)
    assert isinstance(promise, Promise)
    ledger(tmp_path, now=DAY.replace(day=1), day_max_tokens=100).settle(promise, {"tokens": 7})
    assert before.used("day", "tokens") == 7
    assert ledger(tmp_path, now=DAY.replace(day=1)).used("day", "tokens") == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.guarding import budgets
from harness.guarding.budgets import Bound
from harness.guarding.ledger import Ledger
Ledger(Path(sys.argv[1]), budgets.limits({"day.max_tokens": 100})).reserve(Bound(least={}, most={"tokens": 40}))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_reserved_counts_in_full(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
    left = Ledger(tmp_path, budgets.limits({"day.max_tokens": 100}))
    assert left.used("day", "tokens") == 80
    assert isinstance(left.reserve(Bound(least={}, most={"tokens": 40})), Reached)
    assert isinstance(left.reserve(Bound(least={}, most={"tokens": 20})), Promise)


SPENDER = """
import sys
from pathlib import Path
from harness.guarding import budgets
from harness.guarding.budgets import Bound, Reached
from harness.guarding.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), budgets.limits({"month.max_tokens": 1000}))
spent = 0
for _ in range(100):
    promise = ledger.reserve(Bound(least={}, most={"tokens": 10}))
    if isinstance(promise, Reached):
        break
    ledger.settle(promise, {"tokens": 7})
    spent += 7
print(spent)
"""


def test_many_processes_at_once_never_spend_more_than_the_month_has(tmp_path: Path) -> None:
    spenders = [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    spent = sum(int(each.communicate(timeout=120)[0]) for each in spenders)
    assert 1000 - 7 - 6 * 10 <= spent <= 1000
    assert Ledger(tmp_path, ()).used("month", "tokens") == spent


@given(st.integers(0, 400), st.binary(max_size=30))
def test_a_file_that_was_cut_off_or_scribbled_on_counts_what_is_whole(length: int, scribble: bytes) -> None:
    with TemporaryDirectory() as folder:
        _cut_off(Path(folder), length, scribble)


def _cut_off(store: Path, length: int, scribble: bytes) -> None:
    one = ledger(store, day_max_tokens=1000)
    for used in (1, 2, 3):
        promise = one.reserve(ONE)
        assert isinstance(promise, Promise)
        one.settle(promise, {"tokens": used})
    path = store / FOLDER / "2025-11.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:length] + scribble)
    found = ledger(store, day_max_tokens=1000)
    counted = found.used("day", "tokens")
    assert 0 <= counted <= 1 + 2 + 3 + 2 * 10
    promise = found.reserve(ONE)
    assert isinstance(promise, Promise)
    found.settle(promise, {"tokens": 5})
    assert ledger(store).used("day", "tokens") == counted + 5


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    ledger(tmp_path, day_max_tokens=25).reserve(ONE)
    assert (tmp_path / FOLDER / "2025-11.jsonl").stat().st_mode & 0o777 == 0o600
