"""Read off AgentChat's agents and teams how they take turns, when they end, and what a turn takes. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.adapters.classic_audit import named
from harness.setups import Ask, Chain, Choice, Condition, Edge, Member, Plan, Team, Untold

_OURS = ("autogen_agentchat", "autogen_ext", "autogen_core")
_ANSWERING = ("on_messages_stream", "on_messages", "run", "run_stream")
_ORDERS = {
    "RoundRobinGroupChat": "turns",
    "SelectorGroupChat": "model",
    "Swarm": "handoff",
    "GraphFlow": "graph",
    "MagenticOneGroupChat": "ledger",
}
_CALLS = {"FileSurfer": 1, "MultimodalWebSurfer": 2, "OpenAIAgent": 1, "OpenAIAssistantAgent": 1}
"""Model calls of one turn of the framework's own agents that are no AssistantAgent. None surely tells its tokens."""
_TELLING = ("openai.com", "azure.com", "azure.us", "azure.cn", "googleapis.com", "anthropic.com", "llama.com")
"""The hosts of makers whose APIs say how many tokens each answer took; another server may leave it out."""


def plan(found: Any, task: int = 1) -> Plan:
    """Plan a run of an agent or a team that is given *task* messages."""
    if hasattr(found, "_participants"):
        return team(found, task)
    return Ask(member=member(found))


def team(found: Any, task: int = 1, *, inside: bool = False) -> Plan:
    """Plan a run of a team; *inside* another one its task is not said again."""
    kind = next((cls for cls in type(found).__mro__ if cls.__name__ in _ORDERS and theirs(cls)), None)
    if kind is None:
        return Untold(what=f"the team {found.name}", function=_where(type(found)))
    order = _ORDERS[kind.__name__]
    graph = getattr(found, "_graph", None)
    limit = getattr(found, "_max_turns", None)
    return Team(
        name=str(found.name),
        kind=kind.__name__,
        order=order,
        members=tuple(member(each) for each in found._participants),  # noqa: SLF001 - said nowhere else
        max_turns=None if limit is None else int(limit),
        condition=condition(getattr(found, "_termination_condition", None)),
        attempts=int(getattr(found, "_max_selector_attempts", 0) or 0),
        repeats=bool(getattr(found, "_allow_repeated_speaker", True)) or _chooser(found) is not None,
        chooser=_chooser(found),
        task=task,
        told=0 if inside else task,
        edges=_edges(graph),
        starts=tuple(sorted(graph.get_start_nodes())) if graph is not None else (),
    )


def member(found: Any) -> Member:  # noqa: PLR0911 - one return a kind of agent
    """Say what one turn of an agent, or of a team within a team, takes."""
    name = str(getattr(found, "name", "") or type(found).__name__)
    if hasattr(found, "_participants"):
        return _team_inside(name, team(found, inside=True))
    wrapped = getattr(found, "_wrapped_agent", None)
    if wrapped is not None and theirs(type(found)):
        return member(wrapped)
    answering = _answering(found)
    if answering is not None:
        return Member(name=name, hidden=answering, tells=None)
    kind = next(cls.__name__ for cls in type(found).__mro__ if theirs(cls))
    client = getattr(found, "_model_client", None)
    if kind == "UserProxyAgent":
        plain = not getattr(found, "_handoffs", None)
        return Member(name=name, calls=0, human=True, tells=False, plain=plain, events=1)
    if kind == "SocietyOfMindAgent":
        inner = team(found._team, inside=True)  # noqa: SLF001 - said nowhere else
        # Where its team ends before anybody in it has spoken, it asks no model, and there are no tokens to tell.
        ends = inner.condition if isinstance(inner, Team) else Condition(kind="hidden", why=name)
        said = tells(client) if ends is None or _by_others(ends) else False
        return Member(name=name, calls=1, tells=said, hushed=ends is not None, plain=True, inner=inner)
    if kind == "CodeExecutorAgent":
        tries = 1 + int(getattr(found, "_max_retries_on_error", 0) or 0)
        # Each try asks for code, each but the last whether to try again, and at the end the result is told.
        tries = tries if client is not None else 0
        return Member(name=name, calls=2 * tries, events=3 * tries, tells=False, plain=True)
    if hasattr(found, "_max_tool_iterations"):
        return _assistant(found, name)
    if kind not in _CALLS:
        return Member(name=name, hidden=_where(type(found)), tells=None)
    if getattr(found, "_original_tools", None):
        tool = found._original_tools[0].name  # noqa: SLF001
        why = f"{name} → {tool} → {name} → …: nothing counts how often its assistant asks for tools"
        return Member(name=name, calls=None, why=why, tells=False)
    return Member(name=name, calls=_CALLS[kind], tells=False)


