"""Sum a run up into the one row that stands for it in lists.

The store's view ``runs`` says the same in SQL (``harness/store/rollup.py``). Change both or neither.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness import semconv
from harness.derive.attributes import amount, flag, label, texts, whole
from harness.derive.closing import last_ending
from harness.derive.forest import place, roots
from harness.model import Finding, Operation, RunStatus, RunSummary, Severity, Span, Status, Usage

DEFAULT_MODE = "live"
_BADNESS = {severity: rank for rank, severity in enumerate((Severity.NOTE, Severity.WARNING, Severity.ERROR))}


def summary(
    run_id: str,
    spans: Iterable[Span],
    findings: Sequence[Finding] = (),
    within: Mapping[str, str | None] | None = None,
) -> RunSummary:
    """Sum up the *spans* of one run. A run without spans counts as finished at time 0.

    Messages are what was spoken; usage is the sum over model calls that were really made. ``ended_ns`` is None
    while the run goes on, and the last sign of life of an interrupted one. *within* is what
    ``forest.conversations`` says of *spans*, where it is known already.
    """
    ordered = sorted(spans, key=place)
    tops = roots(ordered)
    status = _status(ordered, tops)
    ending = last_ending(ordered, within)
    total = _total(ordered)
    counts = Counter(span.operation for span in ordered)
    moments = [at_ns for span in ordered for at_ns in (span.start_ns, span.end_ns) if at_ns is not None]
    return RunSummary(
        run_id=run_id,
        source_id=_first(tops, semconv.HARNESS_RUN_SOURCE_ID),
        name=_name(ordered, tops),
        started_ns=min((span.start_ns for span in ordered), default=0),
        ended_ns=None if status is RunStatus.RUNNING else max(moments, default=0),
        status=status,
        ending=ending.kind.value if ending else None,
        mode=_first(tops, semconv.HARNESS_RUN_MODE) or DEFAULT_MODE,
        framework=_first(tops, semconv.HARNESS_FRAMEWORK),
        messages=counts[Operation.MESSAGE],
        model_calls=sum(map(is_model_call, ordered)),
        tool_calls=counts[Operation.TOOL],
        turns=counts[Operation.TURN],
        errors=sum(span.status is Status.ERROR for span in ordered),
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cost_usd=total.cost_usd,
        findings=len(findings),
        worst=max((finding.severity for finding in findings), key=_BADNESS.__getitem__, default=None),
        tags=tuple(sorted({tag for span in tops for tag in texts(span.attributes, semconv.HARNESS_RUN_TAGS)})),
    )


def is_model_call(span: Span) -> bool:
    """Say whether *span* is a model call that was really made: the framework's own cache did not answer it."""
    return span.operation is Operation.CHAT and not flag(span.attributes, semconv.HARNESS_CACHE_HIT)


def usage(span: Span) -> Usage:
    """Read the tokens and money of one span.

    Only chat spans have any, for those around them repeat the numbers; what a cache answered used nothing.
    """
    if span.operation is not Operation.CHAT:
        return Usage()
    if not is_model_call(span):
        return Usage(input_tokens=0, output_tokens=0, cost_usd=0.0)
    return Usage(
        input_tokens=whole(span.attributes, semconv.GEN_AI_INPUT_TOKENS),
        output_tokens=whole(span.attributes, semconv.GEN_AI_OUTPUT_TOKENS),
        cost_usd=amount(span.attributes, semconv.GEN_AI_COST),
    )


def _total(spans: Sequence[Span]) -> Usage:
    """Sum what is known of the model calls made; only if none was made do answers from a cache count, as 0."""
    chats = [span for span in spans if span.operation is Operation.CHAT]
    used = [usage(span) for span in chats if is_model_call(span)] or [usage(span) for span in chats]
    given = [each.input_tokens for each in used if each.input_tokens is not None]
    taken = [each.output_tokens for each in used if each.output_tokens is not None]
    spent = [each.cost_usd for each in used if each.cost_usd is not None]
    return Usage(
        input_tokens=sum(given) if given else None,
        output_tokens=sum(taken) if taken else None,
        cost_usd=math.fsum(spent) if spent else None,
    )


def _status(spans: Sequence[Span], tops: Sequence[Span]) -> RunStatus:
    """Judge by what was under way. A message is said at once: one nobody was seen to hear holds up no run."""
    under_way = [span.status for span in spans if span.operation is not Operation.MESSAGE] or [
        span.status for span in spans
    ]
    if Status.OPEN in under_way:
        return RunStatus.RUNNING
    if Status.INTERRUPTED in under_way:
        return RunStatus.INTERRUPTED
    return RunStatus.FAILED if any(span.status is Status.ERROR for span in tops) else RunStatus.FINISHED


def _name(spans: Sequence[Span], tops: Sequence[Span]) -> str:
    talks = [span for span in spans if span.operation is Operation.CONVERSATION]
    named = _first(tops, semconv.HARNESS_RUN_NAME) or _first(talks, semconv.GEN_AI_WORKFLOW)
    return named or next((span.name for span in (*tops, *spans)), "")


def _first(spans: Sequence[Span], key: str) -> str | None:
    return next((found for span in spans if (found := label(span.attributes, key))), None)
