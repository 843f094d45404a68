"""Say in a verdict what was played of a conversation and what went on for real."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import Exit
from harness.model import Json, Operation

from . import outcomes, verdict
from .exchanges import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.model import CallRecord, Run

    from .forking import Fork
    from .verdict import Verdict


def told(found: Verdict, fork: Fork, run: Run | None) -> Verdict:
    """Add to *found* how much was played and how much was real. If nothing was, nothing is known of the fork."""
    calls = outcomes.played(run) if run is not None else []
    count = Counter(call.outcome for call in calls)
    live = [call.call for call in calls if call.outcome is Outcome.LIVE]
    played = sum(count[outcome] for outcome in (Outcome.HIT, Outcome.NORMALISED, Outcome.CHANGED))
    said = [f"played {fork.text}: {played} call{_s(played)} from the cassette, then {len(live)} for real"]
    said += [] if run is None else _missed(fork, live)
    kept = [remark for remark in found.remarks if "not asked for" not in remark]
    if not live and found.outcome == verdict.PASSED:
        reason = f"it came to its end before anything was asked for real, after {_messages(run)}"
        ended = fork.message is None and not fork.says
        said += ["it is over: with --message TEXT, `harness resume` says something more"] if ended else []
        return replace(
            found, outcome=verdict.INCONCLUSIVE, reasons=(reason,), remarks=(*said, *kept), code=Exit.FINDINGS
        )
    return replace(found, remarks=(*said, *kept))


def _missed(fork: Fork, live: list[CallRecord]) -> Iterator[str]:
    """Say what should have been changed and was not, as the calls show it."""
    chats = [call for call in live if call.span.operation is Operation.CHAT]
    kept = sorted({str(call.model) for call in chats if fork.model and call.request.get("model") != fork.model})
    if kept:
        yield f"the model could not be changed for all: {', '.join(kept)} was asked, too"
    for agent, prompt in fork.prompts.items():
        asked = [call for call in chats if call.agent == agent]
        if not asked:
            yield f"no model was asked for {agent!r} after the fork, so its prompt changed nothing"
        elif any(prompt not in _system(call) for call in asked):
            yield f"the prompt of {agent!r} could not be changed"


def _system(call: CallRecord) -> str:
    first: Mapping[str, Json] = next(iter(call.request.get("messages") or ()), {})
    return "\n".join(str(part.get("content") or "") for part in first.get("parts") or ())


def _messages(run: Run | None) -> str:
    count = run.summary.messages if run is not None else 0
    return f"{count} message{_s(count)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
