"""Read off classic agents who may answer whom, how often, and at what price: the plan of a chat. Reads only.

The order of an agent's reply functions decides: what stands before ``check_termination_and_human_reply`` answers and is
not counted. A nested chat is a reply function, too, with its queue of chats in its closure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.setups import Chain, Group, Plan, Recursion, Talk, Untold, Voice

_CHECK = "check_termination_and_human_reply"
_ANSWERING = ("generate_reply", "a_generate_reply", "receive", "a_receive", "send", "a_send")
_REFLECTS = "reflection_with_llm"
_BEGINNING = frozenset({
    "initiate_chat", "a_initiate_chat", "initiate_chats", "a_initiate_chats", "generate_reply", "a_generate_reply",
    "run_stream", "completions",
})  # fmt: skip
"""What a function calls that asks a model by itself."""


class Plans:
    """Makes plans of chats between real agents; *aside* collects what they do not count."""

    def __init__(self) -> None:
        """Ask the framework which of its rules hold in this version."""
        from autogen import ConversableAgent, GroupChatManager

        self._manager = GroupChatManager
        self._peer_limit = _held_to_peer(ConversableAgent.initiate_chat)
        self._twice = not hasattr(ConversableAgent, "_get_sync_funcs_to_skip_in_async_chat")
        self.aside: dict[str, None] = {}
        self.met: dict[int, Any] = {}

    def chat(self, sender: Any, recipient: Any, path: tuple[Any, ...] = (), **settings: Any) -> Plan:
        """Plan ``sender.initiate_chat(recipient, **settings)``; *settings* may say that it is ``asynchronous``."""
        if any(sender is one and recipient is other for one, other in path):
            names = [one.name for one, _ in path] + [sender.name]
            return Recursion(path=tuple(names))
        path = (*path, (sender, recipient))
        turns = settings.get("max_turns")
        turns = turns if isinstance(turns, int) else None
        asynchronous = bool(settings.get("asynchronous"))
        twice = asynchronous and self._twice
        loose = "asynchronous chats of this version count each answer twice" if twice else ""
        summary = self._summary(settings.get("summary_method"), sender, recipient)
        held = self._peer_limit and not asynchronous
        starter = self.voice(sender, recipient, path, twice=twice)
        if isinstance(recipient, self._manager):
            return self._group(
                starter, recipient, path, turns=turns, summary=summary, loose=loose, held=held, twice=twice
            )
        return Talk(
            starter=starter,
            recipient=self.voice(recipient, sender, path, twice=twice),
            max_turns=turns,
            peer_limit=held,
            summary=summary,
            loose=loose or self._mute(sender) or self._mute(recipient),
        )

    def queue(self, chats: Iterable[Mapping[str, Any]], sender: Any, path: tuple[Any, ...] = ()) -> Chain:
        """Plan chats one after another; each may name a sender of its own."""
        links = []
        for chat in chats:
            settings = {key: value for key, value in chat.items() if key not in {"sender", "recipient"}}
            links.append(self.chat(chat.get("sender") or sender, chat["recipient"], path, **settings))
        return Chain(links=tuple(links))

    def voice(self, agent: Any, peer: Any, path: tuple[Any, ...], *, twice: bool = False) -> Voice:
        """Say how *agent* answers *peer*; *twice* says that its model is asked again where it gives no answer."""
        self.met.setdefault(id(agent), agent)
        whole = int(getattr(agent, "_max_consecutive_auto_reply", 0) or 0)
        limits = getattr(agent, "_max_consecutive_auto_reply_dict", None) or {}
        limit: int | None = int(dict.get(limits, peer, whole))
        asked = agent.human_input_mode != "NEVER"
        hidden = _overridden(agent)
        nested: list[Plan] = []
        sure = counted = False
        loose = ""
        for entry in getattr(agent, "_reply_func_list", ()):
            function, matches = entry["reply_func"], _matches(entry["trigger"], peer)
            if function.__name__ == _CHECK and _theirs(function):
                counted = True
            elif function.__name__.endswith(_CHECK) and _theirs(function):
                continue
            elif matches is not False and (chats := _cell(function, "chat_queue")) is not None:
                made = self._nested(function, chats, agent, path)
                nested.append(made)
                sure = sure or matches is True
                hidden = hidden if counted else hidden or "a nested chat that is registered before it"
            elif matches is not False and not _theirs(function):
                if not counted:
                    hidden = hidden or named(function)
                else:
                    loose = f"{named(function)} may answer in the place of {agent.name}'s model"
                    self._beside(f"what {named(function)} of {agent.name} asks of models by itself")
        for name, function in (getattr(agent, "_function_map", None) or {}).items():
            if asks(function):
                self._beside(f"what the tool {name} of {agent.name} asks of models by itself")
        if hidden:
            loose = f"{hidden} answers in the place of {agent.name}'s model"
            self._beside(f"what {hidden} asks of models by itself")
        return Voice(
            name=str(agent.name),
            limit=None if asked or hidden or not counted else limit,
            whole_limit=whole,
            human=asked,
            asked=asked,
            hidden=None if asked else hidden,
            calls=(2 if twice else 1) if getattr(agent, "client", None) is not None else 0,
            nested=tuple(nested),
            instead=sure and bool(nested),
            besides=tuple(self._inside(agent, path)),
            loose=loose,
        )

    def _group(  # noqa: PLR0913 - what a group chat is begun with
        self,
        starter: Voice,
        manager: Any,
        path: tuple[Any, ...],
        *,
        turns: int | None,
        summary: int,
        loose: str,
        held: bool,
        twice: bool,
    ) -> Group:
        group = manager.groupchat
        self.met.setdefault(id(manager), manager)
        method = group.speaker_selection_method
        selection = method.lower() if isinstance(method, str) else "custom"
        attempts, always = self._attempts(group, manager, selection)
        within = any(isinstance(agent, self._manager) for agent in group.agents)
        open_ways = getattr(group, "allowed_speaker_transitions_dict", None) or {}
        dead_end = any(not open_ways.get(agent) for agent in group.agents)
        return Group(
            starter=starter,
            manager=str(manager.name),
            members=tuple(self.voice(agent, manager, path, twice=twice) for agent in group.agents),
            max_round=int(group.max_round),
            attempts=2 * attempts if twice else attempts,
            always=always,
            selection=selection,
            max_turns=turns,
            peer_limit=int(manager._max_consecutive_auto_reply) if held else None,  # noqa: SLF001 - said nowhere else
            summary=summary,
            loose=loose
            or ("a group within a group gives no answer" if within else "")
            or ("a group of one fails" if len(group.agents) == 1 else "")
            or ("after some speakers nobody may speak" if dead_end else "")
            or ("who speaks is up to a function" if selection == "custom" else "")
            or next(filter(None, map(self._mute, group.agents)), ""),
        )

    def _attempts(self, group: Any, manager: Any, selection: str) -> tuple[int, bool]:
        """Say how many model calls picking one speaker takes at most, and whether it takes them in every round."""
        if selection not in {"auto", "custom"}:
            return 0, True
        if not (getattr(group, "select_speaker_auto_llm_config", None) or manager.llm_config):
            return 0, True
        ways = getattr(group, "allowed_speaker_transitions_dict", None) or {}
        repeats = getattr(group, "allow_repeat_speaker", True)
        fewest = len(group.agents)
        for last in group.agents:
            able = [agent for agent in group.agents if repeats is not False or agent is not last]
            fewest = min(fewest, len([agent for agent in able if agent in ways.get(last, able)]))
        return 1 + int(getattr(group, "max_retries_for_selecting_speaker", 0) or 0), selection == "auto" and fewest > 1

    def _nested(self, function: Any, chats: Any, agent: Any, path: tuple[Any, ...]) -> Plan:
        made = _cell(function, "reply_func_from_nested_chats")
        if made is not None and not _theirs(made):
            return Untold(what=f"the nested chat of {agent.name}", function=named(made))
        return self.queue(chats, agent, path)

    def _inside(self, agent: Any, path: tuple[Any, ...]) -> list[Plan]:
        """Plan what an agent of the framework's that holds a group asks each time it answers."""
        manager = getattr(agent, "chat_manager", None)
        if not isinstance(manager, self._manager):
            return []
        return [self.chat(agent, manager, path)]

    def _summary(self, method: Any, sender: Any, recipient: Any) -> int:
        if callable(method):
            self._beside(f"what {named(method)} asks of models for a summary")
            return 0
        asked = recipient if getattr(recipient, "client", None) is not None else sender
        return 1 if method == _REFLECTS and getattr(asked, "client", None) is not None else 0

    def _mute(self, agent: Any) -> str:
        silent = getattr(agent, "_default_auto_reply", "") is None and getattr(agent, "client", None) is None
        return f"{agent.name} may have nothing to say" if silent else ""

    def _beside(self, what: str) -> None:
        self.aside.setdefault(what)


