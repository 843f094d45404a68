"""What answer a text gives, however it is written."""

from __future__ import annotations

import re

_BOXED = re.compile(r"(?:\\|[\x07\x08]|(?<![a-z]))b?oxed\s{0,3}\{((?:[^{}]|\{[^{}]{0,80}\}){1,80})\}")
_ANSWER = re.compile(r"(?i)\banswer(?: to [^.\n]{1,60}?)?(?: is|:)[:\s*$\"'`]{0,8}([^\n]{1,80})")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_DRESS = re.compile(r"\\(?:text|mathrm|[,!;%$()\[\]])|[{}$\\,*`'\" ]")
_FRACTION = re.compile(r"\\?[dt]?frac\{([^{}]{1,40})\}\{([^{}]{1,40})\}")
_LONGEST_ANSWER = 24
_LONGEST_TAIL = 4_000


def answer(text: str) -> str | None:
    r"""Read the answer that *text* gives, reduced to what it comes to; None if it does not say that it gives one.

    ``\boxed{…}`` is one, even with its beginning eaten by an escape, and so is what follows "the answer is".
    """
    tail = text[-_LONGEST_TAIL:]
    if "oxed" in tail and (boxed := _BOXED.findall(tail)):
        return _plain(boxed[-1])
    if "nswer" in tail and (said := _ANSWER.findall(tail)):
        value = _plain(re.split(r"[.;](?:\s|$)", said[-1])[0])
        return value if len(value) <= _LONGEST_ANSWER else None  # a sentence is said in other words the next time
    return None


def _plain(value: str) -> str:
    bare = _DRESS.sub("", _FRACTION.sub(r"\1/\2", value)).lower().rstrip(".:")
    number = _NUMBER.search(bare)
    # Of two numbers neither is the answer alone.
    return f"{float(number[0]):g}" if number and len(_NUMBER.findall(bare)) == 1 else bare
