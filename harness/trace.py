"""Turn what an adapter reports into spans in the journal, without ever breaking the program it watches.

A span here is a record with OpenTelemetry's ids, times, kinds, status and attribute names; the SDK is not needed to
make one, and the program's own tracing, its current span and its ``random`` state stay untouched. The open operation
travels in the OpenTelemetry *context*, so it follows threads and tasks wherever OpenTelemetry's own spans would.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from harness import bridging, describe, faults, semconv
from harness.call import Call, Reply
from harness.contents import Contents, Link, Part, news
from harness.faults import attempt, safely
from harness.lines import KINDS, Lines
from harness.model import Json, Operation
from harness.privacy import Privacy
from harness.redaction import Redaction, store_key
from harness.scopes import RunState, Scope, current, enter, given_run, leave, swap, within

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from harness.journal import Journal

__all__ = ["RunState", "Scope", "Trace", "attempt", "current", "safely", "swap"]

_MOST_KNOWN = 200_000
_MOST_NAMED = 1000
_LONGEST_ERROR = 2000


class Trace:
    """Writes the spans, messages and contents of this process into one journal; the outermost interceptor."""

    def __init__(  # noqa: PLR0913 - what it writes with comes as it was set
        self,
        journal: Journal,
        *,
        attributes: Mapping[str, Json] | None = None,
        price_overrides: Mapping[str, tuple[float, float]] | None = None,
        privacy: Privacy | None = None,
        otel: bool | TracerProvider = False,
        begun: Callable[[str], None] | None = None,
    ) -> None:
        """*attributes* go onto every root span: the run's name, tags, mode and framework.

        *privacy* says what may be written (default: everything but secrets). With *otel* each span goes to the
        program's own OpenTelemetry provider, too: the one given, or else the global one. *begun* is told the id of each
        run.
        """
        self.journal = journal
        self.attributes = dict(attributes or {})
        self.privacy = privacy or Privacy(Redaction(key=store_key(journal.folder.parent)))
        if not self.privacy.whole:
            self.attributes[semconv.HARNESS_CAPTURE] = self.privacy.capture.value
        self._otel = otel is not False
        self._provider = None if isinstance(otel, bool) else otel
        self._begun = begun
        self._run: RunState | None = None
        self._failed: set[tuple[str, str]] = set()
        self.recent: deque[str] = deque(maxlen=1000)
        self._named: dict[str, RunState] = {}
        self._loose: RunState | None = None
        self._prices = price_overrides
        self._sequence = itertools.count(1)
        self._dice = random.Random(os.urandom(16))  # noqa: S311 - ids, not secrets, and never the program's own dice
        self._process = journal.process
        self._latest_ns = 0
        self.contents = Contents(self.privacy)
        self._lines = Lines(self.privacy)
        self.watch: Callable[[Scope, str, Sequence[Part], Sequence[Link]], None] | None = None
        """Is shown each span's record as it is written, with the contents and links it names."""
        faults.listen(self.failed)

    # Runs ---------------------------------------------------------------------------------------------------------

    def new_run(self, run_id: str | None = None, attributes: Mapping[str, Json] | None = None) -> RunState:
        """Begin a run of the given id (default: a random one), whose root spans carry *attributes*."""
        name = self.privacy.redaction.text(run_id) if run_id else os.urandom(8).hex()
        run = RunState(run_id=name, attributes=attributes or {})
        self.recent.append(name)
        if self._begun is not None:
            self._begun(name)
        return run

    def named_run(self, run_id: str) -> RunState:
        """Give the run of this id: one and the same, however many conversations belong to it."""
        if run_id not in self._named:
            if len(self._named) >= _MOST_NAMED:
                self._named.clear()  # what is forgotten is only which of its contents were written
            self._named[run_id] = self.new_run(run_id)
        return self._named[run_id]

    def loose_run(self) -> RunState:
        """Give the one run of this process for what happens outside any conversation, unless another was asked for."""
        given = self.given_run()
        if given is not None:
            return given
        if self._loose is None:
            self._loose = self.new_run()
        return self._loose

    def within(self, run: RunState) -> AbstractContextManager[None]:
        """Let everything that starts inside belong to *run*."""
        return within(run)

    # Spans --------------------------------------------------------------------------------------------------------

    def operation(
        self,
        operation: Operation,
        subject: str,
        attributes: Mapping[str, Json] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[Scope | None]:
        """Hold a span open around a block, which may put end attributes into ``scope.notes["end"]``."""
        return _Held(self, operation, subject, attributes or {}, notes)

    @safely
    def open(
        self,
        operation: Operation,
        subject: str,
        attributes: Mapping[str, Json],
        *,
        contents: Sequence[Part] = (),
        links: Sequence[Link] = (),
    ) -> Scope:
        """Begin a span, write its start after the *contents* and *links* it names, and make it current."""
        scope = self._begin(operation, subject, attributes)
        if self._emit(scope, contents, links):
            scope.run.open.add(scope.record["span_id"])
        enter(scope)
        return scope

    @safely
    def close(
        self,
        scope: Scope | None,
        attributes: Mapping[str, Json] | None = None,
        *,
        error: BaseException | None = None,
        contents: Sequence[Part] = (),
    ) -> None:
        """End a span: its record is complete in itself. *error* makes its status an error."""
        if scope is None:
            return
        innermost = current()
        while innermost is not None and innermost is not scope:
            innermost = innermost.parent
        if innermost is scope:  # also where an operation inside was never closed
            leave(scope)
        changes = {**scope.notes.get("end", {}), **(attributes or {})}
        if error is not None:
            changes[semconv.ERROR_TYPE] = type(error).__qualname__
            said = changes.get(semconv.ERROR_MESSAGE) or self.privacy.redaction.text(str(error))[:_LONGEST_ERROR]
            changes[semconv.ERROR_MESSAGE] = said
        if changes:
            self._lines.add(scope, self.privacy.attributes(changes))
        elapsed = time.perf_counter_ns() - scope.started
        record = scope.record
        self._complete(record, self._at(record["start_ns"] + elapsed), next(self._sequence), ok=error is None)
        self._emit(scope, contents)
        scope.run.open.discard(record["span_id"])
        scope.run.seen_ns = time.time_ns()

    def _begin(self, operation: Operation, subject: str, attributes: Mapping[str, Json]) -> Scope:
        if self._process != self.journal.process:  # a forked child must not repeat its parent's ids
            self._process = self.journal.process
            self._dice.seed(os.urandom(16))
        parent = current()
        run = parent.run if parent else self.given_run() or self.new_run()
        kind = KINDS[operation]
        described = {**kind.attributes, **attributes}
        if operation is Operation.TURN:
            described.setdefault(semconv.GEN_AI_AGENT, subject)
            run.turns += 1
        elif operation is Operation.CONVERSATION:
            described.setdefault(semconv.GEN_AI_WORKFLOW, subject)
        outside = bridging.around() if parent is None or self._otel else None
        if parent is None:
            described = {**self.attributes, **run.attributes, **described, semconv.HARNESS_RUN_ID: run.run_id}
            trace_id, parent_id = bridging.ids(bridging.around()) or (f"{self._dice.getrandbits(128) or 1:032x}", None)
        else:
            trace_id, parent_id = parent.record["trace_id"], parent.record["span_id"]
        record: dict[str, Json] = {
            "k": "s",
            "run_id": run.run_id,
            "trace_id": trace_id,
            "span_id": f"{self._dice.getrandbits(64) or 1:016x}",
            "parent_id": parent_id,
            "name": f"{kind.name} {subject}".rstrip(),
            "kind": kind.kind,
            "operation": kind.operation,
            "seq": next(self._sequence),
            "start_ns": self._at(time.time_ns()),
            "attributes": self.privacy.attributes(described),
        }
        self._run = run
        scope = Scope(
            run=run, operation=operation, parent=parent, record=record, started=time.perf_counter_ns(), outside=outside
        )
        if self._otel:
            scope.span = bridging.begin(self.privacy.visible(record), self._provider)
            if scope.span is not None and (made := bridging.ids(scope.span)):
                record["trace_id"], record["span_id"] = made
        return scope

    def _at(self, now_ns: int) -> int:
        """Keep times in the order of what happened: the clock may be set back, and differs from the stopwatch."""
        self._latest_ns = max(self._latest_ns, now_ns)
        return self._latest_ns

    def note(self, run: RunState, subject: str, attributes: Mapping[str, Json]) -> None:
        """Write a span of no length about *run*, inside whatever of it is open here."""
        scope = current()
        with contextlib.nullcontext() if scope is not None and scope.run is run else within(run):
            noted = self._begin(Operation.OTHER, subject, attributes)
        self._complete(noted.record, noted.record["start_ns"], noted.record["seq"], ok=True)
        self._emit(noted)

    def failed(self, cause: str) -> None:
        """Write that the tracing itself failed: a span of its own in the run that is going on, once for each cause."""
        scope = current()
        run = scope.run if scope is not None else self._run
        if run is None or (run.run_id, cause) in self._failed:
            return
        self._failed.add((run.run_id, cause))
        with contextlib.suppress(Exception):
            fault = self._begin(Operation.OTHER, "tracing fault", {semconv.HARNESS_FAULT: cause})
            self._complete(fault.record, fault.record["start_ns"], fault.record["seq"], ok=True)
            self._emit(fault)

    def _complete(self, record: dict[str, Json], end_ns: int, end_seq: int, *, ok: bool) -> None:
        record.update(k="e", end_ns=end_ns, end_seq=end_seq, status="ok" if ok else "error")

    def given_run(self) -> RunState | None:
        """Find the run that was asked for: by a block around this, or by an id that several processes were given."""
        if (run := given_run()) is not None:
            return run
        run_id = os.environ.get("HARNESS_RUN_ID")
        if not run_id:
            return None
        return self.named_run(run_id)

    # Messages -----------------------------------------------------------------------------------------------------

    @safely
    def spoken(self, sender: str, recipients: Sequence[str], body: Mapping[str, Json], *, heard: bool = True) -> Scope:
        """Write one message, said now. With *heard* False its deliveries follow, and ``delivered`` completes it."""
        part = self.contents.part(body)
        attributes = {
            semconv.HARNESS_SENDER: sender,
            semconv.HARNESS_RECIPIENTS: list(recipients),
            semconv.HARNESS_ROLE: body.get("role", ""),
            semconv.HARNESS_MESSAGE_PART: part[0],
        }
        scope = self._begin(Operation.MESSAGE, sender, attributes)
        scope.run.messages += 1
        if heard:
            self._complete(scope.record, scope.record["start_ns"], scope.record["seq"], ok=True)
        self._emit(scope, [part])
        return scope

    @safely
    def delivered(self, scope: Scope, recipients: Sequence[str]) -> None:
        """Complete a message with everyone it was delivered to. Its length stays zero."""
        scope.record["attributes"][semconv.HARNESS_RECIPIENTS] = list(recipients)
        scope.told = ""
        self._complete(scope.record, scope.record["start_ns"], scope.record["seq"], ok=True)
        self._emit(scope)

    def _emit(self, scope: Scope, contents: Sequence[Part] = (), links: Sequence[Link] = ()) -> bool:
        """Write what is new of *contents* and *links*, and then the span's record, in one go. Says whether it was."""
        run, record = scope.run, scope.record
        run.doubt(self.journal.process)
        before, fresh = news(run, contents, links) if contents or links else ("", None)
        if scope.span is not None and record["k"] == "e":
            bridging.end(scope.span, self.privacy.visible(record))
        line = self._lines.record(scope)
        written = self.journal.write(f"{before}{line}\n".encode("utf-8", "replace"))
        if written and fresh:
            if len(run.known) > _MOST_KNOWN:
                run.known.clear()
            run.known.update(fresh)
        if self.watch is not None:
            self.watch(scope, line, contents, links)
        return written

    # The seam -----------------------------------------------------------------------------------------------------

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Trace *call* on its way."""
        scope = self._asked(call)
        try:
            reply = yield call
        except BaseException as error:
            self.close(scope, error=error)
            raise
        self._answered(scope, call, reply)
        return reply

    def observed(self, call: Call, reply: Reply) -> None:
        """Write a call that was answered without passing the chain, such as one from the framework's own cache."""
        self._answered(self._asked(call), call, reply)

    @safely
    def _asked(self, call: Call) -> Scope | None:
        attributes = describe.asked(call)
        contents: list[Part] = []
        links: Sequence[Link] = ()
        if call.operation is Operation.CHAT:
            context, links = self.contents.context(call.request.get("messages") or ())
            if context:
                attributes[semconv.HARNESS_INPUT_CONTEXT] = context
            if call.request.get("tools"):
                tools = self.contents.part(call.request["tools"])
                contents.append(tools)
                attributes[semconv.HARNESS_TOOLS_PART] = tools[0]
        return self.open(call.operation, describe.subject(call), attributes, contents=contents, links=links)

    @safely
    def _answered(self, scope: Scope | None, call: Call, reply: Reply) -> None:
        attributes = describe.answered(call, reply, self._prices)
        contents: list[Part] = []
        if call.operation is Operation.CHAT and reply.value is not None:
            output = self.contents.part(reply.value.get("message") or {})
            contents.append(output)
            attributes[semconv.HARNESS_OUTPUT_PART] = output[0]
            if reply.value.get("choices"):
                others = [self.contents.part(choice.get("message") or {}) for choice in reply.value["choices"]]
                contents += others
                attributes[semconv.HARNESS_OUTPUT_CHOICES] = [name for name, _ in others]
        # A reply with both a value and an exception is an answer: the framework's way to say "nobody".
        self.close(scope, attributes, error=reply.error if reply.value is None else None, contents=contents)


class _Held:
    """A span that is open for as long as a block goes on."""

    __slots__ = ("_asked", "_notes", "_scope", "_trace")

    def __init__(
        self,
        trace: Trace,
        operation: Operation,
        subject: str,
        attributes: Mapping[str, Json],
        notes: Mapping[str, Any] | None,
    ) -> None:
        self._trace = trace
        self._asked = operation, subject, attributes
        self._notes = notes

    def __enter__(self) -> Scope | None:
        self._scope = self._trace.open(*self._asked)
        if self._notes and self._scope is not None:
            self._scope.notes.update(self._notes)
        return self._scope

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        # A generator that is left early has failed at nothing.
        self._trace.close(self._scope, error=None if isinstance(error, GeneratorExit) else error)
