"""What a recorded pattern must look like, and what it is held against: the server's log and the framework's results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import prices, semconv
from harness.model import Operation, Run, RunStatus, Span, Status

if TYPE_CHECKING:
    from tests.server import ScriptedServer

MODEL = "gpt-4o-mini"
Spoken = tuple[str, tuple[str, ...] | None, str]
"""Who said what to whom, as the framework tells it; None where it does not say to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The picture of a pattern, whatever the framework.

    *said* are texts of models with their agents, in order. *tools* are names, and whether they succeeded. *chosen* are
    speakers that a model picked. *code* is language, exit code and output. *requests* are counted at the server.
    """

    said: tuple[tuple[str, str], ...] = ()
    tools: tuple[tuple[str, bool], ...] = ()
    chosen: tuple[str, ...] = ()
    code: tuple[tuple[str, int, str], ...] = ()
    typed: tuple[str, ...] = ()
    ending: str = "termination_message"
    status: RunStatus = RunStatus.FINISHED
    raised: bool = False
    runs: int = 1
    conversations: int | None = None
    requests: int = 1
    retries: int = 0
    cached: int = 0
    streamed: bool = False
    nested: bool = False
    sandboxed: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the framework's own result objects say, one list of messages a run; None where they do not say.

    *tokens* are given where the framework counts them itself instead of asking the model's server, or where it never
    got the answer. *ending* is given where the pattern ends otherwise here, as the framework's result says too.
    """

    messages: Sequence[Sequence[Spoken]] | None = None
    cost_usd: float | None = None
    tokens: tuple[int, int] | None = None
    candidates: Sequence[Sequence[str]] | None = None
    ending: str | None = None
    raised: str | None = None


def differences(expected: Expected, observed: Observed, runs: Sequence[Run], server: ScriptedServer) -> list[str]:
    """Say, one line each, in what *runs* differ from what was expected and what the others saw. No line: the same."""
    checks = (
        _whole(expected, observed, runs),
        _messages(expected, observed, runs),
        _model_calls(expected, runs, server),
        _money(observed, runs, server),
        _other_calls(expected, observed, runs),
    )
    return [line for check in checks for line in check]


def summary(runs: Sequence[Run]) -> str:
    """Count what was recorded, for a reader of the table."""
    counts = {
        "run": len(runs) if len(runs) > 1 else 0,
        "message": sum(run.summary.messages for run in runs),
        "model call": sum(run.summary.model_calls for run in runs),
        "cache hit": sum(_cache_hit(span) for span in _of(runs, Operation.CHAT)),
        "tool call": sum(run.summary.tool_calls for run in runs),
        "selection": len(_of(runs, Operation.SELECTION)),
        "code execution": len(_of(runs, Operation.CODE)),
        "human input": len(_of(runs, Operation.HUMAN)),
    }
    counted = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    endings = dict.fromkeys((run.summary.ending or "open").replace("_", " ") for run in runs)
    return " · ".join([*counted, *(f"ended: {ending}" for ending in endings)])


def _whole(expected: Expected, observed: Observed, runs: Sequence[Run]) -> Iterator[str]:
    yield from _same("runs", expected.runs, len(runs))
    yield from _same("raised", expected.raised, bool(observed.raised))
    for run in runs:
        yield from _same("ending", observed.ending or expected.ending, run.summary.ending)
        yield from _same("status", expected.status, run.summary.status)
        yield from _same("spans that never ended", [], [s.name for s in run.spans if s.end_ns is None])
        yield from _same("roots", 1, sum(span.parent_id is None for span in run.spans))
    if expected.conversations is not None:
        yield from _same("conversations", expected.conversations, len(_of(runs, Operation.CONVERSATION)))
    if expected.nested and not any(_under_a_turn(run) for run in runs):
        yield "no conversation stands under a turn"


def _messages(expected: Expected, observed: Observed, runs: Sequence[Run]) -> Iterator[str]:
    ours = sorted([(message.sender, message.recipients, message.text) for message in run.messages] for run in runs)
    if observed.messages is not None:
        theirs = sorted([tuple(said) for said in talk] for talk in observed.messages)
        shaped = [
            [
                (sender, recipients if told is None or told[1] is not None else None, text)
                for (sender, recipients, text), told in _padded(talk, own)
            ]
            for talk, own in _padded(ours, theirs)
            if talk is not None
        ]
        yield from _same("messages", theirs, shaped)
    left = [(sender, text) for talk in ours for sender, _, text in talk]
    for said in expected.said:
        if said not in left:
            yield f"never said, or not in this order: {said!r}"
        else:
            left = left[left.index(said) + 1 :] if expected.runs == 1 else [one for one in left if one != said]


