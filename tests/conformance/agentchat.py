"""The patterns on Microsoft AgentChat."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import inspect
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.conformance.patterns import CODER, CRITIC, FRONT, REVIEWER, TECH, WRITER, Otherwise, Stage
from tests.conformance.picture import MODEL, Observed, Spoken
from tests.conformance.table import Absent
from tests.server import rules

Playing = Callable[[Stage], Awaitable[Observed]]
TASK = "Go."
PATIENCE_S = 30
INFO = {
    "vision": False, "function_calling": True, "json_output": True, "structured_output": True, "family": "gpt-4o",
}  # fmt: skip


def name() -> str | None:
    """Name the version that is installed, as its column of the table is called."""
    try:
        return f"autogen-agentchat {importlib.metadata.version('autogen-agentchat')}"
    except importlib.metadata.PackageNotFoundError:
        return None


# What a team needs ---------------------------------------------------------------------------------------------------

_open: list[Any] = []


def client(stage: Stage, **more: Any) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    given = {"model": MODEL, "base_url": stage.server.base_url, "api_key": stage.server.api_key, "model_info": INFO}
    made = OpenAIChatCompletionClient(**given, **more)
    _open.append(made)
    return made


def assistant(stage: Stage, name: str = "helper", prompt: str = "You help.", **more: Any) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, **{"model_client": client(stage), "system_message": prompt, **more})


def ends(word: str = "TERMINATE") -> Any:
    from autogen_agentchat.conditions import TextMentionTermination

    return TextMentionTermination(word)


def in_turns(*members: Any, **more: Any) -> Any:
    from autogen_agentchat.teams import RoundRobinGroupChat

    return RoundRobinGroupChat(list(members), **{"termination_condition": ends(), **more})


def told(result: Any) -> list[Spoken]:
    """Read a task's result: what was said, and the calls and results of tools."""
    return [(each.source, None, _text(each)) for each in result.messages if hasattr(each, "content")]


def _text(message: Any) -> str:
    if isinstance(message.content, list):
        return "\n".join(getattr(item, "content", "") for item in message.content)
    return str(message.to_text())


async def observed(team: Any, **more: Any) -> Observed:
    return Observed(messages=[told(await team.run(task=TASK))], **more)


# Teams ---------------------------------------------------------------------------------------------------------------


async def two_agents(stage: Stage) -> Observed:
    return await observed(in_turns(assistant(stage, "writer", WRITER), assistant(stage, "critic", CRITIC)))


async def tools(stage: Stage) -> Observed:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    def explode(a: int) -> str:
        """Fail."""
        raise LookupError(f"no {a}")

    return await observed(in_turns(assistant(stage, tools=[add, explode])))


async def registration(stage: Stage) -> Observed:
    from autogen_core.tools import FunctionTool, StaticWorkbench

    def one() -> str:
        """Give 1."""
        return "1"

    async def two() -> str:
        """Give 2."""
        return "2"

    def three() -> str:
        """Give 3."""
        return "3"

    bench = StaticWorkbench([FunctionTool(two, "Two.")])
    members = (
        assistant(stage, tools=[one]),
        assistant(stage, "second", workbench=bench),
        assistant(stage, "third", tools=[FunctionTool(three, "Three.")]),
    )
    return await observed(in_turns(*members))


async def group(stage: Stage) -> Observed:
    from autogen_agentchat.teams import SelectorGroupChat

    members = [assistant(stage, "coder", CODER), assistant(stage, "reviewer", REVIEWER)]
    team = SelectorGroupChat(members, client(stage), termination_condition=ends(), allow_repeated_speaker=True)
    return await observed(team, candidates=[["coder", "reviewer"]] * 3)


async def round_robin(stage: Stage) -> Observed:
    team = in_turns(assistant(stage, "coder", CODER), assistant(stage, "reviewer", REVIEWER))
    return await observed(team, candidates=[["coder", "reviewer"]] * 2)


async def handoff(stage: Stage) -> Observed:
    from autogen_agentchat.base import Handoff
    from autogen_agentchat.teams import Swarm

    to_tech = Handoff(target="tech", name="pass_on", message="passed on")
    members = [assistant(stage, "front", FRONT, handoffs=[to_tech]), assistant(stage, "tech", TECH)]
    return await observed(Swarm(members, termination_condition=ends()))


async def nested(stage: Stage) -> Observed:
    from autogen_agentchat.agents import SocietyOfMindAgent

    inner = in_turns(assistant(stage, "critic", CRITIC), max_turns=1)
    return await observed(in_turns(SocietyOfMindAgent("writer", team=inner, model_client=client(stage))))


async def asynchronous(stage: Stage) -> Observed:
    async def later(a: int) -> int:
        """Double, later."""
        await asyncio.sleep(0)
        return 2 * a

    return await observed(in_turns(assistant(stage, tools=[later])))


async def streaming(stage: Stage) -> Observed:
    asking = client(stage, stream_options={"include_usage": True})
    return await observed(in_turns(assistant(stage, model_client=asking, model_client_stream=True)))


