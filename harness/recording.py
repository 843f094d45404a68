"""Attach the harness to this process, and take it off again."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import config, plugins, semconv
from harness.call import Call, Interceptor, Reply, Stream, a_answered, answered, stream_chain
from harness.errors import HarnessError, UsageError
from harness.guarding.stopping import Stops
from harness.journal import Journal, make_store
from harness.offline import Walls
from harness.privacy import Privacy
from harness.redaction import Redaction, store_key
from harness.text import printable
from harness.trace import Trace

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from harness.guarding.guards import Guard
    from harness.model import Json

log = logging.getLogger("harness")
MODES = ("live", "record", "replay")


class Recording:
    """One attachment of the harness to this process: its journal, its trace, and who may answer calls."""

    def __init__(  # noqa: PLR0913 - what it is attached with comes as it was set
        self,
        *,
        store: Path,
        interceptors: Sequence[Interceptor],
        mode: str,
        attributes: Mapping[str, Json],
        settings: config.Config,
        otel: bool | TracerProvider = False,
        redact: Callable[[str], str] | None = None,
        begun: Callable[[str], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        """*interceptors* stand behind the trace, outermost first. *mode* is live, record or replay.

        *redact* takes out of each text what is secret here; *begun* is told the id of each run, and *refused* what a
        replay was kept from on the network.
        """
        self.mode = mode
        make_store(store)
        redaction = Redaction(key=store_key(store), patterns=settings.redact, also=redact)
        self.privacy = Privacy(redaction, settings.capture)
        program = redaction.command(sys.argv if self.privacy.whole else sys.argv[:1])
        self.store = store
        self.journal = Journal(store, program=program, sync_s=settings.sync_s)
        self.trace = Trace(
            self.journal,
            attributes=attributes,
            price_overrides=settings.prices,
            privacy=self.privacy,
            otel=otel,
            begun=begun,
        )
        self.settings = settings
        self.stops = Stops(self.trace, store)
        self.interceptors: tuple[Interceptor, ...] = (self.stops, self.trace, *interceptors)
        self.adapters: list[Any] = []
        self.walls = Walls(refused)
        self.undo = contextlib.ExitStack()
        """What is undone when it is taken off."""
        self.changes: Callable[[str | None], Mapping[str, str]] = _as_it_is
        """Says what an agent's next model call shall have instead of its own: a ``model``, a ``prompt``, or nothing."""

    @property
    def offline(self) -> bool:
        """Say whether a cassette answers, so that no key is needed."""
        return self.mode == "replay"

    @property
    def uncached(self) -> bool:
        """Say whether the framework's own response cache must not answer."""
        return self.mode != "live"

    def amend(self, agent: str | None) -> Mapping[str, Any]:
        """Say what the next model call of *agent* shall have instead of its own, or besides.

        A ``model``, a ``prompt``, ``max_tokens`` as the most its answer may have, a ``nudge``: a message at the end.
        """
        return {**self.changes(agent), **self.stops.changes(agent)}

    def guard(self, guard: Guard) -> None:
        """Let *guard* guard every run of this process."""
        guard.attach(self.trace, self.store, self.settings)
        self.stops.guard(guard)

    @contextlib.contextmanager
    def answered_by(self, interceptor: Interceptor) -> Iterator[Sequence[str]]:
        """Let *interceptor* alone stand behind the trace for a while, in the mode ``replay``.

        Gives what the network refuses meanwhile, a sentence each.
        """
        before, earlier = (self.interceptors, self.mode), self.walls.refused
        self.walls.refused = []
        self.interceptors, self.mode = (self.stops, self.trace, interceptor), "replay"
        self.trace.attributes[semconv.HARNESS_RUN_MODE] = self.mode
        try:
            with self.walls.standing():
                yield self.walls.refused
        finally:
            self.interceptors, self.mode = before
            self.walls.refused = earlier
            self.trace.attributes[semconv.HARNESS_RUN_MODE] = self.mode

    def ask(self, call: Call, real: Callable[[Call], Reply]) -> Reply:
        """Send *call* through the chain; the adapter raises what the reply says to raise."""
        return answered(self.interceptors, call, real)

    async def a_ask(self, call: Call, real: Callable[[Call], Awaitable[Reply]]) -> Reply:
        """Send *call* through the chain, and await the reply; the adapter raises what it says to raise."""
        return await a_answered(self.interceptors, call, real)

    def stream(self, call: Call, real: Stream) -> AsyncGenerator[Any, None]:
        """Send *call* through the chain, and give the chunks of the answer as they come, its Reply last."""
        return stream_chain(self.interceptors, real)(call)


def _as_it_is(_agent: str | None) -> Mapping[str, str]:
    return {}


_recording: Recording | None = None
_hooked: set[str] = set()


