"""Connect classic AutoGen (``import autogen``: pyautogen 0.2.35-0.9, autogen and ag2 up to 0.14) to the seam.

Every hook sits on a class and is found by name when it is called, so agents built earlier are watched as well; what a
framework keeps by reference (its list of reply functions) is never touched. Two instance attributes, the termination
predicate and the function map, are watched where they are read.

Without ``max_turns`` a chat nests send, receive and reply for its whole length. So a message is a span of zero length,
and a turn covers only the making of a reply.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import classic_calls as calls
from harness.adapters import run_ids
from harness.adapters.classic_agents import before, bound, human, name_of, quiet, same
from harness.adapters.classic_endings import conversation_ending, turn_ending
from harness.adapters.classic_messages import Messages
from harness.adapters.classic_models import let_go
from harness.adapters.classic_setup import describe
from harness.adapters.patching import Function, Patches
from harness.adapters.seam import broken_off, end_here, up
from harness.call import StoppedError
from harness.canonical import encode
from harness.model import Ending, Operation
from harness.trace import Scope, attempt, current, safely

if TYPE_CHECKING:
    from harness.recording import Recording


class Classic:
    """The classic adapter: attach it to a recording, detach it again."""

    module = "autogen"

    def __init__(self, recording: Recording) -> None:
        """Prepare to report to *recording*. Imports nothing of the framework yet."""
        self.recording = recording
        self.trace = recording.trace
        self.messages = Messages()
        self.patches = Patches()

    def attach(self) -> None:
        """Put the hooks in place. The framework is imported by now."""
        import autogen
        from autogen import ConversableAgent, GroupChat, GroupChatManager, OpenAIWrapper
        from autogen.agentchat import chat, conversable_agent

        self._manager = GroupChatManager
        self.trace.attributes[semconv.HARNESS_FRAMEWORK] = f"autogen {autogen.__version__}"
        wrap = self.patches.wrap
        wrap(ConversableAgent, "initiate_chat", self._initiate_chat)
        wrap(ConversableAgent, "a_initiate_chat", self._a_initiate_chat)
        self.patches.choose(ConversableAgent, "send", current, self._send)
        self.patches.choose(ConversableAgent, "a_send", current, self._a_send)
        wrap(ConversableAgent, "generate_reply", self._generate_reply)
        wrap(ConversableAgent, "a_generate_reply", self._a_generate_reply)
        wrap(ConversableAgent, "_process_received_message", self._received)
        wrap(ConversableAgent, "_summarize_chat", self._summarize)
        for name, make in (("initiate_chats", self._initiate_chats), ("a_initiate_chats", self._a_initiate_chats)):
            for module in (chat, conversable_agent, autogen, autogen.agentchat):
                wrap(module, name, make)
        wrap(ConversableAgent, "sequential_run", self._sequential_run)
        wrap(ConversableAgent, "a_sequential_run", self._a_sequential_run)
        self.patches.watch(ConversableAgent, "_is_termination_msg", self._watch_predicate)
        calls.attach(self, ConversableAgent, GroupChat, OpenAIWrapper)

    def detach(self) -> None:
        """Take every hook away."""
        self.patches.undo()
        if self.recording.offline:
            let_go()

    def _manages(self, agent: object) -> bool:
        """Say whether *agent* manages a group; ``isinstance``, with the framework's protocols, costs ten times that."""
        return self._manager in type(agent).__mro__

    # Conversations ------------------------------------------------------------------------------------------------

    def _initiate_chat(self, original: Function) -> Function:
        def initiate_chat(agent: Any, *args: Any, **kwargs: Any) -> Any:
            if quiet(agent):
                return original(agent, *args, **kwargs)
            with self._conversation(original, agent, args, kwargs):
                return original(agent, *args, **kwargs)

        return initiate_chat

    def _a_initiate_chat(self, original: Function) -> Function:
        async def a_initiate_chat(agent: Any, *args: Any, **kwargs: Any) -> Any:
            if quiet(agent):
                return await original(agent, *args, **kwargs)
            with self._conversation(original, agent, args, kwargs):
                return await original(agent, *args, **kwargs)

        return a_initiate_chat

    def _send(self, agent: Any, original: Function) -> Function:
        """Give a method that begins a conversation; inside of one, the framework's own is left alone."""

        @functools.wraps(original)
        def send(message: Any, recipient: Any, *args: Any, **kwargs: Any) -> Any:
            with self._loosely(args, kwargs), self._talk(agent, recipient, None):
                return original(agent, message, recipient, *args, **kwargs)

        return send

    def _a_send(self, agent: Any, original: Function) -> Function:
        @functools.wraps(original)
        async def a_send(message: Any, recipient: Any, *args: Any, **kwargs: Any) -> Any:
            with self._loosely(args, kwargs), self._talk(agent, recipient, None):
                return await original(agent, message, recipient, *args, **kwargs)

        return a_send

    def _loosely(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        """Keep messages that ask for no reply, such as a history put in place, together in one run."""
        asks = kwargs.get("request_reply", args[0] if args else None)
        run = None if asks else attempt(self.trace.loose_run)
        return contextlib.nullcontext() if run is None else self.trace.within(run)

    def _conversation(
        self, original: Function, agent: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        given = bound(original, agent, args, kwargs)
        return self._talk(agent, given.get("recipient"), given.get("max_turns"))

    @contextlib.contextmanager
    def _talk(self, agent: Any, recipient: Any, max_turns: object) -> Iterator[None]:
        group = recipient.groupchat if self._manages(recipient) else None
        subject = f"{name_of(agent)} → {name_of(recipient)}"
        attributes = self._described(agent, recipient, group) or {}
        members = [recipient, agent, *(group.agents if group else ())]
        settings = (getattr(member, "llm_config", None) for member in members)
        with (
            run_ids.named(self.trace, settings),
            self.trace.operation(Operation.CONVERSATION, subject, attributes) as scope,
        ):
            if scope is not None:
                scope.notes.update(agent=agent, recipient=recipient, max_turns=max_turns, group=group, sent=0)
            try:
                yield
            except BaseException as error:
                self._end_conversation(scope, error)
                raise
            else:
                self._end_conversation(scope, None)

    @safely
    def _described(self, agent: object, recipient: object, group: Any) -> dict[str, Any]:
        members = [agent, recipient, *(group.agents if group else ())]
        return {
            semconv.HARNESS_CONVERSATION_PATTERN: "group" if group else "two_agent",
            semconv.HARNESS_AGENTS: encode(
                [describe(member) for member in dict.fromkeys(members) if member is not None]
            ),
        }

    @safely
    def _end_conversation(self, scope: Scope | None, error: BaseException | None) -> None:
        if scope is None:
            return
        self._heard(scope)
        stopped = error if error is not None else scope.notes.get("stopped")
        ending = broken_off(stopped) if stopped is not None else conversation_ending(scope.notes)
        self._set_ending(scope, ending)

    def _set_ending(self, scope: Scope, ending: Ending) -> None:
        said = {
            semconv.HARNESS_ENDING: ending.kind.value,
            semconv.HARNESS_ENDING_AGENT: ending.agent,
            semconv.HARNESS_ENDING_DETAIL: ending.detail,
        }
        scope.notes["end"] = {name: value for name, value in said.items() if value is not None}
        if scope.parent is not None:
            scope.parent.notes["inner_ending"] = ending

    def _initiate_chats(self, original: Function) -> Function:
        def initiate_chats(chat_queue: Any, *args: Any, **kwargs: Any) -> Any:
            with self._sequence(chat_queue):
                return original(chat_queue, *args, **kwargs)

        return initiate_chats

    def _a_initiate_chats(self, original: Function) -> Function:
        async def a_initiate_chats(chat_queue: Any, *args: Any, **kwargs: Any) -> Any:
            with self._sequence(chat_queue):
                return await original(chat_queue, *args, **kwargs)

        return a_initiate_chats

    @contextlib.contextmanager
    def _sequence(self, queue: Any) -> Iterator[None]:
        count = len(queue) if isinstance(queue, (list, tuple)) else 0
        attributes = {semconv.HARNESS_CONVERSATION_PATTERN: "sequential"}
        chats = [chat for chat in queue if isinstance(chat, Mapping)] if count else []
        settings = (getattr(chat.get(side), "llm_config", None) for chat in chats for side in ("recipient", "sender"))
        with (
            run_ids.named(self.trace, settings),
            self.trace.operation(Operation.CONVERSATION, f"{count} chats", attributes) as scope,
        ):
            try:
                yield
            finally:
                ending = scope.notes.get("inner_ending") if scope else None
                if scope is not None and ending is not None:
                    self._set_ending(scope, ending)

    def _sequential_run(self, original: Function) -> Function:
        def sequential_run(agent: Any, *args: Any, **kwargs: Any) -> Any:  # its chats go on when it has returned
            with self._one_run():
                return original(agent, *args, **kwargs)

        return sequential_run

    def _one_run(self) -> contextlib.AbstractContextManager[None]:
        """Keep all that starts inside in one run, also what goes on later and elsewhere."""
        if current() is not None:
            return contextlib.nullcontext()
        return self.trace.within(self.trace.given_run() or self.trace.new_run())

    def _a_sequential_run(self, original: Function) -> Function:
        async def a_sequential_run(agent: Any, *args: Any, **kwargs: Any) -> Any:
            with self._one_run():
                return await original(agent, *args, **kwargs)

        return a_sequential_run

    # Turns --------------------------------------------------------------------------------------------------------

    def _generate_reply(self, original: Function) -> Function:
        def generate_reply(agent: Any, *args: Any, **kwargs: Any) -> Any:
            with self._turn(original, agent, args, kwargs) as scope:
                try:
                    self._begins(scope, agent)
                    reply = original(agent, *args, **kwargs)
                except StoppedError as error:
                    if scope is None or not error.ends:
                        raise
                    scope.notes["stopped"], reply = error, None
                return self._took_turn(scope, agent, reply)

        return generate_reply

    def _a_generate_reply(self, original: Function) -> Function:
        async def a_generate_reply(agent: Any, *args: Any, **kwargs: Any) -> Any:
            with self._turn(original, agent, args, kwargs) as scope:
                try:
                    self._begins(scope, agent)
                    reply = await original(agent, *args, **kwargs)
                except StoppedError as error:
                    if scope is None or not error.ends:
                        raise
                    scope.notes["stopped"], reply = error, None
                return self._took_turn(scope, agent, reply)

        return a_generate_reply

    def _turn(
        self, original: Function, agent: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[Scope | None]:
        calls.prepare(self, agent)
        if quiet(agent):
            return contextlib.nullcontext()
        if self._manages(agent):
            return self._group(agent)
        sender = kwargs["sender"] if "sender" in kwargs else bound(original, agent, args, kwargs).get("sender")
        return self.trace.operation(Operation.TURN, name_of(agent), notes=before(agent, sender))

    @contextlib.contextmanager
    def _group(self, manager: Any) -> Iterator[Scope | None]:
        """Hold a group's rounds: in the conversation that addressed its manager, else in one of their own."""
        scope = current()
        if scope is not None and scope.notes.get("recipient") is manager:
            scope.notes["rounds"] = 1
            try:
                yield scope
            finally:
                self._heard(scope)
            return
        with self._talk(manager, manager, None):
            inner = current()
            if inner is not None:
                inner.notes["rounds"] = 1
            yield inner

    def _begins(self, scope: Scope | None, agent: Any) -> None:
        """Raise StoppedError if *agent* may not take its turn; who picks a speaker is stopped where one is picked."""
        if scope is not None:
            end_here(self, name_of(agent))

    def _took_turn(self, scope: Scope | None, agent: Any, reply: Any) -> Any:
        """Give the reply of a turn: none in a run that was stopped while it was made."""
        if scope is None:
            return reply
        stopped = scope.notes.get("stopped")
        if isinstance(stopped, StoppedError) and stopped.ends:
            conversation = scope.up(Operation.CONVERSATION)
            if conversation is not None:
                conversation.notes["stopped"] = stopped
            return None
        if reply is None:
            self._silent(scope, agent)
        return reply

    @safely
    def _silent(self, scope: Scope, agent: Any) -> None:
        """Note why a turn brought no reply."""
        if scope.operation is Operation.TURN and scope.parent is not None:
            scope.parent.notes["silent_turn"] = turn_ending(name_of(agent), scope.notes)

    def _summarize(self, original: Function) -> Function:
        """Let a conversation that was stopped have its last message as its summary, where a model would be asked."""

        def _summarize_chat(agent: Any, summary_method: Any, *args: Any, **kwargs: Any) -> Any:
            conversation = up(Operation.CONVERSATION)
            stopped = conversation.notes.get("stopped") if conversation is not None else None
            if stopped is not None and stopped.ends and summary_method == "reflection_with_llm":
                summary_method = "last_msg"
            return original(agent, summary_method, *args, **kwargs)

        return _summarize_chat

    def _watch_predicate(self, agent: Any, predicate: Any) -> Any:
        """Note whose termination predicate matched. It is called once, by the framework, as ever."""
        scope = current()
        if scope is None or not callable(predicate):
            return predicate

        def is_termination_msg(message: Any) -> Any:
            matched = predicate(message)
            if matched:
                scope.notes["matched"] = name_of(agent)
            return matched

        return is_termination_msg

    # Messages -----------------------------------------------------------------------------------------------------

    def _received(self, original: Function) -> Function:
        def _process_received_message(agent: Any, message: Any, sender: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(agent, message, sender, *args, **kwargs)
            if not quiet(agent, sender):
                self._spoken(agent, message, sender)
            return result

        return _process_received_message

    @safely
    def _spoken(self, recipient: Any, message: Any, sender: Any) -> None:
        scope = current()
        conversation = scope.up(Operation.CONVERSATION) if scope else None
        notes = conversation.notes if conversation else {}
        if self._manages(sender) and "rounds" in notes and notes.get("recipient") is sender:
            self._passed_on(conversation, sender, recipient, message)
            return
        if conversation is not None:
            if "pending" in notes:
                self._heard(conversation)
            notes.pop("silent_turn", None)
            notes.pop("matched", None)
            if sender is notes.get("agent"):
                notes["sent"] += 1
            if "rounds" in notes:
                notes["rounds"] += 1
        in_group = self._manages(recipient) and conversation is not None
        said = self.trace.spoken(name_of(sender), [name_of(recipient)], self._body(message, sender), heard=not in_group)
        if in_group:
            notes["pending"] = [{"scope": said, "message": message, "recipients": []}]

    def _passed_on(self, conversation: Scope | None, manager: Any, recipient: Any, message: Any) -> None:
        """Note a delivery of what was said to the group, or of what its manager says by itself: an introduction."""
        pending = conversation.notes.get("pending", []) if conversation is not None else []
        for each in pending:
            if same(each["message"], message):
                each["recipients"].append(name_of(recipient))
                return
        if pending and getattr(manager.groupchat, "send_introductions", False):
            body = self._body(message, manager)
            said = self.trace.spoken(name_of(manager), [name_of(recipient)], body, heard=False)
            pending.append({"scope": said, "message": message, "recipients": [name_of(recipient)]})

    def _body(self, message: Any, sender: Any) -> Mapping[str, Any]:
        role = "user" if human(sender) else "assistant"
        if isinstance(message, str):
            return self.messages.said(message, role)
        body = self.messages.of(message)
        return body if isinstance(message, dict) and "role" in message else {**body, "role": role}

    @safely
    def _heard(self, conversation: Scope) -> None:
        """Complete the group's last message, now that the manager has passed it on to everyone."""
        for each in conversation.notes.pop("pending", ()):
            if each["scope"] is not None:
                recipients = each["recipients"] or each["scope"].record["attributes"][semconv.HARNESS_RECIPIENTS]
                self.trace.delivered(each["scope"], recipients)

    @safely
    def heard(self) -> None:
        """Say that the group has heard its last message: the next speaker is being chosen."""
        scope = current()
        conversation = scope.up(Operation.CONVERSATION) if scope else None
        if conversation is not None:
            self._heard(conversation)
