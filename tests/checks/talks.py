"""Conversations to judge, written down in a line or two each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import derive, semconv
from harness.model import Event, Operation, Span, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
RUN = "run"


class Talk:
    """Writes the spans of one run, a tick of one second apart, and gives its events."""

    def __init__(self, mode: str | None = None) -> None:
        self.spans: list[Span] = []
        self.parts: dict[str, Any] = {}
        self._seq = 0
        self._mode = mode

    def _tick(self) -> int:
        self._seq += 1
        return self._seq

    def span(
        self,
        operation: Operation,
        *,
        parent: str | None = None,
        status: Status = Status.OK,
        end: bool = True,
        seconds: float = 0,
        **attributes: Any,
    ) -> str:
        """Add one span that ends at once, or *seconds* later; give its id."""
        seq = self._tick()
        named = {getattr(semconv, name): value for name, value in attributes.items()}
        if self._mode and parent is None:
            named[semconv.HARNESS_RUN_MODE] = self._mode
        start = START_NS + seq * SECOND
        self.spans.append(
            Span(
                run_id=RUN,
                trace_id="t",
                span_id=f"{seq:016x}",
                parent_id=parent,
                name=operation.value,
                kind="INTERNAL",
                operation=operation,
                status=status,
                seq=seq,
                end_seq=seq if end else None,
                start_ns=start,
                end_ns=start + int(seconds * SECOND) if end else None,
                attributes=named,
            )
        )
        return f"{seq:016x}"

    def conversation(self, *said: Any, ending: str = "unknown", parent: str | None = None, **more: Any) -> str:
        """Add a conversation in which *said* is said, by ``"sender: text"``, ``(sender, parts)``, or called."""
        seq = self._tick()
        me = f"{seq:016x}"
        for each in said:
            if callable(each):
                each(me)
            else:
                self.say(me, each)
        end = self._tick()
        status = more.pop("status", Status.OK)
        attributes = {semconv.HARNESS_ENDING: ending} | {getattr(semconv, name): value for name, value in more.items()}
        if self._mode and parent is None:
            attributes[semconv.HARNESS_RUN_MODE] = self._mode
        self.spans.append(
            Span(
                run_id=RUN,
                trace_id="t",
                span_id=me,
                parent_id=parent,
                name="invoke_workflow",
                kind="INTERNAL",
                operation=Operation.CONVERSATION,
                status=status,
                seq=seq,
                end_seq=end if status is not Status.INTERRUPTED else None,
                start_ns=START_NS + seq * SECOND,
                end_ns=START_NS + end * SECOND if status is not Status.INTERRUPTED else None,
                attributes=attributes,
            )
        )
        return me

    def say(
        self,
        conversation: str,
        what: str | tuple[str, list[Mapping[str, Any]]],
        *,
        role: str = "assistant",
        to: Iterable[str] = ("all",),
    ) -> str:
        """Add one message."""
        if isinstance(what, str):
            sender, _, text = what.partition(": ")
            parts: list[Mapping[str, Any]] = [{"type": "text", "content": text}]
        else:
            sender, parts = what
        name = f"part{len(self.parts)}"
        self.parts[name] = {"role": role, "parts": parts}
        return self.span(
            Operation.MESSAGE,
            parent=conversation,
            HARNESS_SENDER=sender,
            HARNESS_RECIPIENTS=list(to),
            HARNESS_ROLE=role,
            HARNESS_MESSAGE_PART=name,
        )

    def events(self) -> list[Event]:
        """Give the events of the run as the store's reader would."""
        return list(derive.events(derive.run(RUN, self.spans, self.parts, {})))


def call(name: str, arguments: Any, identity: str = "call") -> Mapping[str, Any]:
    """Make a part that calls a tool."""
    return {"type": "tool_call", "id": identity, "name": name, "arguments": arguments}


def result(text: str, identity: str = "call") -> Mapping[str, Any]:
    """Make a part that answers a tool call."""
    return {"type": "tool_call_response", "id": identity, "response": text}


def talk(said: Iterable[Any], **more: Any) -> list[Event]:
    """Give the events of a run of one conversation."""
    whole = Talk()
    whole.conversation(*said, **more)
    return whole.events()