def instrument(  # noqa: PLR0913 - each as a program may want to set it
    store: str | os.PathLike[str] | None = None,
    *,
    interceptors: Sequence[Interceptor] = (),
    mode: str = "live",
    name: str | None = None,
    tags: Iterable[str] = (),
    capture: str | None = None,
    redact: Callable[[str], str] | None = None,
    otel: bool | TracerProvider | None = None,
    begun: Callable[[str], None] | None = None,
    refused: Callable[[str], None] | None = None,
    attributes: Mapping[str, Json] | None = None,
    guard: Guard | None = None,
) -> Recording:
    """Record every AutoGen conversation of this process from now on, agents built earlier included.

    *store* is a folder (default: the project's). *interceptors* may answer calls, outermost first. *mode* is ``live``,
    ``record`` or ``replay``; in the last two the framework's own response cache is off, and in the last nothing beyond
    this machine is reached (``offline``). *name*, *tags* and further *attributes* go onto each run. *capture* is
    ``full``, ``metadata`` (who, to whom, how long, and a hash, but never what) or ``off``, and *otel* whether spans go
    to the program's own OpenTelemetry provider, too (the one given, or the global one); the project's settings stand
    for both.

    *redact* is given each text and gives it back without what is secret here. If it raises, or gives no text, the text
    is withheld. *guard* guards every run (default: the one that ``HARNESS_GUARD`` or the
    project asks for). *begun* is told the id of each run that begins, and *refused* what a replay was kept from.

    A framework that is imported later is attached then. Calling it again while attached changes nothing. Raises
    StoreError if the store cannot be written, UsageError for a setting that is none, ValueError for an unknown mode.
    """
    global _recording  # noqa: PLW0603 - one attachment a process
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, not {mode!r}")
    if _recording is not None:
        return _recording
    settings = _settings(store, capture, mode)
    guard = guard or _guard(settings, mode)
    _recording = Recording(
        store=settings.store,
        interceptors=interceptors,
        mode=mode,
        attributes={semconv.HARNESS_RUN_MODE: mode, **described(name, tags, attributes)},
        settings=settings,
        otel=settings.otel if otel is None else otel,
        redact=redact,
        begun=begun,
        refused=refused,
    )
    if guard is not None:
        _recording.guard(guard)
    if mode == "replay":
        _recording.undo.enter_context(_recording.walls.standing())
    _follow_threads(_recording.undo)
    for adapter in adapters():
        _attach_when_imported(adapter)
    return _recording


def _settings(store: str | os.PathLike[str] | None, capture: str | None, mode: str) -> config.Config:
    """Load the project's settings, with those that the program has of its own."""
    settings = config.load(store=store)
    if capture is not None:
        settings = replace(settings, capture=config.capture(capture, "capture"))
    if mode == "record" and settings.capture is not config.Capture.FULL:
        msg = f"a cassette needs contents, and capture is {settings.capture.value!r}"
        raise UsageError(msg, hint="Record with capture = 'full' (--capture full, HARNESS_CAPTURE=full).")
    return settings


def described(name: str | None, tags: Iterable[str], attributes: Mapping[str, Json] | None) -> dict[str, Json]:
    """Put together what the root spans of runs say of them."""
    found: dict[str, Json] = dict(attributes or {})
    if name:
        found[semconv.HARNESS_RUN_NAME] = name
    if tags := list(tags):
        found[semconv.HARNESS_RUN_TAGS] = tags
    return found


def _guard(settings: config.Config, mode: str) -> Guard | None:
    """Make the guard that the environment asks for, or else the project, which does not hold a replay: that is free."""
    asked = "HARNESS_GUARD" in os.environ
    if not asked and (settings.guard is None or mode == "replay"):
        return None
    from harness.guarding import written

    return written.from_environment() if asked else written.told(settings.guard or {})


def attached() -> bool:
    """Say whether the harness is attached to this process."""
    return _recording is not None


def instrument_quietly() -> None:
    """Attach as the project's settings say; what hinders it is logged, and the program goes on."""
    try:
        instrument()
    except HarnessError as error:
        log.warning("nothing is recorded: %s %s", printable(error), printable(error.hint))


@functools.cache
def adapters() -> tuple[Any, ...]:
    """Load the adapter of each framework. One that cannot be loaded is logged, and keeps nobody else out."""
    found = []
    for name in plugins.names("harness.adapters"):
        try:
            found.append(plugins.load("harness.adapters", name))
        except Exception:  # noqa: PERF203 - each by itself
            log.warning("the adapter %s cannot be loaded", name, exc_info=True)
    return tuple(found)


def uninstrument() -> None:
    """Stop recording: every hook is taken off and the journal is sealed. Nothing happens if nothing is attached."""
    global _recording
    if _recording is None:
        return
    recording, _recording = _recording, None
    recording.undo.close()
    for adapter in recording.adapters:
        adapter.detach()
    recording.journal.close()


def _attach_when_imported(adapter: Any) -> None:  # noqa: ANN401 - an adapter class
    """Attach *adapter* now if its framework is there, else as soon as the program imports it."""
    if sys.modules.get(adapter.module) is not None:
        _attach(adapter)
    elif adapter.module not in _hooked:
        _hooked.add(adapter.module)
        import wrapt

        wrapt.register_post_import_hook(lambda _module: _attach(adapter), adapter.module)


def _attach(adapter: Any) -> None:  # noqa: ANN401
    if _recording is None or any(isinstance(attached, adapter) for attached in _recording.adapters):
        return
    attached = adapter(_recording)
    try:
        attached.attach()
    except Exception:
        attached.detach()
        log.warning("%s cannot be recorded: its adapter does not fit", adapter.module, exc_info=True)
        return
    _recording.adapters.append(attached)


def _follow_threads(undo: contextlib.ExitStack) -> None:
    """Let the open operation follow into threads, with OpenTelemetry's own instrumentation, unless it is on already."""
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    instrumentor = ThreadingInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        if "start" not in vars(threading.Timer):
            undo.callback(_inherit_start)
        instrumentor.instrument()
        undo.callback(instrumentor.uninstrument)


def _inherit_start() -> None:
    """Let a timer start as any thread does: the instrumentation leaves it the method that it had wrapped already."""
    if "start" in vars(threading.Timer):
        del threading.Timer.start
