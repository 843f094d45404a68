"""What a run may use, and what of that is used or promised: reserve before a call, settle after it.

A reservation is an upper bound. A token is at least one byte, so a request has at most as many tokens as bytes, and an
answer at most as many as its ``max_tokens`` says. Where a request says so, calls made at the same time never spend more
together than the limit. Where it does not, a call is let through as long as its input fits and nothing else is under
way that counts against the same limit: then one call's output is the most that can be spent beyond it.

A picture that a request names by its address is not in its bytes: each counts for PICTURE_TOKENS.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

from harness import prices, semconv
from harness.call import Call, Reply
from harness.canonical import length
from harness.errors import UsageError
from harness.model import Json, Operation
from harness.text import one_line

TOLD: Final[Mapping[str, str]] = {
    "messages": "{:,.0f} messages",
    "turns": "{:,.0f} turns",
    "model_calls": "{:,.0f} model calls",
    "tool_calls": "{:,.0f} tool calls",
    "tokens": "{:,.0f} tokens",
    "cost_usd": "${:g}",
    "seconds": "{:g} s",
}
"""What can be limited, and how so much of it is written."""
SPENT: Final = ("tokens", "cost_usd", "model_calls", "tool_calls")
"""What calls use. The rest is looked at, and cannot be reserved."""
PICTURE_TOKENS: Final = 2048
SPANS: Final = ("run", "agent", "day", "month")
"""What a limit holds for. A day and a month are those of UTC, over all runs of a store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so much of *kind* for one *span*; *agent* names whose, where it is an agent's share of the run."""

    span: str = "run"
    agent: str | None = None
    kind: str
    most: float

    @property
    def name(self) -> str:
        """Name it as :func:`limits` reads it."""
        return ".".join(
            part for part in ("" if self.span == "run" else self.span, self.agent, f"max_{self.kind}") if part
        )

    def show(self, amount: float) -> str:
        """Write *amount* of it with its unit."""
        return TOLD[self.kind].format(amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a call uses at most. With *sure* False its answer may be longer, by an amount that nobody knows."""

    least: Mapping[str, float]
    most: Mapping[str, float]
    sure: bool = True
    input_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A limit that leaves no room: *used* and *promised* to calls under way, and *asked* for by the next."""

    limit: Limit
    used: float
    promised: float = 0
    asked: float = 0

    def __str__(self) -> str:
        limit = self.limit
        a_day = f" a {limit.span}" if limit.span in {"day", "month"} else ""
        whose = "" if limit.agent is None else f" by {one_line(limit.agent, 40)!r}"
        name = f"the limit of {limit.show(limit.most)}{a_day}"
        if self.used >= limit.most:
            return f"{name} was reached{whose}"
        under_way = f", {limit.show(self.promised)} promised to calls under way" if self.promised else ""
        used = f"{limit.show(self.used)} used{whose}{under_way}"
        return f"{name} leaves no room: {used}, and the next call may take {limit.show(self.asked)}"


@dataclass(slots=True)
class _Account:
    used: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    promised: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(slots=True, eq=False)
class Ticket:
    """What is promised to one call, and of which accounts."""

    accounts: Sequence[_Account]
    bound: Bound
    kept: object = None


class _Holding(NamedTuple):
    """What holds for one agent: what is *looked* at, what calls *take* of which account, and all its *accounts*."""

    looked: Sequence[Limit]
    taken: Sequence[tuple[Limit, _Account]]
    accounts: Sequence[_Account]


class Budget:
    """What one run has used in this process, and each agent of it. Safe for threads and tasks."""

    def __init__(self, limits: Iterable[Limit], *, reserving: bool = True) -> None:
        """Without *reserving* a call is let through as long as nothing is used up."""
        self._limits = [limit for limit in limits if limit.span in {"run", "agent"}]
        self._reserving = reserving
        self._accounts: defaultdict[str | None, _Account] = defaultdict(_Account)
        self._holding: dict[str | None, _Holding] = {}
        self._lock = threading.Lock()

    def reached(self, agent: str | None, now: Mapping[str, float], *, spent: bool = False) -> Reached | None:
        """Say which limit is used up of what is looked at: *now* has the messages, turns and seconds of the run.

        With *spent* what calls use is looked at, too.
        """
        holding = self._holding.get(agent) or self._holds(agent)
        for limit in holding.looked:
            used = now[limit.kind]
            # The turn that is going on is counted already.
            if used > limit.most if limit.kind == "turns" else used >= limit.most:
                return Reached(limit=limit, used=used)
        if spent:
            with self._lock:
                for limit, account in holding.taken:
                    if account.used[limit.kind] >= limit.most:
                        return Reached(limit=limit, used=account.used[limit.kind])
        return None

    def reserve(self, agent: str | None, bound: Bound) -> Ticket | Reached:
        """Promise a call what it may use, or say which limit has no room for it."""
        holding = self._holding.get(agent) or self._holds(agent)
        with self._lock:
            for limit, account in holding.taken:
                used, promised = account.used[limit.kind], account.promised[limit.kind]
                asked = room(limit, used, promised, bound, reserving=self._reserving)
                if asked:
                    return Reached(limit=limit, used=used, promised=promised, asked=asked)
            for account in holding.accounts:
                for kind, amount in bound.most.items():
                    account.promised[kind] += amount
        return Ticket(holding.accounts, bound)

    def settle(self, ticket: Ticket, used: Mapping[str, float]) -> None:
        """Put what a call really *used* in place of what was promised to it."""
        with self._lock:
            for account in ticket.accounts:
                for kind, amount in ticket.bound.most.items():
                    left = account.promised[kind] - amount
                    account.promised[kind] = left if abs(left) >= _DUST else 0.0
                for kind, amount in used.items():
                    account.used[kind] += amount

    def _holds(self, agent: str | None) -> _Holding:
        """Find out what holds for *agent*, once."""
        with self._lock:
            held = [limit for limit in self._limits if limit.span == "run" or limit.agent == agent]
            found = self._holding[agent] = _Holding(
                looked=tuple(limit for limit in held if limit.kind not in SPENT),
                taken=tuple((limit, self._accounts[limit.agent]) for limit in held if limit.kind in SPENT),
                accounts=tuple(self._accounts[whose] for whose in dict.fromkeys((None, agent))),
            )
        return found


_DUST = 1e-9
"""What adding and taking away floating-point amounts leaves of nothing."""


def room(limit: Limit, used: float, promised: float, bound: Bound, *, reserving: bool = True) -> float:
    """Say how much more a call may take than *limit* has room for it; 0 if it may be made."""
    asked = bound.most.get(limit.kind, 0)
    if not asked:
        return 0
    if not reserving and limit.kind in {"tokens", "cost_usd"}:
        return 0 if used < limit.most else asked
    if used + promised + asked <= limit.most + _DUST:
        return 0
    least = bound.least.get(limit.kind, 0)
    alone = not bound.sure and not promised and used < limit.most and used + least <= limit.most + _DUST
    return 0 if alone else asked


# What a call may use, and what it used -------------------------------------------------------------------------------


class Bounds:
    """Says what calls may use at most. A history that has grown costs what is new of it."""

    def __init__(self, reserve_output: int, overrides: Mapping[str, tuple[float, float]] | None = None) -> None:
        """Take an answer to have *reserve_output* tokens where a request says nothing; *overrides* are prices."""
        self._reserve_output = reserve_output
        self._overrides = overrides
        self._histories: dict[int, tuple[list[Json], int]] = {}
        self._tools: tuple[Sequence[Json], int] = (), size(())

    def of(self, call: Call) -> Bound:
        """Say what *call* may use at most."""
        if call.operation is not Operation.CHAT:
            return _TOOL if call.operation is Operation.TOOL else _NOTHING
        request = call.request
        parameters = request.get("parameters") or {}
        given = self._said(request.get("messages") or ()) + self._offered(request.get("tools") or ())
        given += size(parameters) + _AROUND
        cap = output_cap(parameters)
        taken = (self._reserve_output if cap is None else cap) * choices(parameters)
        least: dict[str, float] = {"tokens": given, "model_calls": 1}
        most: dict[str, float] = {"tokens": given + taken, "model_calls": 1}
        model = request.get("model")
        cost = prices.cost_usd(model, given, taken, overrides=self._overrides)
        if cost is not None:
            most["cost_usd"] = cost
            least["cost_usd"] = prices.cost_usd(model, given, 0, overrides=self._overrides) or 0.0
        return Bound(least=least, most=most, sure=cap is not None, input_tokens=given)

    def _offered(self, tools: Sequence[Json]) -> int:
        """Count the bytes of *tools*: once for as long as the same are offered."""
        if tools is not self._tools[0]:
            self._tools = tools, size(tools)
        return self._tools[1]

    def _said(self, messages: Sequence[Json]) -> int:
        """Bound the tokens of *messages* from above: their bytes, and their pictures."""
        if not messages:
            return 0
        first, asked = messages[0], list(messages)
        before, found = self._histories.get(id(first), ([None], 0))
        known = len(before)
        if before[0] is not first or asked[:known] != before:
            known, found = 0, 0
        for message in asked[known:]:
            found += size(message) + PICTURE_TOKENS * _pictures(message)
        if len(self._histories) >= _MOST_HISTORIES:
            self._histories = {}
        self._histories[id(first)] = asked, found
        return found


_TOOL: Final = Bound(least={"tool_calls": 1}, most={"tool_calls": 1})
_NOTHING: Final = Bound(least={}, most={})
_MOST_HISTORIES = 64
_AROUND = len("[]")


def size(value: Json) -> int:
    """Count the bytes of *value* as JSON, and of what stands between it and the next."""
    return length(value) + 1


def used(
    call: Call, reply: Reply | None, promised: Bound, overrides: Mapping[str, tuple[float, float]] | None = None
) -> Mapping[str, float]:
    """Say what *call* used, by its *reply*; without one nobody knows, and all that was *promised* counts.

    A provider that refused, or that nobody reached, takes nothing. An answer that says no usage has at most as many
    tokens as bytes.
    """
    if call.operation is not Operation.CHAT:
        return promised.most
    if reply is None or (reply.value is None and not _refused(reply.error)):
        return promised.most
    if reply.value is None or reply.cache_hit:
        return {"model_calls": 0.0 if reply.cache_hit else 1.0}
    value = reply.value
    usage = value.get("usage") or {}
    given, taken = usage.get("input_tokens"), usage.get("output_tokens")
    if given is None:
        given = promised.input_tokens
    if taken is None:
        taken = size([value.get("message"), value.get("choices")])
    found: dict[str, float] = {"model_calls": 1, "tokens": given + taken}
    cost = cost_usd(call, reply, given, taken, overrides)
    if cost is not None:
        found["cost_usd"] = cost
    return found


def cost_usd(
    call: Call, reply: Reply, given: int, taken: int, overrides: Mapping[str, tuple[float, float]] | None
) -> float | None:
    """Price a call that was answered, in US dollars: as the adapter knows, the program says, or else the table."""
    stated = reply.attributes.get(semconv.GEN_AI_COST)
    stated = stated if isinstance(stated, (int, float)) else call.stated_usd(given, taken)
    if stated is not None:
        return float(stated)
    value = reply.value or {}
    cached = (value.get("usage") or {}).get("cached_tokens") or 0
    model = value.get("model") or call.request.get("model")
    return prices.cost_usd(model, given, taken, cached_tokens=cached, overrides=overrides)


def _pictures(message: Json) -> int:
    parts = message.get("parts") if isinstance(message, (dict, Mapping)) else None
    found = 0
    for part in parts if isinstance(parts, (list, Sequence)) else ():
        if isinstance(part, (dict, Mapping)) and part.get("type") in {"uri", "file"}:
            found += 1
    return found


def output_cap(parameters: Mapping[str, Json]) -> int | None:
    """Read how long an answer may be, in tokens; None where a request does not say."""
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        value = parameters.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def choices(parameters: Mapping[str, Json]) -> int:
    """Read how many answers are asked for at once."""
    many = parameters.get("n")
    return many if isinstance(many, int) and not isinstance(many, bool) and many > 0 else 1


def _refused(error: BaseException | None) -> bool:
    return isinstance(getattr(error, "status_code", None), int) or type(error).__name__ == "APIConnectionError"


# Limits as people write them -----------------------------------------------------------------------------------------

_OTHER_NAMES = {"steps": "model_calls", "cost": "cost_usd", "calls": "model_calls"}
"""What the guides of other guards call them."""


def limits(told: Mapping[str, Json]) -> tuple[Limit, ...]:
    """Read limits by name: ``max_tokens``, ``agent.NAME.max_tokens``, ``day.max_cost_usd``, ``month.max_cost_usd``.

    Tables within tables mean the same as dots. A value of None is no limit. Raises UsageError for what is none.
    """
    return tuple(_limit(name, most) for name, most in _flat(told) if most is not None)


def named(found: Iterable[Limit]) -> dict[str, float]:
    """Write limits as :func:`limits` reads them."""
    return {one.name: one.most for one in found}


def _flat(told: Mapping[str, Json], before: str = "") -> Iterator[tuple[str, Json]]:
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _limit(name: str, most: Json) -> Limit:
    span, _, last = name.rpartition(".")
    span, _, agent = span.partition(".")
    kind = last.removeprefix("max_")
    kind = _OTHER_NAMES.get(kind, kind)
    if kind not in TOLD:
        near = get_close_matches(kind, TOLD, n=1)
        hint = f"Did you mean {f'max_{near[0]}'!r}?" if near else f"Known: {', '.join(f'max_{one}' for one in TOLD)}."
        raise UsageError(f"no limit is called {name!r}", hint=hint)
    if (span or "run") not in SPANS or bool(agent) != (span == "agent"):
        hint = "A limit stands alone or after `agent.NAME`, `day` or `month`."
        raise UsageError(f"no limit is called {name!r}", hint=hint)
    if span and kind not in SPENT:
        hint = (
            f"Only a run has one of those; an agent, a day and a month have {', '.join(f'max_{one}' for one in SPENT)}."
        )
        raise UsageError(f"no limit is called {name!r}", hint=hint)
    if isinstance(most, bool) or not isinstance(most, (int, float)) or not most >= 0:
        raise UsageError(f"the limit {name!r} must be a number of at least 0, not {most!r}")
    return Limit(span=span or "run", agent=agent or None, kind=kind, most=float(most))