def named(function: Any) -> str:
    """Name a function as a person finds it: its own name, and where it was written."""
    inner = inspect.unwrap(function) if callable(function) else function
    name = str(getattr(inner, "__qualname__", None) or type(inner).__qualname__)
    code = getattr(inner, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"


def asks(function: Any) -> bool:
    """Say whether a function of the program's own begins a conversation, by the names that its code uses."""
    waiting = [getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)]
    while waiting:
        code = waiting.pop()
        if code is None:
            continue
        if _BEGINNING & set(code.co_names):
            return True
        waiting += [each for each in code.co_consts if inspect.iscode(each)]
    return False


def _theirs(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "autogen"


def _overridden(agent: Any) -> str | None:
    """Name what a class of the program's own has put in the place of the framework's way to answer."""
    for kind in type(agent).__mro__:
        if str(kind.__module__).partition(".")[0] == "autogen":
            return None
        for name in _ANSWERING:
            if name in vars(kind):
                return f"{kind.__qualname__}.{name}"
    return None


def _cell(function: Any, name: str) -> Any:
    code = getattr(function, "__code__", None)
    if code is None or name not in code.co_freevars:
        return None
    return function.__closure__[code.co_freevars.index(name)].cell_contents


def _matches(trigger: Any, peer: Any) -> bool | None:  # noqa: PLR0911 - one return a kind of trigger
    """Say whether a reply function is meant for *peer*; None where a function of the program's decides."""
    if trigger is None:
        return peer is None
    if isinstance(trigger, str):
        return bool(trigger == peer.name)
    if isinstance(trigger, type):
        return isinstance(peer, trigger)
    if isinstance(trigger, list):
        found = [_matches(each, peer) for each in trigger]
        return True if True in found else None if None in found else False
    if hasattr(trigger, "generate_reply"):
        return trigger is peer
    try:
        matched: bool | None = None if trigger(peer) else False
    except Exception:  # noqa: BLE001 - it is the program's, and may want more than there is yet
        return None
    return matched


def _held_to_peer(initiate_chat: Callable[..., Any]) -> bool:
    """Say whether this version ends a chat with ``max_turns`` by the recipient's limit, too."""
    return "_max_consecutive_auto_reply" in inspect.unwrap(initiate_chat).__code__.co_names


def group_of(agents: Iterable[Any]) -> Iterator[Any]:
    """Yield *agents*, and those of the groups that they manage."""
    for agent in agents:
        yield agent
        group = getattr(agent, "groupchat", None)
        if group is not None:
            yield from group_of(group.agents)
