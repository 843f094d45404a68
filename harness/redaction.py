"""Take out of what is written what a project says is secret, beside what is known to be one everywhere.

What is known everywhere is found in text, JSON or not (``harness.text``). A project's own patterns and function see
each text by itself, before it is put into JSON, so that they can neither miss what JSON escapes nor break it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from harness import config
from harness.model import Json
from harness.text import mark, named_secret, redactor

KEY = "marks.key"
_KEY_BYTES = 32


def store_key(store: Path) -> bytes:
    """Give the key of the marks in *store*, made when it is first asked for; readable by the store's owner alone.

    Where it cannot be kept, it is this process's own: its marks are equal among themselves.
    """
    path = store / KEY
    made = secrets.token_bytes(_KEY_BYTES)
    hidden = store / f".{KEY}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        if not path.exists():
            handle = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(made)
            with contextlib.suppress(FileExistsError):
                os.link(hidden, path)  # whole or not at all, and never over another's
        found = path.read_bytes()
    except OSError:
        return made
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
    return found if len(found) == _KEY_BYTES else made


class Redaction:
    """What is secret in one process: the rules known everywhere, *patterns*, and what *also* takes out.

    *also* is given each text and gives it back without its secrets. If it raises, or gives anything but a text, the
    whole text is withheld.
    """

    def __init__(
        self,
        *,
        key: bytes = b"",
        patterns: Iterable[str] = (),
        also: Callable[[str], str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """*key* is that of the marks; the secrets in *environment* are known (default: this process's, now)."""
        self.key = key
        self.json = redactor(environment, key=key)
        """Redact JSON, which stays JSON, by the rules known everywhere."""
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)
        self._also = also
        self.own = bool(self._patterns or also)
        """Whether the project has rules of its own, so that ``value`` has something to do."""

    def text(self, text: str) -> str:
        """Redact one text by all rules."""
        return self.json(self._mine(text))

    def value(self, value: Json) -> Json:
        """Redact every text in *value*, keys aside, by the project's own rules; *value* itself where there are none."""
        if not self.own:
            return value
        if isinstance(value, str):
            return self._mine(value)
        if isinstance(value, Mapping):
            return {name: self.value(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def _mine(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(lambda match: mark("pattern", match[0], self.key) if match[0] else "", text)
        if self._also is None or not text:
            return text
        try:
            cleaned = self._also(text)
        except Exception:  # noqa: BLE001 - whatever it raises, the text is not written
            return mark("withheld", text, self.key)
        return cleaned if isinstance(cleaned, str) else mark("withheld", text, self.key)  # type: ignore[redundant-expr]

    def command(self, arguments: Sequence[str]) -> str:
        """Write the command line *arguments* with the values of options named like secrets taken out."""
        return self.text(" ".join(self._named(arguments)))

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """Redact the words of a command line as ``command`` does, each by itself."""
        return [self.text(word) for word in self._named(arguments)]

    def _named(self, arguments: Sequence[str]) -> list[str]:
        words: list[str] = []
        secret = False
        for word in arguments:
            name, equals, value = word.partition("=")
            if secret and not word.startswith("-"):
                words.append(mark("argument", word, self.key))
            elif equals and named_secret(name.lstrip("-")) and value:
                words.append(f"{name}={mark('argument', value, self.key)}")
            else:
                words.append(word)
            secret = word.startswith("-") and not equals and named_secret(word.lstrip("-"))
        return words


def project() -> Callable[[str], str]:
    """Make what takes out of one text all that is secret in the project one stands in, and in this environment."""
    return Redaction(patterns=config.load().redact).text
