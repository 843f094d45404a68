"""S: what agents did or were told that may do harm."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import ClassVar

from harness import semconv
from harness.check import CHATS_END, MESSAGES, Check, Need, Settings
from harness.checks.saying import results
from harness.model import CallRecord, Event, Finding, Json, Message, Operation, Severity
from harness.text import one_line

_SHOWN = 80
_MOST_REMEMBERED = 1024


class CodeOutsideSandbox(Check):
    """Code that a model wrote was run on this machine, with nothing around it.

    Why: such code may read keys, remove files and reach the network, and whoever can write into the conversation (a web
    page that a tool read is enough) may have written it. It is told once for each agent that ran some.

    Fix: run it in a container: `DockerCommandLineCodeExecutor`, or `code_execution_config={"use_docker": True}`. Where
    the whole program runs in one already, suppress this with that reason.
    """

    code = "S601"
    name = "code-outside-sandbox"
    severity = Severity.NOTE
    needs = frozenset({Need.CALLS})
    watches = frozenset({("end", Operation.CODE)})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told: set[str | None] = set()

    def see(self, event: Event) -> Iterable[Finding]:
        """Report the first code that each agent ran here."""
        call = event.call
        if call is None or event.span.operation is not Operation.CODE:
            return
        here = event.span.attributes.get(semconv.HARNESS_CODE_SANDBOXED) is False
        if not here or call.agent in self._told or len(self._told) >= _MOST_REMEMBERED:
            return
        self._told.add(call.agent)
        executor = event.span.attributes.get(semconv.HARNESS_CODE_EXECUTOR)
        how = f" with {one_line(executor, _SHOWN)}" if executor else ""
        yield self.finding(
            f"{call.agent or 'an agent'} ran {call.name or 'code'} on this machine{how}",
            seq=event.number,
            span_id=event.span.span_id,
            evidence={"agent": call.agent, "language": call.name, "executor": executor},
        )


class ToolNotGiven(Check):
    """A model called a tool that it was not given.

    Why: what an agent may do is what it was given. A model that calls something else has made it up, or has seen it in
    what others did and tries to do it too; where names are shared, the framework may even run it.

    Fix: give the tool to the agent if it should have it. Else look where its model has the name from: a prompt, another
    agent's messages, or a tool that was taken away and is still spoken of.
    """

    code = "S602"
    name = "tool-not-given"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT, Need.CALLS, Need.HISTORY})
    watches = CHATS_END

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told: set[tuple[str | None, str]] = set()

    def see(self, event: Event) -> Iterable[Finding]:
        """Hold the tools that a model called against those of its request."""
        call = event.call if not _OFFERS.isdisjoint(event.span.attributes) else None
        if call is None or event.span.operation is not Operation.CHAT or call.reply is None:
            return
        called = _called(call)
        offered = _offered(call) if called else set()
        for name in called if offered else ():
            if name in offered or (call.agent, name) in self._told or len(self._told) >= _MOST_REMEMBERED:
                continue
            self._told.add((call.agent, name))
            yield self.finding(
                f"{call.agent or 'a model'} called {one_line(name, _SHOWN)}, which it was not given",
                seq=event.number,
                span_id=event.span.span_id,
                evidence={"agent": call.agent, "tool": one_line(name, _SHOWN), "given": sorted(offered)},
            )


_OFFERS = frozenset({semconv.HARNESS_TOOLS_PART, semconv.GEN_AI_TOOL_DEFINITIONS})
"""Where the tools of a request are told."""


def _called(call: CallRecord) -> list[str]:
    message = call.reply.get("message") if call.reply else None
    parts = message.get("parts") if isinstance(message, dict) else None
    named = [part.get("name") for part in parts or () if isinstance(part, dict) and part.get("type") == "tool_call"]
    return [name for name in dict.fromkeys(named) if isinstance(name, str) and name]


def _offered(call: CallRecord) -> set[str]:
    """Name the tools of a request, in whichever of the shapes that providers and frameworks have for them."""
    tools = call.request.get("tools") or ()
    inner = [each.get("function", each) for each in tools if isinstance(each, dict)]
    return {name for each in inner if isinstance(each, dict) and isinstance(name := each.get("name"), str)}


_SECRET = re.compile(r"\[secret:([\w-]{1,60}):[0-9a-f]{4}\]")
_OF_URLS = "url-secret"
_IN_URL = re.compile(r"[?&;][\w.-]{0,60}=\Z")
_FIELD = re.compile(r"([\w-]{1,60})\\{0,8}[\"']\s{0,3}:\s{0,3}\\{0,8}[\"']\Z")
_FENCE = "```"
_BEFORE = 100
"""So many characters before a mark say what it stands for."""


class _InMessages(Check):
    """Looks for what a message should not hold, and tells it once for each kind and sender."""

    holds: ClassVar[str]
    """How a finding says it, with its kind."""
    watches = MESSAGES

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._told: set[tuple[str, str]] = set()

    def kinds(self, message: Message) -> Collection[str]:
        """Name what *message* holds."""
        raise NotImplementedError

    def see(self, event: Event) -> Iterable[Finding]:
        """Look into each message."""
        message = event.message
        kinds = self.kinds(message) if message is not None else ()
        return self._tell(event, message, kinds) if message is not None and kinds else ()

    def _tell(self, event: Event, message: Message, kinds: Iterable[str]) -> Iterable[Finding]:
        for kind in kinds:
            if (kind, message.sender) in self._told or len(self._told) >= _MOST_REMEMBERED:
                continue
            self._told.add((kind, message.sender))
            yield self.finding(
                f"what {message.sender} said {self.holds.format(kind)}",
                seq=event.number,
                span_id=message.span_id,
                evidence={"agent": message.sender, "kind": kind, "messages": [event.number]},
            )


class SecretSpoken(_InMessages):
    """A message held a secret: a key, a token or a password.

    Why: what is said in a conversation goes to every model that is asked after it, and into logs. The harness has
    taken the secret out before it wrote the message down, so only its kind is known here. It is told once for each
    kind and sender. What only its field calls a secret (`"password": "..."`) does not count in a block of code: agents
    that write code make such values up.

    Fix: keep keys in the program, not in prompts, tool arguments or what tools return: let the tool read the key
    itself. One that was sent to a provider should be replaced.
    """

    code = "S603"
    name = "secret-in-message"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})

    holds = "held a secret ({})"

    def kinds(self, message: Message) -> Collection[str]:
        """Look for the marks that stand where secrets were."""
        parts = message.body.get("parts")
        return dict.fromkeys(_marks(parts)) if _MARK in message.text or not _plain(parts) else ()


_MARK = "[secret:"
_TEXT = {"type", "content"}


def _plain(parts: Json) -> bool:
    """Say whether *parts* are texts and nothing else."""
    return isinstance(parts, list) and all(part.get("type") == "text" and part.keys() == _TEXT for part in parts)


def _marks(value: object, depth: int = 0) -> Iterable[str]:
    """Give the kinds of all marks in *value*, arguments of tools and results included."""
    if isinstance(value, str):
        if _MARK in value:
            yield from _kinds(value)
    elif depth < _DEEPEST and isinstance(value, dict):
        for each in value.values():
            yield from _marks(each, depth + 1)
    elif depth < _DEEPEST and isinstance(value, (list, tuple)):
        for each in value:
            yield from _marks(each, depth + 1)


_DEEPEST = 12


def _kinds(text: str) -> Iterable[str]:
    """Give the kinds of the marks in *text* that stand for a secret and not for what is merely called one."""
    for number, block in enumerate(text.split(_FENCE)):
        for found in _SECRET.finditer(block):
            kind, before = found[1], block[max(0, found.start() - _BEFORE) : found.start()]
            field = _FIELD.search(before) if number % 2 else None
            made_up = field is not None and field[1].lower() == kind
            # What is called like a secret of a URL is taken out wherever it stands; only in a URL is it one for sure.
            if not made_up and (kind != _OF_URLS or _IN_URL.search(before)):
                yield kind


# What no text needs and no reader sees. Colours, and what moves along a line as progress bars do, are left out, and so
# are joiners and direction marks that scripts and emoji need; three in a row that take no room spell something.
_HIDING: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("terminal control", re.compile("(?:\x1b\\[|\x9b)[0-9;?]{0,20}[JSTnpt]|\x1b[\\]PX^_c]|[\x90\x9d]")),
    ("control characters", re.compile("\x00|[\x01-\x06\x0e-\x1a\x1c-\x1f]{2,}")),
    ("text in tag characters", re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007f]{2,}")),
    ("reversed text", re.compile("[\u202d\u202e]")),
    ("invisible characters", re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{3,}")),
    ("text in variation selectors", re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")),
)
_ANY_HIDING = re.compile(
    "[\x00-\x06\x0e-\x1f\x90\x9b\x9d\u200b-\u200d\u202d\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0020-\U000e01ef]"
)


def hidden(text: str) -> list[str]:
    """Name what *text* holds that a reader of it does not see; nothing for an ordinary text in any script."""
    if text.isascii() and text.replace("\n", " ").isprintable():
        return []
    return [kind for kind, pattern in _HIDING if pattern.search(text)] if _ANY_HIDING.search(text) else []


class HiddenText(_InMessages):
    """A message held what its readers do not see: control characters, or text that is written invisibly.

    Why: a model reads every character, a person only those that are drawn. Text in tag characters, rows of characters
    without width, or lines that are drawn backwards are how instructions are smuggled past whoever reviews them, and
    control sequences do things to a terminal that prints them. It is told once for each kind and sender. Colours and
    progress bars of a terminal, and the joiners that scripts and emoji need, do not count.

    Fix: look where the text comes from (`harness show RUN` draws what is hidden), and take such characters out of what
    tools return before agents see it.
    """

    code = "S604"
    name = "hidden-text"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})

    holds = "holds {}"

    def kinds(self, message: Message) -> Collection[str]:
        """Look for characters that hide."""
        return hidden(message.text)


_ORDERS = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|everything\s+in\s+)?(?:of\s+)?(?:the\s+|your\s+|my\s+)?"
    r"(?:previous|prior|above|earlier|preceding|existing|original|system)\s+(?:system\s+)?"
    r"(?:instructions?|prompts?|directives?|rules|guidelines)\b"
)
_ORDER_HINTS = ("nstruction", "rompt", "irective", "ules", "uideline", "NSTRUCTION", "ROMPT", "ULES")


class ResultGivesOrders(Check):
    """What a tool or code returned tells the model to ignore its instructions.

    Why: a model does not tell data from orders. A web page, a mail or a file that says "ignore all previous
    instructions" is an attack, and agents with tools may obey it.

    Fix: look what the agents did next. Keep tools that act away from agents that read what strangers write; say in the
    prompt that results are data; have a human approve what cannot be undone.
    """

    code = "S605"
    name = "result-gives-orders"
    severity = Severity.WARNING
    needs = frozenset({Need.CONTENT})
    watches = MESSAGES

    def see(self, event: Event) -> Iterable[Finding]:
        """Look for orders in results."""
        message = event.message
        if message is None:
            return
        for text in results(message):
            found = _ORDERS.search(text) if any(hint in text for hint in _ORDER_HINTS) else None
            if found:
                yield self.finding(
                    f"what {message.sender} returned says {one_line(found[0], _SHOWN)!r}",
                    seq=event.number,
                    span_id=message.span_id,
                    evidence={
                        "agent": message.sender,
                        "text": one_line(found[0], _SHOWN),
                        "messages": [event.number],
                    },
                )
                return
