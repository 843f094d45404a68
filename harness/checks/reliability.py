"""R: what fails on the way: errors nobody heeds, calls that fail again and again, agents that fail or slow down."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from harness.check import CHATS_END, MESSAGES, TALKS_END, Check, Need, Settings
from harness.checks.saying import acts, claims, failures, heeds
from harness.model import CALLS, CallRecord, Event, Finding, Message, Operation, Severity, Status
from harness.text import one_line

_SHOWN = 80
_MOST_REMEMBERED = 1024
_MOST_KINDS = 32
_CANCELLED = "CancelledError"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A result that told of a failure, and that nobody has spoken of yet."""

    number: int
    sender: str
    text: str


class FailureIgnored(Check):
    """A tool or code failed, and the agents went on as if it had not.

    Why: an answer that rests on a call that failed is made up. The failure was in the conversation; the next to speak
    neither tried again nor said a word of it, and claims something. That a call failed is known by what its framework
    says of it and by exit codes, in any language; what is said about it is read in English alone, and of an answer in
    another language hardly anything is said. R402 and R404 know no language.

    Fix: have tools return what went wrong and what to do about it, rather than a traceback. Say in the prompt of the
    agent that answers: if a call fails, say so or try another way, and never guess its result. A check of your own on
    the last message catches the rest.
    """

    code = "R401"
    name = "failure-ignored"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})
    watches = MESSAGES | TALKS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._open: dict[str | None, _Failure] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Remember what failed last in each conversation, and listen to who speaks next."""
        message = event.message
        if message is None:
            if event.phase == "end" and event.span.operation is Operation.CONVERSATION:
                self._open.pop(event.span.span_id, None)
            return
        failed = failures(message)
        if failed:
            self._remember(event, message, failed[0])
            return
        open_ = self._open.get(message.conversation_id)
        if open_ is None or message.role == "tool":
            return
        del self._open[message.conversation_id]
        text = message.text
        if acts(message) or heeds(text) or not claims(text):
            return
        yield self.finding(
            f"{open_.sender} returned {one_line(open_.text, _SHOWN)!r}, and {message.sender} went on with "
            f"{one_line(text, _SHOWN)!r}",
            seq=event.number,
            span_id=message.span_id,
            evidence={"agent": message.sender, "failed": open_.sender, "messages": [open_.number, event.number]},
        )

    def _remember(self, event: Event, message: Message, text: str) -> None:
        if len(self._open) < _MOST_REMEMBERED or message.conversation_id in self._open:
            failure = _Failure(number=event.number, sender=message.sender, text=text[: 4 * _SHOWN])
            self._open[message.conversation_id] = failure


def _key(call: CallRecord) -> bytes:
    """Name what was asked: of a model who asked which, of anything else exactly what."""
    what: object = call.model if call.span.operation is Operation.CHAT else dict(call.request)
    if call.span.operation is Operation.TOOL:
        what = [call.request.get("name"), call.request.get("arguments")]
    told = json.dumps([call.span.operation.value, call.agent, what], sort_keys=True, default=str)
    return hashlib.blake2b(told.encode(errors="replace"), digest_size=12).digest()


def _ended(event: Event) -> CallRecord | None:
    return event.call if event.phase == "end" and event.span.operation in CALLS else None


def _kind(call: CallRecord) -> str:
    """Name the kind of failure: texts of errors hold times and ids, and are never twice the same."""
    return one_line((call.error or "error").partition(":")[0], 60)


_RETRIED = frozenset({Operation.CHAT, Operation.TOOL, Operation.CODE})


class RetryStorm(Check):
    """The same call fails again and again.

    Why: a service that is down, a key that is wrong or an argument that is refused does not mend by asking the same
    thing once more; each attempt costs time, and often money. `times` failures in a row of the same call are one storm:
    for a model, of the same agent; for a tool or code, with the same arguments.

    Fix: let the program wait longer each time and give up after a few attempts (`max_retries`, a circuit breaker); give
    the model a text that says what to do instead; set a limit of model calls, so that a storm ends by itself.
    """

    code = "R402"
    name = "retry-storm"
    severity = Severity.WARNING
    needs = frozenset({Need.CALLS})
    thresholds: ClassVar = {"times": 3}
    watches = frozenset(("end", operation) for operation in _RETRIED)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._times = int(self.threshold("times"))
        self._failed: dict[bytes, int] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Count failures of the same call; a success ends the count."""
        if self._failed or event.span.status is Status.ERROR:
            call = _ended(event)
            return self._count(event, call) if call is not None and call.span.operation in _RETRIED else ()
        return ()

    def _count(self, event: Event, call: CallRecord) -> Iterable[Finding]:
        key = _key(call)
        if call.span.status is not Status.ERROR:
            self._failed.pop(key, None)
            return
        times = self._failed.pop(key, 0) + 1
        self._failed[key] = times
        if len(self._failed) > _MOST_REMEMBERED:
            del self._failed[next(iter(self._failed))]
        if times == self._times:
            asked = call.model or call.name or call.span.operation.value
            yield self.finding(
                f"{one_line(asked, _SHOWN)} failed {times} times in a row for {call.agent or 'the same question'}: "
                f"{one_line(call.error or 'error', _SHOWN)}",
                seq=event.number,
                span_id=event.span.span_id,
                evidence={
                    "agent": call.agent,
                    "operation": call.span.operation.value,
                    "name": asked,
                    "times": times,
                    "error": _kind(call),
                },
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where something showed, and the error there; an event would keep all that its call was sent."""

    number: int
    span_id: str
    said: str


def _place(event: Event, call: CallRecord) -> _Place:
    return _Place(number=event.number, span_id=event.span.span_id, said=one_line(call.error or "error", 2 * _SHOWN))


class ModelCallFailed(Check):
    """Model calls failed.

    Why: a provider that refuses, is overloaded or cannot be reached ends a conversation, or sends it to another model
    without a word. It is told once for each agent and kind of error, where the first failed, with how many did.

    Fix: the finding names the error. A wrong key or model never mends: look at the configuration. For limits of rate
    and load, set `max_retries` and `timeout` of the client, and a second model in `config_list`.
    """

    code = "R403"
    name = "model-call-failed"
    severity = Severity.NOTE
    needs = frozenset({Need.CALLS})
    watches = CHATS_END
    finds = frozenset()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._failed: dict[tuple[str | None, str], _Place] = {}
        self._counts: Counter[tuple[str | None, str]] = Counter()

    def see(self, event: Event) -> Iterable[Finding]:
        """Remember the first failure of each kind, and count the others."""
        call = _ended(event)
        if call is None or call.span.operation is not Operation.CHAT or call.span.status is not Status.ERROR:
            return ()
        key = call.agent, _kind(call)
        if key in self._failed or len(self._failed) < _MOST_REMEMBERED:
            self._failed.setdefault(key, _place(event, call))
            self._counts[key] += 1
        return ()

    def finish(self) -> Iterable[Finding]:
        """Report each kind."""
        for (agent, kind), place in self._failed.items():
            times = self._counts[agent, kind]
            calls = f"{times} model call{'' if times == 1 else 's'} of {agent or 'an agent'}"
            cancelled = f"{calls} {'was' if times == 1 else 'were'} cancelled by the program"
            yield self.finding(
                cancelled if kind == _CANCELLED else f"{calls} failed: {place.said}",
                seq=place.number,
                span_id=place.span_id,
                evidence={"agent": agent, "error": kind, "times": times},
            )


@dataclass(slots=True, kw_only=True)
class _Health:
    """How the calls of one agent went."""

    calls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    last: _Place | None = None


class AgentFails(Check):
    """Much of what an agent asks of its model and its tools fails.

    Why: an agent whose calls fail as often as not does no work, and others wait for it or guess in its place. It is
    told when at least `share` of an agent's calls failed, of `calls` or more. Code that fails does not count: to try it
    is how it is written.

    Fix: `harness stats RUN` tells it of each agent, and `harness show RUN --spans` what each call failed with. Mend the
    tool or the configuration, or take the agent out.
    """

    code = "R404"
    name = "agent-fails"
    severity = Severity.WARNING
    needs = frozenset({Need.CALLS})
    thresholds: ClassVar = {"calls": 4, "share": 0.5}
    watches = CHATS_END | {("end", Operation.TOOL)}
    finds = frozenset()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._agents: dict[str, _Health] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Count the calls of each agent, and those that failed."""
        call = _ended(event)
        if call is None or not call.agent or call.span.operation not in {Operation.CHAT, Operation.TOOL}:
            return ()
        if call.agent not in self._agents and len(self._agents) >= _MOST_REMEMBERED:
            return ()
        health = self._agents.setdefault(call.agent, _Health())
        health.calls += 1
        if call.span.status is Status.ERROR:
            kind = _kind(call)
            health.failed[kind if kind in health.failed or len(health.failed) < _MOST_KINDS else "others"] += 1
            health.last = _place(event, call)
        return ()

    def finish(self) -> Iterable[Finding]:
        """Report the agents that failed too often."""
        for agent, health in self._agents.items():
            failed = health.failed.total()
            if health.last is None or health.calls < self.threshold("calls"):
                continue
            if failed < self.threshold("share") * health.calls:
                continue
            errors = dict(health.failed.most_common(3))
            yield self.finding(
                f"{failed} of {health.calls} calls of {agent} failed, mostly {next(iter(errors))}",
                seq=health.last.number,
                span_id=health.last.span_id,
                evidence={"agent": agent, "calls": health.calls, "failed": failed, "errors": errors},
            )


_SAMPLE = 8


class AgentSlowsDown(Check):
    """The model calls of an agent take longer and longer.

    Why: an overloaded provider, or a context that grows, shows as waiting long before anything fails. The median of an
    agent's last eight calls is held against that of its first eight: it is told when it is `times` as long, and at
    least `seconds`. A replay's times are not the run's: there this check does not judge.

    Fix: `harness stats RUN` tells it of each agent. Look whether its calls are sent more each time (C501): then send
    less. Else the provider is slow: set a `timeout`, another model or another time.
    """

    code = "R405"
    name = "agent-slows-down"
    severity = Severity.NOTE
    needs = frozenset({Need.TIME, Need.CALLS})
    thresholds: ClassVar = {"times": 3, "seconds": 5}
    watches = CHATS_END
    finds = frozenset()

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._agents: dict[str, tuple[list[int], deque[int]]] = {}
        self._last: dict[str, _Place] = {}

    def see(self, event: Event) -> Iterable[Finding]:
        """Take the time of each model call."""
        call = _ended(event)
        if call is None or not call.agent or call.span.operation is not Operation.CHAT or call.span.end_ns is None:
            return ()
        if call.agent not in self._agents and len(self._agents) >= _MOST_REMEMBERED:
            return ()
        first, last = self._agents.setdefault(call.agent, ([], deque(maxlen=_SAMPLE)))
        took_ns = max(0, call.span.end_ns - call.span.start_ns)
        if len(first) < _SAMPLE:
            first.append(took_ns)
        else:
            last.append(took_ns)
            self._last[call.agent] = _place(event, call)
        return ()

    def finish(self) -> Iterable[Finding]:
        """Hold the last against the first."""
        for agent, (first, last) in self._agents.items():
            if len(last) < _SAMPLE:
                continue
            before, after = median(first) / _NANOSECONDS, median(last) / _NANOSECONDS
            if after < self.threshold("seconds") or after < self.threshold("times") * before:
                continue
            place = self._last[agent]
            yield self.finding(
                f"the model calls of {agent} took {before:,.1f} s at first and {after:,.1f} s at last",
                seq=place.number,
                span_id=place.span_id,
                evidence={"agent": agent},
            )
