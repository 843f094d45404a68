"""Let the clock, uuids and chance stand still for a program, so that what it makes of them is the same every time.

* ``clock``: the time of day is ``INSTANT_NS``, in UTC, wherever it is asked for: the functions of ``time``, also those
  imported by name, and ``datetime.now``, ``utcnow`` and ``today``. What is measured (``monotonic``, ``perf_counter``,
  timeouts, ``sleep``) goes on. A model's client has the true time while it asks, since it may sign its requests.
* ``uuid``: uuids come in one order for each agent, whichever others draw meanwhile; what a call draws by itself does
  not count, as it is not made again in a replay.
* ``random``: the generator behind the functions of ``random`` begins from one seed; calls do not count here either.
  With agents side by side it is as random as their order is.

``os.urandom``, ``secrets``, ``SystemRandom`` and generators of one's own stay as they are, and so do the harness's own
times and ids. Child processes begin anew: each draws the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import gc
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.errors import EnvironmentProblem, UsageError
from harness.model import CALLS, Operation
from harness.scopes import current

if TYPE_CHECKING:
    from harness.call import Call, Reply

FROZEN = ("clock", "uuid", "random")
VARIABLE = "HARNESS_FREEZE"
INSTANT_NS = 1_767_225_600_000_000_000
"""What the frozen clock shows, in nanoseconds since the Unix epoch: 2026-01-01T00:00:00Z."""

_SECONDS = INSTANT_NS / 1e9
_SEED = "harness"
_ROOT = Path(__file__).parent.parent
_OURS = tuple(f"{_ROOT / name}{os.sep}" for name in ("harness", "scenarios", "exporters", "tui"))
_PLAYED = f"{_ROOT / 'scenarios' / 'library'}{os.sep}"


class Freeze:
    """What stands still in this process between ``begin`` and ``end``.

    It is an interceptor, too: the innermost, which keeps what a call draws by itself out of the program's chance.
    """

    def __init__(self, names: Collection[str]) -> None:
        """*names* are some of FROZEN; with none of them nothing happens. Raises UsageError for another."""
        for name in names:
            if name not in FROZEN:
                raise UsageError(f"there is no way to freeze {name!r}", hint=f"Known: {', '.join(FROZEN)}.")
        self.names = tuple(name for name in FROZEN if name in names)
        self._undo = contextlib.ExitStack()
        self._begun = False

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Freeze what is named, for the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Freeze what is named. Raises EnvironmentProblem where this Python does not let the clock be frozen."""
        self._begun = True
        for name, freeze in (("clock", _clock), ("uuid", _uuids), ("random", _dice)):
            if name in self.names:
                freeze(self._undo)

    def end(self) -> None:
        """Let everything go on from where it is; the program's chance from where it was before."""
        self._begun = False
        self._undo.close()

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Pass *call* on."""
        if "random" not in self.names or not self._begun:
            return (yield call)
        state = random.getstate()
        try:
            return (yield call)
        finally:
            random.setstate(state)

    @property
    def attributes(self) -> dict[str, list[str]]:
        """Say it as attributes of a run."""
        return {semconv.HARNESS_FREEZE: list(self.names)} if self.names else {}


def environment(names: Collection[str]) -> dict[str, str]:
    """Write what ``from_environment`` reads, for a program in a process of its own."""
    return {VARIABLE: ",".join(names)} if names else {}


def from_environment() -> Sequence[str]:
    """Read what the program shall have frozen."""
    return tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())


_standing: set[str] = set()
"""What stands still and has functions that somebody may have kept."""

# The clock -----------------------------------------------------------------------------------------------------------


def _clock(undo: contextlib.ExitStack) -> None:
    functions = {name: getattr(time, name) for name in _TIMES}
    frozen = {name: make(functions[name], functions["time_ns"]) for name, make in _TIMES.items()}
    swapped = {id(functions[name]): (functions[name], frozen[name]) for name in _TIMES}
    back = {id(new): (new, old) for old, new in swapped.values()}
    _standing.add("clock")
    undo.callback(_standing.clear)
    undo.callback(_swap, back)
    _swap(swapped)
    _methods(undo)
    if hasattr(time, "tzset"):
        before = os.environ.get("TZ")
        undo.callback(_zone, before)
        _zone("UTC")


def _zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()


def _swap(functions: Mapping[int, tuple[object, object]]) -> None:
    """Replace functions wherever a module holds them under some name, ours and OpenTelemetry's aside."""
    for module in list(sys.modules.values()):
        held = getattr(module, "__dict__", None)
        if not isinstance(held, dict) or _aside(held.get("__name__"), held.get("__file__")):
            continue
        for name, value in list(held.items()):
            found = functions.get(id(value))
            if found is not None and found[0] is value:
                held[name] = found[1]


