"""Answer calls from a cassette instead of the outside world.

Which recorded reply is due is found in one of three ways (``queues``). A request that none is due for fails: it is
never passed on.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness import offline, semconv
from harness.call import RecordedError, Reply
from harness.errors import Exit, HarnessError, UsageError
from harness.model import CALLS, Operation
from harness.text import one_line

from . import normalising, stubs
from .cassette import Cassette, read
from .exchanges import CHOSEN_BY_OUTSIDE, Exchange, Outcome
from .ledger import Ledger
from .nearest import nearest, word
from .queues import Queues

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from harness.call import Call
    from harness.model import Json

    from .queues import Asking


_HINT = "Undo the change, or record again: `harness run --record all`, `harness trace --record FILE`."


class CassetteMissError(HarnessError):
    """A request that the cassette holds no answer to (exit 4).

    *nearest* is the recorded exchange that comes nearest, and *difference* tells what differs first.
    """

    code = Exit.DIVERGED

    def __init__(self, message: str, *, hint: str, nearest: Exchange | None, difference: str) -> None:
        """Say *message* and *hint*; see the class for the rest."""
        super().__init__(message, hint=hint)
        self.nearest = nearest
        self.difference = difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How many calls a cassette answered, and how; how many it missed; and how many exchanges nobody asked for.

    *refused* is how often, for different reasons, the program was kept from the network.
    """

    hits: int = 0
    normalised: int = 0
    changed: int = 0
    live: int = 0
    stubbed: int = 0
    misses: int = 0
    unused: int = 0
    refused: int = 0

    @property
    def answered(self) -> int:
        """How many calls the cassette had an exchange for."""
        return self.hits + self.normalised + self.changed


