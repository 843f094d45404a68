"""Read what AutoGen printed: what was spoken and, in some versions, why it ended; times and calls it does not know.

Three formats: ``sender (to recipient):`` of classic AutoGen, AgentChat's ``---------- Type (source) ----------``,
and the repr of a ``TaskResult``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import semconv
from harness.importers import files, flat, task_results
from harness.importers.draft import Bad, BadLineError, Draft, Told, run_name
from harness.model import EndingKind, Json

KIND = "autogen-log"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FIGURE = re.compile(r"^<Figure size [^>]*>(?=\S)")
_CLASSIC = re.compile(r"(\S[^\n]{0,99}?) \(to ([^\n()]{1,100})\):\s*")
_AGENTCHAT = re.compile(r"-{10} (?:(\w+) \(([^\n]{1,100})\)|([^\n]{1,100}?)) -{10}\s*")
_RULE = "-" * 80
_CALL = re.compile(r"\*{5} Suggested (?:tool call \((.*?)\)|function call): (.*?) \*{5}\s*")
_ANSWER = re.compile(r"\*{5} Response from calling (?:tool|function) (?:\((.*?)\)|\"(.*?)\") \*{5}\s*")
_STARS = re.compile(r"\*{9,}\s*")
_NEW_CHAT = re.compile(r"Starting a new chat\.+|>{8} NEW CHAT.*")
_INTERNAL = frozenset({"checking_agent", "speaker_selection_agent"})
_TOKENS = re.compile(r"\[Prompt tokens: \d+, Completion tokens: \d+\]\s*")
_ENDED = re.compile(r">{8} TERMINATING RUN \([^)]*\): (.*)|(?:Finish|Stop) reason: (.*)")
_WHY = (
    (re.compile(r"Termination message condition|Text '.*' mentioned", re.DOTALL), EndingKind.TERMINATION_MESSAGE),
    (
        re.compile(
            r"Stop message received|Functional termination condition met|Text message received from '"
            r"|Handoff to .* detected\.|'.*' answered|Function '.*' was executed\.",
            re.DOTALL,
        ),
        EndingKind.TERMINATION_MESSAGE,
    ),
    (re.compile(r"Maximum (?:number of )?turns"), EndingKind.MAX_TURNS),
    (re.compile(r"Max(?:imum)? rounds|Maximum number of messages \d+ reached"), EndingKind.MAX_ROUNDS),
    (re.compile(r"Maximum number of consecutive auto-replies"), EndingKind.REPLY_LIMIT),
    (re.compile(r"User (?:requested|decided)"), EndingKind.HUMAN),
    (re.compile(r"No next speaker"), EndingKind.NO_SPEAKER),
    (re.compile(r"No reply generated"), EndingKind.NO_REPLY),
    (re.compile(r"External termination|Token usage limit reached|Timeout of .* seconds reached"), EndingKind.STOPPED),
)
_ROLES = {"ToolCallExecutionEvent": "tool", "ThoughtEvent": "thought", "CodeExecutionEvent": "execution"}


def why(said: str | None) -> dict[str, Json]:
    """Read the reason that a log gives for an ending, if it is one we know exactly."""
    kind = next((kind for pattern, kind in _WHY if said and pattern.match(said)), EndingKind.UNKNOWN)
    detail = {semconv.HARNESS_ENDING_DETAIL: said} if said else {}
    return {semconv.HARNESS_ENDING: kind.value, **detail}


@dataclass(slots=True, kw_only=True)
class _Block:
    """One message as it stands in the log. *closed* says that its end was seen."""

    sender: str
    recipients: list[str]
    kind: str = ""
    lines: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip("\n").rstrip()


@dataclass(slots=True, kw_only=True)
class _Chat:
    blocks: list[_Block] = field(default_factory=list)
    ended: str | None = None


class Printed:
    """Reads logs of classic AutoGen and of AgentChat's Console."""

    title = "AutoGen printed logs"

    def sniff(self, head: bytes) -> bool:
        """Say whether a message of one of the three formats stands in the beginning."""
        lines = _plain(head.decode(errors="replace")).split("\n")
        return any(
            (_CLASSIC.fullmatch(line) and not after.strip())
            or _AGENTCHAT.fullmatch(line)
            or task_results.BEGINS in line
            for line, after in zip(lines, [*lines[1:], ""], strict=True)
        )

    def read(self, path: Path) -> Iterator[Draft | Bad]:
        """Yield a run for each chat."""
        text = _plain(files.whole(path).decode(errors="replace"))
        stem = path.name.partition(".")[0]
        number = 0
        for chat in _chats(text.split("\n")):
            blocks = _spoken(chat.blocks)
            if blocks:
                number += 1
                yield _draft(stem if number == 1 else f"{stem}#{number}", number, blocks, chat.ended)
        for found in task_results.results(text):
            if isinstance(found, Bad):
                yield found
                continue
            number += 1
            said = "".join(map(repr, found.messages))
            told = Told(run_name(KIND, str(number), said), stem if number == 1 else f"{stem}#{number}", number=number)
            for sender, body in found.messages:
                told.say(sender, [], body)
            yield told.draft(KIND, stem if number == 1 else f"{stem}#{number}", why(found.stop_reason))


