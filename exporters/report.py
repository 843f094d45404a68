"""The honest account that every exporter gives of what it did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many spans went where; *problems* says in a line each what went wrong, the first of a kind.

    *sent* spans reached a target that took the request; *rejected* counts those of them that it then refused,
    and *unconfirmed* those whose fate its answer does not tell. *failed* spans were not taken. *retried*
    counts repeated requests, not spans.
    """

    sent: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    failed: int = 0
    retried: int = 0
    problems: tuple[str, ...] = ()

    @property
    def accepted(self) -> int:
        """The spans that the target took and confirmed."""
        return self.sent - self.rejected - self.unconfirmed

    @property
    def complete(self) -> bool:
        """Whether every span was accepted."""
        return not (self.rejected or self.unconfirmed or self.failed)
