"""Read a message as the move it makes: the same however it is spelled, and with the words and facts it brings.

No word list takes part: what a word means is never asked, only whether it was said before, so that any language is read
alike. Facts are what a text is checked by: numbers, identifiers, paths, addresses, and names in the middle of a
sentence.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

from harness.canonical import canonical
from harness.model import Json, Message, part_text

MOST_READ = 8000
"""Characters of a text whose words are looked at. Whether two messages are equal is asked of all of them."""
RESULT = ("exitcode:", "[FunctionExecutionResult(")
"""How every AutoGen executor begins the text of a result, and AgentChat prints what its tools return."""

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIMES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
)
_CLOCK = re.compile(r":(?<=\d:)\d\d")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_TOKEN = re.compile(r"[^\W_]+(?:[_.,:/@'’\-]+[^\W_]+)*")
_WORD = re.compile(r"[^\W_]+")
_LETTERS = [*map(chr, range(0x2000))]
_CAPITALS, _SMALL = "".join(filter(str.isupper, _LETTERS)), "".join(filter(str.islower, _LETTERS))
_NAME = re.compile(rf" (?<=[{_SMALL},;)] )([{_CAPITALS}]\w+)")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_AROUND = string.punctuation + "“”„«»…–—。、「」"
_NUMBERED = re.compile(r"^[ \t>*#\-]*(?:[^\W\d_]+[ \t]+)?\d{1,2}[.):](?=\s)", re.MULTILINE)
_FENCE = re.compile(r"```[\w+\-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_FAILED = re.compile(
    r"(?m)\Aexitcode: (?!0\b)-?\d|^[ \t]*(?:Error\b|Traceback \(most recent|[\w.]*(?:Error|Exception)\b(?=:|\s*$))"
)
_FAILURES = ("rror", "xception", "exitcode: ", "Traceback")
_FACT_SIGNS = frozenset("0123456789_/@")
_LONGEST_POINTED = 2
_LONGEST_NUMBER = 24
_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message, read. *key* is equal for equal moves of one sender; *words*, *facts* and *pairs* are what it says.

    *pairs* are neighbouring words: what rewording changes, and a repeat does not. *code* are its blocks of code, and
    *calls* the tools it calls.
    """

    sender: str
    key: bytes
    text: str
    words: frozenset[str]
    facts: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    code: tuple[str, ...]
    calls: tuple[str, ...]
    result: bool
    failed: bool


def canonical_text(text: str, *, ids: bool = False) -> str:
    """Reduce *text* to what it says: lower case, single spaces, times, addresses and UUIDs masked. Numbers stay.

    With *ids*, UUIDs stay too: in a call or its result they are what is worked on. Twice changes nothing more.
    """
    said = " ".join(text.lower().split())
    if _CLOCK.search(said):
        for pattern, mask in _TIMES:
            said = pattern.sub(mask, said)
    if "0x" in said:
        said = _ADDRESS.sub("<address>", said)
    if not ids and said.count("-") > 3:  # noqa: PLR2004 - the dashes of one UUID
        said = _UUID.sub("<uuid>", said)
    return said


def canonical_move(message: Message) -> str:
    """Reduce *message* to the move it makes: who says what, and calls what with which arguments.

    Ids of calls do not count; arguments do to the letter, for another argument is other work.
    """
    moves = [move for part in _parts(message) if (move := _part(part))]
    return canonical([message.sender, moves])


def read(message: Message, names: frozenset[str]) -> Said:
    """Read *message*. *names*, in lower case, are those of who takes part: saying them is nothing new."""
    parts = list(_parts(message))
    text = "\n".join(filter(None, map(part_text, parts)))
    asked = [
        f"{part.get('name')} {_as_text(part.get('arguments'))}" for part in parts if part.get("type") == "tool_call"
    ]
    result = text.startswith(RESULT) or any(part.get("type") == "tool_call_response" for part in parts)
    words, facts, pairs = _content(" ".join([text[:MOST_READ], *asked])[: 2 * MOST_READ], names)
    return Said(
        sender=message.sender,
        key=blake2b(canonical_move(message).encode(errors="replace"), digest_size=16).digest(),
        text=text,
        words=words,
        facts=facts,
        pairs=pairs,
        code=tuple(" ".join(block.split()) for block in _FENCE.findall(text[:MOST_READ])) if "```" in text else (),
        calls=tuple(str(part.get("name")) for part in parts if part.get("type") == "tool_call"),
        result=result,
        failed=not asked and _failed(text[:MOST_READ]),
    )


