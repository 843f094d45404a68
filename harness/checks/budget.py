"""B: runs that use more than they may. Nothing is found where nobody set a limit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from harness import semconv
from harness.check import CHATS_END, NOTES, Check, Need, Settings
from harness.checks.spending import Budget, CallBudget, cost_usd
from harness.model import CallRecord, Event, Finding, Operation, Severity, Status
from harness.text import one_line

NANOSECONDS = 1_000_000_000


class TokensBudget(CallBudget):
    """The run used more tokens than it may.

    Why: every model call sends the whole conversation again, so tokens grow with the square of its length. The limit
    `max_tokens` counts input and output of all model calls together.

    Fix: look which agent used most: `harness stats RUN`, and why: `harness show RUN`. Shorten what is sent again (a
    summary instead of the history, smaller tool results), end earlier, or raise the limit in `[tool.harness.limits]` or
    with `--max-tokens`.
    """

    code = "B201"
    name = "tokens-over-budget"
    limit = "max_tokens"
    needs = frozenset({Need.USAGE})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._known, self._unknown = 0, 0

    def used_by(self, call: CallRecord) -> float:
        """Sum the tokens of one model call."""
        counts = [count for count in (call.usage.input_tokens, call.usage.output_tokens) if count is not None]
        if counts:
            self._known += 1
        elif call.span.status is not Status.ERROR:
            self._unknown += 1
        return sum(counts)

    def show(self, amount: float) -> str:
        """Write *amount* tokens."""
        return f"{amount:,.0f} tokens"

    def not_judged(self) -> str | None:
        """Admit that a sum with holes that is within the limit proves nothing."""
        if self.passed or not self._unknown:
            return None
        return f"{self._unknown} of {self._known + self._unknown} model calls do not say how many tokens they used"


class CostBudget(CallBudget):
    """The run cost more than it may.

    Why: a conversation that does not end, or a dear model asked for small things, is found on the bill. The limit
    `max_cost_usd` counts list prices of all model calls in US dollars; a call whose price nobody knows counts for
    nothing, and the check says so.

    Fix: look which agent spent most: `harness stats RUN`. Give it a cheaper model, shorten what is sent again, end
    earlier, or raise the limit in `[tool.harness.limits]` or with `--max-cost-usd`. Set prices of your own models in
    `[tool.harness.prices]` as `model = [input, output]` per million tokens.
    """

    code = "B202"
    name = "cost-over-budget"
    limit = "max_cost_usd"
    needs = frozenset({Need.USAGE})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._known = 0
        self._unpriced: Counter[str] = Counter()

    def used_by(self, call: CallRecord) -> float:
        """Read the recorded cost of one model call, or price it now."""
        cost = cost_usd(call, self.settings)
        if cost is None and call.span.status is Status.ERROR:
            return 0
        if cost is None:
            self._unpriced[call.model or "an unnamed model"] += 1
            return 0
        self._known += 1
        return cost

    def show(self, amount: float) -> str:
        """Write *amount* US dollars, with the digits that tell small sums apart."""
        digits = 2 if amount >= 1 or not amount else max(4, 2 - math.floor(math.log10(amount)))
        return f"${amount:,.{digits}f}"

    def not_judged(self) -> str | None:
        """Admit that a sum with holes that is within the limit proves nothing."""
        if self.passed or not self._unpriced:
            return None
        unpriced = sum(self._unpriced.values())
        models = ", ".join(sorted(self._unpriced))
        return f"nobody knows the cost of {unpriced} of {self._known + unpriced} model calls ({models})"


class ModelCallsBudget(CallBudget):
    """The run made more model calls than it may.

    Why: the number of calls is what a loop, a chatty group or a retrying tool multiplies, whatever the model costs. The
    limit `max_model_calls` counts calls that were really made, speaker selection by a model included.

    Fix: let the conversation end when its work is done; select speakers by rule instead of by model; or raise the limit
    in `[tool.harness.limits]` or with `--max-model-calls`.
    """

    code = "B203"
    name = "model-calls-over-budget"
    limit = "max_model_calls"

    def used_by(self, call: CallRecord) -> float:  # noqa: ARG002 - every call counts as one
        """Count one model call."""
        return 1

    def show(self, amount: float) -> str:
        """Write *amount* model calls."""
        return _count(amount, "model call")


class TurnsBudget(Budget):
    """The agents took more turns than they may.

    Why: a conversation that needs many more turns than usual has lost its way. The limit `max_turns` counts each time
    one agent speaks, over all conversations of the run, nested ones too.

    Fix: give agents clearer tasks and a clear end; set `max_turns` or `max_round` on the chat itself; or raise the
    limit in `[tool.harness.limits]` or with `--max-turns`.
    """

    code = "B204"
    name = "turns-over-budget"
    limit = "max_turns"
    watches = frozenset({("start", Operation.TURN)})

    def used(self, event: Event) -> float:
        """Count a turn as it begins."""
        return 1 if event.phase == "start" and event.span.operation is Operation.TURN else 0

    def show(self, amount: float) -> str:
        """Write *amount* turns."""
        return _count(amount, "turn")


class SecondsBudget(Budget):
    """The run took longer than it may.

    Why: users wait, and programs that call agents have time limits of their own. The limit `max_seconds` counts from
    the first event to the last, waiting for humans, tools and retries included. A replay's times are not the run's:
    there this check does not judge.

    Fix: find what took long in the waterfall (`harness tui`, or `harness show RUN --spans`). Set `timeout` for models
    and code execution, run independent chats at the same time, or raise the limit in `[tool.harness.limits]` or with
    `--max-seconds`.
    """

    code = "B205"
    name = "seconds-over-budget"
    limit = "max_seconds"
    needs = frozenset({Need.TIME})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._now_ns: int | None = None

    def used(self, event: Event) -> float:
        """Measure the time since the event before; time that goes backwards does not count."""
        before, self._now_ns = self._now_ns, max(event.at_ns, self._now_ns or event.at_ns)
        return 0 if before is None else (self._now_ns - before) / NANOSECONDS

    def agent(self, event: Event) -> str:  # noqa: ARG002 - time passes for all
        """Blame nobody."""
        return ""

    def show(self, amount: float) -> str:
        """Write *amount* seconds."""
        return f"{amount:,.1f} s"


class CostUnenforceable(Check):
    """The run has a limit in US dollars, and asked a model whose price nobody knows.

    Why: such a call counts for nothing, so the limit `max_cost_usd` holds the others alone. Limits of tokens and of
    model calls hold all the same.

    Fix: set the model's price in `[tool.harness.prices]` as `model = [input, output]` per million tokens, or in the
    program's own `config_list`; or limit tokens instead. A guard with `fail_closed` makes no such call.
    """

    code = "B206"
    name = "cost-unenforceable"
    severity = Severity.WARNING
    needs = frozenset({Need.USAGE})
    watches = CHATS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told = False

    def idle(self) -> bool:
        """Judge by nothing but a limit that was set."""
        return CostBudget.limit not in self.settings.limits

    def see(self, event: Event) -> Iterable[Finding]:
        """Report the first answer without a price."""
        call = event.call
        if call is None or self._told or call.usage.cost_usd is not None:
            return ()
        return self._look(event, call)

    def _look(self, event: Event, call: CallRecord) -> Iterable[Finding]:
        asked = event.phase == "end" and event.span.operation is Operation.CHAT
        if self.idle() or not asked or event.span.status is Status.ERROR or cost_usd(call, self.settings) is not None:
            return
        self._told = True
        model = one_line(call.model or "an unnamed model", 60)
        yield self.finding(
            f"nobody knows what {model} costs, so {CostBudget.limit} does not hold for its calls",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={"model": model, "limit": CostBudget.limit},
        )


class StoppedByGuard(Check):
    """A guard stopped the run.

    Why: it went round in circles, used more than it may in all, by one agent, in a day or in a month, or somebody
    stopped it from outside. What it was asked to do is not done.

    Fix: the finding names the limit or the check; `harness explain CODE` says what that means. Raise the limit in
    `[tool.harness.guard]` or with `--guard` only if so much is really needed.
    """

    code = "B207"
    name = "stopped-by-guard"
    severity = Severity.ERROR
    watches = NOTES

    def see(self, event: Event) -> Iterable[Finding]:
        """Report what the guard wrote down."""
        said = event.span.attributes
        if event.phase != "end" or said.get(semconv.HARNESS_GUARD) != "stop":
            return
        evidence = {"limit": said.get(semconv.HARNESS_GUARD_LIMIT), "check": said.get(semconv.HARNESS_GUARD_CODE)}
        yield self.finding(
            f"a guard stopped it: {one_line(str(said.get(semconv.HARNESS_GUARD_TEXT)), 300)}",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={name: value for name, value in evidence.items() if value is not None},
        )


def _count(amount: float, what: str) -> str:
    return f"{amount:,.0f} {what}" + ("" if amount == 1 else "s")
