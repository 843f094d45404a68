"""The patterns on classic AutoGen: pyautogen 0.2 to 0.9, and autogen 0.14."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.conformance.patterns import CODER, CRITIC, FRONT, REVIEWER, TECH, WRITER, Otherwise, Stage
from tests.conformance.picture import MODEL, Observed, Spoken
from tests.conformance.table import Absent

Play = Callable[[Stage], Observed]
TASK = "Go."


def name() -> str | None:
    """Name the classic AutoGen that is installed, as its column of the table is called."""
    for distribution in ("pyautogen", "autogen"):
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        return f"{distribution} {version}"
    return None


# What an agent needs -------------------------------------------------------------------------------------------------


def config(stage: Stage, **more: Any) -> dict[str, Any]:
    entry = {"model": MODEL, "api_key": stage.server.api_key, "base_url": stage.server.base_url, **more}
    return {"config_list": [entry], "cache_seed": None}


def says_terminate(message: Mapping[str, Any]) -> bool:
    return "TERMINATE" in str(message.get("content") or "")


def assistant(stage: Stage, name: str = "helper", prompt: str = "You help.", **more: Any) -> Any:
    import autogen

    return autogen.AssistantAgent(
        name, system_message=prompt, **{"llm_config": config(stage), "is_termination_msg": says_terminate, **more}
    )


def user(**more: Any) -> Any:
    import autogen

    settings = {"human_input_mode": "NEVER", "code_execution_config": False, "is_termination_msg": says_terminate}
    return autogen.UserProxyAgent("user", **{**settings, **more})


def told(history: Iterable[Mapping[str, Any]], *pair: str) -> list[Spoken]:
    """Read a chat result's history, in which the two of *pair* take turns; the one who began is named first."""
    found: list[Spoken] = []
    for index, message in enumerate(history):
        sender, recipient = pair if index % 2 == 0 else pair[::-1]
        assert message.get("name", sender) == sender
        found.append((sender, (recipient,), message.get("content") or ""))
    return found


def cost(result: Any) -> float:
    spent: float = result.cost["usage_including_cached_inference"].get("total_cost", 0)
    return spent


# Two agents ----------------------------------------------------------------------------------------------------------


def two_agents(stage: Stage) -> Observed:
    critic, writer = assistant(stage, "critic", CRITIC), assistant(stage, "writer", WRITER)
    result = critic.initiate_chat(writer, message=TASK)
    return Observed(messages=[told(result.chat_history, "critic", "writer")], cost_usd=cost(result))


def tools(stage: Stage) -> Observed:
    helper, person = assistant(stage), user()

    @person.register_for_execution()
    @helper.register_for_llm(description="Add.")
    def add(a: int, b: int) -> int:
        return a + b

    @person.register_for_execution()
    @helper.register_for_llm(description="Fail.")
    def explode(a: int) -> str:
        raise LookupError(f"no {a}")

    return chat(person, helper)


def registration(stage: Stage) -> Observed:
    import autogen

    described = [
        {"type": "function", "function": {"name": "three", "description": "3.", "parameters": {"type": "object"}}}
    ]
    helper = assistant(stage, llm_config={**config(stage), "tools": described})
    person = user(function_map={"three": lambda: "3"})

    @person.register_for_execution()
    @helper.register_for_llm(description="1.")
    def one() -> str:
        return "1"

    def two() -> str:
        return "2"

    autogen.register_function(two, caller=helper, executor=person, name="two", description="2.")
    return chat(person, helper)


def chat(person: Any, helper: Any, **more: Any) -> Observed:
    result = person.initiate_chat(helper, message=TASK, **more)
    return Observed(messages=[told(result.chat_history, "user", "helper")], cost_usd=cost(result))


def asynchronous(stage: Stage) -> Observed:
    helper, person = assistant(stage), user()

    @person.register_for_execution()
    @helper.register_for_llm(description="Double, later.")
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    result = asyncio.run(person.a_initiate_chat(helper, message=TASK))
    return Observed(messages=[told(result.chat_history, "user", "helper")], cost_usd=cost(result))


def streaming(stage: Stage) -> Observed:
    helper = assistant(
        stage, llm_config={"cache_seed": None, "config_list": [{**config(stage)["config_list"][0], "stream": True}]}
    )
    if not counts_itself():
        return chat(user(), helper)
    known_encodings()
    result = user().initiate_chat(helper, message=TASK)
    (used,) = (v for k, v in result.cost["usage_including_cached_inference"].items() if k != "total_cost")
    return Observed(
        messages=[told(result.chat_history, "user", "helper")],
        cost_usd=cost(result),
        tokens=(used["prompt_tokens"], used["completion_tokens"]),
    )


