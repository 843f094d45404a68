"""Tests of the bundled scenarios, the scripts they were recorded from, and ``python -m tests.library.record``."""
