"""Tests of guards, budgets and what they see."""
