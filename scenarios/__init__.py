"""Rehearse conversations: record once, replay for ever, check what changed."""
