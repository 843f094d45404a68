"""Keep our frames out of the tracebacks that AgentChat writes into its error messages."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.trace import safely

if TYPE_CHECKING:
    from harness.adapters.patching import Function

_OURS = str(Path(__file__).parent.parent)


def without_ours(original: Function) -> Function:
    """Write the traceback of an exception as it were without the harness."""

    def from_exception(cls: type, error: BaseException, *args: Any, **kwargs: Any) -> Any:
        _clean(error, set())
        return original(cls, error, *args, **kwargs)

    return from_exception


@safely
def _clean(error: BaseException, seen: set[int]) -> None:
    if id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _theirs(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            _clean(other, seen)


def _theirs(frames: TracebackType | None) -> TracebackType | None:
    kept = []
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(_OURS):
            kept.append(frames)
        frames = frames.tb_next
    found = None
    for frame in reversed(kept):
        frame.tb_next = found
        found = frame
    return found
