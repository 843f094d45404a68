"""One glyph and one colour for everything that has a kind: agents, severities, how a run stands.

The glyph says it all by itself; the colour only helps, so a terminal without colour loses nothing.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.model import Operation, RunStatus, Severity, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A glyph one cell wide and the style it is shown in."""

    glyph: str
    style: str = ""


RUN: Mapping[RunStatus, Mark] = {
    RunStatus.RUNNING: Mark(glyph="●", style="$text-accent bold"),
    RunStatus.FINISHED: Mark(glyph="✔", style="$text-success"),
    RunStatus.FAILED: Mark(glyph="✖", style="$text-error"),
    RunStatus.INTERRUPTED: Mark(glyph="◌", style="$text-warning"),
}
SPAN: Mapping[Status, Mark] = {
    Status.OPEN: Mark(glyph="…", style="$text-accent"),
    Status.OK: Mark(glyph=" "),
    Status.ERROR: Mark(glyph="✖", style="$text-error"),
    Status.INTERRUPTED: Mark(glyph="◌", style="$text-warning"),
}
SEVERITY: Mapping[Severity, Mark] = {
    Severity.ERROR: Mark(glyph="✖", style="$text-error"),
    Severity.WARNING: Mark(glyph="▲", style="$text-warning"),
    Severity.NOTE: Mark(glyph="▪", style="$text-primary"),
}
RANK: Mapping[Severity, int] = {Severity.NOTE: 1, Severity.WARNING: 2, Severity.ERROR: 3}
"""How bad a severity is, to compare."""

BAR: Mapping[Operation, str] = {
    Operation.CONVERSATION: "─",
    Operation.TURN: "━",
    Operation.CHAT: "━",
    Operation.TOOL: "═",
    Operation.CODE: "═",
    Operation.HUMAN: "╌",
    Operation.SELECTION: "┄",
}
"""What a span's bar is drawn with: a call's kind shows without colour."""

_GLYPHS = "○◆■★▼◇□☆▽◈" + string.ascii_uppercase
_STYLES = ("$text-primary", "$text-success", "$text-warning", "$text-accent", "$text-secondary")
NOBODY = Mark(glyph="·", style="dim")


def agents(names: Iterable[str]) -> Mapping[str, Mark]:
    """Give every agent its mark, in order of appearance; past 36 agents glyphs come again."""
    return {
        name: Mark(glyph=_GLYPHS[order % len(_GLYPHS)], style=_STYLES[order % len(_STYLES)])
        for order, name in enumerate(dict.fromkeys(names))
    }
