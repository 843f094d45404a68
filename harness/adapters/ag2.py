"""Connect AG2 1.x (``import ag2``) to the seam.

Every turn of every agent, however it is asked (``ask``, ``run``, ``resume``, ``reply.ask``, as a tool, as a sub-task,
by a hub), is driven by ``Agent._drive_scope``; every event passes ``ConversationContext.send``, before any observer
sees it. Both are found by name when they are called, so agents built earlier are watched too, and observers see what
they always did.

Asking an agent is a conversation of the one who asks with it, and its turn is the only one in it. What was said before
on the same stream belongs to the same run.
"""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters import run_ids
from harness.adapters.ag2_ids import Ids, Known
from harness.adapters.ag2_setup import describe, name_of
from harness.adapters.patching import Function, Patches
from harness.adapters.seam import broken_off
from harness.canonical import encode
from harness.model import Ending, EndingKind, Operation
from harness.trace import RunState, Scope, current, safely, swap

if TYPE_CHECKING:
    from harness.adapters.ag2_events import Messages
    from harness.adapters.ag2_network import Channels
    from harness.model import Json
    from harness.recording import Recording

_MOST_STREAMS = 1024
_MOST_RUNS = 128
ASKER = "user"
"""Who asks an agent that no other agent asks."""


class Ag2:
    """The AG2 1.x adapter: attach it to a recording, detach it again."""

    module = "ag2"

    def __init__(self, recording: Recording) -> None:
        """Prepare to report to *recording*. Imports nothing of the framework yet."""
        self.recording = recording
        self.trace = recording.trace
        self.patches = Patches()
        self.known = Known()
        self.seen: set[Any] = set()
        """The kinds of model configs that have come up in turns, and have their hooks."""
        self.sees_wire = False
        """Whether the OpenAI client is loaded, and has its hooks."""
        self._framework = "ag2"
        self._runs: OrderedDict[object, RunState] = OrderedDict()
        self._channels: Channels | None = None
        self._messages: OrderedDict[int, tuple[RunState | None, Messages]] = OrderedDict()

    def attach(self) -> None:
        """Put the hooks in place. The framework is imported by now."""
        import ag2
        from ag2 import events
        from ag2.context import ConversationContext
        from ag2.events.alert import HaltEvent

        from harness.adapters import ag2_code, ag2_events, ag2_models, ag2_network, ag2_tools

        self._events: Any = events
        self._halt: Any = HaltEvent
        self._translation = ag2_events
        self._models, self._code = ag2_models, ag2_code
        self._humans = ag2_tools.Humans(self)
        self._channels = ag2_network.Channels(self)
        self._framework = f"ag2 {ag2.__version__}"
        self.patches.wrap(ag2.Agent, "_prepare_turn", self._prepare_turn)
        self.patches.wrap(ag2.Agent, "_drive_scope", self._drive_scope)
        self.patches.wrap(ConversationContext, "send", self._send)
        ag2_models.attach(self)
        ag2_tools.attach(self)
        ag2_code.attach(self)
        self._channels.attach()

    def detach(self) -> None:
        """Take every hook away."""
        self.patches.undo()
        if self._channels is not None:
            self._channels.detach()

    def messages(self) -> Messages:
        """Give what is known of the messages of the run that is going on."""
        scope = current()
        run = scope.run if scope is not None else None
        found = self._messages.get(id(run))
        if found is None or found[0] is not run:
            found = self._messages[id(run)] = run, self._translation.Messages(Ids(self.known))
            if len(self._messages) > _MOST_RUNS:
                self._messages.popitem(last=False)
        self._messages.move_to_end(id(run))
        return found[1]

    # Turns --------------------------------------------------------------------------------------------------------

    def _prepare_turn(self, original: Function) -> Function:
        async def _prepare_turn(agent: Any, trigger: Any, context: Any, config: Any) -> Any:
            self._models.prepare(self, config or agent.config)
            return await original(agent, trigger, context, config)

        return _prepare_turn

    def _drive_scope(self, original: Function) -> Function:
        @contextlib.asynccontextmanager
        async def _drive_scope(agent: Any, event: Any, **kwargs: Any) -> AsyncIterator[Any]:
            self._models.prepare(self, agent.config)
            if "client" in kwargs:
                kwargs["client"] = self._models.watched(self, kwargs["client"])
            self._code.prepare(self, agent.tools)
            kwargs["additional_middleware"] = (*kwargs.get("additional_middleware", ()), self._humans)
            async with original(agent, event, **kwargs) as drive:

                async def driven() -> Any:
                    with self._turn(agent, event, kwargs["context"]) as turn:
                        reply = await drive()
                        self._took_turn(turn, reply)
                        return reply

                yield driven

        return _drive_scope

    @contextlib.contextmanager
    def _turn(self, agent: Any, event: Any, context: Any) -> Iterator[Scope | None]:
        """Hold the turn of *agent* open: in the conversation of the channel it answers in, else in one of its own."""
        scope = current()
        notes = {"stream": context.stream, "partner": _asker(), "heard": [*getattr(event, "parts", ())]}
        with contextlib.ExitStack() as stack:
            if scope is not None and scope.operation is Operation.CONVERSATION and "channel" in scope.notes:
                notes["partner"] = None  # what it says is said in envelopes
                scope.notes["agents"][name_of(agent)] = safely(describe)(agent)
            else:
                stack.enter_context(self._in_run_of(context.stream.id))
                stack.enter_context(run_ids.named(self.trace, [agent.config]))
                talk = stack.enter_context(self._talk(agent, notes["partner"]))
                self._asked(talk, agent, event, notes)
            turn = stack.enter_context(self.trace.operation(Operation.TURN, name_of(agent)))
            if turn is not None:
                turn.notes.update(notes)
            try:
                yield turn
            finally:
                self._answer(turn)

    def _in_run_of(self, stream: object) -> contextlib.AbstractContextManager[None]:
        """Let a conversation that goes on on the same stream stay in its run, unless it is part of something else."""
        known = self._runs.get(stream)
        if known is None or current() is not None or self.trace.given_run() is not None:
            return contextlib.nullcontext()
        return self.trace.within(known)

    def _remember(self, stream: object, run: RunState) -> None:
        self._runs[stream] = run
        self._runs.move_to_end(stream)
        if len(self._runs) > _MOST_STREAMS:
            self._runs.popitem(last=False)

    @contextlib.contextmanager
    def _talk(self, agent: Any, asker: str) -> Iterator[Scope | None]:
        subject = f"{asker} → {name_of(agent)}"
        with self.trace.operation(Operation.CONVERSATION, subject, self._described(agent) or {}) as scope:
            try:
                yield scope
            except BaseException as error:
                set_ending(scope, replace(broken_off(error), agent=name_of(agent)))
                raise

    @safely
    def _described(self, agent: Any) -> dict[str, Json]:
        return {
            semconv.HARNESS_CONVERSATION_PATTERN: "single",
            semconv.HARNESS_AGENTS: encode([describe(agent)]),
            **self.framework(),
        }

    def framework(self) -> dict[str, Json]:
        """Say which framework it is, for a conversation that begins a run's trace."""
        return {} if current() is not None else {semconv.HARNESS_FRAMEWORK: self._framework}

    @safely
    def _asked(self, talk: Scope | None, agent: Any, event: Any, notes: dict[str, Any]) -> None:
        if talk is None:
            return
        self._remember(notes["stream"].id, talk.run)
        if isinstance(event, self._events.ModelRequest):
            self._speak(talk, notes["partner"], name_of(agent), event)

    @safely
    def _took_turn(self, turn: Scope | None, reply: Any) -> None:
        if turn is None or turn.notes["partner"] is None:
            return
        agent = turn.record["attributes"][semconv.GEN_AI_AGENT]
        response = turn.notes["answer"] = reply.response  # observers and middleware may have put another in its place
        self._answer(turn)
        halted = turn.notes.get("halted")
        if halted is not None and response.content == f"HALTED: {halted}":
            ending = Ending(kind=EndingKind.STOPPED, agent=agent, detail=halted)
        elif response.content or response.tool_calls.calls or response.files:
            ending = Ending(kind=EndingKind.ANSWERED, agent=agent, detail=response.finish_reason)
        else:
            ending = Ending(kind=EndingKind.NO_REPLY, agent=agent, detail=response.finish_reason)
        set_ending(turn.parent, ending)

    # Events -------------------------------------------------------------------------------------------------------

    def _send(self, original: Function) -> Function:
        async def send(context: Any, event: Any) -> None:
            self._sent(context, event)
            await original(context, event)

        return send

    @safely
    def _sent(self, context: Any, event: Any) -> None:
        scope = current()
        if scope is not None and scope.operation is Operation.CHAT:
            scope.notes.setdefault("published", []).append(event)
            if isinstance(event, self._events.ModelMessageChunk):
                scope.notes.setdefault("first_chunk_ns", time.perf_counter_ns() - scope.started)
            return
        turn = scope.up(Operation.TURN) if scope is not None else None
        if turn is not None and turn.notes.get("stream") is context.stream:
            self._said(turn, event)

    def _said(self, turn: Scope, event: Any) -> None:
        events = self._events
        agent = turn.record["attributes"][semconv.GEN_AI_AGENT]
        partner = turn.notes["partner"]
        if isinstance(event, self._halt):
            turn.notes["halted"] = event.reason
        elif isinstance(event, events.ToolResultsEvent):
            self._speak(turn.parent, agent, None, event)
        elif isinstance(event, events.ModelResponse):
            self._answer(turn)
            if event.response_force or not event.tool_calls.calls:
                turn.notes["answer"] = event
            else:
                self._speak(turn.parent, agent, None, event)
        elif isinstance(event, events.ModelRequest):
            self._answer(turn)
            heard = turn.notes["heard"]
            fresh = [part for part in event.parts if not any(part is known for known in heard)]
            heard.extend(fresh)
            if fresh:
                self._speak(turn.parent, partner or ASKER, agent, events.ModelRequest(fresh))

    @safely
    def _answer(self, turn: Scope | None) -> None:
        """Write what the agent has answered, now that nothing can take its place any more."""
        event = turn.notes.pop("answer", None) if turn is not None else None
        if turn is not None and event is not None and turn.notes["partner"] is not None:
            agent = turn.record["attributes"][semconv.GEN_AI_AGENT]
            self._speak(turn.parent, agent, turn.notes["partner"], event)

    def _speak(self, talk: Scope | None, sender: str, recipient: str | None, event: Any) -> None:
        """Write what *event* says, unless it says nothing; calls of tools and their results are said to nobody."""
        if talk is None:
            return
        body = self.messages().of(event)
        if body is None or not body["parts"]:
            return
        before = swap(talk)
        self.trace.spoken(sender, [recipient] if recipient else [], body)
        swap(before)


def _asker() -> str:
    """Name who asks: the agent whose turn it is, if any."""
    scope = current()
    turn = scope.up(Operation.TURN) if scope else None
    return str(turn.record["attributes"][semconv.GEN_AI_AGENT]) if turn else ASKER


def set_ending(scope: Scope | None, ending: Ending) -> None:
    """Say why the conversation *scope* ended; its record says so when it is closed."""
    if scope is None:
        return
    said = {
        semconv.HARNESS_ENDING: ending.kind.value,
        semconv.HARNESS_ENDING_AGENT: ending.agent,
        semconv.HARNESS_ENDING_DETAIL: ending.detail,
    }
    scope.notes["end"] = {name: value for name, value in said.items() if value is not None}
