"""Rehearse a scenario several times, and say how often it passes and how sure that is.

pass^k is the chance that k attempts pass all, pass@k that at least one of k does. Both are estimated without bias from
the attempts made (Chen et al. 2021, arXiv:2107.03374; Yao et al. 2024, arXiv:2406.12045). Both grow with the chance of
a single attempt, so its exact interval (Clopper and Pearson 1934) gives theirs. An attempt that could not be made, or
says nothing, is not counted; and one that a cassette answered is the same one over again, so it gives no interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import Exit

from .verdict import ERROR, FAILED, INCONCLUSIVE, PASSED, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model import Json

CONFIDENCE = 0.95
_HALVINGS = 50
_SHOWN = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What came of each attempt, in order. *live* says that they are independent: no cassette answered one whole.

    *attempts* are the verdicts, less what is large in them.
    """

    attempts: tuple[Verdict, ...]
    live: bool

    @property
    def passed(self) -> int:
        """How many attempts passed."""
        return self._count(PASSED)

    @property
    def counted(self) -> int:
        """How many attempts say anything: those that passed or failed."""
        return self.passed + self._count(FAILED)

    @property
    def errors(self) -> int:
        """How many attempts could not be made."""
        return self._count(ERROR)

    def _count(self, outcome: str) -> int:
        return sum(attempt.outcome == outcome for attempt in self.attempts)

    def chances(self) -> list[dict[str, Json]]:
        """Give pass^k and pass@k for a few k up to the number counted, and their intervals where it was live."""
        low, high = interval(self.passed, self.counted)
        return [
            {
                "k": k,
                "pass_all": pass_all(self.passed, self.counted, k),
                "pass_any": pass_any(self.passed, self.counted, k),
                "pass_all_interval": [low**k, high**k] if self.live else None,
                "pass_any_interval": [1 - (1 - low) ** k, 1 - (1 - high) ** k] if self.live else None,
            }
            for k in sorted({k for k in _SHOWN if k < self.counted} | ({self.counted} - {0}))
        ]


def pass_all(passed: int, counted: int, k: int) -> float:
    """Estimate pass^k, the chance that *k* attempts all pass, from *passed* of *counted*; *k* is at most *counted*."""
    return math.comb(passed, k) / math.comb(counted, k)


def pass_any(passed: int, counted: int, k: int) -> float:
    """Estimate pass@k, the chance that at least one of *k* attempts passes; *k* is at most *counted*."""
    return 1 - math.comb(counted - passed, k) / math.comb(counted, k)


