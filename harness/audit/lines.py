"""Every red line: what of a set-up should not go into production; and the checklist that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.audit.line_ends import (
    AnswersWithNothing,
    ConditionNeverDecides,
    EndNotKnown,
    NoTermination,
    NoTurnLimit,
    OnlyAPersonEnds,
    PredicateFails,
    PredicateOnWrongSide,
    WordNotHeard,
)
from harness.audit.line_harm import (
    CapabilitiesTooBroad,
    CodeWithoutSandbox,
    DescriptionMissing,
    KeyInCode,
    NobodyApproves,
    NoCostLimit,
    RoleMissing,
    UnsafeDocker,
)
from harness.audit.subject import RedLine

LINES: Sequence[type[RedLine]] = (
    NoTermination, NoTurnLimit, NoCostLimit, CodeWithoutSandbox, UnsafeDocker, NobodyApproves, RoleMissing,
    DescriptionMissing, CapabilitiesTooBroad, KeyInCode, WordNotHeard, PredicateFails, PredicateOnWrongSide,
    ConditionNeverDecides, AnswersWithNothing, EndNotKnown, OnlyAPersonEnds,
)  # fmt: skip
"""Every red line, by code."""

CHECKLIST: Mapping[str, tuple[str, ...]] = {
    "It ends by itself": ("A701", "A711", "A712", "A713", "A716", "A717"),
    "Its turns are limited": ("A701", "A702", "A714", "A715"),
    "Its cost is limited": ("A703",),
    "Code runs in a sandbox": ("A704", "A705"),
    "A person approves what can do harm": ("A706",),
    "Roles and capabilities are drawn": ("A707", "A708", "A709", "A710"),
}
"""The six points of the production checklist, and the red lines that each stands for."""
