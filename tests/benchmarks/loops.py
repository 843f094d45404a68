"""How well the loop checks agree with a reader of real conversations, beside published rules, and what they cost.

Agreement is F1 over 5 folds that keep what belongs together (one question, one notebook) in one fold; the thresholds
that judge a fold are chosen on the others from a small grid. The interval is of 1,000 resamples of those groups.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from harness.check import Judge, Settings
from harness.checks.looping.ear import Ear
from harness.checks.loops import AnswersItself, LoopCheck, NothingNew, RepeatedMessage, SameOutcome
from tests.checks import real
from tests.checks.real import Conversation, Label, events

from .loop_rules import RULES
from .measure import Figure, digits, interquartile

CHECKS: tuple[type[LoopCheck], ...] = (RepeatedMessage, NothingNew, SameOutcome, AnswersItself)
GRID = tuple(itertools.product((3, 4), (3.5, 4, 4.5, 5), (3, 4), (3, 4)))
"""Thresholds to choose from, in the order of CHECKS."""
FOLDS = 5
RESAMPLES = 1000
ROUNDS = 3
SHORT_TALK, LONG_TALK, LAST = 100, 8000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One judged conversation: its group, what the reader said, and the message at which a rule fired, if it did."""

    group: str
    label: Label
    fired: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a rule did: F1 with its 95 % interval, false alarms of what a reader found free, and lags in messages."""

    f1: float
    low: float
    high: float
    false_alarms: float
    lags: tuple[int, ...]

    @property
    def in_time(self) -> float:
        """The share of loops found at most one message after their onset."""
        return sum(lag <= 1 for lag in self.lags) / len(self.lags) if self.lags else 0.0


def out_of_fold() -> Score:
    """Score our checks, each fold with the thresholds that did best on the others."""
    judged = [(each["group"], label, _course(each)) for each, label in real.labelled()]
    cases: list[Case] = []
    for fold in range(FOLDS):
        others = [each for each in judged if _fold(each[0]) != fold]
        best = max(GRID, key=lambda grid: (_f1([_case(each, grid) for each in others]), -sum(grid)))
        cases += [_case(each, best) for each in judged if _fold(each[0]) == fold]
    return _score(cases)


def _fold(group: str) -> int:
    return blake2b(group.encode(), digest_size=2).digest()[0] % FOLDS


_Course = list[tuple[float, ...]]
"""How far each loop had come after each message, in the order of CHECKS."""


def _course(conversation: Conversation) -> _Course:
    ear, checks = Ear(), [kind(Settings()) for kind in CHECKS]
    heard = [ear.hear(event) for event in events(conversation["messages"])]
    return [tuple(check.come(each) for check in checks) for each in heard if each is not None]


def _case(judged: tuple[str, Label, _Course], thresholds: Sequence[float]) -> Case:
    group, label, course = judged
    fired = (
        number
        for number, come in enumerate(course)
        if any(one >= most for one, most in zip(come, thresholds, strict=True))
    )
    return Case(group=group, label=label, fired=next(fired, None))


def _f1(cases: Sequence[Case]) -> float:
    both = sum(case.label.loop and case.fired is not None for case in cases)
    either = sum(case.label.loop for case in cases) + sum(case.fired is not None for case in cases)
    return 2 * both / either if either else 0.0


def _score(cases: Sequence[Case]) -> Score:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    drawn = random.Random(1)  # noqa: S311 - the same resamples every time
    pool = list(groups.values())
    resampled = sorted(
        _f1([case for group in drawn.choices(pool, k=len(pool)) for case in group]) for _ in range(RESAMPLES)
    )
    free = [case for case in cases if not case.label.loop]
    return Score(
        f1=_f1(cases),
        low=resampled[RESAMPLES // 40],
        high=resampled[-RESAMPLES // 40],
        false_alarms=sum(case.fired is not None for case in free) / len(free),
        lags=tuple(
            sorted(
                case.fired - case.label.onset
                for case in cases
                if case.fired is not None and case.label.onset is not None and case.label.loop
            )
        ),
    )


def _ours(conversation: Conversation) -> int | None:
    judge = Judge(select=["L"])
    for event in events(conversation["messages"]):
        if judge.see(event):
            return event.number
    return None


def figures() -> Iterator[Figure]:
    """Print a table of all rules on stderr, and give the figures of ours."""
    if not real.THERE:
        sys.stderr.write(f"{real.MISSING}\n")
        return
    tools, short = real.successful_tool_runs(), real.short_right_runs()
    rules: Mapping[str, Callable[[Conversation], int | None]] = {"this project": _ours, **RULES()}
    sys.stderr.write(f"{'rule':34} F1   [95 %]      free  tools  short  lag  in time\n")
    best = 0.0
    for name, rule in rules.items():
        score = out_of_fold() if rule is _ours else _score(
            [Case(group=each["group"], label=label, fired=rule(each)) for each, label in real.labelled()]
        )  # fmt: skip
        alarms = [sum(rule(each) is not None for each in clean) / len(clean) for clean in (tools, short)]
        lag = statistics.median(score.lags) if score.lags else float("nan")
        sys.stderr.write(
            f"{name:34} {score.f1:.2f} [{score.low:.2f} {score.high:.2f}]  {score.false_alarms:4.0%}  {alarms[0]:5.1%}"
            f"  {alarms[1]:5.2%}  {lag:+.0f}   {score.in_time:4.0%}\n"
        )
        if rule is _ours:
            ours, clean = score, max(alarms)
        else:
            best = max(best, score.f1)
    yield _figure("loops: F1 against a reader, out of fold", ours.f1, "F1", best, "the best published rule")
    yield _figure("loops: false alarms on clean runs", clean, "share", 0.01, "one in a hundred")
    yield from _costs()


def _figure(name: str, value: float, unit: str, against: float, peer: str, n: int = 1, spread: float = 0) -> Figure:
    return Figure(
        name=name, value=digits(value), unit=unit, against=digits(against), peer=peer,
        ratio=digits(value / against) if against else 0.0, n=n, spread=digits(spread),
        load=round(os.getloadavg()[0], 2),
    )  # fmt: skip


def _costs() -> Iterator[Figure]:
    """Measure the CPU time of all live checks together for a message, and whether a long run makes it more."""
    sample = [each["messages"] for each, _ in real.labelled()]
    rounds = [[took for messages in sample for took in _taken(messages)] for _ in range(ROUNDS)]
    taken = [min(same) for same in zip(*rounds, strict=True)]
    yield _figure("checks: all of them, a message (median)", statistics.median(taken), "ms CPU", 0.15, "0.15 ms",
                  n=len(taken), spread=interquartile(taken))  # fmt: skip
    endless = list(itertools.islice(itertools.cycle(itertools.chain(*sample)), LONG_TALK))
    early, late = [], []
    for _ in range(ROUNDS):
        late.append(statistics.median(_taken(endless)[-LAST:]))
        early.append(statistics.median(_taken(endless[-LAST - SHORT_TALK :])[-LAST:]))
    yield _figure(f"checks: a message after {LONG_TALK - LAST:,}", min(late), "ms CPU", min(early),
                  f"the same messages after {SHORT_TALK}", n=ROUNDS)  # fmt: skip


def _taken(messages: Sequence[Mapping[str, object]]) -> list[float]:
    judge, took = Judge(), []
    for event in events(list(messages)):
        begun = time.thread_time_ns()
        judge.see(event)
        took.append((time.thread_time_ns() - begun) / 1e6)
    return took
