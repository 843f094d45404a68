"""Judge a run by watching its events go by: what a check is, which there are, and the judge that runs them.

A check is a streaming observer: it sees the events of one run in ``seq`` order, has no clock and cannot look ahead, so
that a stored run, a replay and a live run get the same findings. One that breaks becomes a finding itself and ends
nothing else. Checks are found through the entry points ``harness.checks``: a module of them, or one class.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

from harness import plugins, semconv
from harness.errors import EnvironmentProblem, UsageError
from harness.model import Event, Finding, Json, Severity

GROUP = "harness.checks"


class Need(str, Enum):
    """What a check must be able to see: message contents, tokens and cost, true times, the ending, model histories."""

    CONTENT = "content"
    USAGE = "usage"
    TIME = "time"
    END = "end"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project asks of its runs.

    *limits* are budgets by name (see LIMITS), *prices* US dollars per million tokens as ``{model: (input, output)}``
    for calls whose cost was not recorded. *thresholds* are numbers to judge by instead of a check's own, by code and
    name (see ``Check.thresholds``).
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


LIMITS: Mapping[str, str] = {
    "max_tokens": "tokens, input and output together",
    "max_cost_usd": "US dollars",
    "max_model_calls": "model calls",
    "max_turns": "turns of all agents together",
    "max_seconds": "seconds from the first event to the last",
}
"""The limits a project may set, and what each counts. There are none that nobody set."""


class Check:
    """Base of all checks; one object judges one run.

    A subclass sets *code* (a letter and three digits), *name* (kebab-case), *severity* and *needs*, and *thresholds*:
    the numbers it judges by, with their defaults, which a project may set. Its docstring is what ``harness explain``
    prints: a title, then paragraphs that begin with ``Why:`` and ``Fix:``.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    needs: ClassVar[frozenset[Need]] = frozenset()
    thresholds: ClassVar[Mapping[str, float]] = {}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def threshold(self, name: str) -> float:
        """Give the number to judge by: the project's, else this check's own."""
        return self.settings.thresholds.get(self.code, {}).get(name, self.thresholds[name])

    def see(self, event: Event) -> Iterable[Finding]:  # noqa: ARG002 - for subclasses
        """Take in the next event and yield what it shows."""
        return ()

    def finish(self) -> Iterable[Finding]:
        """Yield what shows only once the run is over."""
        return ()

    def idle(self) -> bool:
        """Say whether the settings leave this check nothing to judge by."""
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


