"""Rehearse many scenarios as ``harness run -n 2`` does: what one more costs, and how big the processes get.

``HARNESS_BENCH_SCENARIOS`` says how many (220 unless told; a thousand take some minutes on a busy machine). They are
held against a tenth as many, so that starting the command and its workers is not counted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MANY = int(os.environ.get("HARNESS_BENCH_SCENARIOS", "220"))
FEW = max(MANY // 10, 1)
PATIENCE_S = 900
ROOT = Path.cwd()
COMMAND = "from harness.cli import main; main()"
_TICK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch took: CPU seconds of all its processes, and the most megabytes of the command and of any worker.

    The latter are 0 where the system does not tell.
    """

    cpu_s: float
    command_mb: float
    worker_mb: float


def played(folder: Path, count: int, turns: int) -> Batch:
    """Rehearse the recorded conversation of *turns* in *folder* as *count* scenarios."""
    several = folder / str(count)
    if not several.is_dir():
        _stage(folder, several, count)
    before = os.times()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        command = [sys.executable, "-c", COMMAND, "run", "-n", "2", "--json", str(several)]
        with subprocess.Popen(command, stdout=said, stderr=told, cwd=ROOT) as process:
            sizes = _watched(process)
        after = os.times()
        said.seek(0)
        told.seek(0)
        verdicts = json.loads(said.read() or b"[]")
        if len(verdicts) != count or any(one["replay"]["hits"] != turns for one in verdicts):
            raise RuntimeError(f"the batch failed:\n{told.read().decode()[-2000:]}")
    return Batch(cpu_s=sum(after[2:4]) - sum(before[2:4]), command_mb=sizes[0], worker_mb=sizes[1])


def _stage(folder: Path, several: Path, count: int) -> None:
    several.mkdir()
    for file in ("talk.py", "talk.cassette.jsonl"):
        shutil.copy(folder / file, several)
    for number in range(count):
        text = f"name: talk {number}\nfactory: talk:hold\ncassette: talk.cassette.jsonl\n"
        (several / f"talk{number:04}.scenario.yaml").write_text(text, encoding="utf-8")


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait until *process* is over, and give the most megabytes that it had, and any of its children."""
    command = worker = 0.0
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        command = max(command, _peak_mb(process.pid))
        worker = max(worker, *map(_peak_mb, _children(process.pid)), 0.0)
        if time.monotonic() > until:
            process.kill()
            raise RuntimeError(f"the batch was not over after {PATIENCE_S} s")
        time.sleep(_TICK_S)
    return command, worker


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _peak_mb(pid: int) -> float:
    """Read the most that process *pid* has had in memory so far; 0 where that is not told, or it is over."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
