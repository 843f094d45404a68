"""What a scenario's file cannot say of AgentChat: programs as people write them, found beside the scenario."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from typing import Any

from autogen_agentchat import agents, conditions, teams
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_ext.models.openai import OpenAIChatCompletionClient


def client(model: str = "gpt-4o-mini") -> Any:
    """A client of OpenAI's, as the environment says."""
    return OpenAIChatCompletionClient(model=model, temperature=0)


def assistant(name: str, prompt: str, **more: Any) -> Any:
    """An assistant that is told *prompt*."""
    return agents.AssistantAgent(name, **{"model_client": client(), "system_message": prompt, **more})


def says(word: str = "TERMINATE") -> Any:
    """The condition that somebody says *word*."""
    return conditions.TextMentionTermination(word)


def pair(**more: Any) -> Any:
    """A writer and a critic who take turns until somebody says TERMINATE."""
    members = [assistant("writer", "You write."), assistant("critic", "You criticise.")]
    return teams.RoundRobinGroupChat(members, **{"termination_condition": says(), **more})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def explode(a: int) -> str:
    """Fail."""
    raise LookupError(f"no {a}")


def later() -> Any:
    """One agent with a tool that is a coroutine."""

    async def double(a: int) -> int:
        """Double, later."""
        await asyncio.sleep(0)
        return 2 * a

    return assistant("helper", "You help.", tools=[double], reflect_on_tool_use=True), "Double 4."


def branching() -> Any:
    """A graph in which two work on what one gave them, and a fourth hears both."""
    one, two, three, four = (assistant(name, f"You are {name}.") for name in ("one", "two", "three", "four"))
    plan = teams.DiGraphBuilder().add_node(one).add_node(two).add_node(three).add_node(four)
    plan.add_edge(one, two).add_edge(one, three).add_edge(two, four).add_edge(three, four)
    return teams.GraphFlow(plan.get_participants(), plan.build()), "Go."


def society() -> Any:
    """A team inside of an agent inside of a team."""
    mind = agents.SocietyOfMindAgent("mind", team=pair(), model_client=client())
    return teams.RoundRobinGroupChat([mind], termination_condition=says("DONE")), "Go."


def tooled() -> Any:
    """An agent whose tools are an agent and a team."""
    tools = [
        AgentTool(assistant("judge", "You judge.")),
        TeamTool(pair(), name="editors", description="Edit.", return_value_as_last_message=True),
    ]
    return assistant("asker", "You ask.", tools=tools, reflect_on_tool_use=True), "Go."


class Here(CodeExecutor):
    """Runs Python on this machine; the framework's own is in an extra that needs Docker's client."""

    async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> CodeResult:
        """Run the blocks as one program."""
        code = "\n".join(block.code for block in code_blocks)
        done = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, stderr=STDOUT)
        output, _ = await done.communicate()
        return CodeResult(exit_code=done.returncode or 0, output=output.decode())

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def restart(self) -> None:
        """Nothing to restart."""


def coding() -> Any:
    """Somebody who writes programs, and somebody who runs them."""
    members = [assistant("coder", "You code."), agents.CodeExecutorAgent("runner", Here())]
    return teams.RoundRobinGroupChat(members, termination_condition=says("DONE")), "Go."


async def together() -> Any:
    """Four teams at once, whose agents are called the same."""
    members = [teams.RoundRobinGroupChat([assistant("helper", "You help.")], max_turns=1) for _ in range(4)]
    await asyncio.gather(*(team.run(task=f"Question {number}") for number, team in enumerate(members)))


async def read() -> Any:
    """A stream that the program reads."""
    async for _ in assistant("helper", "You help.", model_client_stream=True).run_stream(task="Tell me."):
        pass


async def forgiving() -> Any:
    """Catch what the provider says, and ask another model."""
    try:
        await assistant("helper", "You help.", model_client=client("gpt-4o")).run(task="Go.")
    except Exception:  # noqa: BLE001 - whatever the provider says
        await assistant("helper", "You help.").run(task="Go.")
