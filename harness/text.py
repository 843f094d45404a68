"""Make untrusted text printable, keep secrets out of what is written, cut long values."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

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
_EDGE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
_ANYWHERE = frozenset({"bearer", "basic", "private-key", "url-password", "url-secret"})
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
        "B": (("basic", "Basic ", r"(?<=Basic )(?=[A-Za-z+/][a-z+/]*[A-Z0-9=])[A-Za-z0-9+/]{8,}={0,2}"),),
        "@": (("url-password", "://", r"(?<=://)[^\s/:@\"'\\]*:[^\s/@\"'\\]+(?=@)"),),
        "=": (
            ("url-secret", "key=", r"(?<=[?&;]key=)[^\s&#\"'\\]{6,}|(?<=[?&;]api[-_]key=)[^\s&#\"'\\]{6,}"),
            ("url-secret", "token=", r"(?:(?<=[?&;]token=)|(?<=[-_]token=))[^\s&#\"'\\]{6,}"),
            ("url-secret", "sig", r"(?:(?<=[?&;]sig=)|(?<=[?&;-]signature=))[^\s&#\"'\\]{6,}"),
        ),
    }.items()
)

# Most texts have these characters, and nothing of what may stand around them: to look there is cheaper than to look for
# each of the literals.
_AROUND: dict[str, Callable[[str], object]] = {
    "-": re.compile(r"-(?:(?<=sk-)|(?<=aw-)|(?<=xox.-)|(?<=PRIVATE KEY-))").search,
    "_": re.compile(r"_(?:(?<=gh[pousr]_)|(?<=github_pat_)|(?<=hf_))").search,
    " ": lambda text: "earer " in text,
}
_ALL = tuple((_AROUND.get(character, re.compile(character).search), kinds) for character, kinds in _PATTERNS)
_USUAL = tuple((_AROUND[character], kinds) for character, kinds in _PATTERNS if character in _AROUND)

# What a field is called whose value is a secret whatever it looks like, in JSON, in JSON within JSON, and as Python
# writes it. A key-value pair has quotes within quotes, unless it is among the arguments or results of a tool. Where one
# may be, it is looked for only if one of the hints occurs.
_FIELD = (
    r"(?P<name>(?i:[\w-]*(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key"
    r"|(?:access|auth|refresh|id|bearer|session)[_-]?token|authorization|set-cookie|cookie)))"
)
_FIELD_HINTS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "authorization",
    "cookie",
    # Every record of a model call counts tokens: only where such a name ends here, a field may.
    *(f"{name}{end}" for name in ("key", "token") for end in "\\'\""),
)


def _field(depth: int) -> re.Pattern[str]:
    """Match such a field and its value in JSON that stands in *depth* others, where each doubles the backslashes."""
    one = 2**depth
    quote = rf'\\{{{one - 1}}}"'
    inside = rf'[^"\\]|\\{{{2 * one}}}|\\{{{2 * one - 1}}}"|\\{{{one}}}[^"\\]'
    return re.compile(rf"(?P<before>(?<!\\){quote}{_FIELD}{quote}\s*:\s*{quote})(?P<value>(?:{inside})+)(?={quote})")


_RECORD = '{"k":'
"""How a span's record begins: what it holds in JSON of its own is no field of anybody's, so only JSON within counts."""
_FIELDS = (
    *map(_field, range(4)),
    re.compile(rf"(?P<before>'{_FIELD}'\s*:\s*')(?P<value>[^'\"\\]+)(?=')"),
)

_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:api)?keys?(?:_|$)|apikey|token(?!iz)|secret|passw(?:or)?d|passphrase|credential|(?:^|_)pass$"
)
_NO_SECRET = re.compile(r"(?i)^(?:max|min|num)_|_(?:file|path|dir|name|type|url|ttl|timeout|limit|count)$")
_LEAST_SECRET = 8


def secret_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Pick the values of variables that are named like secrets: value to variable name, longest first.

    Values under eight characters are left out: they would redact ordinary words. So are paths.
    """
    found = {
        value: name
        for name, value in environment.items()
        if len(value) >= _LEAST_SECRET and named_secret(name) and not value.startswith("/")
    }
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


