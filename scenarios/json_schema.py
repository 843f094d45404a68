"""Hold a value against a JSON Schema, and say what is wrong in words for the one who wrote the value.

This is the part of JSON Schema (2020-12) that a person writes by hand: ``KEYWORDS``. A schema that uses another keyword
is refused rather than half obeyed. It judges scenario files by their own published schema (``schema``), and what agents
say by the schemas that scenarios bring.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import Json
from harness.text import one_line

Place = tuple[str | int, ...]
Schema = Mapping[str, Json] | bool

_TOLD_ONLY = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "deprecated"})
_TYPES: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "string": ("text", lambda value: isinstance(value, str)),
    "integer": (
        "a whole number",
        lambda value: type(value) is int or (isinstance(value, float) and value.is_integer()),
    ),
    "number": ("a number", lambda value: type(value) is int or (isinstance(value, float) and math.isfinite(value))),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "object": ("a mapping", lambda value: isinstance(value, Mapping)),
    "null": ("null", lambda value: value is None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: *place* in the value, *what* in one line, and a *hint* or nothing."""

    place: Place
    what: str
    hint: str = ""


def faults(schema: Schema, value: Json, *, root: Mapping[str, Json] | None = None) -> Iterator[Fault]:
    """Yield what is wrong with *value*, the nearest first. *root* resolves ``#/$defs/…`` (default: *schema*)."""
    return _faults(schema, value, (), root if root is not None else schema if isinstance(schema, Mapping) else {})


def unusable(schema: Json) -> str | None:
    """Say why *schema* cannot be used, in one line; None if it can."""
    return _unusable(schema, schema if isinstance(schema, Mapping) else {}, 0)


def name(place: Place) -> str:
    """Write a place as a reader would: ``'agents[1].name'``, counted from 1."""
    told = ""
    for key in place:
        told += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if told else str(key)
    return repr(told or "it")


def show(value: object) -> str:
    """Write a value for a message, cut to one short line."""
    return one_line(repr(value), 60)


def meant(word: object, known: Mapping[str, Json] | list[str] | tuple[str, ...]) -> str:
    """Write the nearest of the *known* words as a question; empty if none is near."""
    near = difflib.get_close_matches(str(word), list(map(str, known)), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _faults(schema: Schema, value: Json, place: Place, root: Mapping[str, Json]) -> Iterator[Fault]:
    if isinstance(schema, bool):
        if not schema:
            yield Fault(place=place, what=f"{name(place)} must not be given")
        return
    for keyword, wanted in schema.items():
        look = _LOOKS.get(keyword)
        if look is None:
            continue
        found = list(look(wanted, value, place, root, schema))
        yield from found
        if found and keyword in {"type", "$ref"}:
            return  # What else it is not would only follow from that.


_Look = Callable[[Json, Json, Place, Mapping[str, Json], Mapping[str, Json]], Iterator[Fault]]


def _ref(wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]) -> Iterator[Fault]:
    return _faults(_resolved(wanted, root), value, place, root)


def _resolved(reference: str, root: Mapping[str, Json]) -> Schema:
    found: Json = root
    for key in reference.removeprefix("#/").split("/"):
        found = found[key.replace("~1", "/").replace("~0", "~")]
    schema: Schema = found
    return schema


