from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.benchmarks.measure import compare, digits, interquartile
from tests.benchmarks.start_up import cpu_seconds


def test_a_ratio_is_taken_pair_by_pair_so_that_a_busy_machine_slows_both():
    pace = iter([1, 1, 5, 5, 2, 2, 1, 1])
    figure = compare("x", lambda: 6.0 * next(pace), peer="y", floor=lambda: 2.0 * next(pace), unit="s", n=3)
    assert (figure.ratio, figure.value, figure.against) == (3.0, 12.0, 4.0)


def test_the_first_of_each_does_not_count():
    ours = iter([100.0, 1.0, 2.0, 3.0])
    figure = compare("x", lambda: next(ours), peer="y", floor=lambda: 1.0, unit="s", n=3)
    assert (figure.value, figure.ratio, figure.spread) == (2.0, 2.0, 1.0)


def test_a_line_is_json_with_all_that_a_claim_needs():
    figure = compare("x", lambda: 2.0, peer="y", floor=lambda: 1.0, unit="µs", n=2)
    assert {"name", "value", "unit", "against", "ratio", "n", "spread", "load"} <= set(json.loads(figure.line()))


def test_the_middle_half_is_spanned():
    assert interquartile([1, 2, 3, 4, 100]) == 2


@pytest.mark.parametrize(("number", "shown"), [(0.123456, 0.123), (12345.0, 12300.0), (1.9999, 2.0)])
def test_more_than_three_digits_are_noise(number, shown):
    assert digits(number) == shown


def test_a_command_that_fails_is_not_measured():
    with pytest.raises(RuntimeError, match="exited with 3"):
        cpu_seconds(["-c", "raise SystemExit(3)"])
    assert cpu_seconds(["-c", "pass"]) > 0


def test_an_unknown_benchmark_is_named_with_those_there_are():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "warp"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "'warp'" in done.stderr
    assert "start-up" in done.stderr
