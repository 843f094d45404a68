"""Make untrusted text printable, keep secrets out of what is written, cut long values."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping

_VISIBLE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "␡"}
_LAST_ASCII = 0x7E
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def printable(text: object) -> str:
    """Show *text* with every control, bidirectional and invisible character made visible.

    C0 controls become control pictures, the rest ``<U+XXXX>``; newline, tab and the joiners that emoji
    and several scripts need stay. Applying it twice changes nothing more.
    """
    return _HIDDEN.sub(_picture, str(text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _VISIBLE.get(code) or f"<U+{code:04X}>"


def escaped(json_text: str) -> str:
    """Escape in *json_text* what ``printable`` would make visible: the same JSON, and nothing that moves a terminal."""
    return _HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1] if ord(match[0]) > _LAST_ASCII else match[0], json_text)


def one_line(text: object, width: int) -> str:
    """Show *text* on one line of at most *width* characters, cut with an ellipsis."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


# Where a key may begin. In JSON, a letter stands before it where the text has a line break or a control character.
_EDGE = r"(?:\b|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
_ANYWHERE = frozenset({"bearer", "private-key"})
# Each kind of secret, under a character and with a literal that it must contain. Both are looked for before the regular
# expression is tried: one character is found twenty times as fast as a literal, and most texts lack most of these.
_PATTERNS: tuple[tuple[str, tuple[tuple[str, str, re.Pattern[str]], ...]], ...] = tuple(
    (
        character,
        tuple(
            (kind, literal, re.compile(pattern if kind in _ANYWHERE else _EDGE + pattern))
            for kind, literal, pattern in kinds
        ),
    )
    for character, kinds in {
        "-": (
            ("openai", "sk-", r"sk-[A-Za-z0-9_\-]{16,}"),
            ("agentwall", "aw-", r"aw-[A-Za-z0-9_\-]{16,}"),
            ("slack", "xox", r"xox[abeoprs]-[A-Za-z0-9\-]{10,}"),
            (
                "private-key",
                "PRIVATE KEY-----",
                r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]*?-----END [A-Z ]*PRIVATE KEY-----",
            ),
        ),
        "_": (
            ("github", "gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),
            ("github", "github_pat_", r"github_pat_[A-Za-z0-9_]{30,}"),
            ("huggingface", "hf_", r"hf_[A-Za-z0-9]{30,}"),
        ),
        "K": (("aws", "AKIA", r"AKIA[0-9A-Z]{16}\b"),),
        "z": (("google", "AIza", r"AIza[0-9A-Za-z_\-]{30,}"),),
        "J": (("jwt", "eyJ", r"eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]+"),),
        " ": (("bearer", "earer ", r"(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{16,}=*"),),
    }.items()
)

_SECRET_NAME = re.compile(r"(?i)(key|token|secret|password|passwd|credential)s?$")
_LEAST_SECRET = 8


def secret_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Pick the values of variables that are named like secrets: value to variable name, longest first.

    Values under eight characters are left out: they would redact ordinary words.
    """
    found = {
        value: name
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET and not value.startswith("/")
    }
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def mark(kind: str, secret: str) -> str:
    """Stand in for *secret*: equal secrets leave equal marks, so that equality and checks still work."""
    return f"[secret:{kind}:{hashlib.blake2b(secret.encode(errors='replace'), digest_size=2).hexdigest()}]"


def _marked(kind: str, match: re.Match[str]) -> str:
    return mark(kind, match[0])


def redactor(environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Make the function that takes secrets out of a text, plain or JSON.

    It knows the values of secret-looking variables in *environment* (default: this process's, now) and
    the shapes of common keys. Literals are looked for first, so text without secrets costs little.
    """
    known: list[tuple[str, str]] = []
    for value, name in secret_values(os.environ if environment is None else environment).items():
        replacement = mark(name.lower().replace("_", "-"), value)
        inside_json = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        known += [(form, replacement) for form in dict.fromkeys((value, *inside_json))]

    def redact(text: str) -> str:
        for value, replacement in known:
            if value in text:
                text = text.replace(value, replacement)
        for character, kinds in _PATTERNS:
            if character not in text:
                continue
            for kind, literal, pattern in kinds:
                if literal in text:
                    text = pattern.sub(functools.partial(_marked, kind), text)
        return text

    return redact
