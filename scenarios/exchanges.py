"""What a cassette is made of: exchanges, each one call and what answered it, below a header. Records, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from harness import __version__
from harness.model import Json, Operation

CHOSEN_BY_OUTSIDE = frozenset({"random", "manual"})
"""Ways to select a speaker whose choice is recorded. The framework works the others out from what is replayed."""


NEVER_ASKED = frozenset({"ToolNotRunError", "StoppedError"})
"""How a call is recorded that nobody was asked: the framework refused it, or the run was stopped. None is replayed."""


class Outcome(str, Enum):
    """What became of a call, or of an exchange, in a replay."""

    HIT = "hit"
    """The request is the recorded one."""
    NORMALISED = "normalised hit"
    """It is once volatile values are taken out."""
    CHANGED = "changed hit"
    """It is another one, and got the reply that was due: only where replies go by their number."""
    MISS = "miss"
    """No exchange answers it."""
    UNUSED = "unused"
    """The exchange was asked for by nobody."""
    LIVE = "live"
    """The call was made for real, as the cassette or the scenario says."""
    STUB = "stub"
    """The scenario answered it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception that answered a call: its type's name and its text.

    Of a provider's refusal, *status* is the HTTP status, and *body* the error as JSON: its type, code, param, message.
    """

    type: str
    message: str
    status: int | None = None
    body: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded call and what answered it: a reply, a failure, or neither.

    Neither means that the call is made for real in a replay, because the calls that it makes itself are recorded.
    *request* and *reply* have the shapes of ``harness.call``; a chat request always has ``model``, ``messages``,
    ``tools`` and ``parameters``, the latter without what only carries a request. *accepted* names what of the request
    was changed by hand since the reply was given, in the words of a divergence. *line* is its line in the file.
    """

    kind: Operation
    agent: str | None
    conversation: str = ""
    request: Mapping[str, Json]
    reply: Mapping[str, Json] | None = None
    failure: Failure | None = None
    accepted: tuple[str, ...] = ()
    line: int | None = field(default=None, compare=False)

    @property
    def live(self) -> bool:
        """Whether a replay makes the call for real."""
        return self.reply is None and self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where a cassette comes from. *note* is the recorder's own remark, such as what stood in for the model.

    *normalise* names the volatile values that do not count when requests are compared, and *freeze* what stood still in
    the program (``harness.freezing``). *format* is that of the file it was read from, None for one that was made here.
    """

    harness: str = __version__
    framework: str | None = None
    models: tuple[str, ...] = ()
    note: str = ""
    redacted: bool = True
    normalise: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    format: int | None = field(default=None, compare=False)
