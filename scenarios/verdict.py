"""Hold what came of a scenario against what was expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import offline
from harness.errors import Exit
from harness.model import Finding, Operation, Run, RunSummary
from harness.text import one_line

from . import outside, telling
from .exchanges import Outcome
from .judge import Opinions
from .nearest import word
from .replaying import CassetteMissError
from .unmet import unmet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .baseline import Comparison
    from .rehearsal import Rehearsal
    from .repeating import Trials
    from .replaying import Account
    from .scenario import Scenario
    from .stage import Performance

PASSED, FAILED, INCONCLUSIVE, ERROR = "passed", "failed", "inconclusive", "error"
_STOPPED = frozenset({"B207", "stopped-by-guard"})
_FAILED = frozenset({"T307", "ended-by-error"})
_PARTED = CassetteMissError.__name__
"""What is found of a replay and names this is about the replay, not its agents, and is told as where it parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one scenario.

    *outcome* is passed, failed, inconclusive (nothing can be said), or error (it could not be run). *reasons* say why,
    one a line; *remarks* are worth knowing and change nothing. *seconds* is how long it took, *output* what the program
    printed. *raised* says what exception or exit code ended it. *replayed* is None where no cassette was played.
    *code* is the exit code it asks for. *scenario* is what was rehearsed, *trials* what came of several attempts, and
    *compared* what a baseline says to it; None where there is none.
    """

    name: str
    path: Path
    outcome: str
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    code: Exit = Exit.CLEAN
    run_id: str | None = None
    summary: RunSummary | None = None
    findings: tuple[Finding, ...] = ()
    raised: str | None = None
    replayed: Rehearsal | None = None
    recorded: bool = False
    seconds: float = 0.0
    output: str = ""
    scenario: Scenario | None = None
    trials: Trials | None = None
    compared: Comparison | None = None

    @property
    def account(self) -> Account | None:
        """How many calls the cassette answered, and how."""
        return self.replayed.account if self.replayed is not None else None

    def lines(self) -> list[str]:
        """List the reasons, then the remarks, then what to do next."""
        return [*self.reasons, *self.remarks, *self.hints]


def exit_code(verdicts: Sequence[Verdict]) -> Exit:
    """Choose the exit code of many: trouble outside first, then divergence, bad input, failures."""
    codes = {verdict.code for verdict in verdicts}
    order = (Exit.ENVIRONMENT, Exit.DIVERGED, Exit.USAGE, Exit.FINDINGS)
    return next((code for code in order if code in codes), Exit.CLEAN)


def decide(  # noqa: PLR0913 - all that is known of how it went
    scenario: Scenario,
    *,
    run: Run | None,
    findings: Sequence[Finding],
    replayed: Rehearsal | None,
    went: Performance,
    recorded: bool,
    seconds: float,
    asked: Sequence[str] = (),
    opinions: Opinions | None = None,
) -> Verdict:
    """Put the verdict together: divergence before failures, failures before doubt.

    *asked* are the reasons of SQL and Python, *opinions* those of judges.
    """
    judged = opinions or Opinions()
    said = _unjudged(scenario, replayed, went, seconds)
    if said is None:
        found = unmet(scenario.expect, run, _besides(scenario, went, findings)) if run is not None else []
        against = [*_broken_off(scenario, went), *found, *asked, *judged.against]
        said = _judged(scenario, run, replayed, went, against) if against else (PASSED, Exit.CLEAN, [], [])
        if not against and judged.unclear:
            said = INCONCLUSIVE, Exit.FINDINGS, list(judged.unclear), []
    outcome, code, reasons, hints = said
    if code is Exit.DIVERGED:
        findings = [found for found in findings if _PARTED not in found.text]
    if run is None and not reasons:
        outcome, code = INCONCLUSIVE, Exit.FINDINGS
        reasons = ["no conversation took place: AutoGen was not used, or before the harness was attached"]
    elif outcome == PASSED and replayed is not None and _silent(replayed.account):
        outcome, code = INCONCLUSIVE, Exit.FINDINGS
        reasons = [f"nothing was asked of the cassette, which holds {replayed.account.unused} exchanges"]
    told_already = outcome == INCONCLUSIVE or code is Exit.DIVERGED
    return Verdict(
        name=scenario.name,
        path=scenario.path,
        outcome=outcome,
        reasons=tuple(reasons),
        remarks=tuple(_remarks(scenario, replayed, told_already=told_already)),
        hints=tuple(hints),
        code=code,
        run_id=run.run_id if run is not None else None,
        summary=run.summary if run is not None else None,
        findings=tuple(findings),
        raised=went.raised,
        replayed=replayed,
        recorded=recorded,
        seconds=seconds,
        output=went.output,
        scenario=scenario,
    )


_Said = tuple[str, Exit, Sequence[str], Sequence[str]]
"""An outcome, its exit code, the reasons, and what to do next."""


def _unjudged(scenario: Scenario, replayed: Rehearsal | None, went: Performance, seconds: float) -> _Said | None:
    """Say what came of it where the agents are not judged: it did not come to an end, or is not what was recorded."""
    divergence = replayed.divergence if replayed is not None else None
    if went.overdue:
        hint = "Give it longer with --time-limit, or a limit of its own: `limits: {seconds: …}`."
        return ERROR, Exit.ENVIRONMENT, [f"it was given up after {seconds:,.0f} s"], [hint]
    if went.refused:
        return FAILED, Exit.DIVERGED, went.refused, [offline.HINT]
    if divergence is None or divergence.served:
        return None
    told = telling.told(divergence, scenario.cassette)
    return FAILED, Exit.DIVERGED, told, telling.ways_out(divergence, scenario)


def _judged(
    scenario: Scenario, run: Run | None, replayed: Rehearsal | None, went: Performance, reasons: Sequence[str]
) -> _Said:
    """Say what came of it where *reasons* speak against it: they are not the agents' if something outside failed."""
    unreached = outside.fault(run) if scenario.expect.ending != "error" else None
    if unreached is not None:
        hint = "Nothing is said of the agents: look at the key, the address and the service, and run it again."
        return ERROR, Exit.ENVIRONMENT, [unreached], [hint]
    wanted = outside.key_wanted(went.raised) if replayed is not None else None
    return FAILED, Exit.FINDINGS, reasons, [wanted] if wanted else []


