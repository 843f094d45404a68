"""Take a stored run up again: play what was recorded to the same code, and go on for real where the recording ends.

So everything is as it was, in agents, tools and counters alike, since the same code has been through the same. A run
that was killed goes on with the call that it did not live to see answered.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import semconv
from harness.errors import Exit, UsageError
from harness.model import Operation

from . import drafting, runner, scenario
from .expecting import Expect
from .forking import Fork
from .verdict import FAILED, PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model import Run
    from harness.store import Store

    from .cassette import Cassette
    from .verdict import Verdict


def resume(  # noqa: PLR0913 - each is one thing that may be set
    store: Store,
    run_id: str,
    *,
    program: str | None = None,
    message: str | None = None,
    model: str | None = None,
    prompts: Mapping[str, str] | None = None,
) -> Verdict:
    """Go on with a run, and say what came of it; that is a run of its own.

    *program* is as for ``drafting.draft``. With a *message*, who began the conversation says that once it is over.
    *model* (default: the one that the run itself was forked or taken up with) and *prompts* are as for ``Fork``, from
    where the recording ends. Raises UsageError, with what is missing,
    for a run that cannot be rebuilt.
    """
    found = drafting.draft(store, run_id, program=program)
    if found.missing:
        raise UsageError(
            f"run {run_id!r} cannot be taken up: it lacks {'; '.join(found.missing)}",
            hint="If you have the program: `harness resume RUN --program 'app.py'`.",
        )
    with tempfile.TemporaryDirectory() as folder:
        place = found.source
        if place is None:
            place = Path(folder) / f"{found.name}{scenario.SUFFIX}"
            place.write_text(drafting.document(found, place), encoding="utf-8")
        cassette = Path(folder) / "resumed.cassette.jsonl"
        _without_the_end(found.cassette).write(cassette)
        what = replace(scenario.load(place), cassette=cassette, expect=Expect())
        says = [*_said(found.runs), *([(_conversations(found.runs), message)] if message is not None else [])]
        fork = Fork(model=model or _model(found.runs), prompts=prompts or {}, says=tuple(says))
        went = runner.rehearse(what, store=store.path, matching="sequence", tags=("resumed",), fork=fork)
        return _unjudged(went)


def _unjudged(found: Verdict) -> Verdict:
    """Nothing is expected of what is new: what was found is told, and does not fail."""
    if found.outcome != FAILED or found.code is not Exit.FINDINGS or found.raised is not None:
        return found
    told = tuple(reason.removeprefix("unexpected ") for reason in found.reasons)
    return replace(found, outcome=PASSED, code=Exit.CLEAN, reasons=(), remarks=(*found.remarks, *told))


def _conversations(runs: Sequence[Run]) -> int:
    """Count the conversations that were begun by nobody's but the program."""
    spans = {span.span_id: span for run in runs for span in run.spans}
    return sum(span.operation is Operation.CONVERSATION and span.parent_id not in spans for span in spans.values())


def _said(runs: Sequence[Run]) -> list[tuple[int, str]]:
    """Read what was said when the run was itself taken up again: its program does not say that."""
    told = (span.attributes.get(semconv.HARNESS_SAID) for run in runs for span in run.spans)
    text = next((found for found in told if isinstance(found, str)), "[]")
    return [(int(number), str(said)) for number, said in json.loads(text)]


def _model(runs: Sequence[Run]) -> str | None:
    """Read which model took the place of the agents' own in the run: its program does not name that."""
    told = (span.attributes.get(semconv.HARNESS_FORKED_MODEL) for run in runs for span in run.spans)
    return next((found for found in told if isinstance(found, str)), None)


def _without_the_end(cassette: Cassette) -> Cassette:
    """Leave out a failure that the recording ends with: what failed is asked again."""
    exchanges = cassette.exchanges
    while exchanges and exchanges[-1].failure is not None:
        exchanges = exchanges[:-1]
    return replace(cassette, exchanges=exchanges)