def _team_inside(name: str, plan: Plan) -> Member:
    """Say what one turn of a team within a team takes. It tells tokens if everybody in it does."""
    told, ends = None, False
    if isinstance(plan, Team):
        every = [member.tells for member in plan.members]
        hushed = any(member.hushed for member in plan.members)
        told = None if None in every else all(every) and plan.order != "ledger" and not hushed
        ends = plan.condition is not None
    return Member(name=name, calls=0, says=0, tells=told, hushed=ends, inner=plan)


def _by_others(condition: Condition) -> bool:
    """Say whether a condition is met at the start only by what others said: oneself brings one message."""
    if condition.parts:
        return all(map(_by_others, condition.parts))
    return condition.kind in {"said", "acts", "seconds", "outside", "tokens"} or (
        condition.kind == "messages" and (condition.limit or 0) > 1
    )


def _assistant(found: Any, name: str) -> Member:
    benches = found._workbench or []  # noqa: SLF001 - said nowhere else
    benches = list(benches) if isinstance(benches, Sequence) else [benches]
    tools = list(_tools(benches))
    able = bool(tools or getattr(found, "_handoffs", None) or any(not hasattr(bench, "_tools") for bench in benches))
    # Counted without tools as well: some servers let a model call what it was not given.
    rounds = int(found._max_tool_iterations)  # noqa: SLF001
    calls = rounds + (1 if found._reflect_on_tool_use else 0)  # noqa: SLF001
    loose = "" if able or calls == 1 else f"{name} is given no tools"
    structured = getattr(found, "_output_content_type", None) is not None
    events = (2 * rounds if able else 0) + (1 if getattr(found, "_memory", None) else 0)
    said = Member(
        name=name, calls=calls, tells=tells(found), plain=not able and not structured, events=events, loose=loose
    )
    runners = [tool for tool in tools if hasattr(tool, "_task_runner")]
    if not runners:
        return said
    if not _one_at_a_time(found._model_client):  # noqa: SLF001
        why = f"one answer of {name} may call {runners[0].name} any number of times (parallel_tool_calls is not False)"
        return Member(name=name, calls=None, why=why, tells=said.tells)
    return Member(name=name, calls=calls, events=events, tells=said.tells, inner=_called(runners, rounds))


def _called(runners: Sequence[Any], rounds: int) -> Plan:
    """Plan the most that agents and teams behind tools do in *rounds* calls: each time the one that takes most."""
    plans = [plan(tool._task_runner) for tool in runners]  # noqa: SLF001
    return Chain(links=(Choice(ways=tuple(plans)),) * rounds)


def condition(found: Any) -> Condition | None:
    """Say when a termination condition is met."""
    if found is None:
        return None
    kind = type(found).__name__
    if not theirs(type(found)):
        return Condition(kind="hidden", why=_where(type(found)))
    if kind in {"OrTerminationCondition", "AndTerminationCondition"}:
        parts = tuple(filter(None, map(condition, found._conditions)))  # noqa: SLF001
        return Condition(kind="any" if kind.startswith("Or") else "all", why=kind, parts=parts)
    made = _KINDS.get(kind, _acts)
    return made(found, kind)


def _max_message(found: Any, kind: str) -> Condition:
    limit = found._max_messages  # noqa: SLF001
    return Condition(
        kind="messages", limit=limit, why=f"{kind}({limit})", events=bool(getattr(found, "_include_agent_event", False))
    )


def _token_usage(found: Any, kind: str) -> Condition:
    limits = [found._max_total_token, found._max_prompt_token]  # noqa: SLF001
    least = min((limit for limit in limits if limit is not None), default=None)
    return Condition(kind="tokens", limit=least, why=f"{kind}({'' if least is None else least})")


def _source_match(found: Any, kind: str) -> Condition:
    sources = tuple(map(str, found._sources))  # noqa: SLF001
    return Condition(kind="source", sources=sources, why=f"{kind}({', '.join(sources)})")


