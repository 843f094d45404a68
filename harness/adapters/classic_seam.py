"""What the hooks on classic AutoGen need of their adapter, and of the calls that are under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.adapters.seam import Adapter

if TYPE_CHECKING:
    from harness.adapters.classic_messages import Messages


class Watcher(Adapter, Protocol):
    """What the hooks need of the adapter they report to."""

    messages: Messages

    def heard(self) -> None:
        """Say that the group has heard its last message."""


@dataclass(slots=True)
class Asking:
    """What a framework method wants of the outside, which is reached further down; *done* once it is.

    *price* is the program's own for the model that is asked, in US dollars for a thousand tokens given, and taken.
    """

    agent: Any
    request: Mapping[str, Any]
    done: bool = False
    price: tuple[float, float] | None = None
