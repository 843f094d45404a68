"""Tests of the harness, in the order of its packages."""
