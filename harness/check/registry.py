"""Which checks there are, and which of them and of their numbers somebody means.

Checks are found through the entry points ``harness.checks``: a module of them, or one class.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from harness import plugins
from harness.check.base import LIMITS, Check, CheckCrashed
from harness.errors import EnvironmentProblem, UsageError

GROUP = "harness.checks"


@cache
def installed() -> tuple[type[Check], ...]:
    """List the checks that are installed, by code. Raises EnvironmentProblem for one that cannot be loaded."""
    found: dict[str, type[Check]] = {}
    for name in plugins.names(GROUP):
        try:
            loaded = plugins.load(GROUP, name)
        except Exception as error:
            msg = f"the check {name!r} cannot be loaded: {type(error).__name__}: {error}"
            raise EnvironmentProblem(msg, hint="Mend or uninstall the package that brings it.") from error
        for kind in classes(loaded):
            other = found.setdefault(kind.code, kind)
            if other is not kind:
                msg = f"two checks are called {kind.code}: {other.__module__} and {kind.__module__}"
                raise EnvironmentProblem(msg, hint="Give one of them another code, or uninstall its package.")
    return tuple(found[code] for code in sorted(found))


def explained() -> list[type[Check]]:
    """List every check that can be in a finding: the installed ones, those of several runs, and of set-ups.

    The latter two stand in rooms above this one, so they are loaded by name, and only to be explained.
    """
    across, lines = import_module("harness.across").CHECKS, import_module("harness.audit.lines").LINES
    return [*sorted((*installed(), *across, CheckCrashed), key=lambda kind: kind.code), *lines]


def classes(loaded: Any) -> list[type[Check]]:  # noqa: ANN401 - an entry point may be anything
    """List the checks that an entry point brings: those a module defines, or the one class it is."""
    if not isinstance(loaded, ModuleType):
        return [loaded]
    kinds = (value for value in vars(loaded).values() if inspect.isclass(value) and issubclass(value, Check))
    return [value for value in kinds if value.__module__ == loaded.__name__ and "code" in vars(value)]


def choose(checks: Sequence[type[Check]], select: Sequence[str], disabled: Iterable[str] = ()) -> list[type[Check]]:
    """Keep the *checks* that any of *select* names; if there is none, all but those that *disabled* names.

    A selector is a code, the beginning of one (``B``, ``L1``), or a name. Raises UsageError for a selector that names
    none of *checks*.
    """
    for selector in select:
        if not any(answers(check, selector) for check in checks):
            raise UsageError(f"no check answers to {selector!r}", hint=_nearest(checks, selector))
    if select:
        return [check for check in checks if any(answers(check, selector) for selector in select)]
    off = tuple(disabled)
    return [check for check in checks if not off or not any(answers(check, selector) for selector in off)]


def lookup(word: str, among: Sequence[type[Check]] | None = None) -> type[Check]:
    """Find the check with the code or name *word*. Raises UsageError with the nearest ones if there is none."""
    checks = explained() if among is None else among
    for check in checks:
        if word.upper() == check.code or word.lower() == check.name:
            return check
    raise UsageError(f"no check is called {word!r}", hint=_nearest(checks, word))


def answers(check: type[Check], selector: str) -> bool:
    """Say whether *selector* means *check*: a code, the beginning of one, or a name, in any case."""
    return bool(selector) and (check.code.startswith(selector.upper()) or check.name == selector.lower())


def _nearest(checks: Sequence[type[Check]], word: str) -> str:
    words = {check.code.lower(): check for check in checks} | {check.name: check for check in checks}
    near = [words[match] for match in get_close_matches(word.lower(), words, n=3, cutoff=0.6)]
    near = near or [check for check in checks if len(word) > 1 and check.code[0] == word[0].upper()]
    known = ", ".join(dict.fromkeys(f"{check.code} {check.name}" for check in near))
    return f"Nearest: {known}." if near else "`harness explain` lists all there are."


def known_limits(limits: Mapping[str, float]) -> None:
    """Raise UsageError for a limit that no check judges by."""
    for name in limits:
        if name not in LIMITS:
            raise UsageError(f"no limit is called {name!r}", hint=_meant(name, LIMITS))


def known_thresholds(
    given: Mapping[str, Mapping[str, float]], checks: Sequence[type[Check]] | None = None
) -> dict[str, Mapping[str, float]]:
    """Give the thresholds by code that are *given* by code or name of a check (default: of all that are explained).

    Raises UsageError for a check or a threshold that there is not, with the nearest that there is.
    """
    found: dict[str, Mapping[str, float]] = {}
    for word, numbers in given.items():
        check = lookup(word, checks)
        for name in numbers:
            if name in check.thresholds:
                continue
            if not check.thresholds:
                raise UsageError(f"{check.code} {check.name} has no numbers to judge by, so no {name!r} either")
            raise UsageError(
                f"{check.code} {check.name} has no threshold {name!r}", hint=_meant(name, check.thresholds)
            )
        found[check.code] = {**found.get(check.code, {}), **numbers}
    return found


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