class Judge:
    """Judges one run: give it every event, then finish."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        select: Sequence[str] = (),
        disabled: Iterable[str] = (),
        checks: Sequence[type[Check]] | None = None,
    ) -> None:
        """Take *checks* (default: all that are installed), as chosen by *select* or else less *disabled*.

        Raises UsageError for a limit or a selector that nothing answers to.
        """
        self._settings = settings or Settings()
        _known_limits(self._settings.limits)
        chosen = choose(installed() if checks is None else checks, select, disabled)
        self._crash = CheckCrashed(self._settings)
        self._replay = False
        self._silent = False
        self._watching: dict[type[Check], Check] = {}
        self._broken: list[Finding] = []
        for each in chosen:
            try:
                self._watching[each] = each(self._settings)
            except Exception as error:  # noqa: BLE001, PERF203 - whatever breaks in a check is reported as a finding
                self._broken.append(self._crashed(each, error, None))

    def see(self, event: Event) -> list[Finding]:
        """Show *event* to every check and collect what they find."""
        self._replay = self._replay or event.span.attributes.get(semconv.HARNESS_RUN_MODE) == "replay"
        self._silent = self._silent or event.span.attributes.get(semconv.HARNESS_CAPTURE) == "off"
        found, self._broken = self._broken, []
        for kind, check in list(self._watching.items()):
            if self._blind(kind):
                continue
            try:
                found.extend(check.see(event))
            except Exception as error:  # noqa: BLE001
                del self._watching[kind]
                found.append(self._crashed(kind, error, event))
        return found

    def finish(self) -> list[Finding]:
        """Collect what shows at the end."""
        found, self._broken = self._broken, []
        for kind, check in list(self._watching.items()):
            if self._blind(kind):
                continue
            try:
                found.extend(check.finish())
            except Exception as error:  # noqa: BLE001
                del self._watching[kind]
                found.append(self._crashed(kind, error, None))
        return found

    def not_judged(self) -> dict[str, str]:
        """Map the code of each check that could not judge this run to the reason."""
        reasons = {}
        for kind, check in self._watching.items():
            if check.idle():
                continue
            reason = self._blind(kind) or check.not_judged()
            if reason:
                reasons[kind.code] = reason
        return reasons

    def judged(self) -> frozenset[str]:
        """Give the codes of the checks that have judged this run: not those that broke, are idle, or could not."""
        idle = {kind.code for kind, check in self._watching.items() if check.idle()}
        return frozenset(kind.code for kind in self._watching) - idle - self.not_judged().keys()

    def _blind(self, kind: type[Check]) -> str | None:
        """Say what this run lacks for a check to judge it. Hashes of contents are enough; nothing at all is not."""
        if self._replay and Need.TIME in kind.needs:
            return "a replay's times are not those of the run"
        return "its contents were not recorded" if self._silent and Need.CONTENT in kind.needs else None

    def _crashed(self, kind: type[Check], error: Exception, event: Event | None) -> Finding:
        return self._crash.finding(
            f"{kind.code} {kind.name} broke: {type(error).__name__}: {error}",
            seq=event.number if event else None,
            span_id=event.span.span_id if event else None,
            evidence={"check": kind.code, "error": type(error).__qualname__},
        )


def judge(
    events: Iterable[Event],
    *,
    limits: Mapping[str, float] | None = None,
    prices: Mapping[str, tuple[float, float]] | None = None,
    select: Sequence[str] = (),
    disabled: Iterable[str] = (),
) -> list[Finding]:
    """Judge the run whose *events* these are, in order; see Judge for the rest."""
    judging = Judge(Settings(limits=limits or {}, prices=prices or {}), select=select, disabled=disabled)
    found = [finding for event in events for finding in judging.see(event)]
    return [*found, *judging.finish()]


@cache
def installed() -> tuple[type[Check], ...]:
    """List the checks that are installed, by code. Raises EnvironmentProblem for one that cannot be loaded."""
    found: dict[str, type[Check]] = {}
    for name in plugins.names(GROUP):
        try:
            loaded = plugins.load(GROUP, name)
        except Exception as error:
            msg = f"the check {name!r} cannot be loaded: {type(error).__name__}: {error}"
            raise EnvironmentProblem(msg, hint="Mend or uninstall the package that brings it.") from error
        for kind in _classes(loaded):
            other = found.setdefault(kind.code, kind)
            if other is not kind:
                msg = f"two checks are called {kind.code}: {other.__module__} and {kind.__module__}"
                raise EnvironmentProblem(msg, hint="Give one of them another code, or uninstall its package.")
    return tuple(found[code] for code in sorted(found))


def explained() -> list[type[Check]]:
    """List every check that can be in a finding: the installed ones and CheckCrashed."""
    return [*installed(), CheckCrashed]


def _classes(loaded: Any) -> list[type[Check]]:  # noqa: ANN401 - an entry point may be anything
    if not isinstance(loaded, ModuleType):
        return [loaded]
    classes = (value for value in vars(loaded).values() if inspect.isclass(value) and issubclass(value, Check))
    return [value for value in classes if value.__module__ == loaded.__name__ and "code" in vars(value)]


def choose(checks: Sequence[type[Check]], select: Sequence[str], disabled: Iterable[str] = ()) -> list[type[Check]]:
    """Keep the *checks* that any of *select* names; if there is none, all but those that *disabled* names.

    A selector is a code, the beginning of one (``B``, ``L1``), or a name. Raises UsageError for a selector that names
    none of *checks*.
    """
    for selector in select:
        if not any(_answers(check, selector) for check in checks):
            raise UsageError(f"no check answers to {selector!r}", hint=_nearest(checks, selector))
    if select:
        return [check for check in checks if any(_answers(check, selector) for selector in select)]
    off = tuple(disabled)
    return [check for check in checks if not any(_answers(check, selector) for selector in off)]


def lookup(word: str) -> type[Check]:
    """Find the check with the code or name *word*. Raises UsageError with the nearest ones if there is none."""
    checks = explained()
    for check in checks:
        if word.upper() == check.code or word.lower() == check.name:
            return check
    raise UsageError(f"no check is called {word!r}", hint=_nearest(checks, word))


def _answers(check: type[Check], selector: str) -> bool:
    return bool(selector) and (check.code.startswith(selector.upper()) or check.name == selector.lower())


def _nearest(checks: Sequence[type[Check]], word: str) -> str:
    words = {check.code.lower(): check for check in checks} | {check.name: check for check in checks}
    near = [words[match] for match in get_close_matches(word.lower(), words, n=3, cutoff=0.6)]
    listed = near or checks
    known = ", ".join(dict.fromkeys(f"{check.code} {check.name}" for check in listed))
    return f"Nearest: {known}." if near else f"Known: {known}."


def _known_limits(limits: Mapping[str, float]) -> None:
    for name in limits:
        if name not in LIMITS:
            near = get_close_matches(name, LIMITS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(LIMITS)}."
            raise UsageError(f"no limit is called {name!r}", hint=hint)
