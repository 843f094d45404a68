"""Turn the foreign spans of one run into a draft: our operations, our names, each content once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import semconv
from harness.importers import bus, dialects, flat, speaking
from harness.importers.draft import Contents, Draft, about, run_name, span_name
from harness.importers.foreign import Foreign
from harness.importers.forest import Known, above, forest, repeated
from harness.importers.grouping import Identity, Place, ranks
from harness.importers.said import Said
from harness.model import CALLS, Json, Operation, Span, Status

_UNFINISHED = frozenset({"open", "interrupted"})
_SHARED = (
    semconv.GEN_AI_TOOL_CALL_ID,
    semconv.GEN_AI_TOOL_ARGUMENTS,
    semconv.GEN_AI_TOOL_RESULT,
    semconv.GEN_AI_AGENT_DESCRIPTION,
)
_TURNS = frozenset({Operation.TURN, Operation.OTHER})
"""What may be an agent's turn: OTHER is that of one of AutoGen's own, which picks a speaker."""
_OWN_NAMES = (semconv.HARNESS_MESSAGE_BODY, semconv.HARNESS_STATUS)


def run_id(identity: Identity) -> str:
    """Give the id of the run that *identity* names: the harness's own as it is, any other by its hash."""
    kind, name = identity
    return name if kind == "run" else run_name("otlp", f"{kind} {name}")


def draft(kind: str, identity: Identity, spans: Sequence[Foreign]) -> Draft:
    """Write down one run; *spans* are there once each and in order of time."""
    return _Translation(kind, identity, spans).draft()


class _Translation:
    def __init__(self, kind: str, identity: Identity, spans: Sequence[Foreign]) -> None:
        self._kind, self._identity, self._run_id = kind, identity, run_id(identity)
        self._contents = Contents()
        self._ranks = ranks(spans)
        self._known = forest(spans)
        self._ids = self._unique()
        self._repeats = repeated(self._known)
        self._repeated_in: dict[Place, list[Place]] = {}
        for place, kept in self._repeats.items():
            self._repeated_in.setdefault(kept, []).append(place)
        self._failed = bus.failure(self._known)
        self._name = self._named()

    def draft(self) -> Draft:
        made = {place: self._span(place) for place in self._known}
        messages = map(self._message, speaking.spoken(self._known, self._repeats))
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

    def _named(self) -> str:
        """Name the run: by its first workflow, chat or team, else by the first of its topmost spans."""
        known = self._known.values()
        talks = [each for each in known if each.operation is Operation.CONVERSATION]
        for each in talks:
            if isinstance(name := each.attributes.get(semconv.GEN_AI_WORKFLOW), str) and name:
                return name
        tops = [
            each
            for each in known
            if (each.span.trace_id, each.span.parent_id) not in self._known
            and each.span.attributes.get(semconv.GEN_AI_OPERATION) != "create_agent"
        ]
        spans = [each.span for each in (*talks, *tops)]
        said = spans[0].attributes.get("logfire.msg") or spans[0].name if spans else ""
        return str((talks and said) or bus.team(self._known) or said or self._identity[1])

    def _span(self, place: Place) -> Span:
        known = self._known[place]
        span = known.span
        operation = Operation.OTHER if place in self._repeats else known.operation
        attributes = {**self._whose(place), **self._missing(place), **known.attributes}
        for key in _OWN_NAMES:
            attributes.pop(key, None)
        self._take_contents(known, attributes)
        if self._failed and self._failed[0] == place:
            attributes[semconv.ERROR_TYPE], attributes[semconv.ERROR_MESSAGE] = self._failed[1:]
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

    def _whose(self, place: Place) -> dict[str, Json]:
        """Give the agent in whose turn a call was made: most programs name it there alone."""
        known = self._known[place]
        if known.own or known.operation not in CALLS:
            return {}
        around = (self._known[at] for at in above(place, self._known))
        agent = next((each.agent for each in around if each.agent and each.operation in _TURNS), None)
        return {semconv.GEN_AI_AGENT: agent} if agent else {}

    def _missing(self, place: Place) -> dict[str, Json]:
        """Give what only the spans that repeat a turn or a tool call know of it."""
        inner = [self._known[at] for at in self._repeated_in.get(place, ())]
        return {
            key: value
            for each in inner
            if each.operation is not Operation.CHAT
            for key, value in each.attributes.items()
            if key in _SHARED
        }

    def _take_contents(self, known: Known, attributes: dict[str, Json]) -> None:
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

    def _root(self, known: Known, attributes: dict[str, Json]) -> dict[str, Json]:
        if known.own:
            return {**attributes, semconv.HARNESS_IMPORT_FORMAT: self._kind}
        found = about(self._kind, self._run_id, self._identity[1], self._name)
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

    def _message(self, said: Said) -> Span:
        span = self._known[said.place].span
        seq, end_seq = self._ranks[said.place]
        at_ns = span.start_ns if said.first or span.end_ns is None else max(span.start_ns, span.end_ns)
        at_ns = at_ns if said.at_ns is None else said.at_ns
        where = f"message {said.key}" if said.key else f"{'asked' if said.first else 'said'} {self._ids[said.place]}"
        return Span(
            run_id=self._run_id,
            trace_id=span.trace_id,
            span_id=span_name(self._run_id, where),
            parent_id=self._ids[said.place],
            name=f"message {said.sender}".rstrip(),
            kind="INTERNAL",
            operation=Operation.MESSAGE,
            status=Status.OK,
            seq=seq if said.first else end_seq,
            end_seq=seq if said.first else end_seq,
            start_ns=at_ns,
            end_ns=at_ns,
            attributes={
                semconv.HARNESS_OPERATION: Operation.MESSAGE.value,
                semconv.HARNESS_SENDER: said.sender,
                semconv.HARNESS_RECIPIENTS: list(said.to),
                semconv.HARNESS_ROLE: said.body.get("role", ""),
                semconv.HARNESS_MESSAGE_PART: self._contents.part(said.body),
            },
        )
