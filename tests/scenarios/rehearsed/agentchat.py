"""The rows of Microsoft AgentChat."""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios.rehearsed.row import MODEL, NOTHING, Row
from tests.server import Reply, Request, ToolCall, error, rules, tool_call

HEAD = "framework: agentchat\n"
ONE = f"""\
{HEAD}agents:
- {{name: helper, system_message: You help., {MODEL}}}
task: Go.
"""
TOOLED = ONE.replace(
    "You help.,", 'You help., tools: ["cast_agentchat:add", "cast_agentchat:explode"], reflect_on_tool_use: true,'
)
PAIR = f"""\
{HEAD}agents:
- {{name: writer, system_message: You write., {MODEL}}}
- {{name: critic, system_message: You criticise., {MODEL}}}
task: Write a line.
"""
TYPED = f"""\
{HEAD}agents:
- {{name: helper, system_message: You help., {MODEL}}}
- {{name: person, description: Asks.}}
task: Go.
"""
SWARM = f"""\
{HEAD}agents:
- {{name: front, system_message: You greet., {MODEL}, handoffs: [tech]}}
- {{name: tech, system_message: You repair., {MODEL}, handoffs: [front]}}
task: It is broken.
"""
FLOW = f"""\
{HEAD}agents:
- {{name: planner, system_message: You plan., {MODEL}}}
- {{name: writer, system_message: You write., {MODEL}}}
workflow:
- {{name: plan, agents: [planner], task: Plan a poem.}}
- {{name: write, agents: [writer], task: Write it.}}
"""
FORM = "{type: json_schema, json_schema: {name: answer, schema: {type: object, required: [answer]}}}"
LINES = {"You write.": ["A line.", "A better line."], "You criticise.": ["Longer.", "Fine. DONE"]}
ENDS = "is_termination_msg: {contains: DONE}"
SEVERAL = Reply(
    tool_calls=[
        ToolCall(name="add", arguments={"a": 1, "b": 2}),
        ToolCall(name="explode", arguments={"a": 1}),
        ToolCall(name="add", arguments={"a": 3, "b": 4}),
    ]
)
BOTH = Reply(
    tool_calls=[ToolCall(name="judge", arguments={"task": "J."}), ToolCall(name="editors", arguments={"task": "E."})]
)
ROUND = {"You write.": ["Draft.", "Better. TERMINATE"], "You criticise.": ["Too short."]}


def _echo(request: Request) -> str:
    return f"Answer to {request['messages'][-1]['content']}"


def _named(request: Request) -> str:
    return f"By {request['messages'][0]['content']}"


def _orchestra(request: Request) -> str:
    """Answer a team that is conducted: who writes is next until it has written."""
    last, first = (str(request["messages"][at]["content"]) for at in (-1, 0))
    if "You write." in first:
        return "A line."
    if "is_request_satisfied" not in last:
        return "The answer." if "final" in last.lower() else "A plan."
    answers = {
        "is_request_satisfied": "A line." in str(request["messages"]),
        "is_in_loop": False,
        "is_progress_being_made": True,
        "next_speaker": "writer",
        "instruction_or_question": "Do it.",
    }
    return json.dumps({name: {"reason": "because", "answer": answer} for name, answer in answers.items()})


def row(pattern: str, mode: str = NOTHING, error: str = NOTHING, **more: Any) -> Row:
    """Write a row of this family."""
    return Row(family="agentchat", pattern=pattern, mode=mode, error=error, **more)


