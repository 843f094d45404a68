"""Why a set-up did not end its conversation before a limit did, read off what adapters tell of agents and teams."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from harness import semconv
from harness.model import Ending, EndingKind, Json, Span
from harness.text import one_line

_SHOWN = 60
_DEEPEST = 12
_DEFAULT = "default"
_MENTION = "TextMentionTermination"
_OF_TEAMS = frozenset({"members", "termination", "speaker_selection", "max_turns", "max_stalls"})
_TEXTUAL = frozenset(
    {
        _MENTION,
        "StopMessageTermination",
        "HandoffTermination",
        "SourceMatchTermination",
        "FunctionCallTermination",
        "TextMessageTermination",
        "FunctionalTermination",
    }
)
_PLAIN = frozenset({"AssistantAgent", "UserProxyAgent", "CodeExecutorAgent"})
"""The agents of AgentChat's own of which it is known what they say: texts, and calls of their own tools."""
_COUNTING = frozenset({"MaxMessageTermination", "TokenUsageTermination", "TimeoutTermination", "ExternalTermination"})


def agents(span: Span) -> list[Mapping[str, Json]]:
    """Read who takes part in the conversation *span*, and how each is set up; nothing where it does not say."""
    told = span.attributes.get(semconv.HARNESS_AGENTS)
    return _read(told) if isinstance(told, str) else _described(told)


@lru_cache(16)
def _read(told: str) -> list[Mapping[str, Json]]:
    """Read it once for as long as the same take part: an agent that is asked again and again tells it each time."""
    try:
        return _described(json.loads(told))
    except (ValueError, RecursionError):
        return []


