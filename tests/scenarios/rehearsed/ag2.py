"""The rows of AG2 1.x."""

from __future__ import annotations

from typing import Any

from tests.scenarios.rehearsed.row import MODEL, NOTHING, Row
from tests.server import Reply, Request, ToolCall, error, rules, tool_call

HEAD = "framework: ag2\n"
ONE = f"""\
{HEAD}agents:
- {{name: helper, system_message: You help., {MODEL}}}
task: Go.
"""
TOOLED = ONE.replace("You help.,", 'You help., tools: ["cast_ag2:add", "cast_ag2:explode", "cast_ag2:double"],')
PAIR = f"""\
{HEAD}agents:
- {{name: writer, system_message: You write., {MODEL}}}
- {{name: critic, description: Criticises., system_message: You criticise., {MODEL}}}
task: Write a line.
"""
FLOW = f"""\
{HEAD}agents:
- {{name: planner, system_message: You plan., {MODEL}}}
- {{name: writer, system_message: You write., {MODEL}}}
workflow:
- {{name: plan, agents: [planner], task: Plan a poem.}}
- {{name: write, agents: [writer], task: Write it.}}
"""
DESK = f"""\
{HEAD}agents:
- {{name: visitor}}
- {{name: front, system_message: You greet., {MODEL}, handoffs: [tech, sales]}}
- {{name: tech, system_message: You repair., {MODEL}, tools: ["cast_ag2:add"]}}
- {{name: sales, system_message: You sell., {MODEL}}}
team: {{pattern: graph, edges: [{{from: visitor, to: front}}, {{from: tech, tool: add}}]}}
task: It is broken.
"""
LINES = {"You write.": ["A line.", "A better line."], "You criticise.": ["Longer.", "Fine."]}
SEVERAL = Reply(
    tool_calls=[
        ToolCall(name="add", arguments={"a": 1, "b": 2}),
        ToolCall(name="explode", arguments={"a": 1}),
        ToolCall(name="add", arguments={"a": 3, "b": 4}),
    ]
)


def _echo(request: Request) -> str:
    return f"Answer to {request['messages'][-1]['content']}"


def row(pattern: str, mode: str = NOTHING, error: str = NOTHING, **more: Any) -> Row:
    """Write a row of this family."""
    return Row(family="ag2", pattern=pattern, mode=mode, error=error, **more)


