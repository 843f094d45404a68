"""Bundled scenarios: what ``harness demo`` replays, and what a scenario of your own can start from.

Each is a ``NAME.scenario.yaml``, a cassette, and a plain AutoGen program that knows nothing of the harness.
"""
