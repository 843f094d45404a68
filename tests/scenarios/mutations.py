"""What is changed between recording and replay, and what the replay must say of it: a table that is played.

A family of frameworks brings a *stage*: a function that plays one small conversation with a tool, as a dict of settings
says, against the server in the environment or the cassette. The table is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scenarios.parting import Kind, Owner

PLAIN: Mapping[str, Any] = {
    "prompt": "You are the planner. Look the price up.",
    "task": "What do three tickets cost?",
    "model": "gpt-4o-mini",
    "temperature": 0,
    "description": "Look up the price of one ticket.",
    "price": 14,
    "order": ("planner", "critic"),
    "greeting": None,
}
"""How the conversation is recorded: a planner who calls the tool ``price``, and then a critic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One change, and the class and owner it must be told with; *live* kinds of calls are made for real.

    *settings* replace those of PLAIN; *edits* are made in the cassette's file, old text to new.
    """

    what: str
    kind: Kind
    owner: Owner
    settings: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, str] = field(default_factory=dict)
    live: tuple[str, ...] = ()


MUTATIONS = [
    Mutation(
        what="a system prompt",
        settings={"prompt": "You are the planner. Guess the price."},
        kind=Kind.PROMPT,
        owner=Owner.PROGRAM,
    ),
    Mutation(
        what="a tool's schema",
        settings={"description": "Look up what one ticket costs."},
        kind=Kind.TOOLS,
        owner=Owner.PROGRAM,
    ),
    Mutation(
        what="a tool's result, where tools are called for real",
        settings={"price": 15},
        live=("tool",),
        kind=Kind.TOOL_RESULT,
        owner=Owner.TOOL,
    ),
    Mutation(
        what="a tool's result, edited in the cassette",
        edits={'{"result": "14 euros"}': '{"result": "15 euros"}'},
        kind=Kind.TOOL_RESULT,
        owner=Owner.CASSETTE,
    ),
    Mutation(
        what="a model's reply, edited in the cassette",
        edits={"Three tickets cost 42 euros.": "Three tickets cost 24 euros."},
        kind=Kind.REPLY,
        owner=Owner.CASSETTE,
    ),
    Mutation(
        what="a tool call in a model's reply, edited in the cassette",
        edits={'{"arguments": {"what": "ticket"}, "id"': '{"arguments": {"what": "book"}, "id"'},
        kind=Kind.REPLY,
        owner=Owner.CASSETTE,
    ),
    Mutation(what="the model's name", settings={"model": "gpt-4o"}, kind=Kind.MODEL, owner=Owner.PROGRAM),
    Mutation(what="the temperature", settings={"temperature": 0.7}, kind=Kind.PARAMETERS, owner=Owner.PROGRAM),
    Mutation(
        what="the order of the agents",
        settings={"order": ("critic", "planner")},
        kind=Kind.FLOW,
        owner=Owner.PROGRAM,
    ),
    Mutation(
        what="a message upstream: the task",
        settings={"task": "What do four tickets cost?"},
        kind=Kind.UPSTREAM,
        owner=Owner.PROGRAM,
    ),
    Mutation(
        what="one message more upstream",
        settings={"greeting": "Hello, all of you."},
        kind=Kind.FLOW,
        owner=Owner.PROGRAM,
    ),
]


def row(what: str, kind: Kind, owner: Owner) -> str:
    """Write what was seen as a row of the table in the documentation."""
    return f"| {what} | {kind.value} | {owner.value} |"
