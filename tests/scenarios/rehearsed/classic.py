"""The rows of classic AutoGen: pyautogen 0.2 to 0.9, and autogen 0.14."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.classic import ABSENT, known_encodings
from tests.scenarios.rehearsed.row import MODEL, NOTHING, Row
from tests.server import Reply, Request, Script, ToolCall, error, rules, tool_call

HEAD = "framework: classic\n"
PAIR = f"""\
{HEAD}agents:
- {{name: helper, system_message: You help., {MODEL}}}
- {{name: user, is_termination_msg: {{contains: TERMINATE}}, max_consecutive_auto_reply: 9}}
team: {{initiator: user, recipient: helper}}
task: Go.
"""
TOOLED = PAIR.replace("You help.,", 'You help., tools: ["cast_classic:add", "cast_classic:explode"],')
CODED = PAIR.replace("name: user,", "name: user, code_execution: {timeout: 30},")
TYPED = PAIR.replace("name: user,", "name: user, human_input_mode: ALWAYS,")
GROUP = f"""\
{HEAD}agents:
- {{name: user}}
- {{name: coder, system_message: You code., {MODEL}}}
- {{name: reviewer, system_message: You review., {MODEL}}}
task: Write it.
"""
SWARM = f"""\
{HEAD}agents:
- {{name: front, system_message: You greet., {MODEL}, handoffs: [tech]}}
- {{name: tech, description: Repairs., system_message: You repair., {MODEL}, handoffs: [front]}}
team: {{pattern: swarm, max_round: 8}}
task: It is broken.
"""
NESTED = f"""\
{HEAD}agents:
- name: editor
  is_termination_msg: {{contains: TERMINATE}}
  nested: {{trigger: writer, chats: [{{recipient: critic, message: 'What of it?', max_turns: 1}}]}}
