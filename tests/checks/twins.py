"""Conversations made by code: what only looks like a loop, others in other words, and the same ones disguised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Said = Mapping[str, Any]
"""A message as conversation JSON lines have it."""

SYNONYMS = (
    ("i", "we"), ("agree", "concur"), ("correct", "right"), ("solution", "outcome"), ("problem", "task"),
    ("great", "excellent"), ("verified", "confirmed"), ("everyone", "all"), ("therefore", "so"), ("steps", "stages"),
    ("calculated", "computed"), ("final", "last"), ("both", "the two"), ("total", "sum"), ("provided", "given"),
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


def shortened(text: str, turn: int) -> str:
    """Leave out one word of *text*: another one for each *turn*."""
    words = text.split()
    left = (turn * 5) % len(words)
    return " ".join([*words[:left], *words[left + 1 :]])


def prefaced(text: str, turn: int) -> str:
    """Say *text* after a few words of politeness, and now and then in capitals."""
    said = ("Sure!", "Yes, indeed.", "As I said before:", "Thank you.", "Well,", "Certainly, once more:")
    return f"{said[turn % len(said)]} {text.upper() if turn % 3 == 2 else text}"


def laid_out(text: str, turn: int) -> str:
    """Set *text* otherwise: in lines, as a list, in bold, quoted."""
    sentences = re.split(r"(?<=[.!?]) ", text)
    return (
        "\n".join(sentences), "\n".join(f"- {each}" for each in sentences), f"**{text}**", f"> {text}",
        "\n\n".join(f"{place}. {each}" for place, each in enumerate(sentences, 1)), f'"{text}"',
    )[turn % 6]  # fmt: skip


def reworded(text: str, turn: int) -> str:
    """Say *text* in other words, and its sentences in another order: another way for each *turn*."""
    for place, (one, other) in enumerate(SYNONYMS):
        if (place + turn) % 2:
            text = re.sub(rf"\b{one}\b", other, text, flags=re.IGNORECASE)
    sentences = re.split(r"(?<=[.!?]) ", text)
    turned = turn % len(sentences)
    return " ".join([*sentences[turned:], *sentences[:turned]])


WAYS: tuple[Callable[[str, int], str], ...] = (reworded, shortened, prefaced, laid_out)
"""Ways to say the same again."""


def say(sender: str, text: str, role: str = "assistant", **more: Any) -> Said:
    """Make one message."""
    return {"sender": sender, "recipient": None, "role": role, "content": text, **more}


def call(sender: str, name: str, **arguments: Any) -> Said:
    """Make a message that calls a tool."""
    return {**say(sender, ""), "content": None, "tool_calls": [{"name": name, "arguments": arguments}]}


def polling(times: int) -> list[Said]:
    """Ask for the state of a job until it is done; each time it is another one."""
    return [
        each
        for turn in range(times)
        for each in (call("agent", "status", job=17), say("tools", f"running, {turn * 7 + 3} percent", "tool"))
    ]


def batch(times: int) -> list[Said]:
    """Do the same work for many items; the tool says the same of each."""
    return [
        each
        for turn in range(times)
        for each in (call("agent", "archive", file=f"report-{turn}.pdf"), say("tools", "ok, 1 file archived", "tool"))
    ]


def edit_then_build(times: int) -> list[Said]:
    """Change something and build, again and again; the build says the same each time."""
    return [
        each
        for turn in range(times)
        for each in (
            call("agent", "edit", file="app.py", line=turn * 3 + 1, text=f"value_{turn} = {turn}"),
            say("tools", "edited", "tool"),
            call("agent", "build"),
            say("tools", "build ok, 12 tests passed", "tool"),
        )
    ]


def in_code(times: int) -> list[Said]:
    """Write other code each time, and have it run; it prints nothing."""
    return [
        each
        for turn in range(times)
        for each in (
            say("coder", f"```python\nstep_{turn} = load('part-{turn}.csv')\n```"),
            say("runner", "exitcode: 0 (execution succeeded)\nCode output: ", "execution"),
        )
    ]


LATIN = "abcdefghijklmnopqrstuvwxyz"
SCRIPTS = {
    "latin": LATIN[7:] + LATIN[:7],
    "cyrillic": "".join(map(chr, range(0x430, 0x44A))),
    "armenian": "".join(map(chr, range(0x561, 0x57B))),
}
"""Alphabets with capitals, of as many letters as ours."""


def translated(messages: Iterable[Said], kept: Iterable[str] = (), script: str = "latin") -> list[Said]:
    """Tell *messages* in a made-up language: every word but *kept* ones becomes another, the same each time."""
    spared, letters = frozenset(kept), SCRIPTS[script]
    other = str.maketrans(LATIN + LATIN.upper(), letters + letters.upper())
    return [
        {**each, "content": _WORD.sub(lambda found: _foreign(found[0], spared, other), each.get("content") or "")}
        for each in messages
    ]


def _foreign(word: str, spared: frozenset[str], other: Mapping[int, int]) -> str:
    """Write *word* in other letters; capitals stay capitals."""
    return word if word.lower() in spared or not word.isascii() else word.translate(other)


def renamed(messages: Iterable[Said], name: Callable[[str], str]) -> list[Said]:
    """Call everybody by another name, also where they are spoken of."""
    listed = list(messages)
    known = sorted({each["sender"] for each in listed if each["sender"]}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")
    return [
        {
            **each,
            "sender": name(each["sender"]) if each["sender"] else each["sender"],
            "recipient": name(each["recipient"]) if each.get("recipient") else None,
            "content": pattern.sub(lambda found: name(found[0]), each.get("content") or ""),
        }
        for each in listed
    ]


def renumbered(messages: Iterable[Said]) -> list[Said]:
    """Change every number to another, the same each time: a digit in front keeps different ones different."""
    return [
        {
            **each,
            "content": re.sub(r"(?<![\w.])\d+(?![\w.]|: \()", lambda found: f"7{found[0]}", each.get("content") or ""),
        }
        for each in messages
    ]