def _described(found: Json) -> list[Mapping[str, Json]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def asks(span: Span, sender: str) -> bool:
    """Say whether the first message of the conversation *span*, of *sender*, is what the others were asked.

    In a classic chat it always is; in a team, where it is of nobody in it. Unsure where no set-up is told.
    """
    there = agents(span)
    if any("is_termination_msg" in each for each in there):
        return True
    return bool(there) and all(each.get("name") != sender for each in there)


def why_not(
    agents: list[Mapping[str, Json]], ending: Ending, spoke: Collection[str], near: str | None
) -> tuple[str, str]:
    """Say why nothing but a limit ended it: a word for it and a sentence; two empty texts if the set-up does not tell.

    *spoke* are those who said something, and *near* is who last said the word that AutoGen's prompts ask for.
    """
    team = next((each for each in agents if "is_termination_msg" not in each and _OF_TEAMS & each.keys()), None)
    if team is not None:
        return _of_team(team, [each for each in agents if each is not team], spoke)
    deciding = [each for each in agents if "is_termination_msg" in each]
    own = [str(each.get("name")) for each in deciding if each["is_termination_msg"] != _DEFAULT]
    if len(deciding) < len(("one", "other")):
        return "", ""
    manager = next((each for each in deciding if "max_round" in each), None)
    if not own:
        return "missing", "no agent has a predicate of its own, and the default one wants the word alone"
    if manager is not None:
        return _of_group(manager, [each for each in deciding if each is not manager], own, ending, spoke, near)
    if near is not None and own == [near]:
        return "speaker", f"{near} has the predicate, but {near} is who says the word: who receives it has none"
    return "", ""


def _of_group(  # noqa: PLR0913, PLR0917 - what is known of it
    manager: Mapping[str, Json],
    members: list[Mapping[str, Json]],
    own: list[str],
    ending: Ending,
    spoke: Collection[str],
    near: str | None,
) -> tuple[str, str]:
    if ending.kind is EndingKind.MAX_ROUNDS and manager["is_termination_msg"] == _DEFAULT:
        return (
            "manager",
            f"{_listed(own)} would know the end, but {manager.get('name')} decides, and has no predicate of its own",
        )
    return _never_selected(members, spoke) if near is None else ("", "")


def _of_team(team: Mapping[str, Json], members: list[Mapping[str, Json]], spoke: Collection[str]) -> tuple[str, str]:
    conditions = list(_conditions(team.get("termination")))
    kinds = {str(each.get("type")) for each in conditions}
    textual = kinds & _TEXTUAL
    if not kinds - _COUNTING:
        counted = f"{', '.join(sorted(kinds))} and no condition on what is said" if kinds else "no condition at all"
        return "missing", f"the team has {counted}"
    if kinds - _TEXTUAL - _COUNTING:
        return "", ""
    vain = [in_vain(each, members, spoke) for each in conditions if each.get("type") in _TEXTUAL]
    if all(why for why, _ in vain):
        return vain[0][0], f"the condition waits for {_listed(dict.fromkeys(what for _, what in vain))}"
    if textual != {_MENTION} or not members or not all("end_in_prompt" in each for each in members):
        return "", ""
    if not any(each["end_in_prompt"] for each in members):
        words = _listed(map(repr, mentioned(team.get("termination"))))
        return "unasked", f"the condition waits for {words}, and no agent's prompt asks for it"
    return _never_selected(members, spoke)


def _never_selected(members: Iterable[Mapping[str, Json]], spoke: Collection[str]) -> tuple[str, str]:
    """Say that those whose prompts speak of the end were never selected, if there are some and none of them was."""
    told = [str(each.get("name")) for each in members if each.get("end_in_prompt") is True]
    if not told or not set(told).isdisjoint(spoke):
        return "", ""
    return "never_selected", f"only the prompt of {_listed(told)} speaks of the end, and it was never selected"


def _listed(names: Iterable[str]) -> str:
    return one_line(", ".join(names), _SHOWN)


def mentioned(condition: Json) -> list[str]:
    """List the texts that the termination *condition* of a team waits for."""
    found = [each.get("text") for each in _conditions(condition) if each.get("type") == _MENTION]
    return [text for text in found if isinstance(text, str)]


def _conditions(condition: Json, depth: int = 0) -> Iterator[Mapping[str, Json]]:
    if not isinstance(condition, dict) or depth > _DEEPEST:
        return
    inner = condition.get("conditions")
    if isinstance(inner, list):
        for each in inner:
            yield from _conditions(each, depth + 1)
    else:
        yield condition


def in_vain(
    condition: Mapping[str, Json], members: Collection[Mapping[str, Json]], spoke: Collection[str]
) -> tuple[str, str]:
    """Say for what a single *condition* waits that cannot come: a word for it and what; empty texts if it may come."""
    sources = _awaited(condition)
    if sources and sources.isdisjoint(spoke):
        return "never_spoke", f"{_listed(sorted(sources))}, who never spoke"
    if not members or not all(each.get("type") in _PLAIN and "workbenches" not in each for each in members):
        return "", ""  # an agent of the program's own may say or call anything, and so may tools that nobody lists
    had = {name for each in members for name in _names(each.get("tools"))}
    handoffs = {name for each in members for name in _names(each.get("handoffs"))}
    tool, target = condition.get("function_name"), condition.get("target")
    if condition.get("type") == "FunctionCallTermination" and tool not in had and not handoffs:
        return "no_tool", f"a call of {one_line(str(tool), _SHOWN)}, which no agent has"
    if condition.get("type") == "HandoffTermination" and target not in handoffs:
        return "no_handoff", f"a handoff to {one_line(str(target), _SHOWN)}, which no agent has"
    if condition.get("type") == "StopMessageTermination":
        return "no_stop_message", "a StopMessage, which no agent sends"
    return "", ""


def _names(told: Json) -> list[str]:
    return [name for name in told if isinstance(name, str)] if isinstance(told, list) else []


def _awaited(condition: Mapping[str, Json]) -> set[str]:
    """Name the agents whose messages alone count for *condition*; empty where everybody's do."""
    sources = condition.get("sources") or condition.get("source") or []
    named = [sources] if isinstance(sources, str) else sources
    return {name for name in named if isinstance(name, str)} if isinstance(named, list) else set()
