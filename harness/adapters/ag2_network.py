"""Where AG2 1.x's agents talk over a hub: a channel is a conversation, and an envelope in it a message.

A hub hands an envelope over in a task of the recipient's own, so the turn that answers it would stand alone. Here it
stands in the conversation of its channel. What is said is told where the hub has accepted it, before it is delivered;
invitations, acknowledgements and what becomes of tasks are not said by anybody.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.adapters.seam import make_call
from harness.call import Reply
from harness.canonical import encode
from harness.errors import Exit, HarnessError
from harness.model import Ending, EndingKind, Operation
from harness.trace import Scope, current, safely, swap

if TYPE_CHECKING:
    from harness.adapters.ag2 import Ag2
    from harness.adapters.patching import Function
    from harness.model import Json

MODULE = "ag2.network"
_MOST_REMEMBERED = 1024
_attached: Channels | None = None
_waiting = False


class Channels:
    """The conversations of the channels of every hub in this process."""

    def __init__(self, adapter: Ag2) -> None:
        """Report to *adapter*."""
        self.adapter = adapter
        self.trace = adapter.trace
        self._scopes: OrderedDict[str, Scope] = OrderedDict()

    def attach(self) -> None:
        """Put the hooks in place, now or when the program imports the network."""
        global _attached, _waiting  # noqa: PLW0603 - import hooks cannot be taken back
        _attached = self
        if MODULE in sys.modules:
            self.put()
        elif not _waiting:
            import wrapt

            _waiting = True
            wrapt.register_post_import_hook(lambda _module: _imported(), MODULE)

    def detach(self) -> None:
        """End the conversations that still go on: nobody is left to see how they do."""
        global _attached  # noqa: PLW0603 - as above
        _attached = None
        for channel_id in list(self._scopes):
            self._end(channel_id, Ending(kind=EndingKind.UNKNOWN))

    def put(self) -> None:
        """Put the hooks in place."""
        from ag2.network import AgentClient, Hub, HumanClient

        wrap = self.adapter.patches.wrap
        wrap(Hub, "_fan_out", self._fan_out)
        wrap(Hub, "_dispatch", self._dispatch)
        wrap(Hub, "close", self._close)
        wrap(AgentClient, "receive", self._receive)
        wrap(HumanClient, "receive", self._receive)

    # Hooks --------------------------------------------------------------------------------------------------------

    def _fan_out(self, original: Function) -> Function:
        async def _fan_out(hub: Any, method_name: str, *args: Any) -> None:
            if method_name == "on_channel_event":
                self._happened(hub, *args)
            elif method_name == "on_agent_event":
                self._registered(hub)
            await original(hub, method_name, *args)
            if method_name == "on_turn_failed":
                await self._given_up(hub, *args)

        return _fan_out

    def _dispatch(self, original: Function) -> Function:
        async def _dispatch(hub: Any, envelope: Any, metadata: Any) -> Any:
            self._accepted(hub, envelope, metadata)
            return await original(hub, envelope, metadata)

        return _dispatch

    def _close(self, original: Function) -> Function:
        async def close(hub: Any) -> None:
            await original(hub)
            self._closed(hub)

        return close

    def _receive(self, original: Function) -> Function:
        async def receive(client: Any, envelope: Any) -> None:
            with self._inside(envelope.channel_id):
                if not await self._over(envelope):
                    await original(client, envelope)

        return receive

    async def _over(self, envelope: Any) -> bool:
        """Close a channel whose run was stopped, before anybody answers in it; say whether that was to be done."""
        from ag2.network.hub.core import _is_protocol_event

        scope = self._scopes.get(envelope.channel_id)
        if scope is None or _is_protocol_event(envelope.event_type):
            return False
        stopped = self.adapter.recording.stops.stopped()
        if stopped is None or not stopped.ends:
            return False
        if scope.notes["open"]:
            await scope.notes["hub"].close_channel(envelope.channel_id, reason=str(stopped))
        return True

    async def _given_up(self, hub: Any, channel_id: str, _agent: str, _envelope: str, error: BaseException) -> None:
        """Close a channel in which a replay had no answer: none will come, and its program waits for the end."""
        scope = self._scopes.get(channel_id)
        missed = isinstance(error, HarnessError) and error.code is Exit.DIVERGED
        if missed and scope is not None and scope.notes["open"]:
            await hub.close_channel(channel_id, reason="a request was not recorded")

    # Conversations ------------------------------------------------------------------------------------------------

    @safely
    def _happened(self, hub: Any, channel_id: str, kind: str, payload: dict[str, Any]) -> None:
        metadata = payload.get("metadata")
        if kind == "created" and metadata is not None:
            self._open(hub, metadata)
        elif kind in {"closed", "expired"}:
            scope = self._scopes.get(channel_id)
            if scope is not None:
                self._end(channel_id, _ending(scope, kind, str(payload.get("reason") or ""), metadata))

    @safely
    def _registered(self, hub: Any) -> None:
        for agent_id, passport in hub._passports.items():  # noqa: SLF001 - every name the hub gives out
            self.adapter.known.agent(agent_id, passport.name)

    def _open(self, hub: Any, metadata: Any) -> Scope | None:
        self._registered(hub)
        names = [hub.name_for(who.agent_id) for who in sorted(metadata.participants, key=lambda who: who.order)]
        creator = hub.name_for(metadata.creator_id)
        subject = f"{creator} → {', '.join(name for name in names if name != creator)}"
        attributes: dict[str, Json] = {
            semconv.HARNESS_CONVERSATION_PATTERN: metadata.manifest.type,
            semconv.HARNESS_AGENTS: encode([{"name": name} for name in names]),
            **self.adapter.framework(),
        }
        before = current()
        scope = self.trace.open(Operation.CONVERSATION, subject, attributes)
        swap(before)
        if scope is None:
            return None
        scope.notes.update(channel=metadata.channel_id, hub=hub, names=names, agents={}, open=True)
        self._scopes[metadata.channel_id] = scope
        if len(self._scopes) > _MOST_REMEMBERED:
            self._end(next(iter(self._scopes)), Ending(kind=EndingKind.UNKNOWN))
            self._scopes.popitem(last=False)
        return scope

    @safely
    def _end(self, channel_id: str, ending: Ending) -> None:
        """End a conversation; what is still delivered of it stands in it all the same."""
        scope = self._scopes.get(channel_id)
        if scope is None or not scope.notes["open"]:
            return
        from harness.adapters.ag2 import set_ending

        scope.notes["open"] = False
        set_ending(scope, ending)
        known = scope.notes["agents"]
        described = [known.get(name, {"name": name}) for name in scope.notes["names"]]
        scope.notes["end"][semconv.HARNESS_AGENTS] = encode(described)
        self.trace.close(scope)

    @safely
    def _closed(self, hub: Any) -> None:
        """End what a hub that is closed leaves open: its channels may go on one day, in another process."""
        for channel_id, scope in self._scopes.items():
            if scope.notes["hub"] is hub:
                self._end(channel_id, Ending(kind=EndingKind.STOPPED, detail="the hub was closed"))

    @contextmanager
    def _inside(self, channel_id: str) -> Iterator[None]:
        """Let what happens inside stand in the conversation of a channel, if its hub is in this process."""
        scope = self._scopes.get(channel_id)
        if scope is None:
            yield
            return
        before = swap(scope)
        try:
            yield
        finally:
            swap(before)

    # Messages -----------------------------------------------------------------------------------------------------

    @safely
    def _accepted(self, hub: Any, envelope: Any, metadata: Any) -> None:
        from ag2.network import ensure_parts
        from ag2.network.hub.core import _is_protocol_event

        from harness.adapters import ag2_inputs

        if _is_protocol_event(envelope.event_type):
            return
        scope = self._scopes.get(metadata.channel_id) or self._open(hub, metadata)
        adapter = hub._adapter_for(metadata.manifest.type, metadata.manifest.version)  # noqa: SLF001 - who renders it
        parts = ensure_parts(adapter.render_envelope(envelope))
        if scope is None or not parts:
            return
        sender = hub.name_for(envelope.sender_id)
        passport = hub._passports.get(envelope.sender_id)  # noqa: SLF001 - whether it is a person
        audience = envelope.audience
        if audience is None:
            audience = [who.agent_id for who in metadata.participants]
        recipients = [hub.name_for(agent_id) for agent_id in audience if agent_id != envelope.sender_id]
        role = "user" if passport is not None and passport.effective_kind == "human" else "assistant"
        with self._inside(metadata.channel_id):
            body = self.adapter.messages().ids.hide(ag2_inputs.said(parts, role))
            self.trace.spoken(sender, recipients, body)
            state = hub._adapter_states.get(metadata.channel_id)  # noqa: SLF001 - as this envelope left it
            expected = adapter.expected_next(metadata, state)
            scope.notes.update(last=sender, due=getattr(state, "pending_close_reason", "") or None)
            if len(metadata.participants) > 2 and expected is not None:  # noqa: PLR2004 - of two, the other one is next
                self._chosen(hub, envelope, metadata, expected.agent_id)

    def _chosen(self, hub: Any, envelope: Any, metadata: Any, agent_id: str) -> None:
        routing = envelope.event_data.get("routing") or {}
        handed = routing.get("kind") == "handoff"
        request = {
            "method": "handoff" if handed else str(metadata.knobs.get("ordering") or metadata.manifest.type),
            "candidates": [hub.name_for(who.agent_id) for who in metadata.participants],
            "last": hub.name_for(envelope.sender_id),
        }
        call = make_call(Operation.SELECTION, hub.name_for(envelope.sender_id), request)
        self.trace.observed(call, Reply(value={"choice": hub.name_for(agent_id)}))


def _imported() -> None:
    if _attached is not None:
        _attached.put()


def _ending(scope: Scope, kind: str, reason: str, metadata: Any) -> Ending:
    """Say why a channel was closed, from the reason that its hub gives."""
    last = scope.notes.get("last")
    if reason == "max_turns":
        limit = (metadata.knobs.get("graph") or {}).get("max_turns") if metadata is not None else None
        return Ending(kind=EndingKind.MAX_TURNS, detail=None if limit is None else str(limit))
    if reason == "consulting_complete":
        return Ending(kind=EndingKind.ANSWERED, agent=last, detail=reason)
    if reason and reason in {scope.notes.get("due"), "workflow_terminated"}:
        return Ending(kind=EndingKind.TERMINATION_MESSAGE, agent=last, detail=reason)
    return Ending(kind=EndingKind.STOPPED, detail=reason or kind)