@functools.lru_cache(maxsize=4096)
def named_secret(name: str) -> bool:
    """Say whether what is called *name* is a secret: a key, token, password, but not the file that holds one."""
    words = name.replace("-", "_")
    return _SECRET_NAME.search(words) is not None and _NO_SECRET.search(words) is None


def mark(kind: str, secret: str, key: bytes = b"") -> str:
    """Stand in for *secret*: equal secrets leave equal marks, so that equality and checks still work.

    With a *key* that stays in the store, nobody outside can try guesses against the mark; there are only 16 bits of it,
    so whoever has the key learns little more.
    """
    return f"[secret:{kind}:{hashlib.blake2b(secret.encode(errors='replace'), digest_size=2, key=key).hexdigest()}]"


def redactor(environment: Mapping[str, str] | None = None, *, key: bytes = b"") -> Callable[[str], str]:
    """Make the function that takes secrets out of a text, plain or JSON, which stays JSON.

    It knows the values of secret-looking variables in *environment* (default: this process's, now), the shapes of
    common keys, and the fields that hold secrets by their name. Literals are looked for first, so text without secrets
    costs little. *key* is that of the marks.
    """
    known: list[tuple[str, str]] = []
    spelled: list[tuple[str, str]] = []
    for value, name in secret_values(os.environ if environment is None else environment).items():
        replacement = mark(name.lower().replace("_", "-"), value, key)
        known += [(form, replacement) for form in _written(value)]
        spelled.append((value, replacement))

    def redact(text: str) -> str:
        for value, replacement in known:
            if value in text:
                text = text.replace(value, replacement)
        escapes = "\\" in text
        if escapes and "\\u00" in text:
            for value, replacement in spelled:
                text = _spelled(value).sub(replacement, text)
        rare = "K" in text or "z" in text or "J" in text or "B" in text or "@" in text or "=" in text
        for may_be, kinds in _ALL if rare else _USUAL:
            if may_be(text):
                text = _by_shape(text, kinds, key)
        if escapes or "'" in text or (text[:5] != _RECORD and '"tool_call' in text):
            text = _by_field(text, key)
        return text

    return redact


def _by_shape(text: str, kinds: Iterable[tuple[str, str, re.Pattern[str]]], key: bytes) -> str:
    for kind, literal, pattern in kinds:
        if literal in text:
            text = pattern.sub(lambda match, kind=kind: _marked(kind, match[0], key), text)  # type: ignore[misc]
    return text


_MARK = re.compile(r"\[secret:[\w-]+:[0-9a-f]{4,}\]")


def _marked(kind: str, found: str, key: bytes) -> str:
    """Stand in for what was *found*, unless that is done: what is redacted stays as it is when it is redacted again."""
    return found if _MARK.fullmatch(found) else mark(kind, found, key)


def _by_field(text: str, key: bytes) -> str:
    lower = text.lower()
    if not any(hint in lower for hint in _FIELD_HINTS):
        return text

    def marked(match: re.Match[str]) -> str:
        value = match["value"]
        if value.startswith("[secret:") and value.endswith("]"):
            return match[0]
        return match["before"] + mark(match["name"].lower(), value, key)

    for pattern in _FIELDS:
        text = pattern.sub(marked, text)
    return text


_DEEPEST = 3


def _written(value: str) -> Iterator[str]:
    """Give the ways *value* is written: as it is, as JSON, and as JSON within JSON, with and without escapes."""
    forms = seen = dict.fromkeys((value,))
    for _ in range(_DEEPEST):
        forms = dict.fromkeys(
            json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)
        )
        seen = {**forms, **seen}
    return iter(sorted(seen, key=len, reverse=True))


@functools.lru_cache(maxsize=256)
def _spelled(value: str) -> re.Pattern[str]:
    r"""Match *value* where any of its characters may be written ``\u00xx``, however deep in JSON."""
    return re.compile("".join(rf"(?:{re.escape(char)}|\\+u(?i:{ord(char):04x}))" for char in value))
