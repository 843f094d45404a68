"""What the builders of all frameworks share: how a stage is described, and what one tells the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import EnvironmentProblem

if TYPE_CHECKING:
    from harness.model import Json

Resolve = Callable[[str], Callable[..., Any]]
"""Turns ``module:function`` into the function."""
Agents = Sequence["Mapping[str, Json]"]


class Stage(Protocol):
    """One conversation: who takes part, how they talk, about what, and which results before it they are told."""

    @property
    def agents(self) -> Sequence[str]:
        """Their names, in order."""

    @property
    def team(self) -> Mapping[str, Json]:
        """The pattern and its settings."""

    @property
    def task(self) -> str:
        """What it is about."""

    @property
    def carryover(self) -> str:
        """Which results are told along: ``all``, ``last`` or ``none``."""


def carried(stage: Stage, results: Sequence[str]) -> list[str]:
    """Give the *results* of earlier conversations that *stage* is told."""
    if stage.carryover == "none":
        return []
    return list(results[-1:] if stage.carryover == "last" else results)


def told(stage: Stage, results: Sequence[str]) -> str:
    """Write the task of *stage* with what it is told, in the words of classic AutoGen."""
    context = carried(stage, results)
    return stage.task if not context else "\n".join((f"{stage.task}\nContext: ", *context))


def ends(spec: Mapping[str, str], said: str) -> bool:
    """Say whether a message ends the conversation: it ``contains``, ``equals`` (trimmed) or matches a ``regex``."""
    ((how, text),) = spec.items()
    if how == "contains":
        return text in said
    return said.strip() == text.strip() if how == "equals" else re.search(text, said) is not None


def missing(framework: str, package: str, error: Exception) -> EnvironmentProblem:
    """Say that *framework* cannot be imported, and how to install it."""
    return EnvironmentProblem(f"{framework} cannot be imported: {error}", hint=f"pip install '{package}'")