def counts_itself() -> bool:
    """Say whether this AutoGen counts the tokens of a stream itself, instead of asking the server for them."""
    import autogen.oai.client

    return hasattr(autogen.oai.client, "count_token")


def known_encodings() -> None:
    """Have tiktoken know two encodings, of one token a byte: it would load them from the network."""
    import tiktoken

    for encoding in ("o200k_base", "cl100k_base"):
        tiktoken.registry.ENCODINGS.setdefault(
            encoding,
            tiktoken.Encoding(
                encoding, pat_str=r".|\n", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={}
            ),
        )


def human(stage: Stage) -> Observed:
    import autogen

    typed = ["more", "exit"]

    class Typist(autogen.UserProxyAgent):  # type: ignore[misc]
        def get_human_input(self, prompt: str, **_: Any) -> str:
            return typed.pop(0)

    person = Typist("user", human_input_mode="ALWAYS", code_execution_config=False)
    result = person.initiate_chat(assistant(stage), message=TASK)
    assert result.human_input in ([], ["more", "exit"])
    return Observed(messages=[told(result.chat_history, "user", "helper")], cost_usd=cost(result))


def code(stage: Stage) -> Observed:
    from autogen.coding import LocalCommandLineCodeExecutor

    executor = LocalCommandLineCodeExecutor(work_dir=stage.folder)
    person, coder = user(code_execution_config={"executor": executor}), assistant(stage, "coder", CODER)
    result = person.initiate_chat(coder, message=TASK)
    return Observed(messages=[told(result.chat_history, "user", "coder")], cost_usd=cost(result))


def model_error(stage: Stage) -> Observed:
    try:
        user().initiate_chat(assistant(stage), message=TASK)
    except Exception as error:  # noqa: BLE001 - its type is what is asked for
        return Observed(messages=[[("user", ("helper",), TASK)]], raised=type(error).__name__)
    return Observed()


def retry(stage: Stage) -> Observed:
    return chat(user(), assistant(stage))