def _methods(undo: contextlib.ExitStack) -> None:
    """Replace ``datetime.now`` and ``utcnow``, on the class itself: a class in its place would not be the same type.

    ``today`` asks ``time.time``.
    """
    cls = dt.datetime
    # A class of C has its attributes in a dictionary that only looks read-only.
    held = next(iter(gc.get_referents(vars(cls))), None)
    if not isinstance(held, dict) or "now" not in held:
        raise EnvironmentProblem("this Python does not let the clock be frozen", hint="Use CPython, or `normalise`.")
    before = {name: held[name] for name in ("now", "utcnow")}

    def now(kind: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
        if _true():
            true: dt.datetime = before["now"].__get__(None, kind)(tz)
            return true
        return kind.fromtimestamp(_SECONDS, tz)

    def utcnow(kind: type[dt.datetime]) -> dt.datetime:
        if _true():
            true: dt.datetime = before["utcnow"].__get__(None, kind)()
            return true
        return kind.fromtimestamp(_SECONDS, dt.timezone.utc).replace(tzinfo=None)

    def put(methods: Mapping[str, Any]) -> None:
        held.update(methods)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))

    undo.callback(put, before)
    put({"now": classmethod(now), "utcnow": classmethod(utcnow)})


def _true() -> bool:
    """Say whether who asks our caller is to have the true time: the harness, or a model's client at its work.

    Somebody may hold a frozen function longer than the clock stands still.
    """
    if not _standing:
        return True
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to know who asks
    if _aside(frame.f_globals.get("__name__"), frame.f_code.co_filename):
        return True
    scope = current()
    return scope is not None and scope.operation is Operation.CHAT


def _aside(name: object, file: object) -> bool:
    if isinstance(name, str) and (name == "opentelemetry" or name.startswith("opentelemetry.")):
        return True
    return isinstance(file, str) and file.startswith(_OURS) and not file.startswith(_PLAYED)


def _reading(value: float) -> Callable[..., Callable[..., Any]]:
    """Make a function that gives *value*."""

    def make(original: Callable[[], float], _: object) -> Callable[[], float]:
        return lambda: original() if _true() else value

    return make


def _telling(place: int) -> Callable[..., Callable[..., Any]]:
    """Make a function that tells of the time at *place* of its arguments, and of now where that is left out."""

    def make(original: Callable[..., Any], now_ns: Callable[[], int]) -> Callable[..., Any]:
        def told(*given: Any) -> Any:  # noqa: ANN401 - as the original
            if len(given) > place and given[place] is not None:
                return original(*given)
            seconds = now_ns() / 1e9 if _true() else _SECONDS
            then = seconds if original.__name__ in _OF_SECONDS else time.localtime(seconds)
            return original(*given[:place], then)

        return told

    return make


_OF_SECONDS = frozenset({"localtime", "gmtime", "ctime"})
_TIMES: Mapping[str, Callable[..., Callable[..., Any]]] = {
    "time": _reading(_SECONDS),
    "time_ns": _reading(INSTANT_NS),
    "localtime": _telling(0),
    "gmtime": _telling(0),
    "ctime": _telling(0),
    "asctime": _telling(0),
    "strftime": _telling(1),
}

# Uuids ---------------------------------------------------------------------------------------------------------------


class _Drawn:
    """Stands in for ``os`` inside the module ``uuid``, which draws its bytes there, whoever holds its functions."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], random.Random] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as os has it
        return getattr(os, name)

    def urandom(self, size: int) -> bytes:
        """Draw *size* bytes for the agent that is at it."""
        who = _at_it()
        stream = self._streams.get(who)
        if stream is None:
            made = random.Random(f"{_SEED} {who!r}")  # noqa: S311 - it is meant to be foreseen
            stream = self._streams.setdefault(who, made)
        return stream.randbytes(size)

    def timed(self) -> tuple[bytes, None]:
        """Draw what ``uuid1`` takes for time and place."""
        drawn = bytearray(self.urandom(16))
        drawn[6] = 0x10 | drawn[6] & 0x0F
        drawn[8] = 0x80 | drawn[8] & 0x3F
        return bytes(drawn), None


def _uuids(undo: contextlib.ExitStack) -> None:
    drawn = _Drawn()
    for name, value in (("os", drawn), ("_generate_time_safe", drawn.timed)):
        undo.callback(setattr, uuid, name, getattr(uuid, name, None))
        setattr(uuid, name, value)


def _at_it() -> tuple[str, str]:
    """Name the agent whose turn it is, and the call it makes, if any."""
    scope, call = current(), ""
    while scope is not None and scope.operation is not Operation.TURN:
        call = call or (scope.operation.value if scope.operation in CALLS else "")
        scope = scope.parent
    return (str(scope.record["attributes"].get(semconv.GEN_AI_AGENT)) if scope is not None else "", call)


# Chance --------------------------------------------------------------------------------------------------------------


def _dice(undo: contextlib.ExitStack) -> None:
    undo.callback(random.setstate, random.getstate())
    random.seed(_SEED)
