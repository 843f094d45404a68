"""Turn the foreign spans of one run into a draft: our operations, our names, each content once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import semconv
from harness.canonical import canonical
from harness.importers import dialects, flat
from harness.importers.draft import Contents, Draft, about, run_name, span_name
from harness.importers.foreign import Foreign
from harness.importers.grouping import Identity, Place, ranks
from harness.model import Json, Operation, Span, Status

_UNFINISHED = frozenset({"open", "interrupted"})
_OWN_NAMES = (semconv.HARNESS_MESSAGE_BODY, semconv.HARNESS_STATUS)


def run_id(identity: Identity) -> str:
    """Give the id of the run that *identity* names: the harness's own as it is, any other by its hash."""
    kind, name = identity
    return name if kind == "run" else run_name("otlp", f"{kind} {name}")


def draft(kind: str, identity: Identity, spans: Sequence[Foreign]) -> Draft:
    """Write down one run; *spans* are there once each and in order of time."""
    return _Translation(kind, identity, spans).draft()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A foreign span and what it was found to be."""

    span: Foreign
    operation: Operation
    own: bool


class _Translation:
    def __init__(self, kind: str, identity: Identity, spans: Sequence[Foreign]) -> None:
        self._kind, self._identity, self._run_id = kind, identity, run_id(identity)
        self._contents = Contents()
        self._ranks = ranks(spans)
        self._known = {
            (span.trace_id, span.span_id): _Known(
                span=span,
                operation=dialects.operation(span),
                own=semconv.HARNESS_OPERATION in span.attributes,
            )
            for span in spans
        }
        self._ids = self._unique()
        self._not_calls = self._repeated()

    def draft(self) -> Draft:
        made = {place: self._span(place) for place in self._known}
        messages = [] if any(each.operation is Operation.MESSAGE for each in self._known.values()) else self._messages()
        return Draft(
            run_id=self._run_id,
            spans=(*made.values(), *messages),
            parts=self._contents.parts,
            links=self._contents.links,
            grows=True,
        )

    def _unique(self) -> dict[Place, str]:
        """Name spans within the run: by their ids, but for those of two traces that have the same."""
        ids: dict[Place, str] = {}
        taken: dict[str, str] = {}
        for trace_id, name in sorted(self._known):
            free = taken.setdefault(name, trace_id) == trace_id
            ids[trace_id, name] = name if free else span_name(self._run_id, f"{trace_id} {name}")
        return ids

    def _above(self, place: Place) -> list[Place]:
        """List what is around a span, the nearest first."""
        found: list[Place] = []
        seen = {place}
        parent = self._known[place].span.parent_id
        while parent and (place[0], parent) in self._known and (place[0], parent) not in seen:
            at = (place[0], parent)
            seen.add(at)
            found.append(at)
            parent = self._known[at].span.parent_id
        return found

    def _repeated(self) -> frozenset[Place]:
        """Find model calls that repeat another: where two instrumentations watch one call, one lies in the other.

        The innermost count, unless only the one around them knows the tokens.
        """
        chats = {place for place, known in self._known.items() if known.operation is Operation.CHAT and not known.own}
        inside: dict[Place, list[Place]] = {}
        for place in chats:
            for above in self._above(place):
                if above in chats:
                    inside.setdefault(above, []).append(place)
        found: set[Place] = set()
        for outer, inner in sorted(inside.items(), key=lambda item: len(item[1])):
            if self._counted(outer) and not any(map(self._counted, inner)):
                found.update(inner)
            else:
                found.add(outer)
        return frozenset(found)

    def _counted(self, place: Place) -> bool:
        found = dialects.attributes(self._known[place].span, Operation.CHAT)
        return semconv.GEN_AI_INPUT_TOKENS in found or semconv.GEN_AI_OUTPUT_TOKENS in found

    def _span(self, place: Place) -> Span:
        known = self._known[place]
        span = known.span
        operation = Operation.OTHER if place in self._not_calls else known.operation
        attributes = dialects.attributes(span, operation)
        for key in _OWN_NAMES:
            attributes.pop(key, None)
        self._take_contents(known, attributes)
        parent = (span.trace_id, span.parent_id) if span.parent_id else None
        if parent is None or parent not in self._known:
            attributes = self._root(known, attributes)
        unfinished = span.attributes.get(semconv.HARNESS_STATUS) in _UNFINISHED and known.own
        failed = not unfinished and self._failure(span, attributes)
        seq, end_seq = self._ranks[place]
        return Span(
            run_id=self._run_id,
            trace_id=span.trace_id,
            span_id=self._ids[place],
            parent_id=self._ids.get(parent, span.parent_id) if parent else None,
            name=span.name,
            kind=span.kind,
            operation=operation,
            status=Status.ERROR if failed else Status.OK,
            seq=seq,
            end_seq=end_seq,
            start_ns=span.start_ns,
            end_ns=None if unfinished else span.end_ns,
            attributes=attributes,
        )

    def _take_contents(self, known: _Known, attributes: dict[str, Json]) -> None:
        """Keep messages once for the run and name them by hash, however often the spans repeat them."""
        if known.operation is Operation.MESSAGE:
            body = flat.parsed(known.span.attributes.get(semconv.HARNESS_MESSAGE_BODY))
            if isinstance(body, dict):
                attributes[semconv.HARNESS_MESSAGE_PART] = self._contents.part(body)
            return
        context = self._contents.context(dialects.asked(known.span))
        if context:
            attributes[semconv.HARNESS_INPUT_CONTEXT] = context
        answer = next(iter(dialects.answered(known.span)), None)
        if answer is not None:
            attributes[semconv.HARNESS_OUTPUT_PART] = self._contents.part(answer)
        tools = dialects.tools(known.span)
        if tools:
            attributes[semconv.HARNESS_TOOLS_PART] = self._contents.part(tools)

    def _root(self, known: _Known, attributes: dict[str, Json]) -> dict[str, Json]:
        if known.own:
            return {**attributes, semconv.HARNESS_IMPORT_FORMAT: self._kind}
        name = attributes.get(semconv.GEN_AI_WORKFLOW) or known.span.name or self._identity[1]
        found = about(self._kind, self._run_id, self._identity[1], str(name))
        resource = {f"{semconv.HARNESS_SOURCE_PREFIX}{key}": value for key, value in known.span.resource.items()}
        scope = {semconv.HARNESS_FRAMEWORK: known.span.scope} if known.span.scope else {}
        return {**resource, **found, **scope, **attributes}

    def _failure(self, span: Foreign, attributes: dict[str, Json]) -> bool:
        """Say whether a span failed, and put down of what: its status and exceptions say so, or an error's type."""
        thrown: Mapping[str, Json] = {}
        others = []
        for event in span.events:
            if event["name"] == "exception":
                thrown = event["attributes"]
            else:
                others.append(event)
        if others:
            attributes[f"{semconv.HARNESS_SOURCE_PREFIX}events"] = others
        if not span.failed:
            return bool(attributes.get(semconv.ERROR_TYPE))
        kind, told = thrown.get("exception.type"), thrown.get("exception.message") or span.told
        attributes.setdefault(semconv.ERROR_TYPE, kind or "error")
        if told:
            attributes.setdefault(semconv.ERROR_MESSAGE, told)
        return True

    # Messages: other programs have no spans for them, but agents' spans say what came out of a turn -----------------

    def _messages(self) -> list[Span]:
        found: list[Span] = []
        talking = {Operation.CONVERSATION, Operation.TURN}
        handed_on = self._handed_on()
        for place, known in self._known.items():
            if known.operation not in talking:
                continue
            outermost = not any(self._known[above].operation in talking for above in self._above(place))
            asked = dialects.asked(known.span) if outermost else []
            if asked and asked[-1].get("role") != "system":
                agent = known.span.attributes.get(semconv.GEN_AI_AGENT)
                other = agent if known.operation is Operation.CONVERSATION else "user"
                found.append(self._message(place, str(asked[-1].get("name") or other or "user"), asked[-1], first=True))
            if known.operation is Operation.TURN:
                agent = dialects.attributes(known.span, Operation.TURN)[semconv.GEN_AI_AGENT]
                found.extend(
                    self._message(place, str(agent), body, first=False)
                    for body in dialects.answered(known.span)[:1]
                    if (place, canonical(body)) not in handed_on
                )
        return found

    def _handed_on(self) -> frozenset[tuple[Place, str]]:
        """Collect what each turn's inner turns said: saying it again only hands it on."""
        found: set[tuple[Place, str]] = set()
        for place, known in self._known.items():
            if known.operation is Operation.TURN:
                said = [canonical(body) for body in dialects.answered(known.span)[:1]]
                found.update((above, text) for above in self._above(place) for text in said)
        return frozenset(found)

    def _message(self, place: Place, sender: str, body: Mapping[str, Json], *, first: bool) -> Span:
        span = self._known[place].span
        seq, end_seq = self._ranks[place]
        at_ns = span.start_ns if first or span.end_ns is None else max(span.start_ns, span.end_ns)
        return Span(
            run_id=self._run_id,
            trace_id=span.trace_id,
            span_id=span_name(self._run_id, f"{'asked' if first else 'said'} {self._ids[place]}"),
            parent_id=self._ids[place],
            name=f"message {sender}".rstrip(),
            kind="INTERNAL",
            operation=Operation.MESSAGE,
            status=Status.OK,
            seq=seq if first else end_seq,
            end_seq=seq if first else end_seq,
            start_ns=at_ns,
            end_ns=at_ns,
            attributes={
                semconv.HARNESS_OPERATION: Operation.MESSAGE.value,
                semconv.HARNESS_SENDER: sender,
                semconv.HARNESS_RECIPIENTS: [],
                semconv.HARNESS_ROLE: body.get("role", ""),
                semconv.HARNESS_MESSAGE_PART: self._contents.part(body),
            },
        )
