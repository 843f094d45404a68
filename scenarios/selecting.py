"""Choose scenarios by what they are called and tagged: ``ci and not slow``, ``tag:demo or name:shop[*``.

A word is met by a tag that equals it or a name that contains it; ``tag:`` and ``name:`` ask for one of them. ``*`` and
``?`` stand for any letters and any one, and then the whole tag or name must be so. ``not`` binds before ``and``, and
``and`` before ``or``; there are parentheses. Upper and lower case are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.text import one_line

if TYPE_CHECKING:
    from .scenario import Scenario

Choice = Callable[["Scenario"], bool]
_TOKEN = re.compile(r"\s*(?:(?P<mark>[()])|(?P<quoted>(?:tag:|name:)?\"[^\"]*\")|(?P<word>[^\s()\"]+))")
_HINT = "Write words with 'and', 'or', 'not' and parentheses, such as: ci and not slow."
_DEEPEST = 50


def parse(text: str) -> Choice:
    """Read an expression into the function that says whether a scenario is meant. Raises UsageError if it is none."""
    tokens = list(_tokens(text))
    if not tokens:
        raise UsageError("--select has nothing in it", hint=_HINT)
    reader = _Reader(text, tokens)
    choice = reader.either(0)
    if reader.left:
        reader.wrong(f"{reader.left[0]!r} was not expected")
    return choice


def _tokens(text: str) -> Iterator[str]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise UsageError(f"--select {one_line(text, 60)!r}: a quotation mark is not closed", hint=_HINT)
        position = found.end()
        yield found[0].strip()


class _Reader:
    """Reads the tokens of one expression from the left."""

    def __init__(self, text: str, tokens: Sequence[str]) -> None:
        self.left = list(tokens)
        self._text = text

    def either(self, depth: int) -> Choice:
        choices = [self._both(depth)]
        while self._next("or"):
            choices.append(self._both(depth))
        return choices[0] if len(choices) == 1 else lambda what: any(choice(what) for choice in choices)

    def _both(self, depth: int) -> Choice:
        choices = [self._one(depth)]
        while self._next("and"):
            choices.append(self._one(depth))
        return choices[0] if len(choices) == 1 else lambda what: all(choice(what) for choice in choices)

    def _one(self, depth: int) -> Choice:
        if depth > _DEEPEST:
            self.wrong("it is too deep")
        if self._next("not"):
            inner = self._one(depth + 1)
            return lambda what: not inner(what)
        if self._next("("):
            inner = self.either(depth + 1)
            if not self._next(")"):
                self.wrong("a parenthesis is not closed")
            return inner
        if not self.left or self.left[0] in {")", "and", "or"}:
            self.wrong(f"a word is missing before {self.left[0]!r}" if self.left else "a word is missing at the end")
        return _word(self.left.pop(0))

    def _next(self, token: str) -> bool:
        if self.left and self.left[0] == token:
            del self.left[0]
            return True
        return False

    def wrong(self, what: str) -> None:
        raise UsageError(f"--select {one_line(self._text, 60)!r}: {what}", hint=_HINT)


def _word(token: str) -> Choice:
    field, colon, rest = token.partition(":")
    if not colon or field not in {"tag", "name"}:
        field, rest = "", token
    wanted = rest.strip('"').lower()
    whole = "*" in wanted or "?" in wanted
    pattern = re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in wanted), re.DOTALL)

    def is_it(text: str, *, part: bool) -> bool:
        return wanted in text.lower() if part and not whole else pattern.fullmatch(text.lower()) is not None

    def choice(what: Scenario) -> bool:
        tagged = field != "name" and any(is_it(tag, part=False) for tag in what.tags)
        return tagged or (field != "tag" and is_it(what.name, part=True))

    return choice