def _plain(text: str) -> str:
    return _COLOUR.sub("", text).replace("\r\n", "\n")


def _chats(lines: list[str]) -> Iterator[_Chat]:
    """Part a log into chats and their blocks; what stands between blocks is narration."""
    chat = _Chat()
    block: _Block | None = None
    for number, raw in enumerate(lines):
        line = _FIGURE.sub("", raw)
        header = _header(line, lines[number + 1] if number + 1 < len(lines) else "", block)
        ended = _ENDED.fullmatch(line.strip())
        if header is not None:
            block = header
            if block.kind == "" and block.sender == "Summary":
                block = None
            else:
                chat.blocks.append(block)
        elif ended and (block is None or block.kind):
            chat.ended = (ended[1] or ended[2]).strip()
        elif _NEW_CHAT.fullmatch(line.strip()) and block is None:
            yield chat
            chat = _Chat()
        elif block is not None and not block.kind and line.rstrip() == _RULE:
            block.closed, block = True, None
        elif block is not None:
            block.lines.append(raw)
        elif _ANSWER.fullmatch(line) and chat.blocks:  # several answers stand behind one header, with a rule each
            block = chat.blocks[-1]
            block.lines.append(raw)
    yield chat


def _header(line: str, after: str, block: _Block | None) -> _Block | None:
    agentchat = _AGENTCHAT.fullmatch(line)
    if agentchat and (block is None or block.kind or block.closed):
        kind, source, name = agentchat.groups()
        if name == "Summary":
            return _Block(sender="Summary", recipients=[])
        return _Block(sender=(source or name).strip(), recipients=[], kind=kind or "TextMessage", closed=True)
    classic = _CLASSIC.fullmatch(line)
    # Inside a message that says something, a line like a header is quoted.
    if classic and not after.strip() and (block is None or not block.text):
        return _Block(sender=classic[1], recipients=[classic[2]])
    return None


def _spoken(blocks: list[_Block]) -> list[_Block]:
    """Leave out what nobody spoke: doubled headers, the chats that pick a speaker, and copies of a broadcast."""
    found: list[_Block] = []
    for number, block in enumerate(blocks):
        if _INTERNAL & {block.sender, *block.recipients}:
            continue
        if not block.closed and not block.text and number + 1 < len(blocks):
            continue
        last = found[-1] if found else None
        copied = last is not None and not block.kind and (last.sender, last.text) == (block.sender, block.text)
        if last is not None and copied and block.text and block.recipients[0] not in last.recipients:
            last.recipients.extend(block.recipients)
        else:
            found.append(block)
    return found


def _draft(source_id: str, number: int, blocks: list[_Block], ended: str | None) -> Draft:
    said = "".join(f"{block.sender}\0{block.kind}\0{block.text}\0" for block in blocks)
    told = Told(run_name(KIND, str(number), said), source_id, number=number)
    for place, block in enumerate(blocks):
        told.say(block.sender, block.recipients, _body(block, first=place == 0))
    return told.draft(KIND, source_id, why(ended))


def _body(block: _Block, *, first: bool) -> dict[str, Json]:
    if block.kind:
        text = _TOKENS.sub("", block.text).rstrip()
        role = _ROLES.get(block.kind, "user" if block.sender == "user" else "assistant")
        try:
            parts = task_results.parts(block.kind, text)
        except BadLineError:
            parts = [{"type": "text", "content": text}]
        return {"role": role, "parts": parts}
    parts = _parts(block.text)
    role = "user" if first else "assistant"
    if any(part["type"] == "tool_call_response" for part in parts):
        role = "tool"
    elif block.text.startswith("exitcode: "):
        role = "execution"
    return {"role": role, "parts": parts}


def _parts(text: str) -> list[dict[str, Json]]:
    """Part a classic message into its text, its suggested calls and its answers from tools."""
    parts: list[dict[str, Json]] = []
    plain: list[str] = []
    part: dict[str, Json] | None = None
    inside: list[str] = []
    for line in text.split("\n"):
        call, answer = _CALL.fullmatch(line), _ANSWER.fullmatch(line)
        if part is None and call:
            part = {"type": "tool_call", **({"id": call[1]} if call[1] else {}), "name": call[2]}
        elif part is None and answer:
            part = {"type": "tool_call_response", "id": answer[1] or answer[2]}
        elif part is None:
            plain.append(line)
        elif _STARS.fullmatch(line):
            said = "\n".join(inside)
            if part["type"] == "tool_call":
                part["arguments"] = flat.parsed(said.removeprefix("Arguments: ").strip())
            else:
                part["response"] = said
            parts.append(part)
            part, inside = None, []
        else:
            inside.append(line)
    words = "\n".join(plain + inside).strip("\n")
    return [{"type": "text", "content": words}, *parts] if words or not parts else parts
