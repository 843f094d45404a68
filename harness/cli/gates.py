"""What decides over verdicts beside the scenario itself: repetition, a baseline, and who is told."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import plugins
from harness.cli.common import say
from harness.errors import UsageError
from harness.text import one_line, printable

Function = TypeVar("Function", bound=Callable[..., Any])

_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*%?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What is asked. *repeat* is None where each scenario says it, *at_least* the share that must pass, if not all.

    *allowed* is by how much figures may grow over the *baseline*, by name; with *update* it is written.
    """

    repeat: int | None = None
    at_least: float | None = None
    baseline: Path | None = None
    update: bool = False
    allowed: Mapping[str, float] = field(default_factory=dict)

    def attempts(self, attempt: Callable[[], Any], scenario: Any) -> Any:  # noqa: ANN401 - a sibling's records
        """Make as many attempts at *scenario* as were asked for, and give one verdict on them."""
        times = self.repeat or getattr(scenario, "repeat", None) or 1
        repeating = plugins.sibling("scenarios.repeating")
        return repeating.repeat(attempt, times, at_least=self.at_least, insist=self.repeat is not None)

    def holder(self) -> Callable[[Any], Any]:
        """Read the baseline, and give the function that holds a verdict against it. Raises UsageError if it is none."""
        if self.baseline is None or self.update:
            return lambda verdict: verdict
        baselines = plugins.sibling("scenarios.baseline")
        kept = baselines.read(self.baseline)
        return lambda verdict: baselines.compare(kept, verdict, self.allowed)

    def keep(self, verdicts: Sequence[Any]) -> None:
        """Write the baseline, if it is to be updated: what passed goes in."""
        if self.baseline is None or not self.update:
            return
        baselines = plugins.sibling("scenarios.baseline")
        kept = baselines.read(self.baseline) if self.baseline.exists() else baselines.Baseline(path=self.baseline)
        made, left = baselines.update(kept, verdicts)
        made.write()
        count = len(made.entries)
        say(f"harness: the baseline {printable(self.baseline)} holds {count} scenario{'' if count == 1 else 's'}")
        for name in left:
            say(f"  not taken in, since it did not pass: {one_line(name, 80)}")


def gate_options(function: Function) -> Function:
    """Add the options of :class:`Gates`, as the parameter *gates*."""

    @functools.wraps(function)
    def gated(
        *,
        repeat: int | None,
        pass_rate: float | None,
        baseline: Path | None,
        update_baseline: bool,
        allow: Mapping[str, float],
        **others: object,
    ) -> object:
        if baseline is None and (update_baseline or allow):
            raise UsageError("there is no baseline to compare with", hint="Say which: `--baseline FILE`.")
        gates = Gates(repeat=repeat, at_least=pass_rate, baseline=baseline, update=update_baseline, allowed=allow)
        return function(gates=gates, **others)

    for option in reversed(_OPTIONS):
        gated = option(gated)
    return gated  # type: ignore[return-value]


def _allowed(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> Mapping[str, float]:
    known = plugins.sibling("scenarios.baseline").ALLOWED if values else {}
    found = {}
    for value in values:
        name, _, share = value.partition("=")
        number = _SHARE.fullmatch(share.strip())
        if name not in known or number is None:
            told = f"{value!r} is not of the form NAME=PERCENT, with a NAME of {', '.join(known)}"
            raise click.BadParameter(told, ctx, param)
        found[name] = float(number[1]) / 100
    return found


_OPTIONS = (
    click.option(
        "--repeat",
        type=click.IntRange(min=1),
        metavar="K",
        help="Make K attempts at each scenario; all must pass.  [default: what the scenario says, else 1]",
    ),
    click.option(
        "--pass-rate",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="Of live attempts a share of P must pass, with 95 % confidence; else nothing can be said.",
    ),
    click.option(
        "--baseline",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Compare messages, calls, tokens, cost and, live, time with FILE.",
    ),
    click.option("--update-baseline", is_flag=True, help="Write what passed into the baseline instead."),
    click.option(
        "--allow",
        multiple=True,
        callback=_allowed,
        metavar="NAME=PERCENT",
        help="Let a figure grow by so much over the baseline, such as tokens=25%.  [default: 10%, seconds 50%]",
    ),
)