def _text_message(found: Any, kind: str) -> Condition:
    source = found._source  # noqa: SLF001
    return Condition(kind="text", sources=() if source is None else (source,), why=f"{kind}({source or ''})")


def _text_mention(found: Any, kind: str) -> Condition:
    sources = tuple(map(str, getattr(found, "_sources", None) or ()))
    return Condition(kind="said", sources=sources, why=f"{kind}({found._termination_text!r})")  # noqa: SLF001


def _timeout(found: Any, kind: str) -> Condition:
    seconds = found._timeout_seconds  # noqa: SLF001
    return Condition(kind="seconds", limit=seconds, why=f"{kind}({seconds:g} s)")


def _functional(found: Any, kind: str) -> Condition:
    return Condition(kind="hidden", why=f"{kind}: {named(found._func)}")  # noqa: SLF001


def _external(_found: Any, kind: str) -> Condition:
    return Condition(kind="outside", why=kind)


def _acts(_found: Any, kind: str) -> Condition:
    return Condition(kind="acts", why=kind)


_KINDS = {
    "MaxMessageTermination": _max_message,
    "TokenUsageTermination": _token_usage,
    "SourceMatchTermination": _source_match,
    "TextMessageTermination": _text_message,
    "TextMentionTermination": _text_mention,
    "TimeoutTermination": _timeout,
    "FunctionalTermination": _functional,
    "ExternalTermination": _external,
}


def tells(found: Any) -> bool | None:
    """Say whether the model of an agent, or a client, tells how many tokens it took; None where nobody can know."""
    client = getattr(found, "_model_client", None) or found
    if not hasattr(client, "create_stream"):
        return False
    if not theirs(type(client)):
        return None
    if not _at_its_maker(client):
        return False
    if getattr(found, "_model_client_stream", False):
        options = getattr(client, "_create_args", {}).get("stream_options") or {}
        return bool(options.get("include_usage"))
    return True


def _at_its_maker(client: Any) -> bool:
    server = getattr(client, "_raw_config", {}).get("base_url")
    host = urlsplit(str(server)).hostname or "" if server is not None else _TELLING[0]
    return any(host == known or host.endswith(f".{known}") for known in _TELLING)


def theirs(kind: type) -> bool:
    """Say whether a class is the framework's own."""
    return str(kind.__module__).partition(".")[0] in _OURS


def _answering(found: Any) -> str | None:
    """Name the program's own way to answer, if an agent has one."""
    for cls in type(found).__mro__:
        if theirs(cls):
            return None
        for name in _ANSWERING:
            if name in vars(cls):
                return f"{cls.__qualname__}.{name}"
    return _where(type(found))


def _where(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _chooser(found: Any) -> str | None:
    """Name the program's own function that picks a speaker, or those to pick from."""
    function = getattr(found, "_selector_func", None) or getattr(found, "_candidate_func", None)
    return None if function is None else named(function)


def _one_at_a_time(client: Any) -> bool:
    return getattr(client, "_create_args", {}).get("parallel_tool_calls") is False


def _tools(benches: Sequence[Any]) -> Iterator[Any]:
    for bench in benches:
        tools = getattr(bench, "_tools", None)
        yield from tools if isinstance(tools, list) else ()


def _edges(graph: Any) -> Mapping[str, tuple[Edge, ...]]:
    if graph is None:
        return {}
    found = {}
    for name, node in graph.nodes.items():
        edges = []
        for edge in node.edges:
            function = getattr(edge, "condition_function", None)
            said = named(function) if function is not None else edge.condition
            edges.append(
                Edge(
                    target=edge.target,
                    condition=said,
                    opaque=function is not None,
                    group=edge.activation_group,
                    every=edge.activation_condition == "all",
                )
            )
        found[name] = tuple(edges)
    return found


def inside(found: Any) -> Iterator[Any]:
    """Yield an agent or a team, and all who are in it."""
    yield found
    inner = [getattr(found, "_team", None), getattr(found, "_wrapped_agent", None)]
    for each in (*(getattr(found, "_participants", None) or ()), *(one for one in inner if one is not None)):
        yield from inside(each)
    benches = getattr(found, "_workbench", None) or []
    for tool in _tools(list(benches) if isinstance(benches, Sequence) else [benches]):
        if hasattr(tool, "_task_runner"):
            yield from inside(tool._task_runner)  # noqa: SLF001
