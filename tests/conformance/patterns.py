"""The patterns: what a server answers, and what must be seen, whatever the framework."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.model import RunStatus
from tests.conformance.picture import Expected
from tests.server import Reply, Script, ScriptedServer, error, rules, tool_call


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a family plays on: the *server* that answers, an empty *folder*, and the event a held reply waits for."""

    server: ScriptedServer
    folder: Path
    hold: threading.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One way to converse. *script* makes the server's replies; a held one waits for the event it is given."""

    name: str
    title: str
    script: Callable[[threading.Event], Script]
    expected: Expected = field(default_factory=Expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """How a pattern is another on one framework: what the server says to it there, and what else is expected, by field.

    *why* says what of the framework makes it so.
    """

    why: str
    script: Callable[[threading.Event], Script] | None = None
    expected: Mapping[str, object] = field(default_factory=dict)

    def of(self, pattern: Pattern) -> Pattern:
        """Change *pattern* accordingly."""
        expected = replace(pattern.expected, **self.expected)  # type: ignore[arg-type]
        return replace(pattern, script=self.script or pattern.script, expected=expected)


WRITER, CRITIC = "You write.", "You criticise."
CODER, REVIEWER = "You code.", "You review."
FRONT, TECH = "You greet.", "You repair."
"""System prompts, by which the server tells agents apart."""

_YES = Expected(said=(("helper", "Yes. TERMINATE"),))


def _yes(_hold: threading.Event) -> Script:
    return lambda _request: "Yes. TERMINATE"


def _echo(_hold: threading.Event) -> Script:
    return lambda request: f"Echo {request['messages'][-1]['content']} TERMINATE"


PATTERNS = (
    Pattern(
        name="two_agents",
        title="two agents",
        script=lambda _: rules({WRITER: ["Draft.", "Better. TERMINATE"], CRITIC: ["Too short."]}),
        expected=Expected(
            said=(("writer", "Draft."), ("critic", "Too short."), ("writer", "Better. TERMINATE")), requests=3
        ),
    ),
    Pattern(
        name="tools",
        title="a tool that works, and one that fails",
        script=lambda _: [tool_call("add", a=1, b=2), tool_call("explode", a=1), "It is 3. TERMINATE"],
        expected=Expected(
            said=(("helper", "It is 3. TERMINATE"),), tools=(("add", True), ("explode", False)), requests=3
        ),
    ),
    Pattern(
        name="registration",
        title="tools of every registration style",
        script=lambda _: [tool_call("one"), tool_call("two"), tool_call("three"), "Done. TERMINATE"],
        expected=Expected(
            said=(("helper", "Done. TERMINATE"),), tools=(("one", True), ("two", True), ("three", True)), requests=4
        ),
    ),
    Pattern(
        name="group",
        title="a group whose speakers a model picks",
        script=lambda _: rules(
            {
                "role play": ["coder", "reviewer", "coder"],
                CODER: ["def f(): ...", "def f(): return 1 TERMINATE"],
                REVIEWER: ["Return something."],
            }
        ),
        expected=Expected(
            said=(
                ("coder", "def f(): ..."),
                ("reviewer", "Return something."),
                ("coder", "def f(): return 1 TERMINATE"),
            ),
            chosen=("coder", "reviewer", "coder"),
            requests=6,
        ),
    ),
    Pattern(
        name="round_robin",
        title="a group that takes turns",
        script=lambda _: rules({CODER: ["Mine."], REVIEWER: ["Fine. TERMINATE"]}),
        expected=Expected(
            said=(("coder", "Mine."), ("reviewer", "Fine. TERMINATE")), chosen=("coder", "reviewer"), requests=2
        ),
    ),
    Pattern(
        name="introductions",
        title="introductions in a group",
        script=lambda _: rules({CODER: ["Mine."], REVIEWER: ["Fine. TERMINATE"]}),
        expected=Expected(said=(("coder", "Mine."), ("reviewer", "Fine. TERMINATE")), requests=2),
    ),
    Pattern(
        name="handoff",
        title="handoff",
        script=lambda _: rules({FRONT: [tool_call("pass_on")], TECH: ["Repaired. TERMINATE"]}),
        expected=Expected(said=(("tech", "Repaired. TERMINATE"),), tools=(("pass_on", True),), requests=2),
    ),
    Pattern(
        name="nested",
        title="a conversation inside a turn",
        script=lambda _: rules({WRITER: lambda _: "Draft. TERMINATE", CRITIC: lambda _: "Too short."}),
        expected=Expected(said=(("critic", "Too short."), ("writer", "Draft. TERMINATE")), requests=2, nested=True),
    ),
    Pattern(
        name="sequential",
        title="conversations one after another",
        script=lambda _: rules({WRITER: ["Draft. TERMINATE"], CRITIC: ["Too short. TERMINATE"]}),
        expected=Expected(
            said=(("writer", "Draft. TERMINATE"), ("critic", "Too short. TERMINATE")), requests=2, conversations=3
        ),
    ),
    Pattern(
        name="asynchronous",
        title="asynchronous, with an asynchronous tool",
        script=lambda _: [tool_call("later", a=4), "It is 8. TERMINATE"],
        expected=Expected(said=(("helper", "It is 8. TERMINATE"),), tools=(("later", True),), requests=2),
    ),
    Pattern(
        name="streaming",
        title="streaming",
        script=lambda _: ["A long reply that takes more than one chunk. TERMINATE"],
        expected=Expected(said=(("helper", "A long reply that takes more than one chunk. TERMINATE"),), streamed=True),
    ),
    Pattern(
        name="human",
        title="a human who types, and ends it",
        script=lambda _: ["First.", "Second."],
        expected=Expected(
            said=(("helper", "First."), ("helper", "Second.")), typed=("more", "exit"), ending="human", requests=2
        ),
    ),
    Pattern(
        name="code",
        title="code that is run",
        script=lambda _: ["```python\nprint(6 * 7)\n```", "Done. TERMINATE"],
        expected=Expected(said=(("coder", "Done. TERMINATE"),), code=(("python", 0, "42"),), requests=2),
    ),
    Pattern(
        name="model_error",
        title="a model that refuses (4xx)",
        script=lambda _: [error(400, "too long")],
        expected=Expected(ending="error", status=RunStatus.FAILED, raised=True),
    ),
    Pattern(
        name="retry",
        title="a model that fails once (5xx), and is asked again",
        script=lambda _: [error(500, "try later", retry_after_ms="1"), "Yes. TERMINATE"],
        expected=Expected(said=_YES.said, requests=2, retries=1),
    ),
    Pattern(
        name="cancelled",
        title="cancelled while the model is asked",
        script=lambda hold: [Reply(text="Too late. TERMINATE", hold=hold)],
        expected=Expected(ending="interrupted", status=RunStatus.FAILED, raised=True),
    ),
    Pattern(name="background", title="a run in the background", script=_yes, expected=_YES),
    Pattern(
        name="parallel",
        title="conversations at the same time",
        script=_echo,
        expected=Expected(said=tuple(("helper", f"Echo n{n} TERMINATE") for n in range(4)), runs=4, requests=4),
    ),
    Pattern(
        name="cache",
        title="a reply from the framework's own cache",
        script=_yes,
        expected=Expected(said=(("helper", "Yes. TERMINATE"),), runs=2, requests=1, cached=1),
    ),
)
