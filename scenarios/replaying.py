"""Answer calls from a cassette instead of the outside world.

Equal requests get their recorded answers in order, and different requests do not wait for one another, so calls may
come in another order than they were recorded in. A request that was not recorded fails: it is never passed on.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.call import RecordedError, Reply
from harness.errors import Exit, HarnessError
from harness.model import CALLS, Operation
from harness.text import one_line

from .cassette import CHOSEN_BY_OUTSIDE, Cassette, Exchange, read
from .ledger import Ledger
from .matching import Matcher
from .nearest import nearest, word

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from harness.call import Call


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
    """How many calls a cassette answered and missed, and how many of its exchanges nobody asked for."""

    hits: int
    misses: int
    unused: int


class Replay:
    """An interceptor that answers from a cassette; safe for threads and tasks.

    Calls of other *kinds*, and speaker selections that the framework works out itself, go on to the real thing.
    """

    def __init__(
        self,
        cassette: Cassette,
        *,
        kinds: frozenset[Operation] = CALLS,
        source: str = "",
        redact: Callable[[str], str] | None = None,
        shared: Path | None = None,
    ) -> None:
        """*source* is where *cassette* comes from, for messages. *redact* takes secrets out of what is compared.

        Processes that replay it together name one folder as *shared*: what one was answered is used up for all.
        """
        self.source = source
        self.cassette = cassette
        self.kinds = kinds
        self._lock = threading.Lock()
        self._redact = redact
        self._matcher = Matcher(redact)
        self._played = [False] * len(self.cassette.exchanges)
        self._asked: Counter[tuple[Operation, str | None]] = Counter()
        self._misses: list[CassetteMissError] = []
        self._ledger = Ledger(shared) if shared is not None else None
        self._waiting: dict[bytes, list[int]] = {}
        for index, exchange in enumerate(self.cassette.exchanges):
            key = self._matcher.key(exchange.kind, exchange.agent, exchange.conversation, exchange.request)
            self._waiting.setdefault(key, []).append(index)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        kinds: frozenset[Operation] = CALLS,
        redact: Callable[[str], str] | None = None,
        shared: Path | None = None,
    ) -> Replay:
        """Replay the file at *path*. Raises UsageError if it cannot be read."""
        return cls(read(path), kinds=kinds, source=str(path), redact=redact, shared=shared)

    def __call__(self, call: Call) -> Generator[Call, Reply, Reply]:
        """Answer *call*; a request that was not recorded gets a CassetteMissError as its error."""
        if not self._answers(call):
            return (yield call)
        with self._lock:
            answer = self._take(call)
        if isinstance(answer, CassetteMissError):
            return Reply(error=answer, replayed=True)
        if answer.failure is not None:
            return Reply(error=RecordedError(answer.failure.type, answer.failure.message), replayed=True)
        if answer.reply is None:
            return (yield call)
        return Reply(value=answer.reply, replayed=True)

    @property
    def hits(self) -> int:
        """How many calls the cassette answered."""
        return sum(self._known())

    @property
    def misses(self) -> tuple[CassetteMissError, ...]:
        """The requests that had no answer, in the order in which they were asked; of other processes after our own."""
        told = self._ledger.misses() if self._ledger is not None else []
        others = (CassetteMissError(text, hint=_HINT, nearest=None, difference=difference) for text, difference in told)
        return (*self._misses, *others)

    def _known(self) -> list[bool]:
        """Say of each exchange whether it was played, here or in another process."""
        if self._ledger is not None:
            with self._ledger.held(self._played):
                pass
        return self._played

    def unused(self) -> tuple[Exchange, ...]:
        """List the exchanges that nobody asked for, in recorded order."""
        return tuple(
            exchange
            for exchange, played in zip(self.cassette.exchanges, self._known(), strict=True)
            if not played and exchange.kind in self.kinds
        )

    def account(self) -> Account:
        """Count hits, misses and unused exchanges."""
        return Account(hits=self.hits, misses=len(self.misses), unused=len(self.unused()))

    def _answers(self, call: Call) -> bool:
        if call.operation not in self.kinds:
            return False
        return call.operation is not Operation.SELECTION or call.request.get("method") in CHOSEN_BY_OUTSIDE

    def _take(self, call: Call) -> Exchange | CassetteMissError:
        self._asked[call.operation, call.agent] += 1
        key = self._matcher.key(call.operation, call.agent, call.conversation, call.request)
        waiting = self._waiting.get(key, [])
        with self._ledger.held(self._played) if self._ledger is not None else contextlib.nullcontext():
            found = self._play(call, waiting)
        if found is not None:
            return self.cassette.exchanges[found]
        miss = self._miss(call, [index for index in waiting if not self._played[index]], key)
        self._misses.append(miss)
        if self._ledger is not None:
            self._ledger.miss(str(miss), miss.difference)
        return miss

    def _play(self, call: Call, waiting: list[int]) -> int | None:
        exchanges = self.cassette.exchanges
        for place, index in enumerate(waiting):
            if self._played[index]:
                continue  # by another process
            if not call.conversation or exchanges[index].conversation in {"", call.conversation}:
                del waiting[place]
                self._played[index] = True
                return index
        return None

    def _miss(self, call: Call, elsewhere: list[int], key: bytes) -> CassetteMissError:
        near: Exchange | None = None
        if elsewhere:
            near = self.cassette.exchanges[elsewhere[0]]
            difference = f"it was recorded in the conversation {near.conversation!r}, now it is {call.conversation!r}"
        elif key in self._waiting:
            same = [e for e in self.cassette.exchanges if e.kind is call.operation and e.agent == call.agent]
            matcher = Matcher(self._redact)
            again = [e for e in same if matcher.key(e.kind, e.agent, e.conversation, e.request) == key]
            near = again[-1] if again else None
            times = "once" if len(again) == 1 else f"{len(again)} times"
            difference = f"the same request was recorded {times}, and now it comes once more"
        else:
            recorded = zip(self.cassette.exchanges, self._played, strict=True)
            found = nearest(self._matcher, call.operation, call.agent, call.request, recorded)
            near, difference = found.exchange, found.difference
        who = f" of {one_line(call.agent, 40)!r}" if call.agent else ""
        number = self._asked[call.operation, call.agent]
        where = f" of {self.source}" if self.source else ""
        at = f" (nearest: line {near.line}{where})" if near is not None and near.line else ""
        return CassetteMissError(
            f"{word(call.operation)} {number}{who} is not in the cassette: {difference}{at}",
            hint=_HINT,
            nearest=near,
            difference=difference,
        )
