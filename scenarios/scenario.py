"""Describe a conversation to rehearse and what is expected of it: the file ``NAME.scenario.yaml``.

A scenario says what runs in one of three ways: ``agents`` with a ``team`` and a ``task``; ``factory``, a function in
Python; or ``program``, an unmodified AutoGen program. ``expect`` says what must come of it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.model import CALLS, EndingKind, Json, Operation

from . import cassette, yaml_file
from .normalising import RULES
from .queues import WAYS

if TYPE_CHECKING:
    from pathlib import Path

    from .yaml_file import Document, Place

SUFFIX = ".scenario.yaml"
LIMITS = ("max_tokens", "max_cost_usd", "max_model_calls", "max_turns", "max_seconds")
_WAYS = ("agents", "factory", "program")
_PLAYED = ("cassette", "live", "matching", "normalise")
_KEYS = ("name", "description", "tags", "team", "task", *_WAYS, *_PLAYED, "expect")
_EXPECT = ("ending", "said", "not_said", "tools", "findings", "messages", *LIMITS)
_AGENT = (
    "name",
    "type",
    "role",
    "description",
    "system_message",
    "llm_config",
    "tools",
    "human_input_mode",
    "max_consecutive_auto_reply",
    "is_termination_msg",
    "default_auto_reply",
    "code_execution",
)
_TEAM = (
    "pattern",
    "initiator",
    "recipient",
    "max_turns",
    "max_round",
    "speaker_selection",
    "llm_config",
    "is_termination_msg",
)
_AGENT_TYPES = ("assistant", "user_proxy", "conversable")
_PATTERNS = ("two_agent", "group")
_SELECTIONS = ("auto", "round_robin", "random")
_INPUT_MODES = ("ALWAYS", "NEVER", "TERMINATE")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What is looked for in what was said: a text, or with *regex* a regular expression."""

    text: str
    regex: bool = False

    def found_in(self, said: str) -> bool:
        """Say whether it occurs in *said*."""
        return bool(re.search(self.text, said)) if self.regex else self.text in said


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must come of a scenario; None means that nothing is asked.

    *tools* are the names of all tools that are called, in order and each time. *findings* are the codes or names of all
    findings; notes that are not named are forgiven. *limits* go to the budget checks.
    """

    ending: str | None = None
    said: tuple[Saying, ...] = ()
    not_said: tuple[Saying, ...] = ()
    tools: tuple[str, ...] | None = None
    findings: tuple[str, ...] = ()
    messages: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A conversation to rehearse. Exactly one of *agents*, *factory* and *program* is set.

    *agents* and *team* are as in the file, checked. *factory* is ``module:function``, *program* a path and its
    arguments; both are looked for beside the file first. *live* are kinds of calls that are made for real in a replay,
    *matching* is one of ``queues.WAYS``, and *normalise* names rules of ``normalising`` (None: those of the cassette).
    """

    path: Path
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    agents: tuple[Mapping[str, Json], ...] = ()
    team: Mapping[str, Json] = field(default_factory=dict)
    task: str = ""
    factory: str | None = None
    program: tuple[str, ...] = ()
    cassette: Path
    live: frozenset[Operation] = frozenset()
    matching: str = WAYS[0]
    normalise: tuple[str, ...] | None = None
    expect: Expect = field(default_factory=Expect)

    @property
    def folder(self) -> Path:
        """The folder the file lies in."""
        return self.path.parent


def load(path: Path) -> Scenario:
    """Read the scenario at *path*. Raises UsageError with the line and, for a misspelt key, the one that was meant."""
    document = yaml_file.read(path)
    document.keys((), document.value, _KEYS)
    ways = [way for way in _WAYS if document.value.get(way) is not None]
    if len(ways) != 1:
        place = (ways[1],) if ways else ()
        document.wrong(place, f"a scenario has exactly one of 'agents', 'factory' and 'program', not {_and(ways)}")
    stem = path.name.removesuffix(SUFFIX)
    program = _program(document, path.parent) if ways == ["program"] else ()
    factory = _function(document, ("factory",)) if ways == ["factory"] else None
    agents = _agents(document) if ways == ["agents"] else ()
    if ways != ["agents"]:
        for key in ("team", "task"):
            if key in document.value:
                document.wrong((key,), f"{key!r} belongs to 'agents', and this scenario has a {ways[0]!r}")
    return Scenario(
        path=path,
        name=document.get(("name",), str, default=stem),
        description=document.get(("description",), str, default=""),
        tags=document.texts(("tags",)),
        agents=agents,
        team=_team(document, agents) if agents else {},
        task=document.need(("task",), str) if agents else "",
        factory=factory,
        program=program,
        cassette=path.parent / document.get(("cassette",), str, default=stem + cassette.SUFFIX),
        live=_live(document),
        matching=document.choice(("matching",), WAYS) or WAYS[0],
        normalise=_rules(document),
        expect=_expect(document),
    )


def _and(names: list[str]) -> str:
    return " and ".join(map(repr, names)) or "none of them"


def _program(document: Document, folder: Path) -> tuple[str, ...]:
    text = document.need(("program",), str)
    try:
        words = shlex.split(text)
    except ValueError as error:
        document.wrong(("program",), f"'program' is not a command line: {error}")
    if not words:
        document.wrong(("program",), "'program' is empty")
    if not (folder / words[0]).is_file():
        document.wrong(("program",), f"no program at {str(folder / words[0])!r}")
    return tuple(words)


def _function(document: Document, place: Place) -> str:
    text: str = document.need(place, str)
    if not _FUNCTION.fullmatch(text):
        document.wrong(place, f"{text!r} is not of the form 'module:function'")
    return text