ROWS = [
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
        text="factory: cast_agentchat:later\nexpect: {tools: [double], said: [It is 8.]}\n",
        script=lambda: [tool_call("double", a=4), "It is 8."],
    ),
    row(
        "one agent",
        mode="streamed",
        text="factory: cast_agentchat:read\nexpect: {ending: answered}\n",
        script=lambda: ["A long reply that takes more than one chunk."],
    ),
    row(
        "one agent",
        mode="answers are of a form (JSON)",
        text=ONE.replace("temperature: 0", f"temperature: 0, response_format: {FORM}")
        + "expect: {said: [{json_schema: {type: object, required: [answer]}}]}\n",
        script=lambda: [json.dumps({"answer": 42})],
    ),
    row(
        "one agent",
        error="bad request (400)",
        text=ONE + "expect: {ending: error, speakers: [user], findings: [C503]}\n",
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
        text="factory: cast_agentchat:forgiving\nexpect: {said: [From the second.]}\n",
        script=lambda: [error(429, "slow down", x_should_retry="false"), "From the second."],
    ),
    row(
        "in turn",
        text=PAIR + f"team: {{{ENDS}}}\nexpect: {{ending: termination_message, said: [Fine. DONE]}}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "in turn",
        mode="streamed",
        text=PAIR.replace("name: writer,", "name: writer, stream: true,")
        + f"team: {{{ENDS}}}\nexpect: {{ending: termination_message}}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "in turn",
        error="nobody ends it",
        text=PAIR + "team: {max_messages: 4}\nexpect: {ending: max_rounds, findings: [T301]}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "in turn",
        error="a limit stops it",
        text=PAIR + "limits: {model_calls: 3}\nexpect: {ending: stopped}\n",
        script=lambda: lambda request: f"Still {len(request['messages'])}.",
    ),
    row(
        "in turn",
        mode="several models",
        text=PAIR.replace(f"You criticise., {MODEL}", "You criticise., llm_config: {model: gpt-4o}")
        + f"team: {{{ENDS}}}\nexpect: {{said: [Longer.]}}\n",
        script=lambda: rules(LINES),
    ),
    row(
        "in turn",
        mode="code",
        text="factory: cast_agentchat:coding\nexpect: {said: ['42']}\n",
        script=lambda: ["```python\nprint(6 * 7)\n```", "DONE"],
    ),
    row(
        "in turn",
        mode="code",
        error="code that fails",
        text="factory: cast_agentchat:coding\nexpect: {said: [ZeroDivisionError, '42']}\n",
        script=lambda: ["```python\n1 / 0\n```", "```python\nprint(6 * 7)\n```", "DONE"],
    ),
    row(
        "in turn",
        mode="a human types",
        text=TYPED + f"team: {{{ENDS}}}\nexpect: {{said: [{{text: Shorter., by: person}}]}}\n",
        script=lambda: ["First.", "Second."],
        typed=["Shorter.", "DONE"],
    ),
    row(
        "in turn",
        mode="a stub in the human's place",
        text=TYPED
        + "team: {max_turns: 4}\nreplay: {human: {stub: Mine.}}\nexpect: {ending: max_turns, findings: [T301]}\n",
        script=lambda: ["First.", "Second."],
    ),
    row(
        "a model picks",
        text=PAIR + f"team: {{pattern: selector, allow_repeated_speaker: true, {ENDS}}}\n"
        "expect: {speakers: [user, writer, critic, critic]}\n",
        script=lambda: rules({"role play": ["writer", "critic", "critic"], **LINES}),
    ),
    row(
        "a model picks",
        error="it picks nobody, then somebody",
        text=PAIR + f"team: {{pattern: selector, {ENDS}, max_turns: 1}}\nexpect: {{speakers: [user, writer]}}\n",
        script=lambda: rules({"role play": ["Whoever.", "writer"], **LINES}),
    ),
    row(
        "swarm",
        text=SWARM + "team: {pattern: swarm, is_termination_msg: {contains: REPAIRED}}\n"
        "expect: {ending: termination_message, said: [{text: REPAIRED, by: tech}]}\n",
        script=lambda: rules({"You greet.": [tool_call("transfer_to_tech")], "You repair.": ["It is REPAIRED."]}),
    ),
    row(
        "orchestra (Magentic-One)",
        text=PAIR.replace("task: Write a line.", "team: {pattern: magentic_one, max_stalls: 1}\ntask: Write a line.")
        + "expect: {ending: termination_message, said: [A line., {text: The answer., by: MagenticOneOrchestrator}]}\n",
        script=lambda: _orchestra,
    ),
    row(
        "graph",
        mode="a loop until it is good",
        text=PAIR.replace("task:", f"- {{name: printer, system_message: You print., {MODEL}}}\ntask:")
        + "team: {pattern: graph, edges: [{from: writer, to: critic}, "
        "{from: critic, to: writer, when: {contains: Longer}}, {from: critic, to: printer, when: {contains: DONE}}]}\n"
        "expect: {speakers: [user, writer, critic, writer, critic, printer]}\n",
        script=lambda: rules({**LINES, "You print.": ["Printed."]}),
    ),
    row(
        "graph, branches side by side",
        text="factory: cast_agentchat:branching\nexpect: {speakers: {any_order: [user, one, two, three, four]}}\n",
        script=lambda: _named,
        at_once=True,
    ),
    row(
        "a team inside an agent",
        text="factory: cast_agentchat:society\nexpect: {said: [Together.]}\n",
        script=lambda: rules({**ROUND, "Earlier you were asked": ["Together. DONE"]}),
    ),
    row(
        "an agent and a team as tools",
        text="factory: cast_agentchat:tooled\nexpect: {tools: {any_order: [judge, editors]}, said: [Noted.]}\n",
        script=lambda: rules({**ROUND, "You judge.": ["Fair."], "You ask.": [BOTH, "Noted."]}),
        at_once=True,
    ),
    row(
        "one after another",
        text=FLOW + "expect: {said: [Roses.]}\n",
        script=lambda: rules({"You plan.": ["Three lines."], "You write.": ["Roses."]}),
    ),
    row(
        "four conversations at once",
        text="factory: cast_agentchat:together\nexpect: {messages: 8}\n",
        script=lambda: _echo,
        at_once=True,
    ),
]
