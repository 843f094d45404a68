"""What a check is, and what it judges by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, TypeAlias

from harness.config import Config
from harness.model import CALLS, Event, Finding, Json, Operation, Severity
from harness.suppressing import Suppression


class Need(str, Enum):
    """What a check must be able to see.

    Contents of messages, tokens and cost, true times, the ending, what models were sent, the calls themselves (a
    conversation that was written down has none), and how the agents were set up.
    """

    CONTENT = "content"
    USAGE = "usage"
    TIME = "time"
    END = "end"
    HISTORY = "history"
    CALLS = "calls"
    SETUP = "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project asks of its runs.

    *limits* are budgets by name (see LIMITS), *prices* US dollars per million tokens as ``{model: (input, output)}``
    for calls whose cost was not recorded. *thresholds* are numbers to judge by instead of a check's own, by code and
    name (see ``Check.thresholds``). *suppressions* are the findings that it does not hold against a run, and why.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    suppressions: Sequence[Suppression] = ()

    @classmethod
    def of(
        cls,
        project: Config,
        *,
        limits: Mapping[str, float] | None = None,
        thresholds: Mapping[str, Mapping[str, float]] | None = None,
        suppressions: Sequence[Suppression] = (),
    ) -> Settings:
        """Put together what a *project* asks and what a command or a scenario says, which goes first."""
        own, more = dict(project.thresholds), thresholds or {}
        return cls(
            limits={**project.limits, **(limits or {})},
            prices=project.prices,
            thresholds={**own, **{name: {**own.get(name, {}), **numbers} for name, numbers in more.items()}},
            suppressions=(*suppressions, *project.suppressions),
        )


LIMITS: Mapping[str, str] = {
    "max_tokens": "tokens, input and output together",
    "max_cost_usd": "US dollars",
    "max_model_calls": "model calls",
    "max_turns": "turns of all agents together",
    "max_seconds": "seconds from the first event to the last",
}
"""The limits a project may set, and what each counts. There are none that nobody set."""


Moment: TypeAlias = tuple[str, Operation]
"""When an event happens: its phase, and the operation of its span."""

MESSAGES: Final[frozenset[Moment]] = frozenset({("point", Operation.MESSAGE)})
TALKS_END: Final[frozenset[Moment]] = frozenset({("end", Operation.CONVERSATION)})
CHATS_END: Final[frozenset[Moment]] = frozenset({("end", Operation.CHAT)})
CALLS_END: Final[frozenset[Moment]] = frozenset(("end", operation) for operation in CALLS)
NOTES: Final[frozenset[Moment]] = frozenset({("end", Operation.OTHER)})
"""What the harness itself writes into a run: what its guard did, and what of it failed."""


class Check:
    """Base of all checks; one object judges one run.

    A subclass sets *code* (a letter and three digits), *name* (kebab-case), *severity* and *needs*, and *thresholds*:
    the numbers it judges by, with their defaults, which a project may set. *watches* are the events it is shown, such
    as ``MESSAGES | CALLS_END``; None for all. *finds* are those of them with which it may find something; None for all.
    What it only remembers is shown to it later, several events at a time, which costs less: in order, and always before
    the next event of *finds*, and before ``finish``. With *live* False it can find nothing as long as the run goes on,
    and no guard asks it. Its docstring is what ``harness explain`` prints: a title, then paragraphs that begin with
    ``Why:`` and ``Fix:``.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    needs: ClassVar[frozenset[Need]] = frozenset()
    thresholds: ClassVar[Mapping[str, float]] = {}
    watches: ClassVar[frozenset[Moment] | None] = None
    finds: ClassVar[frozenset[Moment] | None] = None
    live: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def threshold(self, name: str) -> float:
        """Give the number to judge by: the project's, else this check's own."""
        return self.settings.thresholds.get(self.code, {}).get(name, self.thresholds[name])

    def meet(self, others: Sequence[Check]) -> None:
        """Get to know all checks of this judge, itself included, before the first event: who needs the same may share.

        What a check finds must not depend on whom it meets.
        """

    def see(self, event: Event) -> Iterable[Finding]:  # noqa: ARG002 - for subclasses
        """Take in the next event that it *watches* and yield what it shows."""
        return ()

    def finish(self) -> Iterable[Finding]:
        """Yield what shows only once the run is over."""
        return ()

    def idle(self) -> bool:
        """Say whether the settings leave this check nothing to judge by: then no event is shown to it."""
        return False

    def not_judged(self) -> str | None:
        """Say why this run could not be judged by this check, if so. Asked once the run is over."""
        return None

    def finding(
        self,
        text: str,
        *,
        seq: int | None = None,
        span_id: str | None = None,
        evidence: Mapping[str, Json] | None = None,
    ) -> Finding:
        """Make a finding of this check."""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            text=text,
            seq=seq,
            span_id=span_id,
            evidence=evidence or {},
        )


class CheckCrashed(Check):
    """A check broke, so the run was not judged by it.

    Why: a run without findings is good news only if every check could look at it.

    Fix: the finding names the check and the error. For a check of your own, mend it; for one of ours, please report it
    with the run (`harness show RUN --json`). Until then leave it out with `disable = ["CODE"]` in `[tool.harness]`.
    """

    code = "X001"
    name = "check-crashed"
    severity = Severity.ERROR
