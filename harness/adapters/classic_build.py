"""Build classic AutoGen agents from plain data, and start their conversation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from harness.adapters.building import Agents, Resolve, Stage, carried, ends
from harness.errors import EnvironmentProblem

if TYPE_CHECKING:
    from harness.model import Json

_WHAT = {"assistant": "AssistantAgent", "user_proxy": "UserProxyAgent", "conversable": "ConversableAgent"}
_AS_GIVEN = ("system_message", "description", "human_input_mode", "max_consecutive_auto_reply", "default_auto_reply")


def present() -> None:
    """Make sure that classic AutoGen can be imported. Raises EnvironmentProblem with the way to install it."""
    try:
        import autogen
    except ImportError as error:
        msg = f"classic AutoGen cannot be imported: {error}"
        raise EnvironmentProblem(msg, hint="pip install 'autogen-harness[demo]'") from error
    if not hasattr(autogen, "ConversableAgent"):  # A folder of that name, or another project's.
        msg = f"{getattr(autogen, '__file__', None) or 'a folder'!r} is not classic AutoGen"
        raise EnvironmentProblem(
            msg, hint="pip install 'autogen-harness[demo]', and run where no 'autogen' is in the way."
        )


def converse(agents: Agents, stages: Sequence[Stage], resolve: Resolve) -> list[str]:
    """Build *agents*, let them hold the conversations *stages* one after another, and give the result of each.

    Their keys are those of a scenario file, checked already. *resolve* turns ``module:function`` into the function.
    In a pair the other agent executes the tools of one; in a group the initiator does, in a swarm each its own. Code
    runs on this machine, in a temporary folder where none is named.
    """
    results: list[str] = []
    with ExitStack() as stack:
        built = {str(spec["name"]): _agent(spec, stack) for spec in agents}
        for spec in agents:
            if "nested" in spec:
                _nest(spec["nested"], built[spec["name"]], agents, built, resolve)
        for stage in stages:
            here = [spec for spec in agents if spec["name"] in stage.agents]
            ended = _converse(
                here, stage, {name: built[name] for name in stage.agents}, resolve, carried(stage, results)
            )
            results.append(_said(getattr(ended, "summary", None)))
    return results


def _converse(
    agents: Agents, stage: Stage, built: Mapping[str, Any], resolve: Resolve, context: Sequence[str]
) -> object:
    team = stage.team
    first = built[team["initiator"]]
    if team["pattern"] == "swarm":
        for spec in agents:
            for name in spec.get("tools") or ():
                _register(resolve(name), caller=built[spec["name"]], executor=built[spec["name"]])
        return _swarm(agents, team, built, "\n".join((stage.task, *context)))
    if team["pattern"] == "group":
        partner, options = _manager(agents, team, built), {}
        executors = dict.fromkeys(built, first)
    else:
        partner = built[team["recipient"]]
        options = {"max_turns": team["max_turns"]} if team.get("max_turns") else {}
        executors = {team["initiator"]: partner, team["recipient"]: first}
    for spec in agents:
        for name in spec.get("tools") or ():
            _register(resolve(name), caller=built[spec["name"]], executor=executors[spec["name"]])
    if context:
        options["carryover"] = list(context)
    return first.initiate_chat(partner, message=stage.task, **options)


def _said(summary: Any) -> str:
    """Read the result of a chat, which some versions give as a message."""
    return str(summary.get("content") or "") if isinstance(summary, Mapping) else str(summary or "")


def predicate(spec: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    """Make the function that ends a chat, as :func:`building.ends` says."""

    def ending(message: Mapping[str, Any]) -> bool:
        content = message.get("content")
        return ends(spec, content if isinstance(content, str) else "")

    return ending


def _agent(spec: Mapping[str, Json], stack: ExitStack) -> Any:
    import autogen

    kind = spec.get("type") or spec.get("role") or ("assistant" if spec.get("llm_config") else "user_proxy")
    options = {name: spec[name] for name in _AS_GIVEN if spec.get(name) is not None}
    options["llm_config"] = llm_config(spec.get("llm_config"))
    options.setdefault("human_input_mode", "NEVER")
    options["code_execution_config"] = _executor(spec["code_execution"], stack) if "code_execution" in spec else False
    if spec.get("is_termination_msg"):
        options["is_termination_msg"] = predicate(spec["is_termination_msg"])
    return getattr(autogen, _WHAT[kind])(spec["name"], **options)


def llm_config(spec: Json) -> Any:
    """Write a model's settings as every classic AutoGen takes them: the model in a ``config_list``."""
    if not spec:
        return False
    if "config_list" in spec:
        return {"cache_seed": None, **spec}
    client = {name: value for name, value in spec.items() if name in _CLIENT}
    others = {name: value for name, value in spec.items() if name not in _CLIENT}
    return {"cache_seed": None, **others, "config_list": [client]}


