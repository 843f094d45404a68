"""Tests of the bundled scenarios, the scripts they were recorded from, and ``python -m tests.library.record``."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"
