"""Write a divergence as a reader would tell it: where, what changed, what follows from it, and what one can do."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.text import one_line

from .normalising import rules_between
from .parting import Kind, Owner

if TYPE_CHECKING:
    from pathlib import Path

    from .parting import Divergence
    from .scenario import Scenario

_MOST_LINES = 8
_WIDEST = 100


def short_diff(old: str | None, new: str | None) -> list[str]:
    """Show what changed as a few lines that begin with ``-`` and ``+``, each cut around its first change."""
    before, after = (old or "").splitlines(), (new or "").splitlines()
    if old is None or new is None or (len(before) <= 1 and len(after) <= 1):
        lines = [*(f"-{line}" for line in before), *(f"+{line}" for line in after)]
    else:
        unified = difflib.unified_diff(before, after, n=0, lineterm="")
        lines = [line for line in unified if not line.startswith(("---", "+++", "@@"))]
    start = _first_change(lines)
    shown = [f"{line[0]} {_cut(line[1:], start)}" for line in lines[:_MOST_LINES]]
    more = len(lines) - len(shown)
    return [*shown, *([f"  … {more} more line{'' if more == 1 else 's'}"] if more else [])]


def _first_change(lines: Sequence[str]) -> int:
    gone, come = (next((line[1:] for line in lines if line.startswith(sign)), "") for sign in "-+")
    if not gone or not come:
        return 0
    return next((at for at, (one, other) in enumerate(zip(gone, come, strict=False)) if one != other), 0)


def _cut(line: str, around: int) -> str:
    start = max(0, around - _WIDEST // 2) if len(line) > _WIDEST else 0
    return ("…" if start else "") + one_line(line[start:], _WIDEST)


_CHANGES = {
    Kind.MODEL: "another model is asked",
    Kind.TOOLS: "the tools it is offered changed",
    Kind.PARAMETERS: "a parameter changed",
    Kind.PROMPT: "what it is told to do changed",
    Kind.UPSTREAM: "a message from the program is another one",
    Kind.REPLY: "a model's earlier reply is not the recorded one",
    Kind.TOOL_RESULT: "a tool's earlier result is not the recorded one",
    Kind.HUMAN: "what a human typed earlier is not what was recorded",
    Kind.FLOW: "the conversation takes another course",
}


def told(found: Divergence, cassette: Path) -> list[str]:
    """Tell *found* in a few lines, the first a sentence of its own."""
    verb = "differs" if found.served else "parts from the recording"
    lines = [f"{found.call} {verb}: {_CHANGES[found.kind]} ({one_line(found.change, 300)})"]
    lines += [f"  {line}" for line in short_diff(found.old, found.new)]
    place = f" · recorded on line {found.line} of {cassette}" if found.line else ""
    lines.append(f"class: {found.kind.value} · changed by {found.owner.value}{place}")
    follows = []
    if found.misses:
        follows.append(f"{found.misses} more request{_s(found.misses)} without an answer")
    if found.unused:
        follows.append(f"{found.unused} recorded exchange{_s(found.unused)} not asked for")
    return [*lines, *([f"as a consequence: {' and '.join(follows)}"] if follows and not found.served else [])]


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def ways_out(found: Divergence, scenario: Scenario) -> list[str]:
    """List the three things one can do, each with its command; before them, a rule to normalise by if that is all.

    To accept is none of them where no answer can serve: there is none left, or it is another model's.
    """
    path = shlex.quote(str(scenario.path))
    volatile = rules_between(found.old or "", found.new or "")
    rules = [*(scenario.normalise or ()), *(name for name in volatile if name not in (scenario.normalise or ()))]
    return [
        *([f"Only what is new each time differs: `normalise: [{', '.join(rules)}]` takes it out."] if volatile else []),
        *([f"Meant, and the recorded answers still serve: `harness accept {path}`."] if _may_serve(found) else []),
        f"Meant, and the answers must be asked for again: `harness run --record all {path}`.",
        f"Not meant: {_mend(found, scenario)}",
    ]


def _may_serve(found: Divergence) -> bool:
    over = found.kind is Kind.FLOW and found.line is None and not found.unused
    return found.kind is not Kind.MODEL and not over


def _mend(found: Divergence, scenario: Scenario) -> str:
    if found.owner is Owner.CASSETTE:
        return f"restore the cassette: `git checkout -- {shlex.quote(str(scenario.cassette))}`."
    if found.owner is Owner.PROGRAM:
        who = f" at {one_line(found.agent, 40)!r}" if found.agent else ""
        return f"undo it in the program{who}."
    if found.owner is Owner.SCENARIO:
        return f"look at what its stubs answer, in {shlex.quote(str(scenario.path))}."
    return f"look at {found.owner.value}, whose calls are made for real here."
