"""What must come of a scenario: the records that its ``expect`` is read into."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.model import Json

from . import json_schema
from .schema import BUDGETS

if TYPE_CHECKING:
    from .yaml_file import Document, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What is looked for in what was said: a *text*, with *regex* a regular expression, or JSON of the form *schema*.

    *by* is the agent whose messages count; None is everybody.
    """

    text: str = ""
    regex: bool = False
    schema: Mapping[str, Json] | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One tool call or speaker that is expected. Of *arguments* those that are named must be equal."""

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """What must hold of a sequence, such as the tool calls of a run; None and empty mean that nothing is asked.

    *exactly* are all, in order; *in_order* come in this order, with others between; *any_order* are all, in whatever
    order; each of *include* comes, and none of *exclude*.
    """

    exactly: tuple[Item, ...] | None = None
    in_order: tuple[Item, ...] = ()
    any_order: tuple[Item, ...] | None = None
    include: tuple[Item, ...] = ()
    exclude: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question in SQL over the run's own views, and the one value that must be its answer."""

    query: str
    equals: Json = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What a model must find true of the conversation. *name* is that of the judge."""

    text: str
    llm_config: Mapping[str, Json]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must come of a scenario; None means that nothing is asked.

    *findings* are the codes or names of all findings; notes that are not named are forgiven. *limits* go to the budget
    checks. *python* are functions, ``module:function``.
    """

    ending: str | None = None
    said: tuple[Saying, ...] = ()
    not_said: tuple[Saying, ...] = ()
    tools: Sequence = field(default_factory=Sequence)
    speakers: Sequence = field(default_factory=Sequence)
    findings: tuple[str, ...] = ()
    messages: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    sql: tuple[Question, ...] = ()
    python: tuple[str, ...] = ()
    judge: tuple[Criterion, ...] = ()


def read(document: Document) -> Expect:
    """Read the ``expect`` of a document that fits the schema. Raises UsageError for what no schema can say."""
    value: Mapping[str, Json] = document.value.get("expect") or {}
    return Expect(
        ending=value.get("ending"),
        said=_sayings(document, ("expect", "said")),
        not_said=_sayings(document, ("expect", "not_said")),
        tools=_sequence(value.get("tools")),
        speakers=_sequence(value.get("speakers")),
        findings=tuple(value.get("findings", ())),
        messages=value.get("messages"),
        limits={name: float(value[name]) for name in BUDGETS if name in value},
        sql=tuple(
            Question(query=one) if isinstance(one, str) else Question(query=one["query"], equals=one["equals"])
            for one in value.get("sql", ())
        ),
        python=tuple(value.get("python", ())),
        judge=_criteria(document, value.get("judge", ())),
    )


def _sayings(document: Document, place: Place) -> tuple[Saying, ...]:
    found = []
    for index, item in enumerate(document.value.get("expect", {}).get(place[-1], ())):
        if isinstance(item, str):
            found.append(Saying(text=item))
            continue
        schema = item.get("json_schema")
        if schema is not None and (reason := json_schema.unusable(schema)):
            document.wrong((*place, index, "json_schema"), f"this JSON Schema cannot be used: {reason}")
        text = item.get("regex", item.get("text", ""))
        found.append(Saying(text=text, regex="regex" in item, schema=schema, by=item.get("by")))
    return tuple(found)


def _sequence(value: Json) -> Sequence:
    if value is None:
        return Sequence()
    if isinstance(value, list):
        return Sequence(exactly=_items(value))
    kept = {name: _items(items) for name, items in value.items()}
    return Sequence(**kept)


def _items(value: list[Json]) -> tuple[Item, ...]:
    return tuple(
        Item(name=one) if isinstance(one, str) else Item(name=one["name"], arguments=one.get("arguments", {}))
        for one in value
    )


def _criteria(document: Document, value: list[Json]) -> tuple[Criterion, ...]:
    names = [one.get("name") or ("judge" if index == 0 else f"judge {index + 1}") for index, one in enumerate(value)]
    for index, one in enumerate(value):
        if not one["llm_config"]:
            document.wrong(("expect", "judge", index, "llm_config"), "a judge needs a model")
        if names[index] in names[:index]:
            document.wrong(("expect", "judge", index), f"two judges are called {names[index]!r}")
    return tuple(
        Criterion(text=one["criterion"], llm_config=one["llm_config"], name=called)
        for one, called in zip(value, names, strict=True)
    )


def finds(saying: Saying, said: str) -> bool:
    """Say whether *said* is what is looked for."""
    if saying.schema is not None:
        return any(_of_form(saying.schema, value) for value in _values(said))
    return bool(re.search(saying.text, said)) if saying.regex else saying.text in said


def _of_form(schema: Mapping[str, Json], value: Json) -> bool:
    try:
        return not any(json_schema.faults(schema, value))
    except RecursionError:
        return False


_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def _values(said: str) -> list[Json]:
    """Read what *said* holds as JSON: all of it, or a block fenced as such."""
    import orjson

    found = []
    for text in (said, *_FENCED.findall(said)):
        with contextlib.suppress(ValueError):
            found.append(orjson.loads(text))
    return found
