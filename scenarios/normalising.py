"""Find volatile values in texts: what is drawn or read off a clock anew each time, and says nothing.

Nothing is volatile unless a scenario or a cassette names its rule. A rule finds one narrow kind of value, and all of
it: two texts that are equal once their volatile values are taken out differ in nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from harness.errors import UsageError
from harness.model import Json

RULES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        # RFC 9562, as text.
        "uuid": r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])",
        # ISO 8601 date and time, with `T` or a space between, as datetime.isoformat() and str(datetime) write them.
        "iso-time": (
            r"(?<![\w-])\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[T ](?:[01]\d|2[0-3]):[0-5]\d"
            r"(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:Z|[+-][01]\d:?[0-5]\d)?(?![\w:])"
        ),
        "iso-date": r"(?<![\w-])\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\w-])",
        # Seconds since 1970, from 2017 to 2033, also in milli-, micro- and nanoseconds.
        "epoch": r"(?<![\w.-])1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9}|\.\d{1,9})?(?![\w-]|\.\d)",
        # An object's address, as in its repr.
        "hex-address": r"(?<!\w)0x[0-9a-fA-F]{8,16}(?!\w)",
        # What Python's tempfile makes, with the folder it lies in.
        "temp-path": r"(?<![\w./-])(?:/[\w.+-]+)*/tmp[a-z0-9_]{8}(?![\w-]|\.\w)",
    }.items()
}
"""The rules by name: each finds one kind of volatile value."""

_EDGE = "\0"  # No text of a conversation holds it, and one that does is told apart all the same.


def from_environment() -> tuple[str, ...] | None:
    """Read the rules that ``HARNESS_NORMALISE`` names, with commas between; None if it is not set."""
    given = os.environ.get("HARNESS_NORMALISE")
    return None if given is None else tuple(name.strip() for name in given.split(",") if name.strip())


def rules_between(old: str, new: str) -> tuple[str, ...]:
    """Name the rules without whose values *old* and *new* are the same: one if that will do, none if nothing does."""
    for names in (*((name,) for name in RULES), tuple(RULES)):
        without = normaliser(names)
        if old != new and without is not None and without(old) == without(new):
            return tuple(name for name in names if len(names) == 1 or RULES[name].search(new))
    return ()


def normaliser(names: Iterable[str]) -> Callable[[Json], Json] | None:
    """Make the function that puts the rule's name in the place of every volatile value in any JSON; None for no rule.

    A number that is an ``epoch`` counts too. Rules are tried in the order of RULES, and what one found is closed to the
    next. The result is for comparing alone. Raises UsageError for a name that is none.
    """
    wanted = set(names)
    for name in sorted(wanted - RULES.keys()):
        raise UsageError(f"there is no rule {name!r} to normalise by", hint=f"Known: {', '.join(RULES)}.")
    rules = [(name, pattern) for name, pattern in RULES.items() if name in wanted]
    if not rules:
        return None
    every = re.compile("|".join(f"(?P<{name.replace('-', '_')}>{pattern.pattern})" for name, pattern in rules))
    epoch = RULES["epoch"] if "epoch" in wanted else None

    def text(value: str) -> str:
        made, last = [], 0
        for found in every.finditer(value):
            made += [value[last : found.start()].replace(_EDGE, _EDGE + "0"), f"{_EDGE}{found.lastgroup}{_EDGE}"]
            last = found.end()
        return "".join(made) + value[last:].replace(_EDGE, _EDGE + "0")

    def normalise(value: Json) -> Json:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, Mapping):
            return {name: normalise(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [normalise(item) for item in value]
        if epoch is not None and isinstance(value, (int, float)) and epoch.fullmatch(repr(value)):
            return f"{_EDGE}#epoch"  # not as in a text: a number is none
        return value

    return normalise
