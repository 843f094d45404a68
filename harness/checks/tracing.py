"""X: the harness itself. What could not be traced could not be judged either."""

from __future__ import annotations

from collections.abc import Iterable

from harness import semconv
from harness.check import NOTES, Check
from harness.model import Event, Finding, Severity


class TracingFault(Check):
    """The tracing itself failed somewhere in this run, and the program went on without it.

    Why: something of the run is missing from its picture, a message or a call perhaps. The conversation went
    on untouched.

    Fix: the finding names the place and the kind of error, and the program's log has the frames that led there. Please
    report it, with the versions that `harness doctor` prints.
    """

    code = "X002"
    name = "tracing-fault"
    severity = Severity.WARNING
    watches = NOTES

    def see(self, event: Event) -> Iterable[Finding]:
        """Report each cause that the run tells of."""
        fault = event.span.attributes.get(semconv.HARNESS_FAULT)
        if event.phase == "end" and fault:
            yield self.finding(
                f"tracing failed and went on without: {fault}",
                seq=event.number,
                span_id=event.span.span_id,
                evidence={"fault": fault},
            )