_CLIENT = frozenset({"model", "api_key", "base_url", "api_type", "api_version", "price", "extra_body", "tags"})


def _executor(spec: Mapping[str, Json] | None, stack: ExitStack) -> Mapping[str, Any]:
    from autogen.coding import LocalCommandLineCodeExecutor

    spec = spec or {}
    folder = spec.get("work_dir") or stack.enter_context(tempfile.TemporaryDirectory())
    return {"executor": LocalCommandLineCodeExecutor(timeout=spec.get("timeout") or 60, work_dir=folder)}


def _manager(agents: Agents, team: Mapping[str, Json], built: Mapping[str, Any]) -> Any:
    import autogen

    chosen = team.get("llm_config") or next((spec["llm_config"] for spec in agents if spec.get("llm_config")), None)
    group = autogen.GroupChat(
        agents=list(built.values()),
        messages=[],
        max_round=team.get("max_round") or 10,
        speaker_selection_method=team["speaker_selection"],
    )
    options: dict[str, Any] = {"llm_config": llm_config(chosen)}
    if team.get("is_termination_msg"):
        options["is_termination_msg"] = predicate(team["is_termination_msg"])
    return autogen.GroupChatManager(groupchat=group, **options)


def _nest(spec: Mapping[str, Json], owner: Any, agents: Agents, built: Mapping[str, Any], resolve: Resolve) -> None:
    """Have *owner* hold the chats of *spec* before it answers; it runs the tools of whom it talks to there."""
    tools = {str(one["name"]): one.get("tools") or () for one in agents}
    chats = []
    for chat in spec["chats"]:
        other = built[chat["recipient"]]
        for name in tools[chat["recipient"]]:
            _register(resolve(name), caller=other, executor=owner)
        chats.append({"summary_method": "last_msg", "message": _heard, **chat, "recipient": other})
    given = spec.get("trigger")
    names = [given] if isinstance(given, str) else given
    inside = [chat["recipient"] for chat in chats]
    trigger = [built[name] for name in names] if names else (lambda sender: sender not in inside)
    owner.register_nested_chats(chats, trigger=trigger)


def _heard(_recipient: Any, messages: Sequence[Mapping[str, Any]], _sender: Any, _config: Any) -> Any:
    """Give what an agent was told last: chats but the first that have nothing to say are left out."""
    return messages[-1].get("content")


def _swarm(agents: Agents, team: Mapping[str, Json], built: Mapping[str, Any], task: str) -> object:
    """Let agents hand over to each other, until one answers without; then the user is next, if there is one."""
    try:
        from autogen.agentchat import initiate_group_chat
        from autogen.agentchat.group import (
            AgentTarget,
            OnCondition,
            RevertToUserTarget,
            StringLLMCondition,
            TerminateTarget,
        )
        from autogen.agentchat.group.patterns import DefaultPattern
    except ImportError as error:
        msg = f"this classic AutoGen has no swarm: {error}"
        raise EnvironmentProblem(msg, hint="pip install 'pyautogen[openai]>=0.9,<0.10'") from error
    about = {str(one["name"]): str(one.get("description") or f"Hand over to {one['name']}.") for one in agents}
    for spec in agents:
        built[spec["name"]].handoffs.clear().add_llm_conditions(
            [
                OnCondition(target=AgentTarget(built[name]), condition=StringLLMCondition(about[name]))
                for name in spec.get("handoffs") or ()
            ]
        )
    user = next((built[spec["name"]] for spec in agents if not spec.get("llm_config")), None)
    chosen = team.get("llm_config") or next((spec["llm_config"] for spec in agents if spec.get("llm_config")), None)
    ending = {"is_termination_msg": predicate(team["is_termination_msg"])} if team.get("is_termination_msg") else {}
    pattern = DefaultPattern(
        initial_agent=built[team["initiator"]],
        agents=[agent for agent in built.values() if agent is not user],
        user_agent=user,
        group_manager_args={"llm_config": llm_config(chosen), **ending},
        group_after_work=TerminateTarget() if user is None else RevertToUserTarget(),
    )
    result, _, _ = initiate_group_chat(pattern=pattern, messages=task, max_rounds=team.get("max_round") or 10)
    return result


def _register(function: Callable[..., Any], *, caller: Any, executor: Any) -> None:
    from autogen import register_function

    about = (function.__doc__ or function.__name__).strip()
    register_function(function, caller=caller, executor=executor, name=function.__name__, description=about)