class Replay:
    """An interceptor that answers from a cassette; safe for threads and tasks.

    Calls of other *kinds* go on to the real thing, and may reach the network for it; so do speaker selections that the
    framework works out itself, and may not.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that may be set
        self,
        cassette: Cassette,
        *,
        kinds: frozenset[Operation] = CALLS,
        source: str = "",
        matching: str = "match",
        normalise: Sequence[str] | None = None,
        redact: Callable[[str], str] | None = None,
        shared: Path | None = None,
        stubbed: stubs.Stubs | None = None,
    ) -> None:
        """*source* is where *cassette* comes from, for messages; *matching* is one of ``queues.WAYS``.

        *normalise* names the volatile values that do not count (default: what the cassette says). *redact* takes
        secrets out of what is compared. Processes that replay it together name one folder as *shared*: what one was
        answered is used up for all. *stubbed* answers some calls instead, and uses up what was recorded for them.
        """
        self.source = source
        self.cassette = cassette
        self.kinds = kinds
        rules = cassette.header.normalise if normalise is None else normalise
        self._stubs = stubbed or stubs.Stubs({})
        self._lock = threading.Lock()
        self._queues = Queues(cassette.exchanges, way=matching, kinds=kinds, normalise=rules, redact=redact)
        self._ledger = Ledger(shared) if shared is not None else None
        self._asked: list[tuple[Operation, str | None]] = []
        self._became: list[Outcome] = []
        self._passed = 0
        self._misses: list[CassetteMissError] = []
        self.refused: Sequence[str] = ()
        """What the program was kept from on the network meanwhile, a sentence each, where whoever attached it says."""

    @classmethod
    def load(cls, path: Path, **how: Any) -> Replay:  # noqa: ANN401 - as in __init__
        """Replay the file at *path*; *how* as above. Raises UsageError if it cannot be read.

        What is not said is taken from the environment, so that the processes of one program agree:
        ``HARNESS_MATCHING``, ``HARNESS_NORMALISE`` and ``HARNESS_LIVE``, the last two with commas between, and
        ``HARNESS_STUBS``.
        """
        return cls(read(path), source=str(path), **{**_from_environment(), **how})

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Answer *call*; a request that was not recorded gets a CassetteMissError as its error."""
        if not self._answers(call):
            if call.operation not in self.kinds:
                offline.let_out()
            return (yield call)
        stubbed = self._stubs.answer(call)
        if stubbed is not None:
            return Reply(value=stubbed, attributes=self._passed_over(call))
        with self._lock:
            index, outcome, miss = self._take(call)
        seen: dict[str, Json] = {semconv.HARNESS_REPLAY_VERDICT: outcome.value}
        if index is None:
            return Reply(error=miss, replayed=True, attributes=seen)
        seen[semconv.HARNESS_REPLAY_EXCHANGE] = index + 1
        exchange = self.cassette.exchanges[index]
        if exchange.failure is not None:
            told = exchange.failure
            error = RecordedError(told.type, told.message, status=told.status, body=told.body)
            return Reply(error=error, replayed=True, attributes=seen)
        if exchange.reply is None:
            reply = yield call
            return replace(reply, attributes={**reply.attributes, **seen})
        return Reply(value=_fresh(exchange), replayed=True, attributes=seen)

    def live(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Have *call* answered by its stub or for real, although something may be recorded for it."""
        stubbed = self._stubs.answer(call) if self._answers(call) else None
        outcome = Outcome.LIVE if stubbed is None else Outcome.STUB
        if not self._answers(call):
            return (yield call)
        with self._lock:
            self._became.append(outcome)
            self._passed -= stubbed is None
        seen: dict[str, Json] = {semconv.HARNESS_REPLAY_VERDICT: outcome.value}
        if stubbed is not None:
            return Reply(value=stubbed, attributes=seen)
        reply = yield call
        return replace(reply, attributes={**reply.attributes, **seen})

    def over(self, call: Call) -> bool:
        """Say whether the recording is over for the agent of *call*: nothing is due, nor left of its kind."""
        if not self._answers(call):
            return False
        asking = (call.operation, call.agent, call.conversation, call.request)
        with self._lock, self._held():
            return not self._queues.holds(asking)

    def used_up(self, kind: Operation, agent: str | None) -> bool:
        """Say whether nothing that *agent* was answered by calls of *kind* is left."""
        return not any(found.kind is kind and found.agent == agent for found in self.unused())

    @property
    def hits(self) -> int:
        """How many calls the cassette had an exchange for, in all processes that share it."""
        with self._lock, self._held():
            return sum(self._queues.played) - self._passed

    @property
    def misses(self) -> tuple[CassetteMissError, ...]:
        """The requests that had no answer, in the order in which they were asked; of other processes after our own."""
        told = self._ledger.misses() if self._ledger is not None else []
        others = (CassetteMissError(text, hint=_HINT, nearest=None, difference=difference) for text, difference in told)
        return (*self._misses, *others)

    def unused(self) -> tuple[Exchange, ...]:
        """List the exchanges that nobody asked for, in recorded order."""
        with self._lock, self._held():
            return tuple(self.cassette.exchanges[index] for index in self._queues.left())

    def account(self) -> Account:
        """Count what became of the calls, and the exchanges nobody asked for.

        Of calls in other processes no more is known here than that they were hits.
        """
        became = Counter(self._became)
        others = {name: became[outcome] for name, outcome in _COUNTS.items()}
        return Account(
            hits=self.hits - sum(others.values()),
            **others,
            stubbed=became[Outcome.STUB],
            misses=len(self.misses),
            unused=len(self.unused()),
            refused=len(self.refused),
        )

    def _held(self) -> contextlib.AbstractContextManager[None]:
        """Know what other processes were answered, and let them know what we are."""
        return self._ledger.held(self._queues.played) if self._ledger is not None else contextlib.nullcontext()

    def _answers(self, call: Call) -> bool:
        if call.operation not in self.kinds:
            return False
        return call.operation is not Operation.SELECTION or call.request.get("method") in CHOSEN_BY_OUTSIDE

    def _passed_over(self, call: Call) -> dict[str, Json]:
        """Use up what was recorded for a stubbed *call*, if it was."""
        with self._lock, self._held():
            index, _ = self._queues.take((call.operation, call.agent, call.conversation, call.request))
            self._became.append(Outcome.STUB)
            self._passed += index is not None
        seen: dict[str, Json] = {semconv.HARNESS_REPLAY_VERDICT: Outcome.STUB.value}
        return seen if index is None else {**seen, semconv.HARNESS_REPLAY_EXCHANGE: index + 1}

    def _take(self, call: Call) -> tuple[int | None, Outcome, CassetteMissError | None]:
        asking = (call.operation, call.agent, call.conversation, call.request)
        self._asked.append(asking[:2])
        with self._held():
            index, outcome = self._queues.take(asking)
        if index is not None and self.cassette.exchanges[index].live:
            outcome = Outcome.LIVE
        self._became.append(outcome)
        if index is not None:
            return index, outcome, None
        miss = self._miss(call, asking)
        self._misses.append(miss)
        if self._ledger is not None:
            self._ledger.miss(str(miss), miss.difference)
        return None, outcome, miss

    def _miss(self, call: Call, asking: Asking) -> CassetteMissError:
        exchanges = self.cassette.exchanges
        waiting, equal = self._queues.elsewhere(asking), self._queues.equal(asking)
        near: Exchange | None = None
        if waiting is not None and exchanges[waiting].conversation not in {"", call.conversation}:
            near = exchanges[waiting]
            difference = f"it was recorded in the conversation {near.conversation!r}, now it is {call.conversation!r}"
        elif waiting is not None:
            near, difference = exchanges[waiting], "it comes in another order than it was recorded in"
        elif equal:
            near = exchanges[equal[-1]]
            times = "once" if len(equal) == 1 else f"{len(equal)} times"
            difference = f"the same request was recorded {times}, and now it comes once more"
        else:
            recorded = zip(exchanges, self._queues.played, strict=True)
            found = nearest(self._queues.matcher, call.operation, call.agent, call.request, recorded)
            near, difference = found.exchange, found.difference
        who = f" of {one_line(call.agent, 40)!r}" if call.agent else ""
        number = self._asked.count((call.operation, call.agent))
        where = f" of {self.source}" if self.source else ""
        at = f" (nearest: line {near.line}{where})" if near is not None and near.line else ""
        return CassetteMissError(
            f"{word(call.operation)} {number}{who} is not in the cassette: {difference}{at}",
            hint=_HINT,
            nearest=near,
            difference=difference,
        )


_COUNTS = {"normalised": Outcome.NORMALISED, "changed": Outcome.CHANGED, "live": Outcome.LIVE}


def environment(*, matching: str, normalise: Sequence[str] | None, live: frozenset[Operation]) -> dict[str, str]:
    """Write what ``Replay.load`` reads from the environment."""
    found = {"HARNESS_MATCHING": matching, "HARNESS_LIVE": ",".join(sorted(kind.value for kind in live))}
    return found if normalise is None else {**found, "HARNESS_NORMALISE": ",".join(normalise)}


def _from_environment() -> dict[str, Any]:
    found: dict[str, Any] = {"normalise": normalising.from_environment()}
    if os.environ.get("HARNESS_MATCHING"):
        found["matching"] = os.environ["HARNESS_MATCHING"]
    live = {name.strip() for name in os.environ.get("HARNESS_LIVE", "").split(",") if name.strip()}
    known = {kind.value: kind for kind in CALLS}
    for name in sorted(live - known.keys()):
        raise UsageError(f"HARNESS_LIVE: there is no kind of call {name!r}", hint=f"Known: {', '.join(sorted(known))}.")
    return {**found, "kinds": CALLS - {known[name] for name in live}, "stubbed": stubs.from_environment()}


def _fresh(exchange: Exchange) -> Mapping[str, Json] | None:
    """Give the reply as an object of the program's own, which it may change, where it gets to see it as it is."""
    return exchange.reply if exchange.kind is Operation.CHAT else copy.deepcopy(exchange.reply)
