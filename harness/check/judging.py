"""The judge: shows each event of one run to every check, and collects what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from harness import semconv
from harness.check.base import Check, CheckCrashed, Moment, Need, Settings
from harness.check.registry import choose, explained, installed, known_limits, known_thresholds
from harness.model import CALLS, Event, Finding, Span
from harness.suppressing import Suppressing, Suppression

_See = tuple[type[Check], Callable[[Event], Iterable[Finding]]]
_MOST_HELD = 16
"""So many events wait at most to be shown to the checks that only remember them."""


class _Shown(NamedTuple):
    """Who is shown an event, by when it happens: *now*, or *later*. *due* says that what was held goes first."""

    now: Sequence[_See]
    later: Sequence[_See]
    due: bool


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

        Raises UsageError for a limit, a threshold, a suppression or a selector that nothing answers to.
        """
        asked = settings or Settings()
        known_limits(asked.limits)
        there = installed() if checks is None else checks
        if asked.thresholds:
            asked = replace(asked, thresholds=known_thresholds(asked.thresholds, [*there, *explained()]))
        if asked.suppressions:
            choose([*there, *explained()], [each.code for each in asked.suppressions])
        self._settings = asked
        self._suppressing = Suppressing(asked.suppressions)
        chosen = choose(there, select, disabled)
        self._crash = CheckCrashed(self._settings)
        self._replay = False
        self._silent = False
        self._imported = self._called = self._set_up = self._timeless = False
        self._watching: dict[type[Check], Check] = {}
        self._broken: list[Finding] = []
        for each in chosen:
            try:
                self._watching[each] = each(self._settings)
            except Exception as error:  # noqa: BLE001, PERF203 - whatever breaks in a check is reported as a finding
                self._broken.append(self._crashed(each, error, None))
        everyone = tuple(self._watching.values())
        self._idle: set[type[Check]] = set()
        for kind, check in list(self._watching.items()):
            try:
                check.meet(everyone)
                if check.idle():
                    self._idle.add(kind)
            except Exception as error:  # noqa: BLE001, PERF203
                del self._watching[kind]
                self._broken.append(self._crashed(kind, error, None))
        self._shown: dict[Moment, _Shown] = {}
        """Found out once for each kind of event."""
        self._held: list[Event] = []

    def see(self, event: Event) -> list[Finding]:
        """Show *event* to every check that watches such, and collect what they find."""
        found, self._broken = self._broken, []
        if event.phase != "point" and self._meet(event.span):
            self._catch_up(found)
            self._shown.clear()
        moment = event.phase, event.span.operation
        shown = self._who_sees(moment)
        if shown.due and self._held:
            self._catch_up(found)
            shown = self._who_sees(moment)
        self._show(event, shown.now, found)
        if shown.later:
            self._held.append(event)
            if len(self._held) >= _MOST_HELD:
                self._catch_up(found)
        return self._suppressing.mark(found) if found else found

    def finish(self) -> list[Finding]:
        """Collect what shows at the end."""
        found, self._broken = self._broken, []
        self._catch_up(found)
        for kind, check in list(self._watching.items()):
            if self._blind(kind):
                continue
            try:
                found.extend(check.finish())
            except Exception as error:  # noqa: BLE001
                del self._watching[kind]
                found.append(self._crashed(kind, error, None))
        return self._suppressing.mark(found)

    def _show(self, event: Event, to: Sequence[_See], found: list[Finding]) -> None:
        for kind, see in to:
            try:
                found.extend(see(event))
            except Exception as error:  # noqa: BLE001, PERF203
                del self._watching[kind]
                self._shown.clear()
                found.append(self._crashed(kind, error, event))

    def _catch_up(self, found: list[Finding]) -> None:
        """Show what was held, in order, to those who only remember it."""
        held, self._held = self._held, []
        for event in held:
            self._show(event, self._who_sees((event.phase, event.span.operation)).later, found)

    def not_judged(self) -> dict[str, str]:
        """Map the code of each check that could not judge this run to the reason."""
        reasons = {}
        for kind, check in self._watching.items():
            if kind in self._idle:
                continue
            reason = self._blind(kind) or self._unseen(kind) or check.not_judged()
            if reason:
                reasons[kind.code] = reason
        return reasons

    def judged(self) -> frozenset[str]:
        """Give the codes of the checks that have judged this run: not those that broke, are idle, or could not."""
        return frozenset(kind.code for kind in self._watching if kind not in self._idle) - self.not_judged().keys()

    def suppress(self, findings: Sequence[Finding]) -> list[Finding]:
        """Mark what was found in this run at another time as the settings of now say."""
        return self._suppressing.mark([replace(finding, suppressed=None) for finding in findings])

    def needed(self) -> frozenset[Suppression]:
        """Give the suppressions that a finding needed."""
        return self._suppressing.used

    def unused(self) -> list[Suppression]:
        """List the suppressions that fit this run and these checks, and that no finding needed."""
        kinds = self._watching
        return [
            each for each in self._suppressing.unused() if any(each.of_check(kind.code, kind.name) for kind in kinds)
        ]

    def _meet(self, span: Span) -> bool:
        """Learn from *span* what kind of run this is, and say whether fewer checks can judge it than before."""
        attributes = span.attributes
        before = self._replay, self._silent, self._timeless
        self._replay = self._replay or attributes.get(semconv.HARNESS_RUN_MODE) == "replay"
        self._silent = self._silent or attributes.get(semconv.HARNESS_CAPTURE) == "off"
        self._imported = self._imported or semconv.HARNESS_IMPORT_FORMAT in attributes
        self._timeless = self._timeless or attributes.get(semconv.HARNESS_TIME_SYNTHETIC) is True
        self._set_up = self._set_up or semconv.HARNESS_AGENTS in attributes
        self._called = self._called or span.operation in CALLS
        self._suppressing.meet(span)
        return before != (self._replay, self._silent, self._timeless)

    def wants(self, moment: Moment) -> bool:
        """Say whether any check is shown the events of *moment*; roots and conversations are to be shown all the same.

        They say what kind of run it is.
        """
        shown = self._who_sees(moment)
        return bool(shown.now or shown.later)

    def _who_sees(self, moment: Moment) -> _Shown:
        """Say which checks are shown the events of *moment*, as far as this run can be judged by them."""
        shown = self._shown.get(moment)
        if shown is not None:
            return shown
        now: list[_See] = []
        later: list[_See] = []
        due = False
        for kind, check in self._watching.items():
            unwatched = kind.watches is not None and moment not in kind.watches
            if unwatched or kind in self._idle or self._blind(kind):
                continue
            finds = kind.finds is None or moment in kind.finds
            (now if finds else later).append((kind, check.see))
            due = due or (finds and kind.finds is not None)
        shown = self._shown[moment] = _Shown(tuple(now), tuple(later), due)
        return shown

    def _blind(self, kind: type[Check]) -> str | None:
        """Say what this run lacks for a check to judge it. Hashes of contents are enough; nothing at all is not."""
        if Need.TIME in kind.needs and (self._replay or self._timeless):
            return "a replay's times are not those of the run" if self._replay else "nobody wrote down its times"
        return "its contents were not recorded" if self._silent and Need.CONTENT in kind.needs else None

    def _unseen(self, kind: type[Check]) -> str | None:
        """Say what this whole run never showed, so that a check that found nothing has said nothing."""
        if Need.CALLS in kind.needs and self._imported and not self._called:
            return "its calls were not recorded"
        return "the agents' set-up was not recorded" if Need.SETUP in kind.needs and not self._set_up else None

    def _crashed(self, kind: type[Check], error: Exception, event: Event | None) -> Finding:
        return self._crash.finding(
            f"{kind.code} {kind.name} broke: {type(error).__name__}: {error}",
            seq=event.number if event else None,
            span_id=event.span.span_id if event else None,
            evidence={"check": kind.code, "error": type(error).__qualname__},
        )


def judge(
    events: Iterable[Event],
    settings: Settings | None = None,
    *,
    select: Sequence[str] = (),
    disabled: Iterable[str] = (),
    **asked: Any,  # noqa: ANN401 - the fields of Settings
) -> list[Finding]:
    """Judge the run whose *events* these are, in order, by *settings*, or by those that *asked* makes; see Judge."""
    judging = Judge(settings or Settings(**asked), select=select, disabled=disabled)
    found = [finding for event in events for finding in judging.see(event)]
    return [*found, *judging.finish()]