def interval(passed: int, counted: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Give the exact (Clopper-Pearson) interval of the chance that one attempt passes; (0, 1) if none is counted."""
    tail = (1 - confidence) / 2
    low = _solve(lambda p: _at_least(passed, counted, p), tail) if passed else 0.0
    # P(X <= c) falls as p grows, so one attempt more at the least is what is looked for.
    high = _solve(lambda p: _at_least(passed + 1, counted, p), 1 - tail) if passed < counted else 1.0
    return low, high


def _at_least(passed: int, counted: int, p: float) -> float:
    """Give the chance of at least *passed* successes in *counted* attempts, each with the chance 0 < *p* < 1."""
    yes, no = math.log(p), math.log1p(-p)
    whole = math.lgamma(counted + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(i + 1) - math.lgamma(counted - i + 1) + i * yes + (counted - i) * no)
        for i in range(passed, counted + 1)
    )


def _solve(grows: Callable[[float], float], value: float) -> float:
    """Find where a function that grows from 0 to 1 between 0 and 1 has *value*."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if grows(middle) < value else (low, middle)
    return (low + high) / 2


def rarer(passed: int, counted: int, passed_before: int, counted_before: int) -> float:
    """Give the chance that so few pass now if nothing changed (Fisher's exact test, one-sided)."""
    successes, every = passed + passed_before, counted + counted_before
    ways = sum(
        math.comb(successes, few) * math.comb(every - successes, counted - few)
        for few in range(max(0, counted - (every - successes)), passed + 1)
    )
    return ways / math.comb(every, counted)


def repeat(
    attempt: Callable[[], Verdict], times: int, *, at_least: float | None = None, insist: bool = True
) -> Verdict:
    """Make *attempt* so many *times* and give one verdict on all.

    What a cassette answers whole is played once, unless one *insists*: it comes out the same. *at_least* is the share
    of attempts that must pass (default: all must, and nothing is inferred); see :func:`together`.
    """
    attempts: list[Verdict] = []
    for _ in range(times):
        attempts.append(attempt())
        if times > 1 and not insist and not is_live(attempts[0]):
            once = f"played once, not {times} times: the cassette answers everything, so it comes out the same"
            return replace(attempts[0], remarks=(*attempts[0].remarks, once))
    return attempts[0] if times == 1 and at_least is None else together(attempts, at_least=at_least)


def is_live(verdict: Verdict) -> bool:
    """Say whether anything in it was asked of the real thing."""
    return verdict.replayed is None or verdict.replayed.account.live > 0


def together(attempts: Sequence[Verdict], *, at_least: float | None = None) -> Verdict:
    """Put the verdicts on several attempts at one scenario together.

    Without *at_least* it failed if one did; else it is an error if one was. With it, it passed if the chance to pass is
    at least that with 95 % confidence, failed if it is below with the same, and else nothing can be said.
    The rest is told of the first attempt that is not as one would wish.
    """
    order = (FAILED, ERROR, INCONCLUSIVE, PASSED)
    shown = min(attempts, key=lambda attempt: order.index(attempt.outcome))
    number = attempts.index(shown) + 1
    trials = Trials(
        attempts=tuple(replace(attempt, replayed=None, output="", scenario=None) for attempt in attempts),
        live=all(map(is_live, attempts)),
    )
    outcome, code, reasons = shown.outcome, shown.code, shown.reasons
    if reasons:
        reasons = (f"attempt {number} of {len(attempts)}:", *reasons)
    if at_least is not None and trials.counted and trials.live:
        outcome, reason = _judged(trials, at_least)
        code = Exit.CLEAN if outcome == PASSED else shown.code or Exit.FINDINGS
        reasons = (reason, *reasons) if outcome != PASSED else ()
    return replace(
        shown,
        outcome=outcome,
        code=code,
        reasons=reasons,
        remarks=(*shown.remarks, *told(trials)),
        hints=shown.hints if outcome != PASSED else (),
        seconds=sum(attempt.seconds for attempt in attempts),
        output="".join(attempt.output for attempt in attempts),
        trials=trials,
    )


def _judged(trials: Trials, at_least: float) -> tuple[str, str]:
    low, high = interval(trials.passed, trials.counted)
    if low >= at_least:
        return PASSED, ""
    share = f"{trials.passed} of {trials.counted} attempts passed, so a single one passes in {_between(low, high)}"
    if high < at_least:
        return FAILED, f"{share}: fewer than the {at_least:.1%} that were asked for"
    need = math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(at_least)) if 0 < at_least < 1 else None
    more = f"; {need} attempts would, if all passed" if need else ""
    return INCONCLUSIVE, f"{share}: that does not tell whether {at_least:.1%} pass{more}"


def told(trials: Trials) -> list[str]:
    """Say how often it passed, and what follows for one attempt and for all of them."""
    passed, counted = trials.passed, trials.counted
    out = len(trials.attempts) - counted
    lines = [f"{passed} of {counted} attempts passed" + (f"; {out} not counted" if out else "")]
    if not trials.live:
        return [f"{lines[0]}; the cassette answered, so nothing follows for the real thing"]
    low, high = interval(passed, counted)
    if counted:
        lines.append(f"pass@1 {passed / counted:.3f}, in {_between(low, high)}")
    if counted > 1:
        lines.append(f"pass^{counted} (all of {counted} pass) in {_between(low**counted, high**counted)}")
    return lines


def _between(low: float, high: float) -> str:
    return f"{low:.1%} to {high:.1%} of cases (95 % confidence)"
