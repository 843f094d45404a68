"""Say what went wrong, where, and what to do next; and the exit codes that go with it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The command's exit codes. Several at once: the first of ENVIRONMENT, DIVERGED, FINDINGS."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    ENVIRONMENT = 3
    DIVERGED = 4
    NOTHING_RAN = 5
    INTERRUPTED = 130
    READER_GONE = 141


class HarnessError(Exception):
    """An error a person can act on: one line, with a hint, and never a traceback.

    *hint* is a sentence that names the next step, or empty. *code* is what the command exits with.
    """

    code: Exit = Exit.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(HarnessError):
    """The command, a file or a value is not what it should be (exit 2)."""


class UnknownRunError(UsageError):
    """No run, or more than one, answers to the given id (exit 2)."""


class StoreError(HarnessError):
    """The store cannot be read or written (exit 3)."""

    code = Exit.ENVIRONMENT


class EnvironmentProblem(HarnessError):  # noqa: N818 - EnvironmentError is a name of Python's own
    """Something outside is missing: a framework, an extra, an endpoint (exit 3)."""

    code = Exit.ENVIRONMENT


class NothingRanError(HarnessError):
    """A selection that selects nothing is an error, not a pass (exit 5)."""

    code = Exit.NOTHING_RAN