ROWS = [
    row(
        "one agent",
        text="factory: cast_ag2:again\nexpect: {said: [Yes., Still yes.]}\n",
        script=lambda: ["Yes.", "Still yes."],
    ),
    row(
        "one agent",
        mode="tools",
        text=TOOLED + "expect: {tools: [add], said: [It is 3.], ending: answered}\n",
        script=lambda: [tool_call("add", a=1, b=2), "It is 3."],
    ),
    row(
        "one agent",
        mode="tools",
        error="a tool that raises",
        text=TOOLED + "expect: {tools: [explode], said: [no 1, It failed.]}\n",
        script=lambda: [tool_call("explode", a=1), "It failed."],
    ),
    row(
        "one agent",
        mode="tools",
        error="a tool that nobody knows",
        text=TOOLED + "expect: {said: [There is no such tool.], findings: [S602]}\n",
        script=lambda: [tool_call("vanish", a=1), "There is no such tool."],
    ),
    row(
        "one agent",
        mode="several tools at once",
        error="one of them raises",
        text=TOOLED + "expect: {tools: {any_order: [add, explode, add]}}\n",
        script=lambda: [SEVERAL, "3, an error and 7."],
    ),
    row(
        "one agent",
        mode="an asynchronous tool",
        text=TOOLED + "expect: {tools: [double], said: [It is 8.]}\n",
        script=lambda: [tool_call("double", a=4), "It is 8."],
    ),
    row(
        "one agent",
        mode="streamed",
        text="factory: cast_ag2:streamed\nexpect: {ending: answered}\n",
        script=lambda: ["A long reply that takes more than one chunk."],
    ),
    row(
        "one agent",
        mode="code",
        text="factory: cast_ag2:coding\nexpect: {tools: [run_code], said: ['42']}\n",
        script=lambda: [tool_call("run_code", code="print(6 * 7)", language="python"), "Done."],
    ),
    row(
        "one agent",
        mode="code",
        error="code that fails",
        text="factory: cast_ag2:coding\nnormalise: [temp-path]\nexpect: {said: [ZeroDivisionError, '42']}\n",
        script=lambda: [
            tool_call("run_code", code="1 / 0", language="python"),
            tool_call("run_code", code="print(6 * 7)", language="python"),
            "Done.",
        ],
    ),
    row(
        "one agent",
        mode="a human types",
        text="factory: cast_ag2:human\nexpect: {tools: [wonder, wonder], said: [Shorter.]}\n",
        script=lambda: [tool_call("wonder"), tool_call("wonder"), "Enough."],
        typed=["Shorter.", "Enough."],
    ),
    row(
        "one agent",
        error="bad request (400)",
        text=ONE + "expect: {ending: error, findings: [C503]}\n",
        script=lambda: [error(400, "maximum context length exceeded")],
    ),
    row(
        "one agent",
        error="server error (500), once",
        text=ONE + "expect: {said: [Fine.]}\n",
        script=lambda: [error(500, "try later", retry_after_ms="1"), "Fine."],
    ),
    row(
        "one agent",
        error="withheld by the provider's filter",
        text=ONE + "expect: {said: [I cannot]}\n",
        script=lambda: [Reply(text="I cannot", finish="content_filter")],
    ),
    row(
        "one agent",
        mode="several models",
        error="too many requests (429) of the first",
        text="factory: cast_ag2:forgiving\nexpect: {said: [From the second.]}\n",
        script=lambda: [error(429, "slow down", x_should_retry="false"), "From the second."],
    ),
    row(
        "one agent asks another as a tool",
        text=PAIR.replace("You write.,", "You write., asks: [critic],")
        + "expect: {ending: answered, tools: [task_critic], said: [Draft.]}\n",
        script=lambda: rules(
            {"You write.": [tool_call("task_critic", objective="What of it?"), "Draft."], "You criticise.": ["Hm."]}
        ),
    ),
    row(
        "one agent divides its work",
        text="factory: cast_ag2:dividing\nexpect: {said: [Done.]}\n",
        script=lambda: rules(
            {
                "You lead.": [tool_call("run_subtasks", tasks=["A", "B"], parallel=False), "Done."],
                "You work.": lambda request: f"Did {request['messages'][-1]['content']}.",
            }
        ),
    ),
    row(
        "consulting on a hub",
        text=PAIR + "team: {pattern: consulting}\nexpect: {ending: answered, speakers: [writer, critic]}\n",
        script=lambda: rules({"You criticise.": ["Longer."]}),
    ),
    row(
        "in turn on a hub",
        error="nobody ends it",
        text=PAIR + "team: {pattern: round_robin, max_turns: 4}\nexpect: {ending: max_turns, findings: [T301]}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "in turn on a hub",
        error="a limit stops it",
        text=PAIR + "team: {pattern: round_robin}\nlimits: {model_calls: 3}\nexpect: {ending: stopped}\n",
        script=lambda: lambda request: f"Still {len(request['messages'])}.",
    ),
    row(
        "in turn on a hub",
        mode="several models",
        text=PAIR.replace(f"You criticise., {MODEL}", "You criticise., llm_config: {model: gpt-4o}")
        + "team: {pattern: round_robin, max_turns: 3}\nexpect: {ending: max_turns, findings: [T301]}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "discussion on a hub",
        error="who opened it stops it",
        text="factory: cast_ag2:discussing\nexpect: {ending: stopped, said: [Mine., Fine.]}\n",
        script=lambda: rules({"You code.": ["Mine."], "You review.": ["Fine."]}),
    ),
    row(
        "graph on a hub",
        text=PAIR + "team: {pattern: graph, edges: [{from: writer, to: critic}]}\n"
        "expect: {ending: termination_message, speakers: [writer, critic]}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "graph on a hub",
        mode="handed over to whom a model picks",
        text=DESK + "expect: {ending: termination_message, tools: [transfer_to_tech, add], said: [Repaired.]}\n",
        script=lambda: rules(
            {
                "You greet.": [tool_call("transfer_to_tech", reason="It is broken."), "Passing."],
                "You repair.": [tool_call("add", a=1, b=2), "Repaired."],
            }
        ),
    ),
    row(
        "workflow on a hub",
        mode="handed over and finished by tools",
        text="factory: cast_ag2:handing_over\nexpect: {ending: termination_message, tools: [pass_on, close]}\n",
        script=lambda: rules(
            {"You greet.": [tool_call("pass_on"), "Passing."], "You repair.": [tool_call("close"), "Repaired."]}
        ),
    ),
    row(
        "one after another",
        text=FLOW + "expect: {said: [Roses.]}\n",
        script=lambda: rules({"You plan.": ["Three lines."], "You write.": ["Roses."]}),
    ),
    row(
        "four conversations at once",
        text="factory: cast_ag2:together\nexpect: {messages: 8}\n",
        script=lambda: _echo,
        at_once=True,
    ),
]