def _agents(document: Document) -> tuple[Mapping[str, Json], ...]:
    items = document.need(("agents",), list)
    names: list[str] = []
    for index, item in enumerate(items):
        place: Place = ("agents", index)
        document.keys(place, document.need(place, dict), _AGENT)
        name = document.need((*place, "name"), str)
        if name in names:
            document.wrong((*place, "name"), f"two agents are called {name!r}")
        names.append(name)
        if "type" in item and "role" in item:
            document.wrong((*place, "role"), "'type' and 'role' say the same: give one of them")
        for key in ("type", "role"):
            document.choice((*place, key), _AGENT_TYPES)
        document.choice((*place, "human_input_mode"), _INPUT_MODES)
        for key in ("system_message", "description", "default_auto_reply"):
            document.get((*place, key), str)
        document.get((*place, "max_consecutive_auto_reply"), int)
        _llm_config(document, (*place, "llm_config"))
        _predicate(document, (*place, "is_termination_msg"))
        for number in range(len(document.get((*place, "tools"), list, default=[]))):
            _function(document, (*place, "tools", number))
        document.keys((*place, "code_execution"), *_code_keys(document, (*place, "code_execution")))
    if not items:
        document.wrong(("agents",), "'agents' is empty")
    return tuple(items)


def _code_keys(document: Document, place: Place) -> tuple[Mapping[str, Json], tuple[str, ...]]:
    document.get((*place, "work_dir"), str)
    document.get((*place, "timeout"), int)
    return document.get(place, dict, default={}), ("work_dir", "timeout")


def _llm_config(document: Document, place: Place) -> None:
    value = document.get(place[:-1], dict).get("llm_config")
    if value is None or value is False:
        return
    config = document.get(place, dict)
    if not config.get("config_list"):
        document.need((*place, "model"), str)


def _predicate(document: Document, place: Place) -> None:
    value = document.get(place, dict)
    if value is None:
        return
    document.keys(place, value, ("contains", "equals", "regex"))
    if len(value) != 1:
        document.wrong(place, "'is_termination_msg' has exactly one of 'contains', 'equals' and 'regex'")
    text = document.need((*place, next(iter(value))), str)
    if "regex" in value:
        _pattern(document, place, text)


def _pattern(document: Document, place: Place, text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        document.wrong(place, f"{text!r} is not a regular expression: {error}")


def _team(document: Document, agents: tuple[Mapping[str, Json], ...]) -> Mapping[str, Json]:
    team: Mapping[str, Json] = document.get(("team",), dict, default={})
    names = [str(agent["name"]) for agent in agents]
    document.keys(("team",), team, _TEAM)
    pattern = document.choice(
        ("team", "pattern"),
        _PATTERNS,
        default="two_agent" if len(names) == 2 else "group",  # noqa: PLR2004
    )
    for key in ("initiator", "recipient"):
        document.choice(("team", key), names)
    document.choice(("team", "speaker_selection"), _SELECTIONS)
    for key in ("max_turns", "max_round"):
        document.get(("team", key), int)
    if "llm_config" in team:
        _llm_config(document, ("team", "llm_config"))
    _predicate(document, ("team", "is_termination_msg"))
    if pattern == "two_agent" and len(names) != 2:  # noqa: PLR2004 - as the pattern says
        document.wrong(("team", "pattern"), f"'two_agent' takes two agents, and there are {len(names)}")
    initiator = team.get("initiator") or names[0]
    others = [name for name in names if name != initiator]
    recipient = team.get("recipient") or (others[0] if others else initiator)
    if recipient == initiator and pattern == "two_agent":
        document.wrong(("team", "recipient"), f"{initiator!r} cannot talk to itself")
    return {"speaker_selection": "auto", **team, "pattern": pattern, "initiator": initiator, "recipient": recipient}


def _live(document: Document) -> frozenset[Operation]:
    known = sorted(kind.value for kind in CALLS)
    count = len(document.get(("live",), list, default=[]))
    return frozenset(Operation(document.choice(("live", index), known)) for index in range(count))


def _rules(document: Document) -> tuple[str, ...] | None:
    names = document.get(("normalise",), list)
    if names is None:
        return None
    return tuple(str(document.choice(("normalise", index), list(RULES))) for index in range(len(names)))


def _expect(document: Document) -> Expect:
    value = document.get(("expect",), dict, default={})
    document.keys(("expect",), value, _EXPECT)
    limits = {}
    for name in LIMITS:
        limit = document.get(("expect", name), float)
        if limit is not None:
            if limit < 0:
                document.wrong(("expect", name), f"{name!r} must be at least 0, not {limit!r}")
            limits[name] = limit
    return Expect(
        ending=document.choice(("expect", "ending"), [kind.value for kind in EndingKind]),
        said=_sayings(document, ("expect", "said")),
        not_said=_sayings(document, ("expect", "not_said")),
        tools=document.texts(("expect", "tools")) if value.get("tools") is not None else None,
        findings=document.texts(("expect", "findings")),
        messages=document.get(("expect", "messages"), int),
        limits=limits,
    )


def _sayings(document: Document, place: Place) -> tuple[Saying, ...]:
    found = []
    for index, item in enumerate(document.get(place, list, default=[])):
        here: Place = (*place, index)
        if isinstance(item, Mapping):
            document.keys(here, item, ("regex",))
            text = document.need((*here, "regex"), str)
            _pattern(document, here, text)
            found.append(Saying(text=text, regex=True))
        else:
            found.append(Saying(text=document.need(here, str)))
    return tuple(found)
