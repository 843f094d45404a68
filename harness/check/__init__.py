"""Judge a run by watching its events go by: what a check is, which there are, and the judge that runs them.

A check is a streaming observer: it sees the events of one run in ``seq`` order, has no clock and cannot look ahead, so
that a stored run, a replay and a live run get the same findings. One that breaks becomes a finding itself and ends
nothing else.
"""

from __future__ import annotations

from harness.check.base import (
    CALLS_END,
    CHATS_END,
    LIMITS,
    MESSAGES,
    NOTES,
    TALKS_END,
    Check,
    CheckCrashed,
    Moment,
    Need,
    Settings,
)
from harness.check.judging import Judge, judge
from harness.check.registry import GROUP, choose, explained, installed, known_thresholds, lookup

__all__ = [
    "CALLS_END",
    "CHATS_END",
    "GROUP",
    "LIMITS",
    "MESSAGES",
    "NOTES",
    "TALKS_END",
    "Check",
    "CheckCrashed",
    "Judge",
    "Moment",
    "Need",
    "Settings",
    "choose",
    "explained",
    "installed",
    "judge",
    "known_thresholds",
    "lookup",
]
