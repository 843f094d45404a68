"""Connect AgentChat (``import autogen_agentchat``: 0.7.x, on autogen-core) to the seam.

Every hook sits on a class and is found by name when it is called; classes of the user's own get theirs when they are
defined. Handlers are left alone: a team's messages are seen where they are published, and its members' turns where
they are asked.

A team's members run in tasks of the runtime, which may be one that was started elsewhere. So whatever a manager or a
member handles is handled inside its team's conversation, found by the topic they share.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import (
    agentchat_agents,
    agentchat_calls,
    agentchat_messages,
    agentchat_models,
    agentchat_tools,
    run_ids,
)
from harness.adapters import agentchat_stops as stops
from harness.adapters.agentchat_agents import USER, others
from harness.adapters.agentchat_endings import condition, cut_short, ending
from harness.adapters.agentchat_frames import without_ours
from harness.adapters.agentchat_setup import describe, settings
from harness.adapters.generators import closing, stepped
from harness.adapters.patching import Function, Patches
from harness.adapters.seam import ending_of
from harness.call import StoppedError
from harness.canonical import encode
from harness.model import Ending, EndingKind, Json, Operation
from harness.trace import Scope, current, safely, swap

if TYPE_CHECKING:
    from harness.recording import Recording

_PATTERNS = {
    "RoundRobinGroupChat": "round_robin",
    "SelectorGroupChat": "selector",
    "Swarm": "swarm",
    "MagenticOneGroupChat": "magentic_one",
    "GraphFlow": "graph",
}


class AgentChat:
    """The AgentChat adapter: attach it to a recording, detach it again."""

    module = "autogen_agentchat"

    def __init__(self, recording: Recording) -> None:
        """Prepare to report to *recording*. Imports nothing of the framework yet."""
        self.recording = recording
        self.trace = recording.trace
        self.messages = agentchat_messages.Messages()
        self.patches = Patches()
        self._framework = ""
        self._talks: dict[str, Scope] = {}

    def attach(self) -> None:
        """Put the hooks in place. The framework is imported by now."""
        import autogen_agentchat
        from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, CodeExecutorAgent, UserProxyAgent
        from autogen_agentchat.teams import BaseGroupChat
        from autogen_agentchat.teams._group_chat import _events as events
        from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
        from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import MagenticOneOrchestrator
        from autogen_core import BaseAgent, RoutedAgent
        from autogen_core.code_executor import CodeExecutor
        from autogen_core.logging import LLMCallEvent
        from autogen_core.models import ChatCompletionClient
        from autogen_core.tools import BaseTool, Workbench

        self._events = events
        self._orchestrator = MagenticOneOrchestrator
        self._proxy = UserProxyAgent
        self._framework = f"autogen-agentchat {autogen_agentchat.__version__}"
        wrap = self.patches.wrap
        wrap(BaseGroupChat, "run_stream", self._team_stream)
        wrap(RoutedAgent, "on_message_impl", self._handled)
        wrap(BaseAgent, "publish_message", self._publish)
        wrap(BaseGroupChatManager, "_apply_termination_condition", lambda original: stops.applied(self, original))
        wrap(BaseGroupChatManager, "_transition_to_next_speakers", stops.ending)
        wrap(BaseGroupChatManager, "_signal_termination", self._signal("stop"))
        wrap(BaseGroupChatManager, "_signal_termination_with_error", self._signal("why"))
        wrap(events.SerializableException, "from_exception", without_ours)
        agentchat_agents.attach(self, BaseChatAgent)
        agentchat_models.attach(self, ChatCompletionClient, LLMCallEvent)
        agentchat_tools.attach(self, AssistantAgent, Workbench, BaseTool)
        agentchat_calls.attach(
            self, CodeExecutor, CodeExecutorAgent, UserProxyAgent, BaseGroupChatManager, MagenticOneOrchestrator
        )

    def detach(self) -> None:
        """Take every hook away."""
        self.patches.undo()

    def about(self) -> Mapping[str, Json]:
        """Give the attributes that a span has where it is the first of its run."""
        return {} if current() is not None else {semconv.HARNESS_FRAMEWORK: self._framework}

    # Conversations ------------------------------------------------------------------------------------------------

    def _team_stream(self, original: Function) -> Function:
        @stepped
        async def run_stream(team: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with self._team(team):
                async with closing(original(team, *args, **kwargs)) as stream:
                    async for item in stream:
                        yield item

        return run_stream

    @contextlib.contextmanager
    def _team(self, team: Any) -> Iterator[None]:
        notes, topic = self._told_of(team) or {}, str(getattr(team, "_group_topic_type", ""))
        outer = current()
        if outer is not None and team.name in outer.notes.get("members", ()):
            outer.notes["carried"][team.name] = notes["carrying"] = []
        subject = f"{team.name}: {', '.join(notes.get('members', ()))}"
        with self.talk(subject, _PATTERNS.get(type(team).__name__, "group"), team, notes) as scope:
            if scope is not None and notes:
                self._talks[topic] = scope
            try:
                yield
            finally:
                if scope is not None and self._talks.get(topic) is scope:
                    del self._talks[topic]
                if scope is not None:
                    self._heard(scope)

    @safely
    def _told_of(self, team: Any) -> dict[str, Any]:
        """Note of a team who is in it, and how it is led."""
        members, manager = team._participants, team._group_chat_manager_name  # noqa: SLF001
        return {
            "speaker": manager,
            "manager": manager,
            "members": [str(member.name) for member in members],
            "carried": {},
            "people": {str(member.name) for member in members if isinstance(member, self._proxy)},
            "decides": issubclass(team._base_group_chat_manager_class, self._orchestrator),  # noqa: SLF001
        }

    @contextlib.contextmanager
    def talk(self, subject: str, pattern: str, member: Any, notes: Mapping[str, Any]) -> Iterator[Scope | None]:
        """Hold a conversation open, with *notes* of who is in it; at its end, say why it ended."""
        outer = current()
        attributes = self._described(pattern, member) or {}
        with (
            run_ids.named(self.trace, settings(member)),
            self.trace.operation(Operation.CONVERSATION, subject, attributes) as scope,
        ):
            if scope is not None:
                around = outer.up(Operation.CONVERSATION) if outer is not None else None
                spoken = around.notes.get("spoken") if around is not None else None
                scope.notes.update(notes, spoken=set() if spoken is None else spoken)
            try:
                yield scope
            except BaseException as error:
                self._ended(scope, error)
                raise
            else:
                self._ended(scope, None)

    @safely
    def _described(self, pattern: str, member: Any) -> dict[str, Any]:
        team = describe(member)
        members = team.pop("members", [])
        return {
            **self.about(),
            semconv.HARNESS_CONVERSATION_PATTERN: pattern,
            semconv.HARNESS_AGENTS: encode([*members, team]),
        }

    @safely
    def _ended(self, scope: Scope | None, error: BaseException | None) -> None:
        if scope is None:
            return
        notes, met = scope.notes, None
        if error is not None and not (isinstance(error, GeneratorExit) and "stop" in notes):
            found = cut_short(error, notes.get("why"))
        elif "stopped" in notes:
            found = ending_of(notes["stopped"])
        elif "manager" in notes:
            found = ending(notes.get("stop"), notes["manager"], decides=notes["decides"])
            met = condition(notes.get("stop"), notes["manager"])
        else:
            found = Ending(kind=EndingKind.ANSWERED, agent=notes.get("speaker"))
        said = {
            semconv.HARNESS_ENDING: found.kind.value,
            semconv.HARNESS_ENDING_AGENT: found.agent,
            semconv.HARNESS_ENDING_DETAIL: found.detail,
            semconv.HARNESS_ENDING_CONDITION: met,
        }
        if isinstance(error, Exception) and notes.get("why") is not None:
            said[semconv.ERROR_MESSAGE] = f"{notes['why'].error_type}: {notes['why'].error_message}"
        notes["end"] = {name: value for name, value in said.items() if value is not None}

    def _signal(self, name: str) -> Any:
        """Note the StopMessage, or the error, with which a manager tells its team that it is over."""

        def make(original: Function) -> Function:
            async def signal(manager: Any, told: Any, *args: Any, **kwargs: Any) -> Any:
                scope = self._talks.get(_topic(manager))
                if scope is not None:
                    scope.notes[name] = told
                return await original(manager, told, *args, **kwargs)

            return signal

        return make

    def _handled(self, original: Function) -> Function:
        """Let what a manager or a member handles be handled inside its team's conversation."""

        async def on_message_impl(agent: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
            scope = self._talks.get(_topic(agent))
            if scope is None:
                return await original(agent, message, *args, **kwargs)
            if isinstance(message, self._events.GroupChatStart) and isinstance(agent, self._orchestrator):
                self.spoken(scope, message.messages or (), [scope.notes["manager"]])
            before = swap(scope)
            try:
                return await original(agent, message, *args, **kwargs)
            except StoppedError as error:
                if not await stops.end(agent, error):
                    raise
                return None
            finally:
                if before is not scope:  # the runtime is the team's own, and was started inside the conversation
                    swap(before)

        return on_message_impl

    # Messages -----------------------------------------------------------------------------------------------------

    def _publish(self, original: Function) -> Function:
        async def publish_message(agent: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
            scope = self._talks.get(_topic(agent))
            if scope is not None:
                self._published(scope, agent, message, kwargs.get("topic_id", next(iter(args), None)))
            return await original(agent, message, *args, **kwargs)

        return publish_message

    @safely
    def _published(self, scope: Scope, agent: Any, message: Any, topic: Any) -> None:
        """See what is said to a whole team, and whom Magentic-One asks next."""
        events, members = self._events, scope.notes["members"]
        if isinstance(message, events.GroupChatRequestPublish):
            selection = current()
            selection = selection.up(Operation.SELECTION) if selection is not None else None
            if selection is not None and "chosen" in selection.notes:
                by_topic = {asked: name for name, asked in agent._participant_name_to_topic_type.items()}  # noqa: SLF001
                selection.notes["chosen"].append(by_topic.get(topic.type, topic.type))
        elif topic.type != _topic(agent):
            return
        elif isinstance(message, events.GroupChatStart):
            self.spoken(scope, message.messages or (), members)
        elif isinstance(message, events.GroupChatAgentResponse):
            self.spoken(scope, [message.response.chat_message], others(scope, message.name))
        elif isinstance(message, events.GroupChatTeamResponse):
            said = [each for each in message.result.messages if hasattr(each, "to_model_message")]
            self.spoken(scope, said, others(scope, message.name))
            self._heard(scope, message.name)

    @safely
    def spoken(self, scope: Scope, messages: Sequence[Any], recipients: Sequence[str]) -> None:
        """Write each message once, where it is said first; what carries it into another team is a delivery."""
        before = current()
        if before is None or before.operation is not Operation.TURN or before.up(Operation.CONVERSATION) is not scope:
            swap(scope)
        try:
            for message in messages:
                if message.id in scope.notes["spoken"]:
                    continue
                scope.notes["spoken"].add(message.id)
                human = message.source == USER or message.source in scope.notes.get("people", ())
                body = agentchat_messages.spoken(message, human=human)
                carrying = scope.notes.get("carrying") if recipients else None
                said = self.trace.spoken(message.source, recipients, body, heard=carrying is None)
                if carrying is not None and said is not None:
                    carrying.append((said, recipients))
        finally:
            swap(before)

    @safely
    def _heard(self, scope: Scope, team: str | None = None) -> None:
        """Complete what was said in *team*, now that the team around it hears it; without one, what none came to hear.

        Where the team around it is itself in another, it is passed on.
        """
        carried = scope.notes.get("carried", {})
        for name in [team] if team is not None else list(carried):
            others = [member for member in scope.notes["members"] if member != team] if team is not None else []
            for said, recipients in carried.pop(name, ()):
                heard = [*recipients, *others]
                if "carrying" in scope.notes:
                    scope.notes["carrying"].append((said, heard))
                else:
                    self.trace.delivered(said, heard)


def _topic(agent: Any) -> str:
    """Name the topic that an agent of the runtime shares with its team; empty if it is part of none."""
    return str(getattr(agent, "_group_topic_type", None) or getattr(agent, "_parent_topic_type", None) or "")