def _type(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    kinds = [wanted] if isinstance(wanted, str) else wanted
    if not any(_TYPES[kind][1](value) for kind in kinds):
        told = " or ".join(_TYPES[kind][0] for kind in kinds)
        yield Fault(place=place, what=f"{name(place)} must be {told}, not {show(value)}")


def _enum(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    if not any(_equal(value, one) for one in wanted):
        what = f"{name(place)} cannot be {show(value)}{meant(value, wanted) if isinstance(value, str) else ''}"
        yield Fault(place=place, what=what, hint=f"Known: {', '.join(map(str, wanted))}.")


def _const(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    if not _equal(value, wanted):
        yield Fault(place=place, what=f"{name(place)} must be {show(wanted)}, not {show(value)}")


def _equal(one: Json, other: Json) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _properties(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]
) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for key in value:
            if key in wanted:
                yield from _faults(wanted[key], value[key], (*place, key), root)


def _additional(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], schema: Mapping[str, Json]
) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        return
    known = schema.get("properties", {})
    where = f" in {name(place)}" if place else ""
    for key in value:
        if key in known:
            continue
        if wanted is False:
            what = f"unknown key {show(key)}{where}{meant(key, known)}"
            yield Fault(place=(*place, key), what=what, hint=f"Known: {', '.join(known)}.")
        else:
            yield from _faults(wanted, value[key], (*place, key), root)


def _required(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for key in wanted:
            if key not in value:
                yield Fault(place=place, what=f"{name((*place, key))} is missing")


def _items(wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]) -> Iterator[Fault]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(wanted, item, (*place, index), root)


def _size(kind: Any, unit: str, *, least: bool) -> _Look:  # noqa: ANN401 - a type
    def look(wanted: Json, value: Json, place: Place, _: object, schema: Mapping[str, Json]) -> Iterator[Fault]:
        if not isinstance(value, kind) or (len(value) >= wanted if least else len(value) <= wanted):
            return
        keys = schema.get("properties")
        if unit == "key" and keys and schema.get("minProperties") == schema.get("maxProperties") == 1:
            yield Fault(place=place, what=f"{name(place)} has exactly one of {_listed(keys)}")
        elif least and wanted == 1:
            yield Fault(place=place, what=f"{name(place)} is empty")
        else:
            amount = f"{'at least' if least else 'at most'} {wanted} {unit}{'' if wanted == 1 else 's'}"
            yield Fault(place=place, what=f"{name(place)} must have {amount}, not {len(value)}")

    return look


def _bound(fits: Callable[[float, float], bool], word: str) -> _Look:
    def look(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
        if _TYPES["number"][1](value) and not fits(value, wanted):
            yield Fault(place=place, what=f"{name(place)} must be {word} {wanted}, not {value!r}")

    return look


def _pattern(wanted: Json, value: Json, place: Place, _: object, schema: Mapping[str, Json]) -> Iterator[Fault]:
    if isinstance(value, str) and not re.search(wanted, value):
        told = f"is not of the form {schema['title']!r}" if "title" in schema else f"does not match {wanted!r}"
        yield Fault(place=place, what=f"{show(value)} {told}")


def _format(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    if wanted == "regex" and isinstance(value, str):
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            yield Fault(place=place, what=f"{show(value)} is not a regular expression: {error}")


def _all_of(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]
) -> Iterator[Fault]:
    for schema in wanted:
        yield from _faults(schema, value, place, root)


def _any_of(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]
) -> Iterator[Fault]:
    tried = [list(_faults(schema, value, place, root)) for schema in wanted]
    if all(tried):
        yield from _nearest(wanted, value, place, tried, root)


def _listed(words: Iterable[str]) -> str:
    *others, last = map(repr, words)
    return f"{', '.join(others)} and {last}" if others else last


def _one_of(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]
) -> Iterator[Fault]:
    tried = [list(_faults(schema, value, place, root)) for schema in wanted]
    fitting = sum(not found for found in tried)
    keys = [one["required"][0] for one in wanted if isinstance(one, Mapping) and list(one) == ["required"]]
    if fitting != 1 and len(keys) == len(wanted) and isinstance(value, Mapping):
        yield Fault(place=place, what=f"{name(place)} has exactly one of {_listed(keys)}")
    elif fitting > 1:
        yield Fault(place=place, what=f"{name(place)} is {fitting} things at once")
    elif not fitting:
        yield from _nearest(wanted, value, place, tried, root)


def _nearest(
    schemas: Json, value: Json, place: Place, tried: list[list[Fault]], root: Mapping[str, Json]
) -> Iterator[Fault]:
    """Tell what is wrong by the branch that was meant: the one of the value's own type, else all their types."""
    branches = [_resolved(one["$ref"], root) if isinstance(one, Mapping) and "$ref" in one else one for one in schemas]
    kinds = [one.get("type") if isinstance(one, Mapping) else None for one in branches]
    fitting = [found for kind, found in zip(kinds, tried, strict=True) if kind is None or _is(kind, value)]
    if fitting:
        yield from min(fitting, key=len)
        return
    told = " or ".join(dict.fromkeys(_TYPES[kind][0] for kind in kinds if isinstance(kind, str)))
    yield Fault(place=place, what=f"{name(place)} must be {told}, not {show(value)}")


def _is(kind: Json, value: Json) -> bool:
    return any(_TYPES[one][1](value) for one in ([kind] if isinstance(kind, str) else kind))