def _model_calls(expected: Expected, runs: Sequence[Run], server: ScriptedServer) -> Iterator[str]:
    chats = _of(runs, Operation.CHAT)
    made = [span for span in chats if not _cache_hit(span)]
    retries = [span.attributes.get(semconv.HARNESS_RETRIES, 0) for span in made]
    yield from _same("requests", expected.requests, len(server.log))
    yield from _same("cache hits", expected.cached, len(chats) - len(made))
    yield from _same("retries", expected.retries, sum(retries))
    yield from _same("model calls", len(server.log), len(made) + sum(retries))
    yield from _same(
        "models asked for", [MODEL] * len(made), [s.attributes[semconv.GEN_AI_REQUEST_MODEL] for s in made]
    )
    if expected.retries == 0:
        asked = sorted(len(entry["request"]["messages"]) for entry in server.log)
        calls = [call for run in runs for call in run.calls if call.span in made]
        yield from _same("lengths of histories", asked, sorted(len(call.request["messages"]) for call in calls))
    if expected.streamed:
        for span in made:
            first = span.attributes.get(semconv.GEN_AI_TIME_TO_FIRST_CHUNK)
            whole = ((span.end_ns or 0) - span.start_ns) / 1e9
            if first is None or not 0 < first <= whole:
                yield f"time to first chunk of {first!r} in a call of {whole} s"
            yield from _same("streamed", expected=True, found=span.attributes.get(semconv.GEN_AI_REQUEST_STREAM))


def _money(observed: Observed, runs: Sequence[Run], server: ScriptedServer) -> Iterator[str]:
    used = observed.tokens or server.tokens
    ours = (sum(run.summary.input_tokens or 0 for run in runs), sum(run.summary.output_tokens or 0 for run in runs))
    yield from _same("tokens", used, ours)
    cost = math.fsum(run.summary.cost_usd or 0 for run in runs)
    listed = prices.cost_usd(MODEL, *used) or 0
    if not math.isclose(cost, listed, abs_tol=1e-12):
        yield f"cost: expected {listed} by the table, found {cost}"
    theirs = [
        span.attributes[semconv.HARNESS_COST_FRAMEWORK]
        for span in _of(runs, Operation.CHAT)
        if semconv.HARNESS_COST_FRAMEWORK in span.attributes
    ]
    if theirs and not math.isclose(cost, math.fsum(theirs), abs_tol=1e-12):
        yield f"cost: kept beside ours is {math.fsum(theirs)}, found {cost}"
    if observed.cost_usd is not None and not math.isclose(cost, observed.cost_usd, abs_tol=1e-12):
        yield f"cost: the framework says {observed.cost_usd}, found {cost}"


def _other_calls(expected: Expected, observed: Observed, runs: Sequence[Run]) -> Iterator[str]:
    tools = [(s.attributes[semconv.GEN_AI_TOOL_NAME], s.status is Status.OK) for s in _of(runs, Operation.TOOL)]
    yield from _same("tools", list(expected.tools), tools)
    picked = _of(runs, Operation.SELECTION)
    if expected.chosen:
        choices = [span.attributes.get(semconv.HARNESS_SELECTION_CHOICE) for span in picked]
        yield from _same("selections", list(expected.chosen), choices)
    offered = [span.attributes.get(semconv.HARNESS_SELECTION_CANDIDATES) for span in picked]
    if observed.candidates is not None:
        yield from _same("candidates", [list(names) for names in observed.candidates], offered)
    ran = [
        (call.name, call.reply["exit_code"], call.reply["output"].strip())
        for run in runs
        for call in run.calls
        if call.span.operation is Operation.CODE and call.reply
    ]
    yield from _same("code", list(expected.code), ran)
    for span in _of(runs, Operation.CODE):
        yield from _same("sandboxed", expected.sandboxed, span.attributes.get(semconv.HARNESS_CODE_SANDBOXED))
    typed = [span.attributes.get(semconv.HARNESS_HUMAN_INPUT) for span in _of(runs, Operation.HUMAN)]
    yield from _same("typed", list(expected.typed), typed)


def _same(what: str, expected: object, found: object) -> Iterator[str]:
    if expected != found:
        yield f"{what}: expected {expected!r}, found {found!r}"


def _of(runs: Sequence[Run], operation: Operation) -> list[Span]:
    return [s for run in runs for s in sorted(run.spans, key=lambda span: span.seq) if s.operation is operation]


def _cache_hit(span: Span) -> bool:
    return span.attributes.get(semconv.HARNESS_CACHE_HIT) is True


def _under_a_turn(run: Run) -> bool:
    spans = {span.span_id: span for span in run.spans}

    def above(span: Span) -> Iterator[Span]:
        while span.parent_id in spans:
            span = spans[span.parent_id]
            yield span

    talks = [span for span in run.spans if span.operation is Operation.CONVERSATION]
    return any(other.operation is Operation.TURN for talk in talks for other in above(talk))


def _padded(ours: Sequence, theirs: Sequence) -> list[tuple]:
    return [(one, theirs[index] if index < len(theirs) else None) for index, one in enumerate(ours)]
