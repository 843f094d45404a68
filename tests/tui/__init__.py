"""Tests of the terminal app, over a store in memory and over a real one."""
