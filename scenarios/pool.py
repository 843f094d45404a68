"""Play many scenarios at a time, each worker in a process of its own, and give the verdicts as they come.

A worker that takes too long, or is gone, costs its one scenario an error; another one takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from harness import plugins
from harness.errors import EnvironmentProblem, Exit, HarnessError
from harness.text import one_line

from . import timing, verdict_record

if TYPE_CHECKING:
    from pathlib import Path

    from .batch import Batch
    from .jobs import Asked, Job
    from .verdict import Verdict

# Not `-m`: the folder one stands in may hold a `harness` of its own.
_COMMAND = (
    f"import sys; here = sys.path.pop(0); sys.path.insert(0, {str(plugins.HOME)!r}); "
    "from harness.plugins import sibling; del sys.path[0]; sys.path.insert(0, here); "
    "sibling('scenarios.worker').main(*map(int, sys.argv[1:]))"
)
_GRACE_S = 15.0
"""How much longer than its own time a worker gets, which ends by itself what takes too long."""
_TERMINATION_S = 3.0
_MOST_JOBS = 1000
"""How many jobs a worker takes: what frameworks, or agents' own modules, never give back is given back then."""
_TICK_S = 0.2
_CHUNK = 1 << 16

Answer = tuple["Job", "Verdict | HarnessError"]


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """A process, the pipes to it, and what it is at since when (``time.monotonic``)."""

    process: subprocess.Popen[bytes]
    jobs: int
    answers: int
    errors: IO[bytes]
    job: Job | None = None
    until: float = 0.0
    taken: int = 0
    heard: bytearray = field(default_factory=bytearray)


def play(  # noqa: PLR0913 - each is one thing that may be set
    jobs: Sequence[Job],
    asked: Asked,
    *,
    workers: int,
    store: Path,
    batch: Batch | None = None,
    began: Callable[[Job], None] = lambda _job: None,
) -> Generator[Answer]:
    """Play *jobs* with so many *workers*, and yield each with its verdict, or the error why it could not be played.

    They come in the order in which they end. Every verdict is kept in *batch* by who gives it. *began* is told of each
    job. Leaving the iterator ends all that is going on, and so does an interruption: KeyboardInterrupt is raised.
    """
    pool = _Pool(asked, store, batch, began)
    try:
        with _interruption() as interrupted:
            yield from pool.answers(deque(jobs), workers, interrupted)
    finally:
        pool.close()


@contextlib.contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Note a first interruption instead of raising it, and give what says whether there was one.

    It is raised where nothing is half done: wherever it struck it might be lost in a callback of the interpreter, which
    only prints what it cannot raise. A second one is raised at once. Only the main thread hears of any.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return
    heard = False

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal heard
        heard = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: heard
    finally:
        signal.signal(signal.SIGINT, before)


class _Pool:
    def __init__(self, asked: Asked, store: Path, batch: Batch | None, began: Callable[[Job], None]) -> None:
        self._asked, self._store, self._batch, self._began = asked, store, batch, began
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []

    def answers(self, waiting: deque[Job], workers: int, interrupted: Callable[[], bool]) -> Iterator[Answer]:
        while waiting or any(worker.job for worker in self._workers):
            if interrupted():
                raise KeyboardInterrupt
            while waiting and len(self._workers) < workers:
                self._workers.append(self._start())
            for worker in [one for one in self._workers if one.job is None]:
                if waiting:
                    self._give(worker, waiting.popleft())
            ready = [key.data for key, _ in self._selector.select(_TICK_S)]
            for worker in [*self._workers]:
                answer = self._heard(worker) if worker in ready else None
                if answer is None and worker.job is not None and time.monotonic() > worker.until:
                    answer = self._lost(worker, "it did not end in its time, and was killed")
                if answer is not None:
                    yield answer

    def _start(self) -> _Worker:
        theirs_in, jobs = os.pipe()
        answers, theirs_out = os.pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", _COMMAND, str(theirs_in), str(theirs_out)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        worker = _Worker(process=process, jobs=jobs, answers=answers, errors=errors)
        self._selector.register(answers, selectors.EVENT_READ, worker)
        return worker

    def _give(self, worker: _Worker, job: Job) -> None:
        if job.what is None:
            raise ValueError(f"{job.path} could not be read")
        options = self._asked.options
        times = self._asked.repeat or job.what.repeat
        worker.job, worker.taken = job, worker.taken + 1
        patience_s = options.get("patience_s")
        worker.until = time.monotonic() + times * patience_s + _GRACE_S if patience_s else float("inf")
        told = {
            "path": str(job.path),
            "name": job.what.name,
            "store": str(self._store),
            "options": dict(options),
            "repeat": self._asked.repeat,
            "at_least": self._asked.at_least,
            "batch": str(self._batch.path) if self._batch is not None else None,
        }
        self._began(job)
        with contextlib.suppress(BrokenPipeError):  # It is gone already, which its answers will tell.
            os.write(worker.jobs, json.dumps(told).encode() + b"\n")

    def _heard(self, worker: _Worker) -> Answer | None:
        """Read what has come from *worker*: a whole answer, none yet, or its end."""
        data = os.read(worker.answers, _CHUNK)
        if not data:
            return self._lost(worker, "its process was gone")
        worker.heard += data
        if not data.endswith(b"\n"):
            return None
        said: Mapping[str, Any] = json.loads(bytes(worker.heard))
        worker.heard.clear()
        job, worker.job = worker.job, None
        if worker.taken >= _MOST_JOBS:
            self._end(worker)
        if job is None:
            return None
        if "error" in said:
            error = HarnessError(said["error"], hint=said["hint"])
            error.code = Exit(said["code"])
            return job, error
        return job, verdict_record.load(said["verdict"], job.what)

    def _lost(self, worker: _Worker, why: str) -> Answer | None:
        job = worker.job
        lines = self._end(worker)
        last = next((line for line in reversed(lines) if line.strip()), "")
        said = f": {one_line(last, 200)}" if last else ""
        code = worker.process.returncode
        signalled = f" (signal {-code})" if code is not None and code < 0 and "killed" not in why else ""
        problem = EnvironmentProblem(
            f"{why}{signalled}{said}", hint="Play it alone to see more: `harness run -v PATH`."
        )
        return (job, problem) if job is not None else None

    def _end(self, worker: _Worker) -> list[str]:
        """End a worker: it is asked to, so that it ends what it plays, and killed if it does not. Gives its stderr."""
        self._workers.remove(worker)
        self._selector.unregister(worker.answers)
        os.close(worker.jobs)
        os.close(worker.answers)
        if worker.job is not None:  # Who has nothing to do has nothing to lose.
            worker.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(_TERMINATION_S)
        timing.kill(worker.process)
        with worker.errors:
            worker.errors.seek(0)
            return worker.errors.read().decode(errors="replace").splitlines()

    def close(self) -> None:
        """End every worker, and what it plays."""
        for worker in self._workers:
            if worker.job is not None:
                worker.process.send_signal(signal.SIGTERM)
        for worker in [*self._workers]:
            self._end(worker)
        self._selector.close()