async def human(stage: Stage) -> Observed:
    from autogen_agentchat.agents import UserProxyAgent

    typed = iter(["more", "exit"])
    person = UserProxyAgent("person", input_func=lambda _prompt: next(typed))
    result = await in_turns(assistant(stage), person, termination_condition=ends("exit")).run(task=TASK)
    said = [each for each in result.messages if type(each).__name__ != "UserInputRequestedEvent"]
    return Observed(messages=[[(each.source, None, each.to_text()) for each in said]])


async def code(stage: Stage) -> Observed:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_core.code_executor import CodeExecutor, CodeResult

    class Here(CodeExecutor):  # the framework's own is in an extra that needs Docker's client
        async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> CodeResult:
            text = "\n".join(block.code for block in code_blocks)
            done = await asyncio.create_subprocess_exec(sys.executable, "-c", text, stdout=PIPE, stderr=STDOUT)
            output, _ = await done.communicate()
            return CodeResult(exit_code=done.returncode or 0, output=output.decode())

        async def start(self) -> None: ...

        async def stop(self) -> None: ...

        async def restart(self) -> None: ...

    return await observed(in_turns(assistant(stage, "coder", CODER), CodeExecutorAgent("runner", Here())))


async def model_error(stage: Stage) -> Observed:
    try:
        await in_turns(assistant(stage)).run(task=TASK)
    except RuntimeError as error:
        return Observed(messages=[[("user", None, TASK)]], raised=str(error))
    return Observed()


async def retry(stage: Stage) -> Observed:
    return await observed(in_turns(assistant(stage)))


async def cancelled(stage: Stage) -> Observed:
    from autogen_core import CancellationToken

    token = CancellationToken()  # a team that is cancelled as a task waits for its model first
    task = asyncio.ensure_future(in_turns(assistant(stage)).run(task=TASK, cancellation_token=token))
    await asyncio.to_thread(stage.server.wait_for, 1)
    token.cancel()
    try:
        await asyncio.wait_for(task, PATIENCE_S)
    except asyncio.CancelledError as error:
        return Observed(messages=[[("user", None, TASK)]], raised=type(error).__name__, tokens=(0, 0))
    finally:
        stage.hold.set()
    return Observed()


async def background(stage: Stage) -> Observed:
    from autogen_core import SingleThreadedAgentRuntime

    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    task = asyncio.create_task(in_turns(assistant(stage), runtime=runtime).run(task=TASK))
    try:
        return Observed(messages=[told(await task)])
    finally:
        await runtime.stop_when_idle()


async def parallel(stage: Stage) -> Observed:
    teams = [in_turns(assistant(stage)) for _ in range(4)]
    results = await asyncio.gather(*(team.run(task=f"n{number}") for number, team in enumerate(teams)))
    return Observed(messages=[told(result) for result in results])


async def cache(stage: Stage) -> Observed:
    from autogen_ext.models.cache import ChatCompletionCache

    kept = ChatCompletionCache(client(stage))
    results = [await in_turns(assistant(stage, model_client=kept)).run(task=TASK) for _ in range(2)]
    return Observed(messages=[told(result) for result in results])


# What there is not, and what is otherwise ----------------------------------------------------------------------------


def _no_introductions() -> bool:
    from autogen_agentchat import teams

    settings = {key for each in teams.__all__ for key in inspect.signature(getattr(teams, each)).parameters}
    return not any("introduc" in key for key in settings)


def _no_sequences() -> bool:
    import autogen_agentchat
    from autogen_agentchat import agents, teams

    exported = {*dir(autogen_agentchat), *agents.__all__, *teams.__all__}
    return not any("sequen" in each.lower() or "initiate" in each.lower() for each in exported)


ABSENT = {
    "introductions": Absent(where="no team in `autogen_agentchat/teams/` has such a setting", holds=_no_introductions),
    "sequential": Absent(
        where="nothing in `autogen_agentchat/teams/` or `agents/` holds conversations one after another",
        holds=_no_sequences,
    ),
}

OTHERWISE = {
    "nested": Otherwise(
        why="a society of mind asks a model of its own, without a system prompt, to sum up what was said inside",
        script=lambda _: rules({CRITIC: lambda _: "Too short.", "": lambda _: "Draft. TERMINATE"}),
    ),
    "code": Otherwise(
        why="the executor is the program's own, and nobody knows where it runs", expected={"sandboxed": None}
    ),
    "human": Otherwise(
        why="a word ends a team, whoever says it",
        expected={"ending": "termination_message"},
    ),
}


def _run(play: Playing) -> Callable[[Stage], Observed]:
    async def closing(stage: Stage) -> Observed:
        try:
            return await play(stage)
        finally:
            while _open:
                with contextlib.suppress(RuntimeError):
                    await _open.pop().close()

    return lambda stage: asyncio.run(closing(stage))


PLAYS: Mapping[str, Callable[[Stage], Observed]] = {
    play.__name__: _run(play)
    for play in (
        two_agents, tools, registration, group, round_robin, handoff, nested, asynchronous, streaming, human, code,
        model_error, retry, cancelled, background, parallel, cache,
    )
}  # fmt: skip
