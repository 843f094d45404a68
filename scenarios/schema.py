"""The form of a scenario as JSON Schema: what editors complete and check with, and what files are judged by here.

``docs/scenario.schema.json`` is this, written out. What no schema can say, such as that an agent named in a team is one
of the agents, is said in ``scenario`` and ``casting``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.model import CALLS, EndingKind, Json

from . import modes
from .normalising import RULES
from .queues import WAYS

Form = dict[str, Any]
FRAMEWORKS = ("classic", "agentchat", "ag2")
PLAYS = ("agents", "factory", "program")
BUDGETS = ("max_tokens", "max_cost_usd", "max_model_calls", "max_turns", "max_seconds")
"""What ``expect`` may say of the size of a run: the limits of the budget checks."""


def _text(told: str, **more: Json) -> Form:
    return {"type": "string", **more, "description": told}


def _count(told: str, least: int = 1) -> Form:
    return {"type": "integer", "minimum": least, "description": told}


def _amount(told: str) -> Form:
    return {"type": "number", "minimum": 0, "description": told}


def _flag(told: str) -> Form:
    return {"type": "boolean", "description": told}


def _one_of(words: Sequence[str], told: str) -> Form:
    return {"type": "string", "enum": list(words), "description": told}


def _list(of: Form, told: str, **more: Json) -> Form:
    return {"type": "array", "items": of, **more, "description": told}


def _mapping(told: str, keys: Mapping[str, Form], need: Sequence[str] = (), **more: Json) -> Form:
    found: Form = {"type": "object", "additionalProperties": False, **more, "properties": dict(keys)}
    return {**found, **({"required": list(need)} if need else {}), "description": told}


def _either(told: str, *forms: Form) -> Form:
    return {"anyOf": list(forms), "description": told}


def _ref(name: str) -> Form:
    return {"$ref": f"#/$defs/{name}"}


_TEXT: Form = {"type": "string"}
_FUNCTION: Form = {"type": "string", "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$", "title": "module:function"}
_MODEL = _either(
    "A model and its settings as the framework takes them, or false for none. `model`, or AutoGen's own `config_list`.",
    {"type": "boolean", "enum": [False]},
    {
        "type": "object",
        "if": {"type": "object", "required": ["config_list"]},
        "then": {"properties": {"config_list": {"type": "array", "minItems": 1, "items": {"type": "object"}}}},
        "else": {"properties": {"model": _TEXT}, "required": ["model"]},
    },
)
_STOPS: Mapping[str, Form] = {
    "messages": _count("messages spoken"),
    "model_calls": _count("model calls"),
    "tokens": _count("tokens, input and output together"),
    "cost_usd": _amount("US dollars"),
    "seconds": {"type": "number", "exclusiveMinimum": 0, "description": "seconds by the clock"},
}
_PREDICATE = _mapping(
    "Which message ends the conversation: it contains, is (trimmed), or matches this.",
    {"contains": _TEXT, "equals": _TEXT, "regex": {**_TEXT, "format": "regex"}},
    minProperties=1,
    maxProperties=1,
)
_CODE = _mapping(
    "Run code on this machine: in `work_dir` (default: a temporary folder), for `timeout` seconds at most.",
    {"work_dir": _TEXT, "timeout": _count("seconds")},
)
_AGENT: Mapping[str, Form] = {
    "name": _text("Its name; one for each agent.", minLength=1),
    "description": _text("Who it is, for whoever picks speakers or asks it."),
    "system_message": _text("What it is told to do."),
    "llm_config": _ref("llm_config"),
    "tools": _list(
        _FUNCTION, "Functions that its model may call: `module:function`, looked for beside the file first."
    ),
    "limits": _mapping(
        "Stop the run when this agent alone has used so much.",
        {name: form for name, form in _STOPS.items() if name in {"model_calls", "tokens", "cost_usd"}},
    ),
}
_NESTED = _mapping(
    "Conversations that it holds before it answers; what came of the last is its answer.",
    {
        "trigger": _either(
            "Whose messages it holds them for: an agent's name, or several; by default everybody's.",
            _TEXT,
            _list(_TEXT, "Their names."),
        ),
        "chats": _list(
            _mapping(
                "One of them.",
                {
                    "recipient": _text("With whom: an agent that takes part nowhere else."),
                    "message": _text("What it says first; by default what it was told."),
                    "max_turns": _count("Turns of both."),
                },
                ["recipient"],
            ),
            "One after another.",
            minItems=1,
        ),
    },
    ["chats"],
)
_EDGE: Mapping[str, Form] = {"from": _text("After this agent …"), "to": _text("… this one speaks.")}


def _edges(told: str, keys: Mapping[str, Form], need: Sequence[str]) -> Form:
    return _list(_mapping("One way on.", {**_EDGE, **keys}, need), told, minItems=1)


_TYPED = "What kind of agent it is; `role` is another word for it."


def _agent(told: str, kinds: Sequence[str], modes: Sequence[str], keys: Mapping[str, Form]) -> Form:
    kind, mode = _one_of(kinds, _TYPED), _one_of(modes, "When a human is asked.")
    return _mapping(told, {**_AGENT, "type": kind, "role": kind, "human_input_mode": mode, **keys}, ["name"])


_AGENTS: Mapping[str, Form] = {
    "classic": _agent(
        "An agent of classic AutoGen.",
        ("assistant", "user_proxy", "conversable"),
        ("ALWAYS", "NEVER", "TERMINATE"),
        {
            "max_consecutive_auto_reply": _count("How often it answers by itself.", 0),
            "is_termination_msg": _ref("predicate"),
            "default_auto_reply": _text("What it says where it has nothing to say."),
            "code_execution": _ref("code_execution"),
            "handoffs": _list(_TEXT, "Agents that it may hand over to, in a swarm."),
            "nested": _NESTED,
        },
    ),
    "agentchat": _agent(
        "An agent of Microsoft AgentChat.",
        ("assistant", "user_proxy", "code_executor"),
        ("ALWAYS", "NEVER"),
        {
            "handoffs": _list(_TEXT, "Agents that it may hand over to."),
            "reflect_on_tool_use": _flag("Let its model put the results of tools into words."),
            "max_tool_iterations": _count("How often its model may call tools in one turn."),
            "stream": _flag("Ask its model for a stream."),
            "code_execution": _ref("code_execution"),
        },
    ),
    "ag2": _agent(
        "An agent of AG2 1.x.",
        ("assistant",),
        ("NEVER",),
        {
            "asks": _list(_TEXT, "Agents that its model may ask, each as a tool."),
            "handoffs": _list(_TEXT, "Agents that it may hand over to, in a graph."),
        },
    ),
}
_TEAMS: Mapping[str, Form] = {
    "classic": _mapping(
        "How classic agents talk.",
        {
            "pattern": _one_of(("two_agent", "group", "swarm"), "By default by their number."),
            "initiator": _text("Who gives the task; by default the first."),
            "recipient": _text("Whom it is given to; by default the next."),
            "max_turns": _count("Turns of a pair."),
            "max_round": _count("Messages of a group or swarm."),
            "speaker_selection": _one_of(("auto", "round_robin", "random"), "Who speaks next in a group."),
            "llm_config": _ref("llm_config"),
            "is_termination_msg": _ref("predicate"),
        },
    ),
    "agentchat": _mapping(
        "How AgentChat agents talk.",
        {
            "pattern": _one_of(
                ("single", "round_robin", "selector", "swarm", "magentic_one", "graph"), "By default by their number."
            ),
            "initiator": _text("Who speaks first, or alone; by default the first."),
            "max_turns": _count("Turns of all together."),
            "max_messages": _count("Messages, the task included."),
            "is_termination_msg": _ref("predicate"),
            "llm_config": _ref("llm_config"),
            "selector_prompt": _text("What the model that picks speakers is told."),
            "allow_repeated_speaker": _flag("Let it pick the same one again."),
            "max_stalls": _count("How often a `magentic_one` may get no further before it plans anew.", 0),
            "edges": _edges(
                "Who speaks after whom in a `graph`; several after one speak side by side.",
                {"when": _ref("predicate")},
                ["from", "to"],
            ),
        },
    ),
    "ag2": _mapping(
        "How AG2 agents talk: one alone, or on a hub.",
        {
            "pattern": _one_of(("single", "consulting", "round_robin", "graph"), "By default `single`."),
            "initiator": _text("Who is asked alone, or asks on the hub; by default the first."),
            "recipient": _text("Whom it consults; by default the next."),
            "max_turns": _count("Turns on the hub; by default 10."),
            "edges": _edges(
                "Who speaks after whom in a `graph`; it ends after who has no way on, and where `to` is missing.",
                {"tool": _text("Only if the turn called this tool.")},
                ["from"],
            ),
        },
    ),
}


def of_team(framework: str) -> Form:
    """Give the form of a team of *framework*."""
    return _TEAMS[framework]


def _stage(framework: str) -> Form:
    return _mapping(
        "One conversation of a workflow.",
        {
            "name": _text("What it is called."),
            "agents": _list(_TEXT, "Who takes part, by name; by default everybody.", minItems=1),
            "team": _TEAMS[framework],
            "task": _text("What it is about."),
            "carryover": _one_of(("all", "last", "none"), "Which results before it are told along: by default all."),
        },
        ["task"],
    )


_SAYING = _either(
    "A text, or a mapping that says how to look for it and in whose messages.",
    _TEXT,
    _mapping(
        "One of `text`, `regex` and `json_schema`.",
        {
            "text": _TEXT,
            "regex": {**_TEXT, "format": "regex"},
            "json_schema": {"type": "object", "description": "A message that is JSON of this form."},
            "by": _text("Only what this agent says."),
        },
        oneOf=[{"required": [how]} for how in ("text", "regex", "json_schema")],
    ),
)
_CALLED = _either(
    "A tool's name, or the name with some of its arguments.",
    _TEXT,
    _mapping("A call.", {"name": _TEXT, "arguments": {"type": "object"}}, ["name"]),
)


def _sequence(one: Form, what: str) -> Form:
    return _either(
        f"All {what} in order, or what must hold of them.",
        _list(one, f"Exactly these {what}, in order."),
        _mapping(
            f"What must hold of the {what}.",
            {
                "in_order": _list(one, "These come in this order; others may come between."),
                "any_order": _list(one, "These and no others, in whatever order, each as often as it is named."),
                "include": _list(one, "These come."),
                "exclude": _list(one, "These do not."),
            },
            minProperties=1,
        ),
    )


_EXPECT = _mapping(
    "What must come of it.",
    {
        "ending": _one_of([kind.value for kind in EndingKind], "Why it ends."),
        "said": _list(_SAYING, "What somebody must say."),
        "not_said": _list(_SAYING, "What nobody may say."),
        "tools": _sequence(_CALLED, "tool calls"),
        "speakers": _sequence(_TEXT, "speakers of messages"),
        "findings": _list(_TEXT, "Exactly these findings by code or name, notes aside."),
        "messages": _count("Exactly so many messages.", 0),
        **{name: _amount("A budget, judged as a check.") for name in BUDGETS},
        "sql": _list(
            _either(
                "A question over the run's own `runs spans messages calls findings`, whose answer must be true.",
                _TEXT,
                _mapping("Its answer must equal this.", {"query": _TEXT, "equals": {}}, ["query", "equals"]),
            ),
            "Questions to the run's spans; read only.",
        ),
        "python": _list(
            _FUNCTION, "Functions that are given the run: True and None are well, False or a text are not."
        ),
        "judge": _list(
            _mapping(
                "What a model must find true of the conversation.",
                {"criterion": _TEXT, "llm_config": _ref("llm_config"), "name": _TEXT},
                ["criterion", "llm_config"],
            ),
            "Ask a model; what it is asked and says is kept in the cassette, too.",
        ),
    },
)
_KINDS = sorted(kind.value for kind in CALLS)
_PROPERTIES: Mapping[str, Form] = {
    "name": _text("By default the file's."),
    "description": _text("What it is about."),
    "tags": _list(_TEXT, "Words to select it by."),
    "framework": _one_of(
        FRAMEWORKS, "Whose agents; by default by the team's pattern, else the first that is installed."
    ),
    "team": {"type": "object"},
    "task": _text("What the conversation is about."),
    "workflow": {"type": "array", "minItems": 1},
    "agents": {"type": "array", "minItems": 1},
    "factory": {**_FUNCTION, "description": "A function that runs the conversation, or returns who begins it."},
    "program": _text("A Python program, unmodified, and its arguments."),
    "cassette": _text("By default NAME.cassette.jsonl beside the file."),
    "live": _list({"type": "string", "enum": _KINDS}, "Kinds of calls that are made for real in a replay."),
    "replay": modes.FORM,
    "freeze": modes.FREEZE,
    "matching": _one_of(WAYS, "How a request finds its recorded answer."),
    "normalise": _list({"type": "string", "enum": list(RULES)}, "Volatile values that do not count."),
    "limits": _mapping("Stop the run when it has used so much.", _STOPS),
    "checks": {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": _amount("The number."), "minProperties": 1},
        "description": "Numbers that checks judge by instead of their own, by code: `L101: {times: 4}`.",
    },
    "suppress": _list(
        _mapping(
            "Findings that do not count, and why.",
            {
                "code": _text("A check's code, the beginning of one, or a name.", minLength=1),
                "reason": _text("Why they do not count.", pattern=r"\S"),
                "agent": _text("Only what is about this agent.", minLength=1),
            },
            ["code", "reason"],
        ),
        "Findings that are known and not held against a run; they are reported as suppressed.",
    ),
    "expect": _EXPECT,
    "repeat": _count("How often it is played."),
    "data": _either(
        "One case a row: `{column}` anywhere in the scenario is its value. A list, or a CSV, JSON, JSONL or YAML file.",
        _list({"type": "object", "minProperties": 1}, "Rows.", minItems=1),
        _TEXT,
    ),
}


def of_cast(framework: str) -> Form:
    """Give the form of agents, team and workflow in *framework*, within :data:`SCHEMA`."""
    return {
        "properties": {
            "agents": _list(_ref(f"{framework}_agent"), "Who takes part.", minItems=1),
            "team": _ref(f"{framework}_team"),
            "workflow": _list(_ref(f"{framework}_stage"), "Conversations one after another.", minItems=1),
        }
    }


def _played_by(framework: str) -> Form:
    return {"properties": {"framework": {"const": framework}}, "required": ["framework"]}


SCHEMA: Form = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:autogen-harness:scenario",
    "title": "A scenario of autogen-harness",
    "type": "object",
    "additionalProperties": False,
    "properties": dict(_PROPERTIES),
    "oneOf": [{"required": [way]} for way in PLAYS],
    "if": {"required": ["agents"]},
    "then": {
        "oneOf": [{"required": ["task"]}, {"required": ["workflow"]}],
        "if": {"required": ["framework"]},
        "then": {"allOf": [{"if": _played_by(name), "then": of_cast(name)} for name in FRAMEWORKS]},
        "else": {"anyOf": [of_cast(name) for name in FRAMEWORKS]},
    },
    "else": {"properties": {"team": False, "task": False, "workflow": False, "framework": False}},
    "$defs": {
        "llm_config": _MODEL,
        "predicate": _PREDICATE,
        "code_execution": _CODE,
        **{f"{name}_agent": _AGENTS[name] for name in FRAMEWORKS},
        **{f"{name}_team": _TEAMS[name] for name in FRAMEWORKS},
        **{f"{name}_stage": _stage(name) for name in FRAMEWORKS},
    },
}
"""The published schema."""

if __name__ == "__main__":
    import json
    from pathlib import Path

    file = Path(__file__).parents[1] / "docs" / "scenario.schema.json"
    file.write_text(json.dumps(SCHEMA, indent=2) + "\n", encoding="utf-8")
