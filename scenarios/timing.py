"""Keep a rehearsal within its time: in this process by an alarm, in another one by killing it with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import IO, Any

from harness.call import StoppedError

_AGAIN_S = 1.0
"""How often the alarm is raised again, for whoever has swallowed it."""


class Clock:
    """A block that is broken off after so many seconds: StoppedError is raised in it, again and again until it ends.

    Only the main thread can be interrupted so; elsewhere nothing happens. Code that never returns to Python goes on.
    """

    def __init__(self, seconds: float | None) -> None:
        """*seconds* None is no limit."""
        self.struck = False
        self._seconds = seconds
        self._before: Any = None

    def __enter__(self) -> None:
        """Set the alarm."""
        if not self._able():
            self._seconds = None
        if self._seconds is not None:
            self._before = signal.signal(signal.SIGALRM, self._strike)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the alarm off."""
        if self._seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    @staticmethod
    def _able() -> bool:
        return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def _strike(self, _signal: int, _frame: FrameType | None) -> None:
        self.struck = True
        raise StoppedError(f"it took longer than {self._seconds:g} s", ends=False)


def run(command: Sequence[str], *, seconds: float | None, env: Mapping[str, str], stdout: IO[bytes]) -> int | None:
    """Run *command* in a group of its own, and give its exit code; None if it was killed after *seconds*.

    Whatever is still alive in its group when it ends, is killed with it.
    """
    child = subprocess.Popen(  # noqa: S603 - the program the user named
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill(child)


def kill(child: subprocess.Popen[Any]) -> None:
    """Kill *child* and its group, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