def cancelled(stage: Stage) -> Observed:
    async def play() -> str | None:
        task = asyncio.ensure_future(user().a_initiate_chat(assistant(stage), message=TASK))
        await asyncio.to_thread(stage.server.wait_for, 1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return type(error).__name__
        finally:
            stage.hold.set()  # the thread on which the model is asked goes on
        return None

    return Observed(messages=[[("user", ("helper",), TASK)]], raised=asyncio.run(play()))


def background(stage: Stage) -> Observed:
    response = user().run(assistant(stage), message=TASK)
    events = [event for event in response.events if event.type == "run_completion"]
    assert len(events) == 1
    spent = events[0].content.cost["usage_including_cached_inference"]["total_cost"]
    return Observed(messages=[told(response.messages, "user", "helper")], cost_usd=spent)


def parallel(stage: Stage) -> Observed:
    async def play() -> Sequence[Any]:
        return await asyncio.gather(
            *(user().a_initiate_chat(assistant(stage), message=f"n{number}") for number in range(4))
        )

    results = asyncio.run(play())
    return Observed(
        messages=[told(result.chat_history, "user", "helper") for result in results],
        cost_usd=sum(cost(result) for result in results),
    )


def cache(stage: Stage) -> Observed:
    from autogen.cache.in_memory_cache import InMemoryCache

    kept = InMemoryCache("conformance")
    results = [user().initiate_chat(assistant(stage), message=TASK, cache=kept) for _ in range(2)]
    spent = [result.cost["usage_excluding_cached_inference"].get("total_cost", 0) for result in results]
    return Observed(messages=[told(result.chat_history, "user", "helper") for result in results], cost_usd=sum(spent))


# Many ----------------------------------------------------------------------------------------------------------------


def team(stage: Stage, **more: Any) -> tuple[Any, Any]:
    import autogen

    coder, reviewer = assistant(stage, "coder", CODER), assistant(stage, "reviewer", REVIEWER)
    chat = autogen.GroupChat([user(), coder, reviewer], messages=[], max_round=8, **more)
    return chat, autogen.GroupChatManager(chat, llm_config=config(stage), is_termination_msg=says_terminate)


def heard(chat: Any) -> list[Spoken]:
    """Read what a group keeps: everyone else hears a message."""
    names = [agent.name for agent in chat.agents]
    return [
        (said["name"], tuple(name for name in names if name != said["name"]), said["content"]) for said in chat.messages
    ]


def group(stage: Stage) -> Observed:
    chat, manager = team(stage)
    chat.agents[0].initiate_chat(manager, message=TASK)
    return Observed(messages=[heard(chat)], candidates=[["user", "coder", "reviewer"]] * 3)


def round_robin(stage: Stage) -> Observed:
    chat, manager = team(stage, speaker_selection_method="round_robin")
    chat.agents[0].initiate_chat(manager, message=TASK)
    return Observed(messages=[heard(chat)], candidates=[["user", "coder", "reviewer"]] * 2)


def introductions(stage: Stage) -> Observed:
    chat, manager = team(stage, speaker_selection_method="round_robin", send_introductions=True)
    chat.agents[0].initiate_chat(manager, message=TASK)
    first, *rest = heard(chat)
    intro = ("chat_manager", ("user", "coder", "reviewer"), chat.introductions_msg())
    return Observed(messages=[[first, intro, *rest]])


def handoff(stage: Stage) -> Observed:
    from autogen.agentchat import initiate_group_chat
    from autogen.agentchat.group import AgentTarget, ReplyResult, TerminateTarget
    from autogen.agentchat.group.patterns import DefaultPattern

    front, tech = assistant(stage, "front", FRONT), assistant(stage, "tech", TECH)

    def pass_on() -> Any:
        return ReplyResult(message="passed on", target=AgentTarget(tech))

    front.register_for_llm(name="pass_on", description="Pass on.")(pass_on)
    front.register_for_execution(name="pass_on")(pass_on)
    pattern = DefaultPattern(
        initial_agent=front, agents=[front, tech], user_agent=None, group_after_work=TerminateTarget()
    )
    result, _, last = initiate_group_chat(pattern=pattern, messages=TASK, max_rounds=6)
    assert last.name == "tech"
    said: list[Spoken] = [
        (m.get("name") or "_User", None, "" if m.get("tool_calls") else m["content"]) for m in result.chat_history
    ]
    return Observed(messages=[said], ending="no_speaker")


def nested(stage: Stage) -> Observed:
    writer, critic, person = assistant(stage, "writer", WRITER), assistant(stage, "critic", CRITIC), user()
    inner = {"recipient": critic, "message": "What of it?", "max_turns": 1, "summary_method": "last_msg"}
    person.register_nested_chats([inner], trigger=writer)
    result = writer.initiate_chat(person, message=TASK)
    first, *rest = told(result.chat_history, "writer", "user")
    within: list[Spoken] = [("user", ("critic",), "What of it?"), ("critic", ("user",), "Too short.")]
    return Observed(messages=[[first, *within, *rest]])


def sequential(stage: Stage) -> Observed:
    person = user()
    chats = [
        {"recipient": assistant(stage, name, prompt), "message": TASK, "summary_method": "last_msg"}
        for name, prompt in (("writer", WRITER), ("critic", CRITIC))
    ]
    results = person.initiate_chats(chats)
    said = [
        each
        for result, chat in zip(results, chats, strict=True)
        for each in told(result.chat_history, "user", chat["recipient"].name)
    ]
    return Observed(messages=[said])


# What there is not ---------------------------------------------------------------------------------------------------


def _no_module(module: str) -> bool:
    return importlib.util.find_spec(module) is None


def _no_attribute(name: str) -> bool:
    import autogen

    return not hasattr(autogen.ConversableAgent, name)


def _no_streaming() -> bool:
    import autogen

    entry = {"model": MODEL, "api_key": "none", "stream": True}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            autogen.AssistantAgent("helper", llm_config={"config_list": [entry]})
    except Exception as error:  # noqa: BLE001 - pydantic's, which need not be here
        return "extra_forbidden" in str(error) or "Extra inputs" in str(error)
    return False


ABSENT = {
    "handoff": Absent(
        where="`autogen/agentchat/` has no `group` and no `contrib/swarm_agent.py`",
        holds=lambda: _no_module("autogen.agentchat.group") and _no_module("autogen.agentchat.contrib.swarm_agent"),
    ),
    "background": Absent(
        where="`ConversableAgent` in `autogen/agentchat/conversable_agent.py` has no `run`",
        holds=lambda: _no_attribute("run"),
    ),
    "streaming": Absent(
        where="`LLMConfig` in `autogen/llm_config.py` refuses `stream`",
        holds=_no_streaming,
    ),
}

OTHERWISE: Mapping[str, Otherwise] = {}

PLAYS: Mapping[str, Play] = {
    play.__name__: play
    for play in (
        two_agents, tools, registration, group, round_robin, introductions, handoff, nested, sequential, asynchronous,
        streaming, human, code, model_error, retry, cancelled, background, parallel, cache,
    )
}  # fmt: skip
