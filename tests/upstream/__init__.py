"""A framework's own tests, from a checkout of its repository, with tracing off and on: ``nox -s upstream``."""
