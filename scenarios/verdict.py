"""Hold what came of a scenario against what was expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import Exit
from harness.model import Finding, Operation, Run, RunSummary, Severity
from harness.text import one_line

from . import outside, telling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .baseline import Comparison
    from .rehearsal import Rehearsal
    from .repeating import Trials
    from .replaying import Account
    from .scenario import Expect, Saying, Scenario

PASSED, FAILED, INCONCLUSIVE, ERROR = "passed", "failed", "inconclusive", "error"
_WIDTH = 100


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


def unmet(expect: Expect, run: Run, findings: Sequence[Finding]) -> list[str]:
    """List what was expected and did not come, and what came and was not expected, in the order of the file."""
    return [
        *_ending(expect, run),
        *_sayings(expect, run),
        *_tools(expect, run),
        *_findings(expect, findings),
        *_messages(expect, run),
    ]


def _ending(expect: Expect, run: Run) -> Iterator[str]:
    if expect.ending is None or run.summary.ending == expect.ending:
        return
    endings = [ending for ending in run.endings.values() if ending.kind.value == run.summary.ending]
    detail = f" ({one_line(endings[-1].detail, _WIDTH)})" if endings and endings[-1].detail else ""
    yield f"expected the ending {expect.ending}, but it ended by {run.summary.ending or 'nothing at all'}{detail}"


def _sayings(expect: Expect, run: Run) -> Iterator[str]:
    for saying in expect.said:
        if not any(saying.found_in(message.text) for message in run.messages):
            yield f"nobody said {_quoted(saying)}"
    for saying in expect.not_said:
        for number, message in enumerate(run.messages, start=1):
            if saying.found_in(message.text):
                yield f"{one_line(message.sender, 40)} said {_quoted(saying)} (message {number}), which nobody should"
                break


def _quoted(saying: Saying) -> str:
    return f"what matches {saying.text!r}" if saying.regex else repr(saying.text)


def _tools(expect: Expect, run: Run) -> Iterator[str]:
    if expect.tools is None:
        return
    called = tuple(call.name or "" for call in run.calls if call.span.operation is Operation.TOOL)
    if called != expect.tools:
        yield f"expected the tools {_listed(expect.tools)} to be called, but it was {_listed(called)}"


def _listed(names: Sequence[str]) -> str:
    return one_line(", ".join(names), 200) or "none"


def _findings(expect: Expect, findings: Sequence[Finding]) -> Iterator[str]:
    for wanted in expect.findings:
        if not any(wanted in {finding.code, finding.name} for finding in findings):
            yield f"the finding {wanted} was expected and did not come"
    for finding in findings:
        if finding.severity is not Severity.NOTE and not {finding.code, finding.name} & set(expect.findings):
            yield f"unexpected finding {finding.code} {finding.name}: {one_line(finding.text, 200)}"


def _messages(expect: Expect, run: Run) -> Iterator[str]:
    if expect.messages is not None and run.summary.messages != expect.messages:
        yield f"expected {expect.messages} messages, but there were {run.summary.messages}"


def decide(  # noqa: PLR0913 - all that is known of how it went
    scenario: Scenario,
    *,
    run: Run | None,
    findings: Sequence[Finding],
    replayed: Rehearsal | None,
    raised: str | None,
    recorded: bool,
    seconds: float,
    output: str,
) -> Verdict:
    """Put the verdict together: divergence before failures, failures before doubt.

    *raised* says what exception or exit code ended the program.
    """
    divergence = replayed.divergence if replayed is not None else None
    reasons: list[str] = []
    hints: list[str] = []
    outcome, code = PASSED, Exit.CLEAN
    if divergence is not None and not divergence.served:
        outcome, code = FAILED, Exit.DIVERGED
        reasons += telling.told(divergence, scenario.cassette)
        hints = telling.ways_out(divergence, scenario)
    else:
        if raised is not None and scenario.expect.ending != "error":
            reasons.append(raised)
        if run is not None:
            reasons += unmet(scenario.expect, run, findings)
        if reasons:
            outcome, code = FAILED, Exit.FINDINGS
        unreached = outside.fault(run) if reasons and scenario.expect.ending != "error" else None
        if unreached is not None:
            outcome, code, reasons = ERROR, Exit.ENVIRONMENT, [unreached]
            hints = ["Nothing is said of the agents: look at the key, the address and the service, and run it again."]
    if run is None and not reasons:
        outcome, code = INCONCLUSIVE, Exit.FINDINGS
        reasons.append("no conversation took place: AutoGen was not used, or before the harness was attached")
    elif outcome == PASSED and replayed is not None and _silent(replayed.account):
        outcome, code = INCONCLUSIVE, Exit.FINDINGS
        reasons.append(f"nothing was asked of the cassette, which holds {replayed.account.unused} exchanges")
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
        raised=raised,
        replayed=replayed,
        recorded=recorded,
        seconds=seconds,
        output=output,
        scenario=scenario,
    )


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
        yield f"{account.unused} recorded exchange{_s(account.unused)} not asked for"


def _s(count: int) -> str:
    return " was" if count == 1 else "s were"
