"""Put a whole run together from what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.derive.closing import endings
from harness.derive.exchanges import calls
from harness.derive.forest import conversations, place
from harness.derive.history import Links, Parts
from harness.derive.spoken import messages
from harness.derive.totals import summary
from harness.model import Finding, Run, Span


def run(run_id: str, spans: Iterable[Span], parts: Parts, links: Links, findings: Sequence[Finding] = ()) -> Run:
    """Derive the run *run_id* from its spans, contents and findings. Never raises on odd spans."""
    ordered = sorted(spans, key=place)
    within = conversations(ordered)
    return Run(
        summary=summary(run_id, ordered, findings, within),
        spans=ordered,
        messages=messages(ordered, parts, within),
        calls=calls(ordered, parts, links),
        endings=endings(ordered),
        findings=tuple(findings),
    )
