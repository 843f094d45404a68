"""Turn what this process writes of a run, as it writes it, into the events that checks are fed.

They are those that :func:`harness.derive.events` gives of the stored run: the same order and numbers, the same redacted
messages, calls and endings. Two things a live run cannot know yet: the start of a span has the attributes it began
with, and a message has the recipients it was delivered to by the time something else happens. Of a run that several
processes take part in, each sees its own part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import orjson

from harness.check import Moment
from harness.contents import Link, Part
from harness.derive.closing import ending
from harness.derive.exchanges import put_off, record
from harness.derive.history import Message, message
from harness.derive.spoken import spoken
from harness.model import CALLS, Event, Json, Operation, Span, Status
from harness.scopes import Scope

_MOST_REMEMBERED = 4096
_MOST_HISTORIES = 16
_MOST_TURNS = 256


class Watching:
    """The events of one run, as far as this process writes it."""

    def __init__(self, number: int = 0, *, wanted: Callable[[Moment], bool] = lambda _moment: True) -> None:
        """Begin with the message *number*: how many of the run were spoken before.

        Of calls and turns inside others the events that nobody *wanted* are not made.
        """
        self._number = number
        self._wanted = wanted
        self._run_id: str | None = None
        self._made: dict[Operation, tuple[bool, bool]] = {}
        self._turns: dict[str, tuple[str, Mapping[str, Json]]] = {}
        self._held: tuple[Span, Scope, Part] | None = None
        self._told: set[str] = set()
        self._asked: dict[str, tuple[Sequence[Link], Sequence[Part]]] = {}
        self._known: dict[str, Json] = {}
        self._histories: deque[tuple[int, str, list[Message]]] = deque(maxlen=_MOST_HISTORIES)

    def see(self, scope: Scope, contents: Sequence[Part], links: Sequence[Link]) -> Sequence[Event]:
        """Take in the record of *scope* that was just written, and give the events that it brings.

        A message that is still being delivered waits for that, or for whatever comes next.
        """
        operation = scope.operation
        starts, ends = self._made.get(operation) or self._find_out(operation)
        if self._held is None and not starts and not ends and scope.parent is not None and self._run_id is not None:
            return ()
        record = scope.record
        found = [] if self._held is None else [self._deliver(scope)]
        if operation is Operation.MESSAGE:
            self._speak(found, scope, contents)
            return found
        # What kind of run it is, and what it is called, roots say, too.
        whole = scope.parent is None or self._run_id is None
        if record["k"] == "s":
            if operation is Operation.CHAT:
                self._asked[record["span_id"]] = links, contents
            if starts or whole:
                found.append(self._start(self._span(scope)))
            return found
        point = record["end_seq"] == record["seq"] and (starts or whole)
        if ends or whole or point:
            span = self._span(scope)
            found += [self._start(span)] if point else ()
            found += [self._end(span, contents)] if ends or whole else ()
        self._asked.pop(record["span_id"], None)
        return found

    def _find_out(self, operation: Operation) -> tuple[bool, bool]:
        """Say whether the starts and the ends of *operation* are made into events; messages and conversations are."""
        whole = operation in {Operation.MESSAGE, Operation.CONVERSATION}
        made = whole or self._wanted(("start", operation)), whole or self._wanted(("end", operation))
        self._made[operation] = made
        return made

    def _speak(self, found: list[Event], scope: Scope, contents: Sequence[Part]) -> None:
        if scope.record["span_id"] in self._told:
            self._told.discard(scope.record["span_id"])
        elif contents and scope.record["k"] == "s":
            self._held = self._span(scope), scope, contents[0]
        elif contents:
            found.append(self._point(self._span(scope), scope, contents[0]))

    def _deliver(self, by: Scope) -> Event:
        """Give the message that was held back: complete, if *by* says who heard it."""
        if self._held is None:
            raise AssertionError("nothing is held back")
        span, scope, part = self._held
        self._held = None
        self._told.add(span.span_id)
        return self._point(self._span(by) if by is scope else span, scope, part)

    def _point(self, span: Span, scope: Scope, part: Part) -> Event:
        talk = scope.parent.up(Operation.CONVERSATION) if scope.parent is not None else None
        said = spoken(span, talk.record["span_id"] if talk is not None else None, self._contents([part]))
        number = self._number
        self._number += 1
        return Event(seq=span.seq, number=number, at_ns=span.start_ns, phase="point", span=span, message=said)

    def _end(self, span: Span, contents: Sequence[Part]) -> Event:
        at_ns = span.start_ns if span.end_ns is None else max(span.start_ns, span.end_ns)
        seq = span.seq if span.end_seq is None else max(span.seq, span.end_seq)
        call, why = None, None
        if span.operation is Operation.CHAT:
            links, asked = self._asked.get(span.span_id, ((), ()))
            said = (*asked, *contents)
            call = put_off(span, lambda: self._contents(said), lambda _name: self._history(links))
        elif span.operation in CALLS:
            call = record(span, self._contents(contents), lambda _name: ())
        elif span.operation is Operation.CONVERSATION:
            why = ending(span)
        return Event(seq=seq, number=self._number, at_ns=at_ns, phase="end", span=span, call=call, ending=why)

    def _start(self, span: Span) -> Event:
        return Event(seq=span.seq, number=self._number, at_ns=span.start_ns, phase="start", span=span)

    def _history(self, links: Sequence[Link]) -> list[Message]:
        """Read a history; of one read before its beginning is taken over, for a link stands for all before it."""
        known, found = 0, list[Message]()
        for count, name, before in self._histories:
            if known < count <= len(links) and links[count - 1][0] == name:
                known, found = count, before
        bodies = (message(self._content(part)) for _, _, part in links[known:])
        found = [*found, *(body for body in bodies if body is not None)]
        if links:
            self._histories.append((len(links), links[-1][0], found))
        return found

    def _contents(self, parts: Sequence[Part]) -> Mapping[str, Json]:
        return {part[0]: self._content(part) for part in parts}

    def _content(self, part: Part) -> Json:
        """Read a content, once as long as it is remembered: forgetting only costs time."""
        name, text = part
        if name not in self._known:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = orjson.loads(text)
        return self._known[name]

    def _span(self, scope: Scope) -> Span:
        """Read the record of *scope*: of its words those that were written, redacted as they are."""
        record = scope.record
        over = record["k"] == "e"
        if self._run_id is None:
            self._run_id = _read(scope.run.quoted)
        name, attributes = self._words(scope)
        return Span(
            run_id=self._run_id,
            trace_id=record["trace_id"],
            span_id=record["span_id"],
            parent_id=record["parent_id"] or None,
            name=name,
            kind=record["kind"],
            operation=scope.operation,
            status=_ENDED[record["status"]] if over else Status.OPEN,
            seq=record["seq"],
            end_seq=record["end_seq"] if over else None,
            start_ns=record["start_ns"],
            end_ns=record["end_ns"] if over else None,
            attributes=attributes,
        )

    def _words(self, scope: Scope) -> tuple[str, Mapping[str, Json]]:
        """Read the name and the attributes that were written. Those of turns come again, and are read once."""
        words = self._turns.get(scope.told)
        if words is None:
            read = _read(f"{{{scope.told}}}")
            words = read["name"], read["attributes"]
            if scope.operation is Operation.TURN:
                if len(self._turns) >= _MOST_TURNS:
                    self._turns.clear()
                self._turns[scope.told] = words
        return words


_ENDED = {"ok": Status.OK, "error": Status.ERROR}


def _read(text: str) -> Json:
    return orjson.loads(text.encode(errors="replace"))
