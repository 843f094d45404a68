"""The patterns on ag2."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.conformance.patterns import Otherwise, Stage
from tests.conformance.picture import Observed
from tests.conformance.table import Absent

ABSENT: Mapping[str, Absent] = {}
OTHERWISE: Mapping[str, Otherwise] = {}
PLAYS: Mapping[str, Callable[[Stage], Observed]] = {}


def name() -> str | None:
    """Name the version that is installed, as its column of the table is called."""
    return None