- {{name: writer, system_message: You write., {MODEL}}}
- {{name: critic, system_message: You criticise., {MODEL}}}
team: {{initiator: editor, recipient: writer}}
task: Write a line.
"""
PROGRAM = {"You code.": ["def f(): ...", "def f(): return 1 TERMINATE"], "You review.": ["Return something."]}
TWO = "llm_config: {config_list: [{model: gpt-4o}, {model: gpt-4o-mini}]}"
SEVERAL = Reply(
    tool_calls=[
        ToolCall(name="add", arguments={"a": 1, "b": 2}),
        ToolCall(name="explode", arguments={"a": 1}),
        ToolCall(name="add", arguments={"a": 3, "b": 4}),
    ]
)
STOPS = "is_termination_msg: {contains: TERMINATE}"


def _echo(request: Request) -> str:
    return f"Answer to {request['messages'][-1]['content']}"


def _absent(pattern: str) -> Callable[[], str | None]:
    return lambda: ABSENT[pattern].where if ABSENT[pattern].holds() else None


def _streams() -> Script:
    known_encodings()
    return ["A long reply that takes more than one chunk. TERMINATE"]


def _program() -> Script:
    return rules({"role play": ["coder", "reviewer", "coder"], **PROGRAM})


def row(pattern: str, mode: str = NOTHING, error: str = NOTHING, **more: Any) -> Row:
    """Write a row of this family."""
    return Row(family="classic", pattern=pattern, mode=mode, error=error, **more)


ROWS = [
    row(
        "two agents",
        text=PAIR + "expect: {ending: termination_message, speakers: [user, helper, user, helper]}\n",
        script=lambda: ["Draft.", "Better. TERMINATE"],
    ),
    row(
        "two agents",
        error="a limit stops it",
        text=PAIR + "limits: {model_calls: 3}\nexpect: {ending: stopped}\n",
        script=lambda: lambda request: f"Still {len(request['messages'])}.",
    ),
    row(
        "two agents",
        error="nobody ends it",
        text=PAIR.replace("helper}", "helper, max_turns: 2}") + "expect: {ending: max_turns, findings: [T301]}\n",
        script=lambda: ["Hm.", "Hm?"],
    ),
    row(
        "two agents",
        error="bad request (400)",
        text=PAIR + "expect: {ending: error, speakers: [user], findings: [C503]}\n",
        script=lambda: [error(400, "maximum context length exceeded")],
    ),
    row(
        "two agents",
        error="server error (500), once",
        text=PAIR + "expect: {said: [Fine.]}\n",
        script=lambda: [error(500, "try later", retry_after_ms="1"), "Fine. TERMINATE"],
    ),
    row(
        "two agents",
        error="withheld by the provider's filter",
        text=PAIR + "expect: {ending: termination_message}\n",
        script=lambda: [Reply(text="I cannot", finish="content_filter"), "Better so. TERMINATE"],
    ),
    row(
        "two agents",
        mode="tools",
        text=TOOLED + "expect: {tools: [{name: add, arguments: {a: 1, b: 2}}], said: [It is 3.]}\n",
        script=lambda: [tool_call("add", a=1, b=2), "It is 3. TERMINATE"],
    ),
    row(
        "two agents",
        mode="tools",
        error="a tool that raises",
        text=TOOLED + "expect: {tools: [explode], said: [no 1, It failed.]}\n",
        script=lambda: [tool_call("explode", a=1), "It failed. TERMINATE"],
    ),
    row(
        "two agents",
        mode="tools",
        error="a tool that nobody knows",
        text=TOOLED + "expect: {said: [There is no such tool.], findings: [S602]}\n",
        script=lambda: [tool_call("vanish", a=1), "There is no such tool. TERMINATE"],
    ),
    row(
        "two agents",
        mode="several tools at once",
        error="one of them raises",
        text=TOOLED + "expect: {tools: {any_order: [add, explode, add]}}\n",
        script=lambda: [SEVERAL, "3, an error and 7. TERMINATE"],
    ),
    row(
        "two agents",
        mode="code",
        text=CODED + "expect: {ending: termination_message, said: ['42']}\n",
        script=lambda: ["```python\nprint(6 * 7)\n```", "Done. TERMINATE"],
    ),
    row(
        "two agents",
        mode="code",
        error="code that fails",
        text=CODED + "normalise: [temp-path]\nexpect: {said: [ZeroDivisionError, '42']}\n",
        script=lambda: ["```python\n1 / 0\n```", "```python\nprint(6 * 7)\n```", "Done. TERMINATE"],
    ),
    row(
        "two agents",
        mode="a human types",
        text=TYPED + "expect: {ending: human, said: [{text: Shorter., by: user}]}\n",
        script=lambda: ["First.", "Second."],
        typed=["Shorter.", "exit"],
    ),
    row(
        "two agents",
        mode="a stub in the human's place",
        text=TYPED + "replay: {human: {stub: Mine.}}\nlimits: {messages: 4}\nexpect: {ending: stopped}\n",
        script=lambda: ["First.", "Second.", "Third."],
    ),
    row(
        "two agents",
        mode="asynchronous",
        text="factory: cast_classic:later\nexpect: {tools: [double], said: [It is 8.]}\n",
        script=lambda: [tool_call("double", a=4), "It is 8. TERMINATE"],
    ),
    row(
        "two agents",
        mode="streamed",
        text="factory: cast_classic:streamed\nexpect: {ending: termination_message}\n",
        script=_streams,
        absent=_absent("streaming"),
    ),
    row(
        "two agents",
        mode="in the background",
        text="factory: cast_classic:background\nexpect: {ending: termination_message}\n",
        script=lambda: ["Yes. TERMINATE"],
        absent=_absent("background"),
    ),
    row(
        "two agents",
        mode="several models",
        error="too many requests (429) of the first",
        text=PAIR.replace(MODEL, TWO) + "expect: {said: [From the second.]}\n",
        script=lambda: [error(429, "slow down", x_should_retry="false"), "From the second. TERMINATE"],
    ),
    row(
        "two agents",
        error="bad request (400), caught by the program",
        text="factory: cast_classic:forgiving\nexpect: {said: [A short answer.], findings: [C503]}\n",
        script=lambda: [error(400, "maximum context length exceeded"), "A short answer. TERMINATE"],
    ),
    row(
        "group, a model picks",
        text=GROUP + f"team: {{{STOPS}}}\nexpect: {{speakers: [user, coder, reviewer, coder]}}\n",
        script=_program,
    ),
    row(
        "group, a model picks",
        error="it picks nobody, then somebody",
        text=GROUP + f"team: {{{STOPS}}}\nexpect: {{speakers: [user, coder]}}\n",
        script=lambda: rules({"role play": ["Whoever.", "coder"], "You code.": ["TERMINATE"]}),
    ),
    row(
        "group, in turn",
        error="nobody ends it",
        text=GROUP
        + "team: {speaker_selection: round_robin, max_round: 4}\nexpect: {ending: max_rounds, findings: [T301]}\n",
        script=lambda: rules(PROGRAM),
    ),
    row(
        "group, at random",
        mode="chance stands still",
        text=GROUP + "team: {speaker_selection: random, max_round: 5}\nfreeze: [random]\nexpect: {findings: [T301]}\n",
        script=lambda: lambda request: f"Number {len(request['messages'])}.",
    ),
    row(
        "group, a function picks",
        mode="tools",
        text="factory: cast_classic:chosen\nexpect: {tools: [compiled], speakers: [user, coder, runner, coder]}\n",
        script=lambda: [tool_call("compiled", text="f()"), "Compiled. TERMINATE"],
    ),
    row(
        "group, a graph says who may speak",
        text="factory: cast_classic:allowed\nexpect: {speakers: [user, coder, reviewer]}\n",
        script=lambda: rules({"You code.": ["Mine."], "You review.": ["Fine. TERMINATE"]}),
    ),
    row(
        "swarm",
        text=SWARM + "expect: {tools: [transfer_to_tech_1], said: [{text: Repaired., by: tech}]}\n",
        script=lambda: rules({"You greet.": [tool_call("transfer_to_tech_1")], "You repair.": ["Repaired."]}),
        absent=_absent("handoff"),
    ),
    row(
        "swarm",
        mode="tools",
        error="a tool that raises",
        text=SWARM.replace("You repair.,", 'You repair., tools: ["cast_classic:explode"],')
        + "expect: {tools: [transfer_to_tech_1, explode], said: [It failed for good.]}\n",
        script=lambda: rules(
            {
                "You greet.": [tool_call("transfer_to_tech_1")],
                "You repair.": [tool_call("explode", a=1), "It failed for good."],
            }
        ),
        absent=_absent("handoff"),
    ),
    row(
        "swarm",
        mode="a human types",
        text=SWARM.replace("team:", "- {name: user, human_input_mode: ALWAYS}\nteam:")
        + "expect: {speakers: {include: [front, tech, user]}, said: [{text: The red one., by: user}]}\n",
        script=lambda: rules(
            {"You greet.": [tool_call("transfer_to_tech_1")], "You repair.": ["Which one?", "Repaired."]}
        ),
        typed=["The red one.", "exit"],
        absent=_absent("handoff"),
    ),
    row(
        "a conversation inside a turn",
        text=NESTED + "expect: {said: [{text: Too short., by: critic}], ending: termination_message}\n",
        script=lambda: rules({"You write.": ["A line.", "A longer line. TERMINATE"], "You criticise.": ["Too short."]}),
    ),
    row(
        "two conversations inside a turn",
        text=NESTED.replace("max_turns: 1}]", "max_turns: 1}, {recipient: judge, max_turns: 1}]").replace(
            "team:", f"- {{name: judge, system_message: You judge., {MODEL}}}\nteam:"
        )
        + "expect: {speakers: [editor, writer, editor, critic, editor, judge, editor, writer],"
        " said: [{text: I agree on A line., by: judge}]}\n",
        script=lambda: rules(
            {
                "You write.": ["A line.", "A longer line. TERMINATE"],
                "You criticise.": ["Too short."],
                "You judge.": lambda request: f"I agree on {request['messages'][1]['content'].splitlines()[0]}",
            }
        ),
    ),
    row(
        "a conversation inside a turn",
        mode="tools",
        text=NESTED.replace("You criticise.,", 'You criticise., tools: ["cast_classic:add"],').replace(
            "turns: 1", "turns: 2"
        )
        + "expect: {tools: [add], said: [{text: Three words., by: critic}], findings: [T301]}\n",
        script=lambda: rules(
            {
                "You write.": ["A line.", "A longer line. TERMINATE"],
                "You criticise.": [tool_call("add", a=1, b=2), "Three words."],
            }
        ),
    ),
    row(
        "one after another",
        text=f"""\
{HEAD}agents:
- {{name: user, max_consecutive_auto_reply: 0}}
- {{name: planner, system_message: You plan., {MODEL}}}
- {{name: writer, system_message: You write., {MODEL}}}
workflow:
- {{name: plan, agents: [user, planner], team: {{initiator: user}}, task: Plan a poem.}}
- {{name: write, agents: [user, writer], team: {{initiator: user}}, task: Write it.}}
expect: {{said: [Roses.], speakers: [user, planner, user, writer]}}
""",
        script=lambda: rules({"You plan.": ["Three lines."], "You write.": ["Roses."]}),
    ),
    row(
        "one after another",
        mode="asynchronous",
        text="factory: cast_classic:afterwards\nexpect: {said: [Three lines., Roses.]}\n",
        script=lambda: rules({"You plan.": ["Three lines."], "You write.": ["Roses."]}),
    ),
    row(
        "four conversations at once",
        mode="asynchronous",
        text="factory: cast_classic:together\nexpect: {messages: 8}\n",
        script=lambda: _echo,
        at_once=True,
    ),
    row(
        "four conversations at once",
        mode="threads",
        text="factory: cast_classic:threads\nexpect: {messages: 8}\n",
        script=lambda: _echo,
        at_once=True,
    ),
]
