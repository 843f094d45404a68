"""The nouns of the house: frozen records, no I/O.

Times are integer nanoseconds since the Unix epoch in names that end ``_ns``; money is US dollars in
names that end ``_usd``; ``None`` means unknown and is never shown as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Json = Any
"""Anything ``json`` can read back: None, bool, int, float, str, list, dict."""


class Operation(str, Enum):
    """What a span stands for."""

    CONVERSATION = "conversation"
    TURN = "turn"
    MESSAGE = "message"
    CHAT = "chat"
    TOOL = "tool"
    CODE = "code"
    HUMAN = "human"
    SELECTION = "selection"
    OTHER = "other"

    __hash__ = str.__hash__  # an enumeration's own is Python, and every call looks several things up by this


CALLS = frozenset({Operation.CHAT, Operation.TOOL, Operation.CODE, Operation.HUMAN, Operation.SELECTION})
"""The operations whose outcome is not deterministic: they pass the seam."""


class Status(str, Enum):
    """How far a span or run got. OPEN and RUNNING live, INTERRUPTED died with its process."""

    OPEN = "open"
    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"


class EndingKind(str, Enum):
    """Why a conversation ended."""

    TERMINATION_MESSAGE = "termination_message"
    REPLY_LIMIT = "reply_limit"
    MAX_TURNS = "max_turns"
    MAX_ROUNDS = "max_rounds"
    HUMAN = "human"
    NO_REPLY = "no_reply"
    ANSWERED = "answered"  # the one agent that was asked has answered
    NO_SPEAKER = "no_speaker"
    STOPPED = "stopped"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


LIMITS = frozenset({EndingKind.REPLY_LIMIT, EndingKind.MAX_TURNS, EndingKind.MAX_ROUNDS})
"""Endings where a limit, not a termination message, ended the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a conversation ended, whose predicate or limit it was, and the number or text that says more."""

    kind: EndingKind
    agent: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money of one call or of many; None where nobody said.

    ``input_tokens`` includes cached tokens, ``output_tokens`` includes reasoning tokens (OpenTelemetry's rule).
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation of one run. ``end_ns`` is None while it is open or if its process died.

    ``seq`` and ``end_seq`` order starts and ends within one process; across processes time decides.
    ``kind`` is OpenTelemetry's span kind in capitals (INTERNAL, CLIENT …). Ids are lower-case hex.
    """

    run_id: str
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    operation: Operation
    status: Status
    seq: int
    end_seq: int | None
    start_ns: int
    end_ns: int | None
    attributes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said, once, however many agents it was delivered to.

    ``body`` is an OpenTelemetry GenAI message: ``{"role", "parts": [{"type", …}], "name"?}``.
    """

    run_id: str
    seq: int
    at_ns: int
    span_id: str
    conversation_id: str | None
    sender: str
    recipients: tuple[str, ...]
    role: str
    body: Mapping[str, Json]
    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def text(self) -> str:
        """All text of the message, tool results included, one block after another: put together once."""
        found = self._text
        if found is None:
            found = "\n".join(filter(None, map(part_text, self.body.get("parts", ()))))
            object.__setattr__(self, "_text", found)
        return found

    @property
    def tool_calls(self) -> tuple[Mapping[str, Json], ...]:
        """The tool-call parts: ``{"type": "tool_call", "id"?, "name", "arguments"}``."""
        return tuple(part for part in self.body.get("parts", ()) if part.get("type") == "tool_call")


def part_text(part: Mapping[str, Json]) -> str:
    """Read the text of one message part; empty for parts that carry none."""
    if part.get("type") in ("text", "reasoning"):
        return str(part.get("content") or "")
    if part.get("type") == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else "" if response is None else str(response)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One recorded call and what came back, put together from its span and the parts it names.

    ``request`` and ``reply`` have the shapes of :mod:`harness.call`; ``reply`` is None while open or
    after a failure. ``model`` is set for chat calls, ``name`` is the tool, language or chosen agent.
    """

    span: Span
    agent: str | None
    name: str | None
    model: str | None
    request: Mapping[str, Json]
    reply: Mapping[str, Json] | None
    usage: Usage
    error: str | None


class Severity(str, Enum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check has to say about a run, with the place and the evidence.

    ``seq`` is the number of the message where it shows (see ``Event.number``), and ``span_id`` the span of that message
    or call; None for the run as a whole. ``evidence`` names messages by their numbers, and nothing that differs between
    a live run, its replay and its import: no span ids, no times. ``suppressed`` is why it is not held against the run;
    None if it is.
    """

    code: str
    name: str
    severity: Severity
    text: str
    seq: int | None = None
    span_id: str | None = None
    evidence: Mapping[str, Json] = field(default_factory=dict)
    suppressed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, in ``seq`` order: what checks are fed.

    ``phase`` is ``"start"``, ``"end"`` or, for messages, ``"point"``. ``message`` is set for messages,
    ``call`` for the end of a call, ``ending`` for the end of a conversation. ``number`` counts the messages of the run
    that were spoken before: a message's own number, from 0, and for anything else that of the message to come.
    """

    seq: int
    number: int
    at_ns: int
    phase: str
    span: Span
    message: Message | None = None
    call: CallRecord | None = None
    ending: Ending | None = None


class RunStatus(str, Enum):
    """How a whole run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


SYNTHETIC_NS = 946_684_800_000_000_000
"""The start of the year 2000, UTC: where imported runs are put whose times nobody wrote down."""
SYNTHETIC_UNTIL_NS = SYNTHETIC_NS + 366 * 86_400 * 1_000_000_000
"""The end of that year: what began before it, and in it, has no times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One row of the runs list: the columns of the public view ``runs``."""

    run_id: str
    source_id: str | None
    name: str
    started_ns: int
    ended_ns: int | None
    status: RunStatus
    ending: str | None
    mode: str
    framework: str | None
    messages: int
    model_calls: int
    tool_calls: int
    turns: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    findings: int
    worst: Severity | None
    tags: tuple[str, ...]

    @property
    def timed(self) -> bool:
        """Whether its times are known; else they give the order, from a moment in the year 2000, and nothing more."""
        return not SYNTHETIC_NS <= self.started_ns < SYNTHETIC_UNTIL_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything with one run id, rebuilt from its spans. Sequences are in order of time."""

    summary: RunSummary
    spans: Sequence[Span]
    messages: Sequence[Message]
    calls: Sequence[CallRecord]
    endings: Mapping[str, Ending]
    findings: Sequence[Finding] = ()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.summary.run_id