def name_words(name: str) -> frozenset[str]:
    """Split an agent's name into the words it may be called by."""
    lower = name.lower()
    return frozenset((lower, *_WORD.findall(lower)))


def _failed(text: str) -> bool:
    return any(sign in text for sign in _FAILURES) and _FAILED.search(text) is not None


def is_thought(message: Message) -> bool:
    """Say whether *message* is only what its sender thought."""
    parts = message.body.get("parts")
    return isinstance(parts, list) and bool(parts) and all(map(_thought, parts))


def _thought(part: Json) -> bool:
    return isinstance(part, dict) and part.get("type") == "reasoning"


def _parts(message: Message) -> Iterator[Mapping[str, Json]]:
    """Give what was said and done: what an agent thinks nobody hears, and is worded anew each time."""
    parts = message.body.get("parts")
    said = parts if isinstance(parts, list) else []
    return (part for part in said if isinstance(part, dict) and part.get("type") != "reasoning")


def _part(part: Mapping[str, Json]) -> Json:
    if part.get("type") == "tool_call":
        return {"call": part.get("name"), "arguments": _arguments(part.get("arguments"))}
    text = part_text(part)
    if text or part.get("type") in {"text", "tool_call_response"}:
        worked_on = part.get("type") == "tool_call_response" or text.startswith(RESULT)
        said = canonical_text(text, ids=worked_on)
        return {"said": said} if said else None
    return {key: value for key, value in part.items() if key != "id"}


def _arguments(value: Json) -> Json:
    """Read arguments that came as a JSON string, so that the order of keys and spaces do not count."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.strip()


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _content(text: str, names: frozenset[str]) -> tuple[frozenset[str], frozenset[str], frozenset[tuple[str, str]]]:
    """Give the words, the facts and the neighbours in *text*. The numbers of a list count for nothing."""
    order: list[str] = []
    facts: set[str] = set()
    said = _NUMBERED.sub(" ", text).lower()
    if not said.isascii():
        said = _UNSPACED.sub(_neighbours, said)
    for chunk in said.split():
        word = chunk if chunk.isalpha() else chunk.strip(_AROUND)
        if word.isalpha():
            if word not in names:
                order.append(word)
            continue
        for token in (_tokens if len(word) <= _LONGEST_WORD else _tokens.__wrapped__)(word):
            if token.whole not in names and token.bare not in names:
                order += token.read
                if token.fact:
                    facts.update(token.read)
    words = frozenset(order).difference(facts)
    facts.update(name for found in _NAME.findall(text) if (name := found.lower()) not in names)
    pairs = frozenset(pairwise(order)) if len(order) > 3 else frozenset()  # noqa: PLR2004
    return words, frozenset(facts), pairs


def _neighbours(run: re.Match[str]) -> str:
    """Read what is written without spaces by its neighbouring characters, which come again as words do."""
    return f" {' '.join(map(''.join, pairwise(run[0]))) or run[0]} "


class _Token(NamedTuple):
    """A word or a fact as it stands in a text, without the ending of a possessive, and as it is read."""

    whole: str
    bare: str
    fact: bool
    read: tuple[str, ...]


@lru_cache(4096)
def _tokens(chunk: str) -> tuple[_Token, ...]:
    """Read what stands between two spaces and is more than letters; much of it comes again, as "it's" and names do."""
    return tuple(map(_token, _TOKEN.findall(chunk)))


def _token(whole: str) -> _Token:
    if whole.isalpha():
        return _Token(whole, whole, fact=False, read=(whole,))
    bare = whole[:_LONGEST_WORD].removesuffix("'s").removesuffix("’s")
    fact = _is_fact(bare)
    return _Token(whole, bare, fact=fact, read=(_number(bare),) if fact else tuple(_WORD.findall(bare)))


def _is_fact(word: str) -> bool:
    """Say whether *word* is more than words joined: it has a digit, or is joined as names and paths are."""
    if not _FACT_SIGNS.isdisjoint(word):
        return True
    return ("." in word or ":" in word) and max(map(len, re.split(r"[.:]+", word))) > _LONGEST_POINTED


def _number(word: str) -> str:
    """Write a number in one way, so that 1,440.00 is 1440."""
    if len(word) > _LONGEST_NUMBER:
        return word
    try:
        return f"{float(word.replace(',', '')):g}"
    except ValueError:
        return word
