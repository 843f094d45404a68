"""Play one scenario after another for a pool, in a process of its own.

It reads jobs as lines of JSON and answers with verdicts. It ends when nobody gives it jobs any more, and when it is
told to, or its pool is gone, it ends the program that it plays, too.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from harness.errors import HarnessError

from . import batch, casting, repeating, runner, scenario, stage, verdict_record


def main(jobs: int, answers: int) -> None:
    """Serve the pool at the other ends of the pipes *jobs* and *answers*, given by their numbers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The pool decides what an interruption means.
    signal.signal(signal.SIGTERM, _leave)
    known: set[str] = set()
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        for line in _lines(jobs):
            answer = _played(json.loads(line))
            _write(answers, json.dumps(answer, default=str).encode() + b"\n")
            _clear_away(known)


def _clear_away(known: set[str]) -> None:
    """Let go of what a scenario has left. *known* are the frameworks that were there before.

    What a framework holds since it was loaded stays, and to look through all of it takes longer than most scenarios.
    """
    for name in [name for name in sys.modules if name.startswith(stage.LOADED_AS)]:
        del sys.modules[name]
    gc.collect()
    there = {name for name in casting.MODULES.values() if name in sys.modules}
    if there - known:
        known |= there
        gc.freeze()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _lines(handle: int) -> Any:  # noqa: ANN401 - a generator
    """Yield the lines that come in. Once the other end is closed, whatever is going on is ended."""
    waiting = threading.Condition()
    lines: list[bytes] = []
    closed = False

    def read() -> None:
        nonlocal closed
        with os.fdopen(handle, "rb") as file:
            for line in file:
                with waiting:
                    lines.append(line)
                    waiting.notify()
        with waiting:
            closed = True
            waiting.notify()
        if busy.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    busy = threading.Event()
    threading.Thread(target=read, daemon=True, name="harness-jobs").start()
    while True:
        with waiting:
            while not lines and not closed:
                waiting.wait(1.0)
            if not lines:
                return
            line = lines.pop(0)
            busy.set()
        yield line
        busy.clear()


def _played(job: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        what = scenario.load(Path(job["path"]), job["name"])
        attempt = functools.partial(runner.rehearse, what, store=Path(job["store"]), **job["options"])
        times = job["repeat"] or what.repeat
        verdict = repeating.repeat(attempt, times, at_least=job["at_least"], insist=job["repeat"] is not None)
        said = verdict_record.dump(verdict)
        if job["batch"] is not None:
            batch.Batch(path=Path(job["batch"]), asked={}).keep_written(what, said)
    except HarnessError as error:
        return {"error": str(error), "hint": error.hint, "code": int(error.code)}
    return {"verdict": said}


def _write(handle: int, data: bytes) -> None:
    """Write all of *data*, however often that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
