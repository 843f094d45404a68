"""What a program has made and begun so far, with the lines of its own code that did."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from harness.setups import Place

NO_KEY = "no-key-the-audit-asks-nobody"
"""What stands for a key where a client wants one and the environment has none."""
UNKNOWN_MODEL = "unknown"
"""What stands for a model where nothing on this machine says which is meant."""
_HOME = Path(__file__).resolve().parent.parent
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Begun:
    """A conversation that the program began at *place*: *plan* describes it, and *who* was asked, if it is one."""

    framework: str
    plan: Callable[[], Any]
    place: Place | None
    who: Any = None


@dataclass
class Captured:
    """What was *made*, in order, and which conversations were *begun* by the program itself."""

    made: list[Any] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    begun: list[Begun] = field(default_factory=list)
    channels: dict[str, Callable[[], Any]] = field(default_factory=dict)
    _depth: int = 0

    def make(self, found: Any) -> None:
        """Keep what is being made, and where: the first call counts, that of the class that was asked for."""
        if id(found) not in self.places:
            place = here()
            if place is not None:
                self.places[id(found)] = place
            self.made.append(found)

    @contextmanager
    def conversation(self, framework: str, plan: Callable[[], Any], who: Any = None) -> Iterator[None]:
        """Hold a conversation; what is begun within it is part of it."""
        if not self._depth:
            self.begun.append(Begun(framework, plan, here(), who))
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


def here() -> Place | None:
    """Find the innermost line of the program's own code on the way here."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to know where it came from
    while frame is not None:
        if own(frame.f_code.co_filename):
            return Place(file=frame.f_code.co_filename, line=frame.f_lineno)
        frame = frame.f_back
    return None


def own(file: str) -> bool:
    """Say whether *file* is the program's own: no library, nothing of the harness, and no text that was compiled."""
    if file.startswith((*_LIBRARIES, f"{_HOME}{os.sep}", "<")) or f"{os.sep}site-packages{os.sep}" in file:
        return False
    return not file.startswith(f"{_HOME.parent / 'scenarios'}{os.sep}")


def plain_key(key: Any) -> Any:
    """Give the text of a key that a framework may have wrapped."""
    unwrap = getattr(key, "get_secret_value", None)
    return unwrap() if callable(unwrap) else key