def _broken_off(scenario: Scenario, went: Performance) -> Iterator[str]:
    """Say what broke the conversation off, unless that is expected."""
    if went.stopped is not None:
        if scenario.expect.ending != "stopped":
            yield f"it was stopped: {went.stopped}"
    elif went.raised is not None and scenario.expect.ending != "error":
        yield went.raised


def _besides(scenario: Scenario, went: Performance, findings: Sequence[Finding]) -> list[Finding]:
    """Leave out how it ended where that is told, or expected, already: by the scenario's own limits, or an error."""
    failed = went.raised is not None or scenario.expect.ending == "error"
    told: set[str] = set()
    for names, known in ((_STOPPED, went.stopped is not None), (_FAILED, failed)):
        if known and not names & set(scenario.expect.findings):
            told |= names
    return [found for found in findings if found.code not in told]


def _silent(account: Account) -> bool:
    return not account.answered and not account.live and bool(account.unused)


def _remarks(scenario: Scenario, replayed: Rehearsal | None, *, told_already: bool) -> Iterator[str]:
    """List what is worth knowing of a replay that did not fail by it."""
    if replayed is None:
        return
    account = replayed.account
    if "max_seconds" in scenario.expect.limits:
        yield "max_seconds is not judged in a replay"
    if replayed.divergence is not None and replayed.divergence.served:
        yield f"{account.changed} request{_s(account.changed)} not as recorded, and answered by number; the first:"
        yield from telling.told(replayed.divergence, scenario.cassette)
    if account.normalised:
        yield f"{account.normalised} request{_s(account.normalised)} as recorded but for volatile values"
    if replayed.accepted:
        exchanges = f"{replayed.accepted} recorded exchange{_s(replayed.accepted)}"
        yield f"{exchanges} given to an older request, which was changed and accepted since"
    if account.unused and not told_already:
        yield f"{account.unused} recorded exchange{_s(account.unused)} not asked for{_first_left(replayed)}"


def _first_left(replayed: Rehearsal) -> str:
    """Name the first exchange that nobody asked for: where the conversation went otherwise, if it did."""
    left = next((row for row in replayed.exchanges if row["verdict"] == Outcome.UNUSED.value), None)
    if left is None:
        return ""
    who = f" of {one_line(left['agent'], 40)!r}" if left["agent"] else ""
    first = ", the first" if replayed.account.unused > 1 else ","
    what = word(Operation(left["kind"]))
    return f"{first} a {what}{who} on line {left['line']}: `matching: strict` lets none be left"


def _s(count: int) -> str:
    return " was" if count == 1 else "s were"