def _not(wanted: Json, value: Json, place: Place, root: Mapping[str, Json], _: Mapping[str, Json]) -> Iterator[Fault]:
    if not any(_faults(wanted, value, place, root)):
        yield Fault(place=place, what=f"{name(place)} cannot be {show(value)}")


def _if(
    wanted: Json, value: Json, place: Place, root: Mapping[str, Json], schema: Mapping[str, Json]
) -> Iterator[Fault]:
    branch = "else" if any(_faults(wanted, value, place, root)) else "then"
    yield from _faults(schema.get(branch, True), value, place, root)


def _unique(wanted: Json, value: Json, place: Place, *_: object) -> Iterator[Fault]:
    if wanted and isinstance(value, list):
        for index, item in enumerate(value):
            if any(_equal(item, before) for before in value[:index]):
                yield Fault(place=(*place, index), what=f"{name(place)} has {show(item)} twice")


_LOOKS: Mapping[str, _Look] = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "additionalProperties": _additional,
    "properties": _properties,
    "minProperties": _size(Mapping, "key", least=True),
    "maxProperties": _size(Mapping, "key", least=False),
    "items": _items,
    "minItems": _size(list, "item", least=True),
    "maxItems": _size(list, "item", least=False),
    "uniqueItems": _unique,
    "minLength": _size(str, "character", least=True),
    "maxLength": _size(str, "character", least=False),
    "minimum": _bound(lambda value, bound: value >= bound, "at least"),
    "exclusiveMinimum": _bound(lambda value, bound: value > bound, "more than"),
    "maximum": _bound(lambda value, bound: value <= bound, "at most"),
    "exclusiveMaximum": _bound(lambda value, bound: value < bound, "less than"),
    "pattern": _pattern,
    "format": _format,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
KEYWORDS = frozenset(_LOOKS) | {"then", "else"} | _TOLD_ONLY
"""The keywords that are understood, those that only tell a reader something included."""

_WITHIN = ("additionalProperties", "items", "not", "if", "then", "else")
_LISTS = ("allOf", "anyOf", "oneOf")
_DEEPEST = 40


def _unusable(schema: Json, root: Mapping[str, Json], depth: int) -> str | None:
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, Mapping):
        return f"a schema is a mapping, not {show(schema)}"
    if depth > _DEEPEST:
        return "it is too deep"
    for keyword, wanted in schema.items():
        if keyword not in KEYWORDS:
            return f"the keyword {show(keyword)} is not understood{meant(keyword, sorted(KEYWORDS))}"
        if reason := _misused(keyword, wanted, root):
            return reason
    inside = [schema[keyword] for keyword in _WITHIN if keyword in schema]
    inside += [one for keyword in _LISTS for one in schema.get(keyword, ())]
    inside += [one for keyword in ("properties", "$defs") for one in schema.get(keyword, {}).values()]
    return next((reason for one in inside if (reason := _unusable(one, root, depth + 1))), None)


def _misused(keyword: str, wanted: Json, root: Mapping[str, Json]) -> str | None:
    fits = True
    if keyword == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        fits = isinstance(kinds, list) and bool(kinds) and all(isinstance(k, str) and k in _TYPES for k in kinds)
    elif keyword == "$ref":
        fits = isinstance(wanted, str) and wanted.startswith("#/$defs/") and _there(wanted, root)
    elif keyword in _LISTS:
        fits = isinstance(wanted, list) and bool(wanted)
    elif keyword in {"enum", "required"}:
        fits = isinstance(wanted, list)
    elif keyword in {"properties", "$defs"}:
        fits = isinstance(wanted, Mapping)
    elif keyword == "pattern":
        fits = isinstance(wanted, str) and not any(_format("regex", wanted, ()))
    elif keyword.startswith(("min", "max", "exclusive")):
        fits = _TYPES["number"][1](wanted)
    return None if fits else f"{keyword!r} cannot be {show(wanted)}"


def _there(reference: str, root: Mapping[str, Json]) -> bool:
    """Say whether *reference* leads to a schema, and not only to further references."""
    for _ in range(_DEEPEST):
        try:
            found = _resolved(reference, root)
        except (KeyError, TypeError, IndexError):
            return False
        if not isinstance(found, Mapping) or "$ref" not in found:
            return True
        if not isinstance(found["$ref"], str):
            return False
        reference = found["$ref"]
    return False
